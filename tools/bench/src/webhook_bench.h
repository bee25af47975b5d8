// Webhooks from their arrival to the store, measured against the goals of what they must reach.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "stats.h"
#include "target.h"

namespace parley::bench {

struct WebhookBenchOptions {
  Target target;
  std::string kafka_brokers;
  std::string database_url;
  std::string run_dir;                // Folder of the .pid files.
  std::string yardstick;              // The program parley-bench-yardstick.
  std::chrono::seconds duration{10};  // Of each row that runs by time.
  int rounds = 3;                     // In which handler and yardstick take turns.
  int connections = 64;
  int paced_per_second = 2'000;
  int live_per_second = 500;
  int inbound = 100'000;  // Records for the projector.
};

// One line of the report.
struct WebhookRow {
  std::string name;
  Summary summary;
  std::string goal;             // As a person reads it; empty: none, a yardstick.
  std::string note;             // What the goal is compared with.
  std::optional<bool> reached;  // Nothing for a yardstick.
};

// Signed webhooks and the bare handler in turn, each as fast as it answers while the gateway stands
// still; the share that the first reaches of the second; signed webhooks while the projector stores
// them; and the peak memory of webhook-ingest meanwhile.
absl::StatusOr<std::vector<WebhookRow>> BenchAcknowledged(const WebhookBenchOptions& options);

// At an even pace: each latency counts from when its webhook was due.
absl::StatusOr<std::vector<WebhookRow>> BenchPaced(const WebhookBenchOptions& options);

// While Kafka is away, which the caller sees to: webhooks answered out of the spool.
absl::StatusOr<std::vector<WebhookRow>> BenchSpool(const WebhookBenchOptions& options);

// Records put into parley.inbound at once, until the last is in the store.
absl::StatusOr<std::vector<WebhookRow>> BenchProjector(const WebhookBenchOptions& options);

// From a webhook to its message on GET /v1/live.
absl::StatusOr<std::vector<WebhookRow>> BenchLive(const WebhookBenchOptions& options);

std::string RenderWebhookTable(const std::vector<WebhookRow>& rows);

}  // namespace parley::bench
