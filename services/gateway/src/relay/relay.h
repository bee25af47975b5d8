// The role `relay`: what was written in transactions leaves the database. Four lanes, each with a
// leader of its own among the replicas, so that none waits for another:
//
// - Kafka: rows of `outbox` in the order of their ids, several batches under way at once, deleted
//   once Kafka has them. After a crash a row may be published twice.
// - Live: rows of `live_outbox` get the organization's next number, become `live_events`, and are
//   told to all replicas through Redis. In between it sweeps what has expired, some rows at a time.
// - Directory: records that changed go to parley.directory; all of them when a leader starts and
//   daily, ended by the `complete` marker.
// - Consents: all suppressions, daily and when asked for (consents.h).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/clock.h"
#include "libs/kafka/producer.h"
#include "libs/postgres/listener.h"
#include "libs/postgres/pool.h"
#include "relay/flight.h"
#include "relay/leader.h"

namespace parley::gateway::relay {

struct RelayOptions {
  postgres::PoolOptions database;  // gateway_worker.
  int batch_max = 1000;
  std::size_t flight_max = 5000;              // Rows on their way to Kafka at once.
  std::chrono::milliseconds wait_max{2'000};  // Between looks when nobody notifies.
  std::chrono::hours live_kept{24};
  std::chrono::minutes sweep_every{10};
  std::chrono::hours republish_every{24};
};

// Redis channel of an organization's live events: kLivePrefix and its id. The message is
// "<number>\n<name>\n<LiveEvent as JSON>".
inline constexpr char kLivePrefix[] = "parley:live:";

// Tells other replicas; must not block. redis::Publisher in the product.
using PublishLive = std::function<void(std::string channel, std::string message)>;

class Relay {
 public:
  // References outlive this. `producer` has linger 0.
  Relay(RelayOptions options, kafka::Producer& producer, PublishLive publish_live,
        const Clock& clock);
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  void Start();
  // Waits for what is on its way to Kafka, up to 5 s.
  void Stop();

 private:
  using Lead = absl::Status (Relay::*)(pqxx::connection&, const std::stop_token&);
  void StartLane(const LeaderOptions& lane, Lead lead);

  absl::Status LeadKafka(pqxx::connection& connection, const std::stop_token& stop);
  // Deletes what Kafka has, and produces what is new; true if there may be more.
  absl::StatusOr<bool> PublishOutbox(pqxx::connection& connection);
  static void Delete(pqxx::work& tx, const std::vector<std::int64_t>& ids);
  absl::Status DeletePublished(pqxx::connection& connection);
  absl::Status LeadLive(pqxx::connection& connection, const std::stop_token& stop);
  absl::StatusOr<int> NumberLive(pqxx::connection& connection);
  // Deletes some of what has expired in one of the tables that are swept; how many rows.
  absl::StatusOr<int> SweepPiece(pqxx::connection& connection, std::size_t table) const;
  absl::Status LeadDirectory(pqxx::connection& connection, const std::stop_token& stop);
  absl::StatusOr<int> PublishChangedRecords(pqxx::connection& connection,
                                            const std::stop_token& stop);
  absl::Status RepublishDirectory(pqxx::connection& connection, const std::stop_token& stop);
  absl::Status LeadConsents(pqxx::connection& connection, const std::stop_token& stop);

  const RelayOptions options_;
  kafka::Producer& producer_;
  const PublishLive publish_live_;
  const Clock& clock_;
  // Shared with the producer's callbacks, which may outlive this.
  const std::shared_ptr<Flight> flight_ = std::make_shared<Flight>();
  bool outbox_waits_ = false;  // Said in the log once.
  std::vector<std::jthread> threads_;
};

}  // namespace parley::gateway::relay
