#include "responder.h"

#include "libs/base/status.h"
#include "libs/telemetry/log.h"
#include "libs/telemetry/metrics.h"

namespace parley::ai {
namespace {

enum class Outcome { kAnswered, kFailed, kExpired, kRepeated, kIgnored };

void Count(Outcome outcome) {
  static const auto counter = [](const char* name) -> prometheus::Counter& {
    return telemetry::Counter(
        "parley_ai_responder_turns_total",
        "Turns that were done with, by outcome. Many failed: read ai_failed in the log for the "
        "reason. Many expired: the provider is too slow, or PARLEY_AI_WORKERS too few.",
        {{"outcome", name}});
  };
  static prometheus::Counter& answered = counter("answered");
  static prometheus::Counter& failed = counter("failed");
  static prometheus::Counter& expired = counter("expired");
  static prometheus::Counter& repeated = counter("repeated");
  static prometheus::Counter& ignored = counter("ignored");
  switch (outcome) {
    case Outcome::kAnswered:
      return answered.Increment();
    case Outcome::kFailed:
      return failed.Increment();
    case Outcome::kExpired:
      return expired.Increment();
    case Outcome::kRepeated:
      return repeated.Increment();
    case Outcome::kIgnored:
      return ignored.Increment();
  }
}

void Log(const Turn& turn, const events::v1::ReplyRecord& reply, std::chrono::microseconds took) {
  static auto& seconds =
      telemetry::LatencyHistogram("parley_ai_responder_turn_seconds",
                                  "From a turn taken up to its reply acknowledged by Kafka, the "
                                  "provider included. If it grows, look at the provider first.");
  seconds.Observe(std::chrono::duration<double>(took).count());
  const auto ms = std::chrono::duration<double, std::milli>(took).count();
  if (reply.has_text()) {
    Count(Outcome::kAnswered);
    telemetry::Info("ai_answered", {{"turn_id", turn.ready.turn_id()},
                                    {"conversation_id", turn.conversation_id},
                                    {"organization_id", turn.organization_id},
                                    {"model", reply.text().model()},
                                    {"ms", ms}});
    return;
  }
  Count(reply.failure().reason() == "TURN_EXPIRED" ? Outcome::kExpired : Outcome::kFailed);
  telemetry::Warning("ai_failed", {{"turn_id", turn.ready.turn_id()},
                                   {"conversation_id", turn.conversation_id},
                                   {"organization_id", turn.organization_id},
                                   {"reason", reply.failure().reason()},
                                   {"ms", ms}});
}

}  // namespace

bool AnsweredTurns::Contains(const std::string& turn_id) const {
  const std::lock_guard lock(mutex_);
  return known_.contains(turn_id);
}

void AnsweredTurns::Add(const std::string& turn_id) {
  const std::lock_guard lock(mutex_);
  if (!known_.insert(turn_id).second) return;
  order_.push_back(turn_id);
  if (order_.size() <= kTurnsMax) return;
  known_.erase(order_.front());
  order_.pop_front();
}

absl::Status Responder::Handle(const kafka::Record& record, const std::stop_token& stop) {
  PARLEY_ASSIGN_OR_RETURN(const std::optional<Turn> turn, ParseTurn(record.value));
  if (!turn || answered_.Contains(turn->ready.turn_id())) {
    Count(turn ? Outcome::kRepeated : Outcome::kIgnored);
    return absl::OkStatus();
  }
  const auto began = clock_.Steady();
  const absl::StatusOr<Completion> answer = Answer(*turn, stop);
  if (absl::IsCancelled(answer.status())) return answer.status();
  const events::v1::ReplyRecord reply = ComposeReply(*turn, answer, clock_.Now());
  PARLEY_RETURN_IF_ERROR(replies_.Publish(reply, record.Header(kafka::kTraceHeader)));
  answered_.Add(turn->ready.turn_id());
  Log(*turn, reply, std::chrono::duration_cast<std::chrono::microseconds>(clock_.Steady() - began));
  return absl::OkStatus();
}

absl::StatusOr<Completion> Responder::Answer(const Turn& turn, const std::stop_token& stop) {
  if (Expired(turn.ready, clock_.Now())) return TurnExpired();
  telemetry::Info("ai_started", {{"turn_id", turn.ready.turn_id()},
                                 {"conversation_id", turn.conversation_id},
                                 {"organization_id", turn.organization_id},
                                 {"provider", turn.ready.settings().provider()}});
  absl::StatusOr<Completion> answer = provider_.Complete(turn, stop);
  if (answer.ok() && Expired(turn.ready, clock_.Now())) return TurnExpired();
  return answer;
}

}  // namespace parley::ai
