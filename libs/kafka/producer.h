// An idempotent producer: acks=all, order kept for each key, one callback for each record.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/kafka/record.h"

namespace parley::kafka {

struct ProducerOptions {
  std::string brokers;
  std::string client_id;
  std::chrono::milliseconds linger{0};  // 0–1 where someone waits; more packs batches better.
  int queued_records_max = 200'000;     // Beyond it Produce answers kResourceExhausted.
  int queued_kib_max = 128 << 10;
};

// Told once for each record, on the producer's own thread: keep it short and never block.
// kOk: every in-sync replica has it. Anything else: Kafka may have it all the same.
using Delivered = std::function<void(absl::Status)>;

// Thread-safe. Survives a fatal client error by building a new client; records that were in flight
// then are reported as kUnavailable. Brokers need not be reachable at construction. The
// destructor waits up to 5 s for what is in flight and reports the rest as kUnavailable.
class Producer {
 public:
  static absl::StatusOr<std::unique_ptr<Producer>> Create(const ProducerOptions& options);
  ~Producer();
  Producer(const Producer&) = delete;
  Producer& operator=(const Producer&) = delete;

  // Queues a copy of `record`. On an error `delivered` is not called.
  absl::Status Produce(const OutRecord& record, Delivered delivered);

  // Produces all and waits until each is acknowledged. kDeadlineExceeded after `deadline`: some
  // may arrive later all the same. Otherwise the first error.
  absl::Status ProduceAndWait(std::span<const OutRecord> records,
                              std::chrono::milliseconds deadline);

  // Waits until nothing is in flight. kDeadlineExceeded otherwise.
  absl::Status Flush(std::chrono::milliseconds deadline);

  // OK if a broker answers within `wait`: for readiness.
  absl::Status Ping(std::chrono::milliseconds wait) const;

  // Records that were taken but not yet reported.
  int InFlight() const;

 private:
  struct State;
  explicit Producer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace parley::kafka
