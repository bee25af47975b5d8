#include "domain/verify.h"

#include <gtest/gtest.h>

#include "fakes/fakes.h"
#include "libs/twilio/number.h"

namespace parley::ingest {
namespace {

const VerifyOptions kOptions{.server_url = kServerUrl, .check_signatures = true};

// The reason of the refusal; "" if it is let in.
std::string Reason(const SignedWebhook& webhook, const twilio::FormParams& params,
                   const Directory& directory, const VerifyOptions& options = kOptions) {
  const auto verdict = Verify({webhook.View(), params, params.Get("AccountSid"), params.Get("To")},
                              directory, options);
  const auto* refusal = std::get_if<Refusal>(&verdict);
  if (refusal == nullptr) return "";
  EXPECT_EQ(refusal->http_status, refusal->reason == "ACCOUNT_UNREADABLE" ? 503 : 403);
  return refusal->reason;
}

TEST(Verify, LetsTheSignedAccountIn) {
  const twilio::FormParams params = MessageParams();
  EXPECT_EQ(Reason(SignedPost(kMessageTarget, params, kTokenA), params, *TwoAccounts()), "");
}

TEST(Verify, NamesWhyItRefuses) {
  const twilio::FormParams params = MessageParams();
  const twilio::FormParams foreign = MessageParams("Hello", kNumberB, kAccountA);
  const twilio::FormParams unknown = MessageParams("Hello", kNumberA, kUnknownAccount);
  const twilio::FormParams other_sid = MessageParams("Hello", kNumberA, kAccountB);
  SignedWebhook unsigned_webhook = SignedPost(kMessageTarget, params, kTokenA);
  unsigned_webhook.signature = "";
  SignedWebhook garbled = unsigned_webhook;
  garbled.signature = "not base64";
  const struct {
    const char* label;
    SignedWebhook webhook;
    const twilio::FormParams& params;
    const char* reason;
  } cases[] = {
      {"no signature", unsigned_webhook, params, "SIGNATURE_MISSING"},
      {"no base64", garbled, params, "SIGNATURE_MALFORMED"},
      {"another's token", SignedPost(kMessageTarget, params, kTokenB), params,
       "SIGNATURE_MISMATCH"},
      {"signed for another path", SignedPost("/webhooks/twilio/status", params, kTokenA), params,
       "SIGNATURE_MISMATCH"},
      {"account that nobody connected", SignedPost(kMessageTarget, unknown, kTokenA), unknown,
       "UNKNOWN_ACCOUNT"},
      {"A signs in B's name", SignedPost(kMessageTarget, other_sid, kTokenA), other_sid,
       "SIGNATURE_MISMATCH"},
      {"A signs for B's number", SignedPost(kMessageTarget, foreign, kTokenA), foreign,
       "NUMBER_OF_ANOTHER_ACCOUNT"},
  };
  for (const auto& c : cases) {
    SignedWebhook webhook = c.webhook;
    webhook.target = kMessageTarget;
    EXPECT_EQ(Reason(webhook, c.params, *TwoAccounts()), c.reason) << c.label;
  }
}

TEST(Verify, LetsANumberInThatNobodyClaimed) {
  const twilio::FormParams params = MessageParams("Hello", kNobodys);
  EXPECT_EQ(Reason(SignedPost(kMessageTarget, params, kTokenA), params, *TwoAccounts()), "");
}

TEST(Verify, ASharedNumberIsEachOnes) {
  const crypto::KeyRing keys = TestKeys();
  DirectoryBook book(keys);
  Put(book, AccountRecord(keys, kAccountA, kTokenA));
  Put(book, NumberRecord(kAccountA, kNumberA));
  Put(book, NumberRecord(kAccountB, kNumberA));
  const twilio::FormParams params = MessageParams();
  EXPECT_EQ(Reason(SignedPost(kMessageTarget, params, kTokenA), params, *book.Snapshot()), "");
}

TEST(Verify, WhatsAppsSandboxIsEachOnesWhoeverClaimsIt) {
  const crypto::KeyRing keys = TestKeys();
  DirectoryBook book(keys);
  const std::string sandbox(twilio::kWhatsAppSandbox);
  Put(book, AccountRecord(keys, kAccountB, kTokenB));
  Put(book, NumberRecord(kAccountA, sandbox));
  const twilio::FormParams params = MessageParams("Hello", sandbox, kAccountB);
  EXPECT_EQ(Reason(SignedPost(kMessageTarget, params, kTokenB), params, *book.Snapshot()), "");
}

TEST(Verify, TakesBothTokensWhileOneIsRotated) {
  const crypto::KeyRing keys = TestKeys();
  DirectoryBook book(keys);
  auto account = AccountRecord(keys, kAccountA, kTokenA);
  account.mutable_account()->set_sealed_secondary_token(
      keys.Seal(kTokenB, {crypto::kTwilioToken, kAccountA}));
  Put(book, account);
  const twilio::FormParams params = MessageParams();
  for (const Secret& token : {kTokenA, kTokenB}) {
    EXPECT_EQ(Reason(SignedPost(kMessageTarget, params, token), params, *book.Snapshot()), "");
  }
  EXPECT_EQ(Reason(SignedPost(kMessageTarget, params, Secret("third")), params, *book.Snapshot()),
            "SIGNATURE_MISMATCH");
}

TEST(Verify, TriesEachPublicAddressWithAndWithoutPort) {
  const crypto::KeyRing keys = TestKeys();
  DirectoryBook book(keys);
  auto account = AccountRecord(keys, kAccountA, kTokenA);
  account.mutable_account()->set_public_url("https://account.example.com/");
  Put(book, account);
  auto number = NumberRecord(kAccountA, kNumberA);
  number.mutable_number()->set_public_url("https://number.example.com/base/");
  Put(book, number);
  const twilio::FormParams params = MessageParams();
  for (const char* url :
       {"https://chat.example.com", "https://chat.example.com:443", "https://account.example.com",
        "https://number.example.com/base", "https://number.example.com:443/base"}) {
    EXPECT_EQ(Reason(SignedPost(kMessageTarget, params, kTokenA, url), params, *book.Snapshot()),
              "")
        << url;
  }
  EXPECT_EQ(Reason(SignedPost(kMessageTarget, params, kTokenA, "https://elsewhere.example.com"),
                   params, *book.Snapshot()),
            "SIGNATURE_MISMATCH");
}

TEST(Verify, OfGetTheUrlAloneIsSigned) {
  const twilio::FormParams params = MessageParams();
  SignedWebhook webhook;
  webhook.is_get = true;
  webhook.target = std::string(kMessageTarget) + "?" + twilio::EncodeForm(params);
  webhook.signature = twilio::Sign(kServerUrl + webhook.target, {}, kTokenA);
  EXPECT_EQ(Reason(webhook, params, *TwoAccounts()), "");
  webhook.target += "&Body=more";
  EXPECT_EQ(Reason(webhook, params, *TwoAccounts()), "SIGNATURE_MISMATCH");
}

TEST(Verify, AnAccountThatCannotBeReadIsNotRefusedForGood) {
  const crypto::KeyRing keys = TestKeys('k');
  const crypto::KeyRing others = TestKeys('x');
  DirectoryBook book(keys);
  Put(book, AccountRecord(others, kAccountA, kTokenA));
  const twilio::FormParams params = MessageParams();
  EXPECT_EQ(Reason(SignedPost(kMessageTarget, params, kTokenA), params, *book.Snapshot()),
            "ACCOUNT_UNREADABLE");
}

TEST(Verify, WithoutSignaturesTheAccountStillCounts) {
  const VerifyOptions insecure{.server_url = kServerUrl, .check_signatures = false};
  SignedWebhook webhook = SignedPost(kMessageTarget, MessageParams(), kTokenA);
  webhook.signature = "";
  EXPECT_EQ(Reason(webhook, MessageParams(), *TwoAccounts(), insecure), "");
  EXPECT_EQ(
      Reason(webhook, MessageParams("x", kNumberA, kUnknownAccount), *TwoAccounts(), insecure),
      "UNKNOWN_ACCOUNT");
  EXPECT_EQ(Reason(webhook, MessageParams("x", kNumberB, kAccountA), *TwoAccounts(), insecure),
            "NUMBER_OF_ANOTHER_ACCOUNT");
}

}  // namespace
}  // namespace parley::ingest
