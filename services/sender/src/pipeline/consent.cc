#include "pipeline/consent.h"

#include "libs/base/status.h"
#include "libs/base/text.h"
#include "parley/events/v1/consent.pb.h"

namespace parley::sender {
namespace {
constexpr std::int64_t kTimeMicrosMax = 253'402'300'799'000'000;  // End of the year 9999.

absl::Status Wrong(std::string_view what) { return InvalidArgument("CONSENT_INVALID", what); }
}  // namespace

absl::StatusOr<ConsentRow> ParseConsent(const std::string& value) {
  events::v1::ConsentRecord record;
  if (!record.ParseFromString(value)) return Wrong("The record is no ConsentRecord.");
  if (!IsE164(record.customer_number())) return Wrong("The customer's number is not E.164.");
  if (record.keyword() != events::v1::KEYWORD_STOP &&
      record.keyword() != events::v1::KEYWORD_START) {
    return Wrong("It is neither STOP nor START.");
  }
  if (record.given_at_us() <= 0 || record.given_at_us() > kTimeMicrosMax) {
    return Wrong("It has no time.");
  }
  for (const std::string* text :
       {&record.account_sid(), &record.business_number(), &record.organization_id()}) {
    if (!IsCleanUtf8(*text)) return Wrong("It holds unclean text.");
  }
  return ConsentRow{record.customer_number(),
                    record.account_sid(),
                    record.business_number(),
                    Lower(record.organization_id()),
                    record.keyword() == events::v1::KEYWORD_STOP,
                    FromMicros(record.given_at_us())};
}

}  // namespace parley::sender
