// The loop over parley.quarantine: webhooks whose signature did not verify go into a bounded table,
// from which they can be released (api/quarantine.cc) once the public address has been corrected.
//
// Beside the projector's loops, with a consumer group of its own, "gateway-projector.<topic>".
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "libs/kafka/consumer.h"
#include "libs/kafka/producer.h"
#include "libs/postgres/pool.h"

namespace parley::gateway::projector {

struct QuarantineOptions {
  std::string brokers;
  std::string client_id = "gateway-projector";
  std::string group = "gateway-projector";  // Followed by a dot and the topic.
  std::chrono::milliseconds session_timeout{6'000};
  // Of each account; beyond it the oldest go.
  int webhooks_max = 10'000;
};

class Quarantine {
 public:
  // `pool` is gateway_worker's; one connection at a time is used. References outlive this.
  Quarantine(QuarantineOptions options, postgres::Pool& pool, kafka::Producer& dead_letters);
  ~Quarantine();
  Quarantine(const Quarantine&) = delete;
  Quarantine& operator=(const Quarantine&) = delete;

  // Starts the loop. Kafka and the database need not be up.
  absl::Status Start();
  void Stop();

  // One batch; public for tests. A webhook goes to the organization that claims its business
  // number, else to the account's first; those of accounts that nobody connects are dropped.
  absl::Status Handle(const std::vector<kafka::Record>& batch);

 private:
  const QuarantineOptions options_;
  postgres::Pool& pool_;
  kafka::Producer& dead_letters_;
  std::unique_ptr<kafka::Consumer> consumer_;
  std::jthread thread_;
};

}  // namespace parley::gateway::projector
