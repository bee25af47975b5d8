#include "pipeline/consent.h"

#include <gtest/gtest.h>

#include "parley/events/v1/consent.pb.h"

namespace parley::sender {
namespace {

TEST(ParseConsent, RefusesWhatSaysNothing) {
  events::v1::ConsentRecord valid;
  valid.set_customer_number("+15550100001");
  valid.set_business_number("+15005550006");
  valid.set_account_sid("AC" + std::string(32, '1'));
  valid.set_given_at_us(1'800'000'000'000'000);
  valid.set_keyword(events::v1::KEYWORD_STOP);
  const auto row = ParseConsent(valid.SerializeAsString());
  ASSERT_TRUE(row.ok()) << row.status();
  EXPECT_TRUE(row->stopped);
  valid.set_keyword(events::v1::KEYWORD_START);
  EXPECT_FALSE(ParseConsent(valid.SerializeAsString())->stopped);

  const struct {
    const char* label;
    void (*change)(events::v1::ConsentRecord&);
  } cases[] = {
      {"no customer", [](auto& r) { r.clear_customer_number(); }},
      {"help is no consent", [](auto& r) { r.set_keyword(events::v1::KEYWORD_HELP); }},
      {"no time", [](auto& r) { r.clear_given_at_us(); }},
      {"time out of range", [](auto& r) { r.set_given_at_us(INT64_MAX); }},
      {"NUL", [](auto& r) { r.set_business_number(std::string("a\0", 2)); }},
  };
  for (const auto& c : cases) {
    events::v1::ConsentRecord record = valid;
    c.change(record);
    EXPECT_TRUE(absl::IsInvalidArgument(ParseConsent(record.SerializeAsString()).status()))
        << c.label;
  }
  EXPECT_TRUE(absl::IsInvalidArgument(ParseConsent("\xff\xff").status()));
}

}  // namespace
}  // namespace parley::sender
