// What is measured. Each scenario drives the running installation, shows its progress on standard
// error, and answers one row of the table.
#pragma once

#include <chrono>
#include <string>

#include "absl/status/statusor.h"
#include "stats.h"
#include "target.h"

namespace parley::bench {

struct Load {
  std::chrono::seconds duration{10};
  int connections = 64;  // For webhooks as fast as possible.
  int per_second = 50;   // For latencies.
  int sends = 20'000;    // For sends.
  std::string kafka_brokers = "127.0.0.1:19092";
};

// Signed webhooks to webhook-ingest, each connection as fast as it is answered. An operation is a
// webhook that was answered 2xx.
absl::StatusOr<Samples> MeasureWebhooks(const Target& target, const Load& load);

// The same requests to another address: a yardstick.
absl::StatusOr<Samples> MeasureFlood(const Target& target, const Load& load,
                                     const std::string& url);

// Signed webhooks to `url` at an even pace (Load::per_second), each one's latency from when it was
// due.
absl::StatusOr<Samples> MeasurePaced(const Target& target, const Load& load,
                                     const std::string& url);

// Send commands for many numbers, put into Kafka at once, until the last reached the simulator's
// ledger. Latency is from the command's production to the request's arrival. Needs senders without
// a rate (PARLEY_RATE_LONG_CODE=0).
absl::StatusOr<Samples> MeasureSends(const Target& target, const Load& load, int latency_ms);

// From sending a signed webhook to its message on GET /v1/live.
absl::StatusOr<Samples> MeasureLive(const Target& target, const Load& load);

// From sending a signed webhook to the AI's message in the simulator's ledger, delay 0. Needs
// senders without a rate.
absl::StatusOr<Samples> MeasureAnswers(const Target& target, const Load& load);

}  // namespace parley::bench
