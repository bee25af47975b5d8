// Send commands into Kafka, and when their requests reached the simulator.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/kafka/producer.h"
#include "target.h"

namespace parley::bench {

inline constexpr int kSenderNumbers = 50;  // What the simulator has.

// "+15550001000" and on.
std::string SenderNumber(int n);

struct CommandOptions {
  int count = 0;
  int first_number = 0;  // Of kSenderNumbers; the others before it send nothing.
  bool bulk = false;
  std::string body_prefix = "bench ";  // Bodies are this and the message's id.
};

class CommandProducer {
 public:
  static absl::StatusOr<CommandProducer> Create(const std::string& brokers);
  // Queues commands as fast as it can; Kafka acknowledges them behind it.
  absl::Status Produce(const Target& target, const CommandOptions& options);

 private:
  explicit CommandProducer(std::unique_ptr<kafka::Producer> producer)
      : producer_(std::move(producer)) {}
  std::unique_ptr<kafka::Producer> producer_;
};

// What the simulator's ledger ends with now: the next entries come after it.
absl::StatusOr<std::int64_t> LedgerEnd(const Target& target);

// Arrival times in µs, by body, of what came after entry `after`; only bodies with `prefix`.
absl::StatusOr<std::unordered_map<std::string, std::int64_t>> ArrivalsAfter(
    const Target& target, std::int64_t after, const std::string& prefix);

}  // namespace parley::bench
