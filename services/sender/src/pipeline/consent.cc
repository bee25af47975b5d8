#include "pipeline/consent.h"

#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/telemetry/log.h"
#include "libs/telemetry/metrics.h"
#include "parley/events/v1/consent.pb.h"

namespace parley::sender {
namespace {
// The gateway writes both times by its own clock.
constexpr std::chrono::minutes kRunAheadMax{1};
constexpr std::int64_t kTimeMicrosMax = 253'402'300'799'000'000;  // End of the year 9999.

absl::Status Wrong(std::string_view what) { return InvalidArgument("CONSENT_INVALID", what); }
}  // namespace

absl::StatusOr<std::optional<ConsentRow>> ParseConsent(const std::string& value) {
  events::v1::ConsentRecord record;
  if (!record.ParseFromString(value)) return Wrong("The record is no ConsentRecord.");
  if (record.republication_complete()) return std::nullopt;
  if (!IsE164(record.customer_number())) return Wrong("The customer's number is not E.164.");
  if (record.keyword() != events::v1::KEYWORD_STOP &&
      record.keyword() != events::v1::KEYWORD_START) {
    return Wrong("It is neither STOP nor START.");
  }
  if (record.given_at_us() <= 0 || record.given_at_us() > kTimeMicrosMax) {
    return Wrong("It has no time.");
  }
  for (const std::string* text : {&record.account_sid(), &record.business_number(),
                                  &record.organization_id(), &record.messaging_service_sid()}) {
    if (!IsCleanUtf8(*text)) return Wrong("It holds unclean text.");
  }
  return ConsentRow{record.customer_number(),
                    record.account_sid(),
                    record.business_number(),
                    Lower(record.organization_id()),
                    record.keyword() == events::v1::KEYWORD_STOP,
                    FromMicros(record.given_at_us()),
                    record.messaging_service_sid()};
}

absl::Status ConsentHandler::Handle(const std::vector<kafka::Record>& records,
                                    const LogLoop::Bury& bury) {
  std::vector<ConsentRow> rows;
  LogPositions next;
  for (const kafka::Record& record : records) {
    next[record.partition] = record.offset + 1;
    auto row = ParseConsent(record.value);
    if (!row.ok()) {
      bury(record, row.status());
    } else if (row->has_value()) {
      rows.push_back(**std::move(row));
    }
  }
  if (next.empty()) return absl::OkStatus();
  PARLEY_RETURN_IF_ERROR(store_.SaveConsents(rows, next));
  if (on_stored_) on_stored_(records);
  return absl::OkStatus();
}

std::optional<Republication::Record> RunOf(const kafka::Record& record) {
  events::v1::ConsentRecord parsed;
  if (!parsed.ParseFromString(record.value) || parsed.republication_us() <= 0) return std::nullopt;
  // A run that would begin after its own record lies about its time, and would lift later holds.
  const bool has_time = record.time > Time();
  if (has_time && FromMicros(parsed.republication_us()) > record.time + kRunAheadMax) {
    return std::nullopt;
  }
  Republication::Record of_run{parsed.republication_us(), std::nullopt, record.partition,
                               record.offset};
  if (parsed.republication_complete()) of_run.records = parsed.republication_records();
  return of_run;
}

ConsentWatcher::ConsentWatcher(ConsentWatch& consent, std::function<void()> wake,
                               std::function<SteadyTime()> now)
    : consent_(consent), wake_(std::move(wake)), now_(std::move(now)) {}

void ConsentWatcher::AtEnd(SteadyTime asked_at) {
  static auto& checks = telemetry::Counter(
      "parley_sender_consent_checks_total",
      "Times that all of parley.consent was known. If it stands still, look whether Kafka can be "
      "reached: bulk waits, and after 5 s only interactive sends go.");
  checks.Increment();
  // A permission lapses by time alone, seen by nobody but a send that was denied meanwhile.
  const Permission before = consent_.Allowed(now_());
  consent_.AtEnd(asked_at);
  if (before != Permission{.interactive = true, .bulk = true}) wake_();
  Log(consent_.Allowed(now_()));
}

void ConsentWatcher::Heard(SteadyTime at) { consent_.Heard(at); }

void ConsentWatcher::Missed() {
  const Permission allowed = consent_.Allowed(now_());
  // Since when it is allowed is not known here, and a wake costs little.
  if (allowed.interactive && !allowed.bulk) wake_();
  Log(allowed);
}

void ConsentWatcher::Log(Permission allowed) {
  if (allowed.bulk == logged_fresh_) return;
  logged_fresh_ = allowed.bulk;
  telemetry::Info("consent_known", {{"fresh", allowed.bulk}});
}

}  // namespace parley::sender
