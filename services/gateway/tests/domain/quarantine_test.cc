#include "domain/quarantine.h"

#include <gtest/gtest.h>

#include "libs/base/status.h"
#include "libs/twilio/signature.h"

namespace parley::gateway {
namespace {

using events::v1::QuarantineRecord;

const std::string kAccount = "AC" + std::string(32, '1');
const std::string kOther = "AC" + std::string(32, '2');
const std::string kMessageSid = "SM" + std::string(32, 'a');
constexpr char kNumber[] = "+15005550006";
constexpr char kCustomer[] = "+15005550010";
constexpr char kPublic[] = "https://chat.example.com";
constexpr char kTarget[] = "/webhooks/twilio/message";

// A text that Twilio signed for `url`.
QuarantineRecord SignedFor(const std::string& public_url, std::string_view token = "right") {
  const twilio::FormParams params{{"AccountSid", kAccount},
                                  {"MessageSid", kMessageSid},
                                  {"From", kCustomer},
                                  {"To", kNumber},
                                  {"Body", "secret words"}};
  QuarantineRecord record;
  record.set_account_sid(kAccount);
  record.set_kind(events::v1::WEBHOOK_KIND_MESSAGE);
  record.set_target(kTarget);
  record.set_body(twilio::EncodeForm(params));
  record.set_received_at_us(1'700'000'000'000'000);
  record.set_reason("SIGNATURE_MISMATCH");
  record.set_business_number(kNumber);
  record.set_customer_number(kCustomer);
  record.set_idempotency_token("11111111-2222-4333-8444-555555555555");
  record.add_tried_urls("http://127.0.0.1:8080/webhooks/twilio/message");
  const auto add = [&](const std::string& name, const std::string& value) {
    auto& header = *record.add_headers();
    header.set_name(name);
    header.set_value(value);
  };
  add("content-type", "application/x-www-form-urlencoded; charset=UTF-8");
  add("X-TWILIO-Signature", twilio::Sign(public_url + kTarget, params, Secret(std::string(token))));
  add("Authorization", "Basic very-secret");
  return record;
}

Signers SignersAt(const std::string& server_url) {
  Signers signers;
  signers.server_url = server_url;
  signers.accounts[kAccount] = {.token = Secret("right")};
  return signers;
}

TEST(ParseQuarantine, TakesWhatIsWithinItsBounds) {
  const QuarantineRecord record = SignedFor(kPublic);
  const auto parsed = ParseQuarantine(record.SerializeAsString());
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->body(), record.body());

  using Spoil = void (*)(QuarantineRecord&);
  const struct {
    const char* label;
    Spoil spoil;
  } cases[] = {
      {"no account", [](QuarantineRecord& r) { r.clear_account_sid(); }},
      {"no kind", [](QuarantineRecord& r) { r.clear_kind(); }},
      {"no reason", [](QuarantineRecord& r) { r.clear_reason(); }},
      {"no time", [](QuarantineRecord& r) { r.clear_received_at_us(); }},
      {"no path", [](QuarantineRecord& r) { r.set_target("webhooks"); }},
      {"target too long",
       [](QuarantineRecord& r) { r.set_target("/" + std::string(20'000, 'a')); }},
      {"body too long", [](QuarantineRecord& r) { r.set_body(std::string((64 << 10) + 1, 'a')); }},
      {"NUL in a number",
       [](QuarantineRecord& r) {
         r.set_business_number({"+1\0", 3});
       }},
      {"token too long",
       [](QuarantineRecord& r) { r.set_idempotency_token(std::string(300, 'a')); }},
      {"too many headers",
       [](QuarantineRecord& r) {
         for (int i = 0; i < 300; ++i) r.add_headers()->set_name("a");
       }},
      {"headers too long",
       [](QuarantineRecord& r) { r.add_headers()->set_value(std::string(20'000, 'a')); }},
      {"too many URLs",
       [](QuarantineRecord& r) {
         for (int i = 0; i < 40; ++i) r.add_tried_urls("http://a");
       }},
  };
  for (const auto& c : cases) {
    QuarantineRecord bad = record;
    c.spoil(bad);
    EXPECT_EQ(ErrorReason(ParseQuarantine(bad.SerializeAsString()).status()), "INVALID_RECORD")
        << c.label;
  }
  EXPECT_EQ(ErrorReason(ParseQuarantine("no protobuf").status()), "UNPARSABLE");
}

TEST(QuarantineId, IsTheSameForARepeatOfATokenAndForARecordThatComesTwice) {
  QuarantineRecord record = SignedFor(kPublic);
  QuarantineRecord later = record;
  later.set_received_at_us(record.received_at_us() + 1);
  EXPECT_EQ(QuarantineId(record), QuarantineId(later));
  record.clear_idempotency_token();
  later.clear_idempotency_token();
  EXPECT_NE(QuarantineId(record), QuarantineId(later)) << "two requests without a token";
  EXPECT_EQ(QuarantineId(record), QuarantineId(QuarantineRecord(record)));
}

TEST(CheckQuarantined, VerifiesWithThePublicAddressesOfNow) {
  const QuarantineRecord record = SignedFor(kPublic);
  const QuarantinedRequest request(record);
  ASSERT_TRUE(request.parsed.ok()) << request.parsed;
  const std::string wrong = "http://127.0.0.1:8080";

  EXPECT_EQ(ErrorReason(CheckQuarantined(request, SignersAt(wrong))), "SIGNATURE_MISMATCH");
  EXPECT_TRUE(CheckQuarantined(request, SignersAt(kPublic)).ok()) << "the installation's";

  Signers of_account = SignersAt(wrong);
  of_account.accounts[kAccount].public_url = kPublic;
  EXPECT_TRUE(CheckQuarantined(request, of_account).ok());

  Signers of_number = SignersAt(wrong);
  of_number.numbers[{kAccount, kNumber}] = {.public_url = kPublic};
  EXPECT_TRUE(CheckQuarantined(request, of_number).ok());

  Signers rotating = SignersAt(kPublic);
  rotating.accounts[kAccount] = {.token = Secret("older"), .secondary_token = Secret("right")};
  EXPECT_TRUE(CheckQuarantined(request, rotating).ok()) << "the secondary token";

  Signers wrong_token = SignersAt(kPublic);
  wrong_token.accounts[kAccount] = {.token = Secret("wrong")};
  EXPECT_EQ(ErrorReason(CheckQuarantined(request, wrong_token)), "SIGNATURE_MISMATCH");
}

TEST(CheckQuarantined, LetsNobodySpeakForAnotherAccountsNumber) {
  const QuarantineRecord record = SignedFor(kPublic);
  const QuarantinedRequest request(record);
  Signers foreign = SignersAt(kPublic);
  foreign.numbers[{kAccount, kNumber}] = {.of_another_account = true};
  EXPECT_EQ(ErrorReason(CheckQuarantined(request, foreign)), "NUMBER_OF_ANOTHER_ACCOUNT");

  Signers unknown = SignersAt(kPublic);
  unknown.accounts.clear();
  unknown.accounts[kOther] = {.token = Secret("right")};
  EXPECT_EQ(ErrorReason(CheckQuarantined(request, unknown)), "UNKNOWN_ACCOUNT");
}

TEST(CheckQuarantined, BelievesTheBodyAndNotTheRecord) {
  // What the record names could be another account than what was signed.
  QuarantineRecord record = SignedFor(kPublic);
  record.set_account_sid(kOther);
  Signers signers = SignersAt(kPublic);
  signers.accounts[kOther] = {.token = Secret("other")};
  const QuarantinedRequest request(record);
  EXPECT_TRUE(CheckQuarantined(request, signers).ok()) << "checked with the token of the body's";
  EXPECT_EQ(request.webhook.account_sid(), kAccount);
}

TEST(Show, HidesWordsNumbersAndCredentials) {
  const QuarantineRecord record = SignedFor(kPublic);
  const Signers signers = SignersAt("http://127.0.0.1:8080");
  const auto row = Show(record, signers, "org", Detail::kRow);
  EXPECT_EQ(row.customer_number().find("50010"), std::string::npos);
  EXPECT_EQ(row.headers_size(), 0);
  EXPECT_FALSE(row.verifies());
  EXPECT_EQ(row.public_url(), "http://127.0.0.1:8080");
  EXPECT_EQ(row.tried_urls(0), "http://127.0.0.1:8080/webhooks/twilio/message");
  const auto headers = Show(record, signers, "org", Detail::kHeaders);
  EXPECT_EQ(headers.headers_size(), 3);
  for (const auto* shown : {&row, &headers}) {
    EXPECT_EQ(shown->DebugString().find("secret"), std::string::npos) << shown->DebugString();
  }
  const auto content = Show(record, signers, "org", Detail::kContent);
  EXPECT_NE(content.content().find("secret%20words"), std::string::npos) << content.content();
}

TEST(Show, HidesWhatAGetBroughtInItsQuery) {
  QuarantineRecord record = SignedFor(kPublic);
  record.set_is_get(true);
  record.set_target(std::string(kTarget) + "?" + record.body() + "\xff");
  record.clear_body();
  record.clear_tried_urls();
  record.add_tried_urls(std::string(kPublic) + kTarget + "?Body=secret");
  const auto shown = Show(record, SignersAt(kPublic), "org", Detail::kHeaders);
  EXPECT_EQ(shown.DebugString().find("secret"), std::string::npos) << shown.DebugString();
  EXPECT_EQ(shown.target(), std::string(kTarget) + "?…");
  EXPECT_NE(Show(record, SignersAt(kPublic), "org", Detail::kContent).content().find("secret"),
            std::string::npos);
}

TEST(Show, NamesTheChannelOnlyToItsOrganization) {
  const QuarantineRecord record = SignedFor(kPublic);
  Signers signers = SignersAt(kPublic);
  signers.numbers[{kAccount, kNumber}] = {.organization_id = "org", .channel_id = "channel"};
  EXPECT_EQ(Show(record, signers, "org", Detail::kRow).channel_id(), "channel");
  EXPECT_EQ(Show(record, signers, "other", Detail::kRow).channel_id(), "");
}

}  // namespace
}  // namespace parley::gateway
