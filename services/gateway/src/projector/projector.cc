#include "projector/projector.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/telemetry/log.h"
#include "libs/telemetry/metrics.h"
#include "projector/records.h"
#include "relay/consents.h"
#include "store/statuses.h"

namespace parley::gateway::projector {
namespace {

// A fraction of what a live update may take; at some thousands a second it saves most transactions.
constexpr std::chrono::milliseconds kGather{4};

using kafka::Record;

prometheus::Counter& Outcomes(const std::string& outcome) {
  return telemetry::Counter("parley_gateway_projected_messages_total",
                            "Messages out of Kafka by what became of them; many duplicates mean "
                            "that something upstream repeats itself.",
                            {{"outcome", outcome}});
}

using Bad = std::vector<std::pair<const Record*, absl::Status>>;

// Splits a batch into what can be stored and what never can.
template <class Event, class Parser>
std::vector<std::pair<const Record*, Event>> ParseAll(const std::vector<Record>& batch,
                                                      Parser parse, Bad& bad) {
  std::vector<std::pair<const Record*, Event>> good;
  good.reserve(batch.size());
  for (const Record& record : batch) {
    absl::StatusOr<Event> event = parse(record.value);
    if (event.ok()) {
      good.emplace_back(&record, *std::move(event));
    } else {
      bad.emplace_back(&record, event.status());
    }
  }
  return good;
}

// Another replica stored the same message under another conversation in the same moment: try again.
absl::Status Repeatable(absl::Status status) {
  if (absl::IsAlreadyExists(status)) {
    return ErrorStatus(absl::StatusCode::kAborted, ErrorReason(status), FromAbsl(status.message()));
  }
  return status;
}

void LogChanges(const std::vector<store::StatusChange>& changes) {
  for (const store::StatusChange& change : changes) {
    telemetry::Info("status_changed", {{"organization_id", change.organization_id},
                                       {"message_id", change.message_id},
                                       {"message_sid", change.message_sid},
                                       {"status", StatusName(change.status)},
                                       {"error_code", change.error_code}});
    telemetry::Counter("parley_gateway_status_changes_total",
                       "Delivery states that were stored; many failed ones need a look at their "
                       "error codes in the log.",
                       {{"status", std::string(StatusName(change.status))}})
        .Increment();
  }
}

void LogStored(const store::NewMessage& message, const store::AppendResult& result) {
  if (!result.refused.empty()) {
    Outcomes("refused").Increment();
    telemetry::Info("reply_refused", {{"organization_id", message.organization_id},
                                      {"conversation_id", message.conversation_id},
                                      {"turn_id", message.turn_id},
                                      {"reason", result.refused}});
    return;
  }
  if (result.duplicate) {
    Outcomes("duplicate").Increment();
    telemetry::Info("duplicate", {{"organization_id", message.organization_id},
                                  {"message_id", result.message_id}});
    return;
  }
  Outcomes("stored").Increment();
  telemetry::Info("stored", {{"organization_id", message.organization_id},
                             {"conversation_id", result.conversation_id},
                             {"message_id", result.message_id},
                             {"seq", result.seq},
                             {"direction", DirectionName(message.direction)},
                             {"author", AuthorName(message.author)},
                             {"customer", MaskNumber(message.customer_number)},
                             {"turn_emitted", result.turn_emitted}});
}

}  // namespace

Projector::Projector(ProjectorOptions options, postgres::Pool& pool, kafka::Producer& dead_letters,
                     const Clock& clock)
    : options_(std::move(options)), pool_(pool), dead_letters_(dead_letters), clock_(clock) {}

Projector::~Projector() { Stop(); }

absl::Status Projector::Start() {
  std::vector<std::pair<const char*, Handler>> loops(
      static_cast<std::size_t>(options_.inbound_threads),
      {kafka::kInboundTopic, &Projector::HandleInbound});
  loops.insert(loops.end(), {
                                {kafka::kRepliesTopic, &Projector::HandleReplies},
                                {kafka::kSendResultsTopic, &Projector::HandleSendResults},
                                {kafka::kDeliveryStatusTopic, &Projector::HandleDeliveryStatus},
                                {kafka::kConsentTopic, &Projector::HandleConsent},
                            });
  for (const auto& [topic, handler] : loops) {
    kafka::ConsumerOptions consumer;
    consumer.brokers = options_.brokers;
    consumer.group = options_.group + "." + topic;
    consumer.client_id = options_.client_id;
    consumer.topics = {topic};
    consumer.session_timeout = options_.session_timeout;
    PARLEY_ASSIGN_OR_RETURN(std::unique_ptr<kafka::Consumer> made,
                            kafka::Consumer::Create(consumer));
    consumers_.push_back(std::move(made));
    threads_.emplace_back([this, name = topic, handle = handler,
                           reader = consumers_.back().get()](std::stop_token stop) {
      Run(name, handle, *reader, std::move(stop));
    });
  }
  return absl::OkStatus();
}

void Projector::Stop() {
  for (std::jthread& thread : threads_) thread.request_stop();
  for (std::jthread& thread : threads_) thread.join();
  threads_.clear();
  consumers_.clear();
}

void Projector::Run(const char* topic, Handler handler, kafka::Consumer& consumer,
                    std::stop_token stop) {
  prometheus::Gauge& lag = telemetry::Gauge(
      "parley_gateway_projector_lag_records",
      "Records that wait to be stored; if it grows, add replicas with the role projector.",
      {{"topic", topic}});
  prometheus::Histogram& seconds = telemetry::LatencyHistogram(
      "parley_gateway_projector_batch_seconds",
      "One batch from Kafka into PostgreSQL; slow ones point to the database's disk.",
      {{"topic", topic}});
  kafka::LoopOptions loop;
  loop.batch_max = options_.batch_max;
  loop.gather = kGather;
  double own_lag = 0;  // The gauge is the sum over this topic's loops.
  kafka::RunConsumer(
      consumer, dead_letters_, loop,
      [&](const std::vector<Record>& batch) {
        const double now = std::max(0.0, static_cast<double>(consumer.Lag()));
        lag.Increment(now - own_lag);
        own_lag = now;
        const auto start = clock_.Steady();
        const absl::Status status = (this->*handler)(batch);
        seconds.Observe(std::chrono::duration<double>(clock_.Steady() - start).count());
        return status;
      },
      std::move(stop));
  lag.Increment(-own_lag);
}

store::AppendPolicy Projector::Policy() const {
  store::AppendPolicy policy = options_.append;
  policy.now = clock_.Now();
  return policy;
}

// What a batch of inbound records says, once their organizations are known.
struct Projector::Inbound {
  std::vector<store::NewMessage> messages;
  std::vector<store::Consent> consents;
  std::vector<store::CallReport> calls;
  Bad unknown;  // Of accounts that nobody has connected.
};

void Projector::Sort(const ParsedInbound& records,
                     const std::map<store::AccountNumber, store::Claim>& claims,
                     const store::AppendPolicy& policy, Inbound& inbound) const {
  for (const auto& [record, event] : records) {
    if (event.has_recording()) {
      inbound.calls.push_back(ToCallReport(event, policy.now));
      continue;
    }
    const auto claim = claims.find({event.account_sid(), event.business_number()});
    if (claim == claims.end()) {
      inbound.unknown.emplace_back(
          record, NotFound("UNKNOWN_ACCOUNT", "No organization has connected this account."));
      continue;
    }
    store::NewMessage message = ToNewMessage(event, policy.now, options_.reply_age_max);
    message.organization_id = claim->second.organization_id;
    message.channel_id = claim->second.channel_id;
    message.traceparent = record->Header(kafka::kTraceHeader);
    if (std::optional<store::Consent> consent = ToConsent(event, policy.now)) {
      consent->organization_id = message.organization_id;
      inbound.consents.push_back(*std::move(consent));
    }
    if (event.has_call()) inbound.calls.push_back(ToCallReport(event, policy.now));
    std::optional<store::NewMessage> reply;
    if (!event.auto_reply().empty()) reply = ToAutoReply(event, message);
    inbound.messages.push_back(std::move(message));
    if (reply) inbound.messages.push_back(*std::move(reply));
  }
}

absl::Status Projector::HandleInbound(const std::vector<Record>& batch) {
  Bad bad;
  const ParsedInbound records = ParseAll<events::v1::InboundRecord>(batch, ParseInbound, bad);
  std::set<store::AccountNumber> numbers, pointed_here;
  for (const auto& [record, event] : records) {
    if (event.has_recording()) continue;
    const store::AccountNumber number{event.account_sid(), event.business_number()};
    numbers.insert(number);
    if (event.origin() != events::v1::ORIGIN_RECOVERED) pointed_here.insert(number);
  }
  const store::AppendPolicy policy = Policy();
  Inbound inbound;
  std::vector<store::AppendResult> results;
  store::CallResults calls;
  const absl::Status stored = pool_.Transact([&](pqxx::work& tx) -> absl::Status {
    inbound = {};
    results.clear();
    if (records.empty()) return absl::OkStatus();
    PARLEY_ASSIGN_OR_RETURN(const auto claims, store::FindOrMakeClaims(tx, numbers, pointed_here,
                                                                       options_.channel_defaults));
    Sort(records, claims, policy, inbound);
    PARLEY_ASSIGN_OR_RETURN(results, store::Append(tx, inbound.messages, policy, inbound.consents));
    PARLEY_ASSIGN_OR_RETURN(calls, store::ApplyCallReports(tx, inbound.calls));
    return absl::OkStatus();
  });
  PARLEY_RETURN_IF_ERROR(Repeatable(stored));
  LogInbound(inbound, results, calls);
  bad.insert(bad.end(), inbound.unknown.begin(), inbound.unknown.end());
  return kafka::BuryAll(dead_letters_, bad);
}

void Projector::LogInbound(const Inbound& inbound, const std::vector<store::AppendResult>& results,
                           const store::CallResults& calls) const {
  static prometheus::Histogram& latency = telemetry::LatencyHistogram(
      "parley_gateway_inbound_seconds",
      "From the webhook's arrival until the message is stored; if it grows, look at the lag.");
  static prometheus::Counter& early = telemetry::Counter(
      "parley_gateway_early_recordings_total",
      "Recordings that were reported before their call was stored; they wait for it.");
  const Time done = clock_.Now();
  for (std::size_t i = 0; i < results.size(); ++i) {
    const store::NewMessage& message = inbound.messages[i];
    LogStored(message, results[i]);
    if (message.direction == v1::Message::DIRECTION_INBOUND && !results[i].duplicate) {
      latency.Observe(std::chrono::duration<double>(done - message.received_at).count());
    }
  }
  early.Increment(calls.early);
  if (calls.changed > 0) telemetry::Info("calls_changed", {{"calls", calls.changed}});
}

absl::Status Projector::HandleReplies(const std::vector<Record>& batch) {
  Bad bad;
  const auto records = ParseAll<events::v1::ReplyRecord>(batch, ParseReply, bad);
  const store::AppendPolicy policy = Policy();
  std::vector<store::NewMessage> messages;
  for (const auto& [record, event] : records) {
    messages.push_back(ToNewMessage(event, policy.now));
    messages.back().traceparent = record->Header(kafka::kTraceHeader);
  }
  std::vector<store::AppendResult> results;
  const absl::Status stored = pool_.Transact([&](pqxx::work& tx) -> absl::Status {
    PARLEY_ASSIGN_OR_RETURN(results, store::Append(tx, messages, policy));
    return absl::OkStatus();
  });
  PARLEY_RETURN_IF_ERROR(Repeatable(stored));
  for (std::size_t i = 0; i < results.size(); ++i) LogStored(messages[i], results[i]);
  return kafka::BuryAll(dead_letters_, bad);
}

absl::Status Projector::HandleSendResults(const std::vector<Record>& batch) {
  Bad bad;
  const auto records = ParseAll<events::v1::SendResult>(batch, ParseSendResult, bad);
  std::vector<const events::v1::AcceptedBatch::Item*> accepted;
  std::vector<events::v1::SendOutcome> outcomes;
  std::int64_t consents_since_us = 0;  // A sender needs all suppressions.
  for (const auto& [record, event] : records) {
    for (const auto& item : event.accepted().items()) accepted.push_back(&item);
    consents_since_us = std::max(consents_since_us, event.consent_request().at_us());
    if (event.has_outcome()) outcomes.push_back(event.outcome());
  }
  std::vector<store::StatusChange> changes;
  PARLEY_RETURN_IF_ERROR(pool_.Transact([&](pqxx::work& tx) -> absl::Status {
    PARLEY_ASSIGN_OR_RETURN(changes, store::ApplySendResults(tx, accepted, outcomes, clock_.Now()));
    if (consents_since_us > 0) {
      relay::RequestConsents(tx, FromMicros(consents_since_us), clock_.Now());
    }
    return absl::OkStatus();
  }));
  LogChanges(changes);
  return kafka::BuryAll(dead_letters_, bad);
}

absl::Status Projector::HandleDeliveryStatus(const std::vector<Record>& batch) {
  Bad bad;
  const auto records = ParseAll<events::v1::DeliveryStatusRecord>(batch, ParseDeliveryStatus, bad);
  std::vector<events::v1::DeliveryStatusRecord> reports;
  for (const auto& [record, event] : records) reports.push_back(event);
  store::ReportResults results;
  PARLEY_RETURN_IF_ERROR(pool_.Transact([&](pqxx::work& tx) -> absl::Status {
    PARLEY_ASSIGN_OR_RETURN(results, store::ApplyReports(tx, reports, clock_.Now()));
    return absl::OkStatus();
  }));
  LogChanges(results.changes);
  static prometheus::Counter& early = telemetry::Counter(
      "parley_gateway_early_reports_total",
      "Delivery reports that came before their message's SID was known; they wait for it.");
  static prometheus::Counter& foreign =
      telemetry::Counter("parley_gateway_foreign_reports_total",
                         "Delivery reports of accounts that nobody has connected; ignored.");
  early.Increment(results.early);
  foreign.Increment(results.foreign);
  return kafka::BuryAll(dead_letters_, bad);
}

absl::Status Projector::HandleConsent(const std::vector<Record>& batch) {
  Bad bad;
  const auto records = ParseAll<events::v1::ConsentRecord>(batch, ParseConsent, bad);
  std::set<store::AccountNumber> numbers;
  for (const auto& [record, event] : records) {
    if (event.republication_us() == 0 && event.organization_id().empty()) {
      numbers.insert({event.account_sid(), event.business_number()});
    }
  }
  int changed = 0;
  PARLEY_RETURN_IF_ERROR(pool_.Transact([&](pqxx::work& tx) -> absl::Status {
    std::vector<store::Consent> consents;
    PARLEY_ASSIGN_OR_RETURN(const auto organizations, store::FindOrganizations(tx, numbers));
    for (const auto& [record, event] : records) {
      if (event.republication_us() != 0) continue;  // Out of this very table.
      std::string organization_id = event.organization_id();
      if (organization_id.empty()) {
        const auto at = organizations.find({event.account_sid(), event.business_number()});
        if (at == organizations.end()) continue;
        organization_id = at->second;
      }
      consents.push_back({.organization_id = std::move(organization_id),
                          .customer_number = event.customer_number(),
                          .business_number = event.business_number(),
                          .messaging_service_sid = event.messaging_service_sid(),
                          .opted_out = event.keyword() == events::v1::KEYWORD_STOP,
                          .given_at = FromMicros(event.given_at_us()),
                          .source = "keyword"});
    }
    PARLEY_ASSIGN_OR_RETURN(changed, store::SetConsents(tx, consents));
    return absl::OkStatus();
  }));
  if (changed > 0) telemetry::Info("consent_changed", {{"customers", changed}});
  return kafka::BuryAll(dead_letters_, bad);
}

}  // namespace parley::gateway::projector
