#include "dispatcher/dispatcher.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "domain/emission.h"
#include "libs/base/id.h"
#include "libs/base/shutdown.h"
#include "libs/base/status.h"
#include "libs/postgres/array.h"
#include "libs/telemetry/log.h"
#include "libs/telemetry/metrics.h"
#include "store/commands.h"
#include "store/live_json.h"
#include "store/outbox.h"
#include "store/resources.h"
#include "store/statement.h"

namespace parley::gateway::dispatcher {
namespace {

using std::chrono::milliseconds;

// Between two looks at a turn that is due while another transaction holds its conversation.
constexpr milliseconds kBusyWait{5};
constexpr milliseconds kErrorWait{500};
// Putting off is one statement, and after a bulk send there is much of it.
constexpr int kPutOffFactor = 10;

prometheus::Counter& Done(const std::string& what) {
  return telemetry::Counter("parley_gateway_dispatched_total",
                            "What the dispatcher did; many `send_again` mean that the sender is "
                            "away, many `turn_timed_out` that the ai-responder is.",
                            {{"what", what}});
}

}  // namespace

Dispatcher::Dispatcher(DispatcherOptions options, postgres::Pool& pool, const Clock& clock)
    : options_(std::move(options)),
      pool_(pool),
      clock_(clock),
      listener_(options_.database, {store::kTurnsChannel}) {}

Dispatcher::~Dispatcher() { Stop(); }

void Dispatcher::Start() {
  thread_ = std::jthread([this](const std::stop_token& stop) { Run(stop); });
}

void Dispatcher::Stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
}

store::AppendPolicy Dispatcher::Policy() const {
  store::AppendPolicy policy = options_.append;
  policy.now = clock_.Now();
  return policy;
}

void Dispatcher::Run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const absl::StatusOr<bool> more = Round();
    if (!more.ok()) {
      telemetry::Warning("dispatch_failed", more.status());
      SleepFor(stop, kErrorWait);
      continue;
    }
    if (*more) continue;
    const absl::StatusOr<milliseconds> wait = UntilNextDue();
    listener_.Wait(wait.ok() ? *wait : kErrorWait, stop);
  }
}

absl::StatusOr<bool> Dispatcher::Round() {
  PARLEY_ASSIGN_OR_RETURN(const int emitted, EmitDueTurns());
  PARLEY_ASSIGN_OR_RETURN(const int closed, CloseOverdueTurns());
  PARLEY_ASSIGN_OR_RETURN(const int planned, EmitPlanned());
  PARLEY_ASSIGN_OR_RETURN(const int put_off, PutOffAccepted());
  PARLEY_ASSIGN_OR_RETURN(const int sent, EmitSendsAgain());
  int decided = 0;
  if (clock_.Steady() >= look_at_) {
    PARLEY_ASSIGN_OR_RETURN(decided, ApplyPolicies());
    PARLEY_RETURN_IF_ERROR(CountWaiting());
    if (decided < options_.batch_max) look_at_ = clock_.Steady() + options_.look_every;
  }
  return std::max({emitted, closed, planned, put_off / kPutOffFactor, sent, decided}) >=
         options_.batch_max;
}

absl::StatusOr<int> Dispatcher::EmitDueTurns() {
  const store::AppendPolicy policy = Policy();
  std::vector<store::ConversationId> due;
  int emitted = 0;
  PARLEY_RETURN_IF_ERROR(pool_.Transact([&](pqxx::work& tx) -> absl::Status {
    due.clear();
    for (const pqxx::row& row : store::RunPrepared(
             tx, "due_turns",
             "SELECT organization_id, id FROM conversations WHERE pending_due_at <= $1 "
             "AND open_turn_id IS NULL ORDER BY pending_due_at LIMIT $2 FOR UPDATE SKIP LOCKED",
             FormatTime(policy.now), options_.batch_max)) {
      due.push_back({row[0].c_str(), row[1].c_str()});
    }
    PARLEY_ASSIGN_OR_RETURN(emitted, store::EmitDueTurns(tx, due, policy));
    return absl::OkStatus();
  }));
  if (emitted > 0) Done("turn_emitted").Increment(emitted);
  for (const store::ConversationId& one : due) {
    telemetry::Info("turn_due",
                    {{"organization_id", one.organization_id}, {"conversation_id", one.id}});
  }
  return static_cast<int>(due.size());
}

absl::StatusOr<int> Dispatcher::CloseOverdueTurns() {
  const store::AppendPolicy policy = Policy();
  std::vector<store::NewMessage> failures;
  PARLEY_RETURN_IF_ERROR(pool_.Transact([&](pqxx::work& tx) -> absl::Status {
    failures.clear();
    for (const pqxx::row& row : store::RunPrepared(
             tx, "overdue_turns",
             "SELECT organization_id, id, open_turn_id FROM conversations "
             "WHERE open_turn_id IS NOT NULL AND open_deadline <= $1 ORDER BY open_deadline "
             "LIMIT $2 FOR UPDATE SKIP LOCKED",
             FormatTime(policy.now), options_.batch_max)) {
      store::NewMessage failure;
      failure.organization_id = row[0].c_str();
      failure.conversation_id = row[1].c_str();
      failure.turn_id = row[2].c_str();
      failure.message_id = store::ReplyMessageId(failure.turn_id);
      failure.direction = v1::Message::DIRECTION_OUTBOUND;
      failure.author = v1::Message::AUTHOR_AI;
      failure.turn_failure = "The AI did not answer in time.";
      failure.received_at = policy.now;
      failures.push_back(std::move(failure));
    }
    return store::Append(tx, failures, policy).status();
  }));
  for (const store::NewMessage& failure : failures) {
    Done("turn_timed_out").Increment();
    telemetry::Warning("turn_timed_out", {{"organization_id", failure.organization_id},
                                          {"conversation_id", failure.conversation_id},
                                          {"turn_id", failure.turn_id}});
  }
  return static_cast<int>(failures.size());
}

store::DecisionPolicy Dispatcher::Deciding() const {
  return {.now = clock_.Now(),
          .send_valid = options_.append.send_valid,
          .emit_again_after = options_.append.emit_again_after};
}

absl::StatusOr<int> Dispatcher::EmitPlanned() {
  int taken = 0;
  PARLEY_RETURN_IF_ERROR(pool_.Transact([&](pqxx::work& tx) -> absl::Status {
    PARLEY_ASSIGN_OR_RETURN(taken, store::EmitPlanned(tx, options_.batch_max, Deciding()));
    return absl::OkStatus();
  }));
  if (taken > 0) Done("planned").Increment(taken);
  return taken;
}

absl::StatusOr<int> Dispatcher::ApplyPolicies() {
  int taken = 0;
  PARLEY_RETURN_IF_ERROR(pool_.Transact([&](pqxx::work& tx) -> absl::Status {
    PARLEY_ASSIGN_OR_RETURN(taken, store::ApplyPolicies(tx, options_.batch_max, Deciding()));
    return absl::OkStatus();
  }));
  if (taken > 0) Done("policy_applied").Increment(taken);
  return taken;
}

absl::Status Dispatcher::CountWaiting() {
  static prometheus::Gauge& unconfirmed =
      telemetry::Gauge("parley_gateway_unconfirmed_messages",
                       "Messages of which nobody knows whether Twilio took them, counted up to "
                       "10,000; if they stay, ask the organizations to decide (docs/delivery.md).");
  static prometheus::Gauge& oldest = telemetry::Gauge(
      "parley_gateway_unconfirmed_oldest_seconds",
      "How long the oldest of them waits; beyond the organization's `unconfirmed_after` it is a "
      "person's turn.");
  static prometheus::Gauge& unaccepted = telemetry::Gauge(
      "parley_gateway_unaccepted_sends",
      "Sends that the sender has not accepted, counted up to 10,000; if they grow, the sender, "
      "Kafka or the relay is away.");
  static prometheus::Gauge& outbox_age = telemetry::Gauge(
      "parley_gateway_outbox_oldest_seconds",
      "Age of the oldest row that Kafka has not taken; above a few seconds Kafka or the relay's "
      "leader is away.");
  static prometheus::Gauge& quarantined = telemetry::Gauge(
      "parley_gateway_quarantined_rows",
      "Webhooks that wait because their signature did not verify, counted up to 10,000: correct "
      "the "
      "public address in the settings and release them, or throw forged ones away "
      "(docs/webhooks.md); beyond PARLEY_QUARANTINE_WEBHOOKS of an account the oldest are lost.");
  return pool_.Transact([&](pqxx::work& tx) -> absl::Status {
    const pqxx::result rows = tx.exec_params(
        "SELECT (SELECT count(*) FROM (SELECT FROM messages WHERE unconfirmed_at IS NOT NULL "
        "LIMIT 10000) bounded), "
        "(SELECT coalesce(extract(epoch FROM $1::timestamptz - min(unconfirmed_at)), 0) "
        "FROM messages WHERE unconfirmed_at IS NOT NULL), "
        // What was accepted is soon put off by more than an hour, and need not be looked at.
        "(SELECT count(*) FROM (SELECT FROM messages "
        "WHERE emit_again_at < $1::timestamptz + interval '1 hour' AND NOT accepted "
        "LIMIT 10000) bounded), "
        "(SELECT coalesce(extract(epoch FROM now() - (SELECT created_at FROM outbox ORDER BY id "
        "LIMIT 1)), 0)), "
        "(SELECT count(*) FROM (SELECT FROM quarantined_webhooks LIMIT 10000) bounded)",
        FormatTime(clock_.Now()));
    unconfirmed.Set(rows[0][0].as<double>());
    oldest.Set(rows[0][1].as<double>());
    unaccepted.Set(rows[0][2].as<double>());
    outbox_age.Set(rows[0][3].as<double>());
    quarantined.Set(rows[0][4].as<double>());
    return absl::OkStatus();
  });
}

// True while Kafka does not take what is there already: to emit more would only pile it up. Also
// for a while after, until the sender has had time to accept.
absl::StatusOr<bool> Dispatcher::OutboxStuck(pqxx::work& tx) {
  const pqxx::result oldest = tx.exec(
      "SELECT coalesce(extract(epoch FROM now() - (SELECT created_at FROM outbox "
      "ORDER BY id LIMIT 1)), 0) > " +
      std::to_string(options_.outbox_stuck_after.count()));
  const auto now = clock_.Steady();
  if (oldest[0][0].as<bool>()) outbox_moves_at_ = now + options_.append.emit_again_after;
  return outbox_moves_at_ && now < *outbox_moves_at_;
}

absl::StatusOr<int> Dispatcher::PutOffAccepted() {
  static const std::string outcome_wait =
      "interval '" + std::to_string(kOutcomeWait.count()) + " hours'";
  static const std::string sql =
      "WITH due AS (SELECT organization_id, id FROM messages WHERE emit_again_at <= $1 "
      "AND accepted AND not_after + " +
      outcome_wait +
      " > $1 ORDER BY emit_again_at LIMIT $2 FOR UPDATE SKIP LOCKED) "
      "UPDATE messages m SET emit_again_at = m.not_after + " +
      outcome_wait + " FROM due d WHERE m.organization_id = d.organization_id AND m.id = d.id";
  int taken = 0;
  PARLEY_RETURN_IF_ERROR(pool_.Transact([&](pqxx::work& tx) -> absl::Status {
    taken =
        static_cast<int>(store::RunPrepared(tx, "put_off_accepted", sql, FormatTime(clock_.Now()),
                                            options_.batch_max * kPutOffFactor)
                             .affected_rows());
    return absl::OkStatus();
  }));
  return taken;
}

// What nobody knows anything of after its time.
struct Dispatcher::Lost {
  postgres::Array organizations, ids, histories, reasons, sentences;
  int count = 0;

  void Add(const std::string& organization_id, const std::string& message_id, bool accepted) {
    ++count;
    organizations.Add(organization_id);
    ids.Add(message_id);
    histories.Add(NewId());
    reasons.Add(accepted ? "NO_OUTCOME" : "NOT_ACCEPTED");
    sentences.Add(accepted
                      ? "The sender took this message and never said what became of it, and its "
                        "time has passed. Check with the customer before you send it again."
                      : "The sender never confirmed this message, and its time has passed. Check "
                        "with the customer before you send it again.");
  }
};

// Whatever the sender still has of them, it may not send them any more.
absl::Status Dispatcher::GiveUp(pqxx::work& tx, const Lost& lost, Time now) {
  if (lost.count == 0) return absl::OkStatus();
  const pqxx::result past = tx.exec_params(
      "WITH past AS (UPDATE messages m SET emit_again_at = NULL, status = 'unconfirmed', "
      "status_at = $3, unconfirmed_at = $3, error_reason = w.reason, error_message = w.sentence "
      "FROM unnest($1::uuid[], $2::uuid[], $4::uuid[], $5::text[], $6::text[]) "
      "w(org, id, history, reason, sentence) "
      "WHERE m.organization_id = w.org AND m.id = w.id "
      "RETURNING m.organization_id, m.id, w.history, w.reason, w.sentence) "
      "INSERT INTO message_status_changes (organization_id, message_id, id, status, source, at, "
      "reason, message) SELECT p.organization_id, p.id, p.history, 'unconfirmed', 'policy', $3, "
      "p.reason, p.sentence FROM past p RETURNING organization_id, message_id",
      lost.organizations.str(), lost.ids.str(), FormatTime(now), lost.histories.str(),
      lost.reasons.str(), lost.sentences.str());
  for (const pqxx::row& row : past) {
    PARLEY_RETURN_IF_ERROR(store::PublishMessage(tx, row[0].c_str(), row[1].c_str()));
  }
  return absl::OkStatus();
}

absl::StatusOr<int> Dispatcher::EmitSendsAgain() {
  const store::AppendPolicy policy = Policy();
  int taken = 0, past_count = 0;
  const absl::Status done = pool_.Transact([&](pqxx::work& tx) -> absl::Status {
    taken = past_count = 0;
    static const std::string sql =
        std::string(store::kMessageSelect)
            .insert(sizeof("SELECT ") - 1,
                    "m.organization_id, m.account_sid, m.generation, " +
                        store::MicrosOf("m.not_after") + ", (SELECT " +
                        store::MicrosOf("c.whatsapp_window_until") +
                        " FROM conversations c WHERE c.organization_id = m.organization_id "
                        "AND c.id = m.conversation_id), m.emissions, m.accepted, ") +
        " WHERE m.emit_again_at <= $1 AND (NOT m.accepted OR m.not_after + interval '" +
        std::to_string(kOutcomeWait.count()) +
        " hours' <= $1) ORDER BY m.emit_again_at, m.seq LIMIT $2 "
        "FOR UPDATE OF m SKIP LOCKED";
    const pqxx::result rows =
        store::RunPrepared(tx, "sends_again", sql, FormatTime(policy.now), options_.batch_max);
    if (rows.empty()) return absl::OkStatus();
    PARLEY_ASSIGN_OR_RETURN(const bool stuck, OutboxStuck(tx));
    if (stuck) return absl::OkStatus();
    taken = static_cast<int>(rows.size());
    store::Outbox outbox;
    postgres::Array again_organizations, again_ids, again_at;
    Lost lost;
    for (const pqxx::row& row : rows) {
      v1::Message message = store::ReadMessage(row, 7);
      const Time not_after = FromMicros(row[3].is_null() ? 0 : row[3].as<std::int64_t>());
      if (not_after <= policy.now) {
        lost.Add(row[0].c_str(), message.id(), row[6].as<bool>());
        continue;
      }
      again_organizations.Add(row[0].c_str());
      again_ids.Add(message.id());
      again_at.Add(policy.now +
                   EmissionDelay(policy.emit_again_after, row[5].as<int>() + 1, jitter_(random_)));
      store::AddSend({row[0].c_str(), message, row[1].c_str(), row[2].as<int>(), not_after,
                      FromMicros(row[4].is_null() ? 0 : row[4].as<std::int64_t>()), "",
                      store::SendTimeOf(message)},
                     outbox);
    }
    tx.exec_params(
        "UPDATE messages m SET emit_again_at = w.at, emissions = m.emissions + 1 "
        "FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) w(org, id, at) "
        "WHERE m.organization_id = w.org AND m.id = w.id",
        again_organizations.str(), again_ids.str(), again_at.str());
    outbox.Write(tx);
    past_count = lost.count;
    return GiveUp(tx, lost, policy.now);
  });
  PARLEY_RETURN_IF_ERROR(done);
  if (past_count > 0) Done("send_not_accepted").Increment(past_count);
  if (taken > past_count) {
    Done("send_again").Increment(taken - past_count);
    telemetry::Warning("sends_emitted_again", {{"messages", taken - past_count}});
  }
  return taken;
}

absl::StatusOr<milliseconds> Dispatcher::UntilNextDue() {
  std::optional<Time> next;
  PARLEY_RETURN_IF_ERROR(pool_.Transact([&](pqxx::work& tx) -> absl::Status {
    const pqxx::result rows =
        tx.exec("SELECT " + store::MicrosOf("least((SELECT min(pending_due_at) FROM conversations "
                                            "WHERE pending_due_at IS NOT NULL AND open_turn_id IS "
                                            "NULL), (SELECT min(plan_at) FROM messages "
                                            "WHERE plan_at IS NOT NULL))"));
    if (!rows[0][0].is_null()) next = FromMicros(rows[0][0].as<std::int64_t>());
    return absl::OkStatus();
  }));
  if (!next) return options_.wait_max;
  // Rounded up: to wake a moment early would be a round for nothing.
  const auto until = std::chrono::ceil<milliseconds>(*next - clock_.Now());
  return std::clamp(until, kBusyWait, options_.wait_max);
}

}  // namespace parley::gateway::dispatcher
