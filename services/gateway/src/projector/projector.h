// The role `projector`: what comes out of Kafka becomes rows (DESIGN §2–5).
//
// Each topic has a loop, and so a consumer group, of its own, so that a slow or stuck one holds up
// no other; parley.inbound has several. Order between topics is not needed: messages are ordered by
// key within parley.inbound, a reply is judged under its conversation's lock, and statuses are
// ranked or versioned.
//
// A batch of up to 500 records is one transaction. What can never be stored is moved to the
// dead-letter topic before that, with the reason; what fails with the database away is tried again.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "libs/base/clock.h"
#include "libs/kafka/consumer.h"
#include "libs/kafka/producer.h"
#include "libs/postgres/pool.h"
#include "parley/events/v1/inbound.pb.h"
#include "store/calls.h"
#include "store/claims.h"
#include "store/inbox.h"

namespace parley::gateway::projector {

struct ProjectorOptions {
  std::string brokers;
  std::string client_id = "gateway-projector";
  std::string group = "gateway-projector";  // Each topic's group is this, a dot and its name.
  std::size_t batch_max = 500;
  // Threads, each a consumer of its own, that share the partitions of parley.inbound.
  int inbound_threads = 1;
  // After this a killed replica's partitions go to another; 6 s is the least that brokers allow.
  std::chrono::milliseconds session_timeout{6'000};
  // An inbound message older than this gets no AI answer (PARLEY_REPLY_AGE_MAX).
  std::chrono::seconds reply_age_max{15 * 60};
  store::ChannelDefaults channel_defaults;  // For numbers that nobody claimed.
  store::AppendPolicy append;               // `now` is set for each batch.
};

class Projector {
 public:
  // `pool` is gateway_worker's, with a connection for each loop. All references outlive this.
  Projector(ProjectorOptions options, postgres::Pool& pool, kafka::Producer& dead_letters,
            const Clock& clock);
  ~Projector();
  Projector(const Projector&) = delete;
  Projector& operator=(const Projector&) = delete;

  // Starts the loops. Kafka and the database need not be up.
  absl::Status Start();
  // Finishes the batches at hand, commits their offsets and leaves the groups.
  void Stop();

  // One batch of each topic: what the loops run; public for tests.
  absl::Status HandleInbound(const std::vector<kafka::Record>& batch);
  absl::Status HandleReplies(const std::vector<kafka::Record>& batch);
  absl::Status HandleSendResults(const std::vector<kafka::Record>& batch);
  absl::Status HandleDeliveryStatus(const std::vector<kafka::Record>& batch);
  absl::Status HandleConsent(const std::vector<kafka::Record>& batch);

 private:
  using Handler = absl::Status (Projector::*)(const std::vector<kafka::Record>&);
  void Run(const char* topic, Handler handler, kafka::Consumer& consumer, std::stop_token stop);
  using Bad = std::vector<std::pair<const kafka::Record*, absl::Status>>;
  using ParsedInbound = std::vector<std::pair<const kafka::Record*, events::v1::InboundRecord>>;
  struct Inbound;
  void Sort(const ParsedInbound& records,
            const std::map<store::AccountNumber, store::Claim>& claims,
            const store::AppendPolicy& policy, Inbound& inbound) const;
  void LogInbound(const Inbound& inbound, const std::vector<store::AppendResult>& results,
                  const store::CallResults& calls) const;
  store::AppendPolicy Policy() const;

  const ProjectorOptions options_;
  postgres::Pool& pool_;
  kafka::Producer& dead_letters_;
  const Clock& clock_;
  std::vector<std::unique_ptr<kafka::Consumer>> consumers_;
  std::vector<std::jthread> threads_;
};

}  // namespace parley::gateway::projector
