#include "dispatcher/dispatcher.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

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
    const absl::StatusOr<milliseconds> wait = UntilNextTurn();
    listener_.Wait(wait.ok() ? *wait : kErrorWait, stop);
  }
}

absl::StatusOr<bool> Dispatcher::Round() {
  PARLEY_ASSIGN_OR_RETURN(const int emitted, EmitDueTurns());
  PARLEY_ASSIGN_OR_RETURN(const int closed, CloseOverdueTurns());
  PARLEY_ASSIGN_OR_RETURN(const int sent, EmitSendsAgain());
  return std::max({emitted, closed, sent}) >= options_.batch_max;
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

absl::StatusOr<int> Dispatcher::EmitSendsAgain() {
  const store::AppendPolicy policy = Policy();
  int taken = 0;
  const absl::Status done = pool_.Transact([&](pqxx::work& tx) -> absl::Status {
    static const std::string sql =
        std::string(store::kMessageSelect)
            .insert(sizeof("SELECT ") - 1,
                    "m.organization_id, m.account_sid, m.generation, " +
                        store::MicrosOf("m.not_after") + ", (SELECT " +
                        store::MicrosOf("c.whatsapp_window_until") +
                        " FROM conversations c WHERE c.organization_id = m.organization_id "
                        "AND c.id = m.conversation_id), ") +
        " WHERE m.emit_again_at <= $1 ORDER BY m.emit_again_at, m.seq LIMIT $2 "
        "FOR UPDATE OF m SKIP LOCKED";
    const pqxx::result rows =
        store::RunPrepared(tx, "sends_again", sql, FormatTime(policy.now), options_.batch_max);
    taken = static_cast<int>(rows.size());
    if (rows.empty()) return absl::OkStatus();
    store::Outbox outbox;
    postgres::Array again_organizations, again_ids, past_organizations, past_ids;
    for (const pqxx::row& row : rows) {
      v1::Message message = store::ReadMessage(row, 5);
      const Time not_after = FromMicros(row[3].is_null() ? 0 : row[3].as<std::int64_t>());
      if (not_after <= policy.now) {
        past_organizations.Add(row[0].c_str());
        past_ids.Add(message.id());
        continue;
      }
      again_organizations.Add(row[0].c_str());
      again_ids.Add(message.id());
      store::AddSend({row[0].c_str(), message, row[1].c_str(), row[2].as<int>(), not_after,
                      FromMicros(row[4].is_null() ? 0 : row[4].as<std::int64_t>()), ""},
                     outbox);
    }
    tx.exec_params(
        "UPDATE messages m SET emit_again_at = $3 "
        "FROM unnest($1::uuid[], $2::uuid[]) w(org, id) "
        "WHERE m.organization_id = w.org AND m.id = w.id",
        again_organizations.str(), again_ids.str(),
        FormatTime(policy.now + policy.emit_again_after));
    // The sender never said that it has them, and may not send them any more if it does.
    const pqxx::result past = tx.exec_params(
        "UPDATE messages m SET emit_again_at = NULL, status = 'unconfirmed', status_at = $3, "
        "error_reason = 'NOT_ACCEPTED', error_message = 'The sender never confirmed this message, "
        "and its time has passed. Check with the customer before you send it again.' "
        "FROM unnest($1::uuid[], $2::uuid[]) w(org, id) "
        "WHERE m.organization_id = w.org AND m.id = w.id RETURNING m.organization_id, m.id",
        past_organizations.str(), past_ids.str(), FormatTime(policy.now));
    outbox.Write(tx);
    for (const pqxx::row& row : past) {
      PARLEY_RETURN_IF_ERROR(store::PublishMessage(tx, row[0].c_str(), row[1].c_str()));
    }
    return absl::OkStatus();
  });
  PARLEY_RETURN_IF_ERROR(done);
  if (taken > 0) {
    Done("send_again").Increment(taken);
    telemetry::Warning("sends_emitted_again", {{"messages", taken}});
  }
  return taken;
}

absl::StatusOr<milliseconds> Dispatcher::UntilNextTurn() {
  std::optional<Time> next;
  PARLEY_RETURN_IF_ERROR(pool_.Transact([&](pqxx::work& tx) -> absl::Status {
    const pqxx::result rows =
        tx.exec("SELECT " + store::MicrosOf("min(pending_due_at)") +
                " FROM conversations WHERE pending_due_at IS NOT NULL AND open_turn_id IS NULL");
    if (!rows[0][0].is_null()) next = FromMicros(rows[0][0].as<std::int64_t>());
    return absl::OkStatus();
  }));
  if (!next) return options_.wait_max;
  // Rounded up: to wake a moment early would be a round for nothing.
  const auto until = std::chrono::ceil<milliseconds>(*next - clock_.Now());
  return std::clamp(until, kBusyWait, options_.wait_max);
}

}  // namespace parley::gateway::dispatcher
