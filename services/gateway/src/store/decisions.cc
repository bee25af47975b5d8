#include "store/decisions.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "domain/message.h"
#include "domain/status.h"
#include "libs/base/id.h"
#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/postgres/array.h"
#include "libs/telemetry/log.h"
#include "libs/telemetry/metrics.h"
#include "store/commands.h"
#include "store/live_json.h"
#include "store/outbox.h"
#include "store/resources.h"
#include "store/statement.h"
#include "store/statuses.h"

namespace parley::gateway::store {
namespace {

using postgres::Array;

// The policy repeats a message this often at most; then a person decides.
constexpr int kPolicyResendsMax = 2;

prometheus::Counter& Decided(const std::string& decision, const std::string& source) {
  return telemetry::Counter(
      "parley_gateway_decisions_total",
      "Unconfirmed messages that were decided, and messages that were canceled; many mean that "
      "answers of Twilio get lost: look at the sender's errors and at the network.",
      {{"decision", decision}, {"source", source}});
}

// A message under its lock, with what a decision needs to know.
struct Subject {
  std::string organization_id;
  v1::Message message;
  SendState state;
  std::string account_sid;
  bool erased = false;
  bool opted_out = false;
  bool channel_deleted = false;
  bool cancel_asked = false;
  Time whatsapp_window_until;
  std::optional<Time> expires_at;
};

constexpr int kSubjectColumns = 14;

const std::string& SubjectSelect() {
  static const std::string sql =
      std::string(kMessageSelect)
          .insert(sizeof("SELECT ") - 1,
                  "m.organization_id, m.generation, m.attempt, m.result_version, m.account_sid, "
                  "m.error_reason, m.earlier_status, m.attempt_status, m.erased_at IS NOT NULL, "
                  "is_opted_out(m.organization_id, m.to_number, m.from_number), "
                  "(SELECT ch.deleted_at IS NOT NULL FROM channels ch WHERE ch.organization_id = "
                  "m.organization_id AND ch.id = m.channel_id), (SELECT " +
                      MicrosOf("c.whatsapp_window_until") +
                      " FROM conversations c WHERE c.organization_id = m.organization_id "
                      "AND c.id = m.conversation_id), " +
                      MicrosOf("m.expires_at") + ", m.cancel_asked_at IS NOT NULL, ");
  return sql;
}

Subject ReadSubject(const pqxx::row& row) {
  Subject subject;
  subject.organization_id = row[0].c_str();
  subject.message = ReadMessage(row, kSubjectColumns);
  subject.state = {.status = subject.message.status(),
                   .generation = row[1].as<int>(),
                   .attempt = row[2].as<int>(),
                   .result_version = row[3].as<std::int64_t>(),
                   .earlier = ParseStatus(row[6].c_str()),
                   .own = ParseStatus(row[7].c_str()),
                   .verdict = std::string_view(row[5].c_str()) == kMarkedFailed};
  subject.account_sid = row[4].c_str();
  subject.erased = row[8].as<bool>();
  subject.opted_out = row[9].as<bool>();
  subject.channel_deleted = !row[10].is_null() && row[10].as<bool>();
  if (!row[11].is_null()) subject.whatsapp_window_until = FromMicros(row[11].as<std::int64_t>());
  if (!row[12].is_null()) subject.expires_at = FromMicros(row[12].as<std::int64_t>());
  subject.cancel_asked = row[13].as<bool>();
  return subject;
}

// Messages of one organization, in the order of their ids.
std::vector<Subject> Lock(pqxx::work& tx, const std::string& organization_id,
                          const std::vector<std::string>& message_ids) {
  Array ids;
  for (const std::string& id : message_ids) ids.Add(id);
  static const std::string sql = SubjectSelect() +
                                 " WHERE m.organization_id = $1 AND m.id = ANY ($2::uuid[]) "
                                 "AND m.direction = 'outbound' ORDER BY m.id FOR UPDATE OF m";
  std::vector<Subject> subjects;
  for (const pqxx::row& row : RunPrepared(tx, "lock_subjects", sql, organization_id, ids.str())) {
    subjects.push_back(ReadSubject(row));
  }
  return subjects;
}

absl::Status MayDecide(const Subject& subject, Decision decision, const DecisionPolicy& policy) {
  const Status status = subject.message.status();
  const bool over =
      status == v1::Message::STATUS_FAILED || status == v1::Message::STATUS_UNDELIVERED;
  const bool open = status == v1::Message::STATUS_UNCONFIRMED ||
                    (decision == Decision::kSendAgain && policy.failed_too && over);
  if (!open) {
    return FailedPrecondition("NOT_UNCONFIRMED", "This message is " +
                                                     std::string(StatusName(status)) +
                                                     " by now; there is nothing to decide.");
  }
  if (decision == Decision::kMarkFailed) return absl::OkStatus();
  if (subject.erased) {
    return FailedPrecondition("MESSAGE_ERASED", "The message's text was erased.");
  }
  if (subject.opted_out) {
    return FailedPrecondition("OPTED_OUT",
                              "The customer opted out of messages. Only they can opt in again, by "
                              "writing START.");
  }
  if (subject.channel_deleted) {
    return FailedPrecondition("CHANNEL_DELETED",
                              "This channel was deleted; its conversations can only be read.");
  }
  if (!IsE164(subject.message.to())) {
    return FailedPrecondition("RECIPIENT_NOT_SENDABLE",
                              "The customer wrote from a short code or a name, which cannot be "
                              "written to.");
  }
  if (subject.account_sid.empty() || subject.message.from().empty()) {
    return FailedPrecondition("CHANNEL_CANNOT_SEND",
                              "The channel has no number of a connected Twilio account.");
  }
  return absl::OkStatus();
}

struct Why {
  std::string reason;
  std::string sentence;  // Of the history; of the message only if it failed.
};

// Writes the new status, with its history, and shows it.
void Write(pqxx::work& tx, Subject& subject, const Decider& decider, const Why& why,
           const DecisionPolicy& policy, Outbox& outbox) {
  v1::Message& message = subject.message;
  const bool sends = subject.state.status == v1::Message::STATUS_QUEUED;
  const bool failed = subject.state.status == v1::Message::STATUS_FAILED;
  const bool again = why.reason == "SENT_AGAIN";
  message.set_status(subject.state.status);
  *message.mutable_status_time() = ToTimestamp(policy.now);
  message.set_error_code(0);
  message.set_error_message(failed ? why.sentence : "");
  if (again) message.set_message_sid("");
  message.clear_unconfirmed();
  const std::string now = FormatTime(policy.now);
  std::string emit_again_at, not_after;  // Empty: none.
  if (sends) {
    Time until = policy.now + policy.send_valid;
    if (subject.expires_at && !again) until = std::min(until, *subject.expires_at);
    emit_again_at = FormatTime(policy.now + policy.emit_again_after);
    not_after = FormatTime(until);
    AddSend({subject.organization_id, message, subject.account_sid, subject.state.generation, until,
             subject.whatsapp_window_until, "", SendTimeOf(message)},
            outbox);
  }
  const pqxx::result written = RunPrepared(
      tx, "write_decision",
      "UPDATE messages m SET status = $3, status_at = $4, error_code = 0, error_reason = $5, "
      "error_message = $6, message_sid = $7, generation = $8, attempt = $9, result_version = $10, "
      "emit_again_at = nullif($11, '')::timestamptz, "
      "not_after = coalesce(nullif($12, '')::timestamptz, m.not_after), "
      "accepted = false, cancel_asked_at = CASE WHEN NOT $16::boolean THEN m.cancel_asked_at END, "
      "emissions = 0, plan_at = NULL, unconfirmed_at = NULL, findings = '', refuted = false, "
      "look_again_at = NULL, earlier_status = $13, attempt_status = $14, "
      "policy_resends = m.policy_resends + $15::int, "
      "copies = CASE WHEN $8 = 0 THEN 0 ELSE (SELECT count(*) FROM message_attempts t "
      "WHERE t.organization_id = m.organization_id AND t.message_id = m.id "
      "AND t.status NOT IN ('failed', 'undelivered', 'canceled')) END "
      "WHERE m.organization_id = $1 AND m.id = $2 RETURNING m.copies",
      subject.organization_id, message.id(), std::string(StatusName(message.status())), now,
      failed ? why.reason : "", message.error_message(), message.message_sid(),
      subject.state.generation, subject.state.attempt, subject.state.result_version, emit_again_at,
      not_after, std::string(StatusName(subject.state.earlier)),
      std::string(StatusName(subject.state.own)), again && decider.source == "policy" ? 1 : 0,
      again);
  if (!written.empty()) message.set_copies(written[0][0].as<int>());
  RunPrepared(tx, "write_decision_history",
              "INSERT INTO message_status_changes (organization_id, message_id, id, status, "
              "source, at, attempt, reason, message, actor) "
              "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
              subject.organization_id, message.id(), NewId(),
              std::string(StatusName(message.status())), decider.source, now, subject.state.attempt,
              why.reason, why.sentence, decider.actor);
  outbox.AddLive(subject.organization_id, "message", LiveData(message));
}

Why Reason(Decision decision, const Decider& decider) {
  if (decision == Decision::kMarkFailed) {
    return {kMarkedFailed,
            "It was marked as failed: nobody knows whether Twilio sent it. Should Twilio report it "
            "after all, that counts."};
  }
  return {"SENT_AGAIN", decider.source == "policy"
                            ? "Evidence speaks against the first attempt, so it is sent again, as "
                              "your organization has set it."
                            : "It is sent again."};
}

// What becomes of a planned message whose time has come; sets its status.
Why PlannedFate(Subject& subject) {
  v1::Message::Status& status = subject.state.status;
  if (subject.cancel_asked) {
    status = v1::Message::STATUS_CANCELED;
    return {"CANCELED", "It was canceled before it was sent."};
  }
  status = v1::Message::STATUS_FAILED;
  if (subject.erased) {
    return {"MESSAGE_ERASED", "The message's text was erased before it was sent."};
  }
  if (subject.opted_out) {
    return {"OPTED_OUT",
            "The customer opted out of messages, so it was not sent. Only they can opt in again, "
            "by writing START."};
  }
  if (subject.channel_deleted) {
    return {"CHANNEL_DELETED", "Its channel was deleted before it was sent."};
  }
  status = v1::Message::STATUS_QUEUED;
  return {"PLANNED", "Its time has come."};
}

}  // namespace

const char kMaySendAgainSql[] =
    " AND m.erased_at IS NULL AND m.account_sid <> '' AND m.from_number <> ''"
    " AND m.to_number ~ '^[+][1-9][0-9]{1,14}$'"
    " AND NOT is_opted_out(m.organization_id, m.to_number, m.from_number)"
    " AND NOT EXISTS (SELECT FROM channels ch WHERE ch.organization_id = m.organization_id"
    "  AND ch.id = m.channel_id AND ch.deleted_at IS NOT NULL)";

absl::StatusOr<std::map<std::string, absl::Status>> Decide(
    pqxx::work& tx, const std::string& organization_id, const std::vector<std::string>& message_ids,
    Decision decision, const Decider& decider, const DecisionPolicy& policy) {
  std::map<std::string, absl::Status> answers;
  if (message_ids.empty()) return answers;
  const Why why = Reason(decision, decider);
  Outbox outbox;
  for (Subject& subject : Lock(tx, organization_id, message_ids)) {
    const absl::Status may = MayDecide(subject, decision, policy);
    answers[subject.message.id()] = may;
    if (!may.ok()) continue;
    if (decision == Decision::kSendAgain) {
      SendAgain(subject.state);
    } else {
      MarkFailed(subject.state);
    }
    Write(tx, subject, decider, why, policy, outbox);
    Decided(decision == Decision::kSendAgain ? "send_again" : "mark_failed", decider.source)
        .Increment();
    telemetry::Info("decided", {{"organization_id", organization_id},
                                {"message_id", subject.message.id()},
                                {"reason", why.reason},
                                {"source", decider.source}});
  }
  outbox.Write(tx);
  return answers;
}

absl::StatusOr<bool> Cancel(pqxx::work& tx, const std::string& organization_id,
                            const std::string& message_id, const Decider& decider, Time now) {
  std::vector<Subject> subjects;
  if (IsUuid(message_id)) subjects = Lock(tx, organization_id, {message_id});
  if (subjects.empty()) {
    return NotFound("MESSAGE_NOT_FOUND", "There is no outgoing message with this id.");
  }
  Subject& subject = subjects.front();
  Outbox outbox;
  switch (subject.message.status()) {
    case v1::Message::STATUS_SCHEDULED: {
      subject.state.status = v1::Message::STATUS_CANCELED;
      Write(tx, subject, decider, {"CANCELED", "It was canceled before it was sent."}, {.now = now},
            outbox);
      outbox.Write(tx);
      Decided("cancel", decider.source).Increment();
      return true;
    }
    case v1::Message::STATUS_QUEUED:
    case v1::Message::STATUS_SENDING:
      AddCancel({organization_id, message_id, subject.state.generation, subject.message.from()},
                outbox);
      outbox.Write(tx);
      // Should it expire before the sender gets to know, it is not planned again.
      tx.exec_params0(
          "UPDATE messages SET cancel_asked_at = $3 WHERE organization_id = $1 AND id = $2",
          organization_id, message_id, FormatTime(now));
      Decided("cancel", decider.source).Increment();
      return false;
    case v1::Message::STATUS_CANCELED:
      return true;
    case v1::Message::STATUS_UNCONFIRMED:
      return FailedPrecondition("UNCONFIRMED",
                                "Nobody knows whether Twilio has sent this message; send it again "
                                "or mark it as failed instead.");
    default:
      return FailedPrecondition(
          "TOO_LATE_TO_CANCEL",
          "This message is " + std::string(StatusName(subject.message.status())) + " already.");
  }
}

absl::StatusOr<int> EmitPlanned(pqxx::work& tx, int rows_max, const DecisionPolicy& policy) {
  static const std::string sql = SubjectSelect() +
                                 " WHERE m.plan_at <= $1 ORDER BY m.plan_at LIMIT $2 "
                                 "FOR UPDATE OF m SKIP LOCKED";
  Outbox outbox;
  int taken = 0;
  for (const pqxx::row& row : RunPrepared(tx, "planned", sql, FormatTime(policy.now), rows_max)) {
    ++taken;
    Subject subject = ReadSubject(row);
    if (subject.message.status() != v1::Message::STATUS_SCHEDULED) {
      tx.exec_params("UPDATE messages SET plan_at = NULL WHERE organization_id = $1 AND id = $2",
                     subject.organization_id, subject.message.id());
      continue;
    }
    const Why why = PlannedFate(subject);
    Write(tx, subject, {.source = "policy", .actor = ""}, why, policy, outbox);
  }
  outbox.Write(tx);
  return taken;
}

absl::StatusOr<int> ApplyPolicies(pqxx::work& tx, int rows_max, const DecisionPolicy& policy) {
  std::map<std::string, std::vector<std::string>> due;
  const pqxx::result rows = RunPrepared(
      tx, "policy_due",
      "SELECT m.organization_id, m.id FROM messages m "
      "JOIN organizations o ON o.id = m.organization_id AND o.unconfirmed_policy = 'resend' "
      "WHERE m.unconfirmed_at IS NOT NULL AND m.refuted AND m.policy_resends < $2 "
      "AND m.cancel_asked_at IS NULL "
      "AND m.unconfirmed_at <= $1::timestamptz "
      "- make_interval(mins => o.unconfirmed_after_minutes) "
      "ORDER BY m.unconfirmed_at LIMIT $3 FOR UPDATE OF m SKIP LOCKED",
      FormatTime(policy.now), kPolicyResendsMax, rows_max);
  for (const pqxx::row& row : rows) due[row[0].c_str()].emplace_back(row[1].c_str());
  for (const auto& [organization_id, ids] : due) {
    PARLEY_ASSIGN_OR_RETURN(const auto answers,
                            Decide(tx, organization_id, ids, Decision::kSendAgain,
                                   {.source = "policy", .actor = ""}, policy));
    for (const auto& [id, answer] : answers) {
      if (answer.ok()) continue;
      // A person decides.
      tx.exec_params(
          "UPDATE messages SET policy_resends = $3 WHERE organization_id = $1 AND id = $2",
          organization_id, id, kPolicyResendsMax);
    }
  }
  return static_cast<int>(rows.size());
}

}  // namespace parley::gateway::store
