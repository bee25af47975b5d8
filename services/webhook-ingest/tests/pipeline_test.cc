#include "pipeline.h"

#include <gtest/gtest.h>

#include "domain/trace.h"
#include "fakes/fakes.h"
#include "libs/base/id.h"
#include "libs/twilio/callback.h"
#include "libs/twilio/url.h"
#include "parley/events/v1/consent.pb.h"
#include "parley/events/v1/delivery_status.pb.h"
#include "parley/events/v1/inbound.pb.h"

namespace parley::ingest {
namespace {

using webhooks::OutgoingRecord;
using webhooks::Topic;

class PipelineTest : public testing::Test {
 protected:
  PipelineTest() { directory_.current = TwoAccounts(); }

  // "" if the webhook was taken.
  std::string Message(const SignedWebhook& webhook) {
    return Reason(pipeline_.Handle(webhooks::Kind::kMessage, webhook.View()));
  }
  std::string Status(const SignedWebhook& webhook) {
    return Reason(pipeline_.Handle(webhooks::Kind::kStatus, webhook.View()));
  }
  static std::string Reason(const std::optional<Refusal>& refusal) {
    return refusal ? std::to_string(refusal->http_status) + " " + refusal->reason : "";
  }

  FakeDirectory directory_;
  FakePublisher publisher_;
  SimulatedClock clock_{FromMicros(1'700'000'000'000'000)};
  WebhookPipeline pipeline_{{.verify = {.server_url = kServerUrl}}, directory_, publisher_, clock_};
};

TEST_F(PipelineTest, PublishesATextOnce) {
  EXPECT_EQ(Message(SignedPost(kMessageTarget, MessageParams(), kTokenA)), "");
  ASSERT_EQ(publisher_.records.size(), 1u);
  EXPECT_EQ(publisher_.records[0].topic, Topic::kInbound);
  // A new trace begins here.
  EXPECT_TRUE(IsTraceparent(publisher_.records[0].traceparent));
}

TEST_F(PipelineTest, PublishesConsentBeforeTheText) {
  for (const auto& [body, keyword] : {std::pair("STOP", events::v1::KEYWORD_STOP),
                                      std::pair(" start\n", events::v1::KEYWORD_START)}) {
    publisher_.records.clear();
    EXPECT_EQ(Message(SignedPost(kMessageTarget, MessageParams(body), kTokenA)), "");
    ASSERT_EQ(publisher_.records.size(), 2u) << body;
    EXPECT_EQ(publisher_.records[0].topic, Topic::kConsent);
    EXPECT_EQ(publisher_.records[1].topic, Topic::kInbound);
    events::v1::ConsentRecord consent;
    ASSERT_TRUE(consent.ParseFromString(publisher_.records[0].value));
    EXPECT_EQ(consent.keyword(), keyword);
    EXPECT_EQ(consent.organization_id(), "org-of-1");
    events::v1::InboundRecord inbound;
    ASSERT_TRUE(inbound.ParseFromString(publisher_.records[1].value));
    EXPECT_EQ(inbound.message().keyword(), keyword);
  }
}

TEST_F(PipelineTest, HelpChangesNoConsent) {
  EXPECT_EQ(Message(SignedPost(kMessageTarget, MessageParams("help"), kTokenA)), "");
  ASSERT_EQ(publisher_.records.size(), 1u);
  events::v1::InboundRecord inbound;
  ASSERT_TRUE(inbound.ParseFromString(publisher_.records[0].value));
  EXPECT_EQ(inbound.message().keyword(), events::v1::KEYWORD_HELP);
}

TEST_F(PipelineTest, ConsentThatIsNotDurableHoldsTheTextBack) {
  publisher_.fail = [](const OutgoingRecord& record) { return record.topic == Topic::kConsent; };
  EXPECT_EQ(Message(SignedPost(kMessageTarget, MessageParams("STOP"), kTokenA)), "503 NOT_DURABLE");
  EXPECT_TRUE(publisher_.records.empty());
}

TEST_F(PipelineTest, WithoutAcknowledgementThereIsNoAnswer2xx) {
  publisher_.fail = [](const OutgoingRecord&) { return true; };
  EXPECT_EQ(Message(SignedPost(kMessageTarget, MessageParams(), kTokenA)), "503 NOT_DURABLE");
}

TEST_F(PipelineTest, AnIncompleteDirectoryRefusesNobody) {
  directory_.current = nullptr;
  EXPECT_EQ(Message(SignedPost(kMessageTarget, MessageParams(), kTokenA)),
            "503 DIRECTORY_INCOMPLETE");
  // Not even one whose signature is wrong: that cannot be known yet.
  EXPECT_EQ(Message(SignedPost(kMessageTarget, MessageParams(), kTokenB)),
            "503 DIRECTORY_INCOMPLETE");
  EXPECT_TRUE(publisher_.records.empty());
}

TEST_F(PipelineTest, MalformedMessagesChangeNothing) {
  const auto raw = [](std::string body) {
    SignedWebhook webhook = SignedPost(kMessageTarget, MessageParams(), kTokenA);
    webhook.body = std::move(body);
    return webhook;
  };
  SignedWebhook json = SignedPost(kMessageTarget, MessageParams(), kTokenA);
  json.content_type = "application/json";
  SignedWebhook untyped = json;
  untyped.content_type = "";
  SignedWebhook token = SignedPost(kMessageTarget, MessageParams(), kTokenA);
  token.idempotency_token = std::string(200, 'x');
  SignedWebhook token_bytes = token;
  token_bytes.idempotency_token = "\xff";
  twilio::FormParams twice = MessageParams();
  twice.Add("AccountSid", kAccountB);
  twilio::FormParams no_sender;
  for (const twilio::FormParam param : MessageParams()) {
    if (param.name != "From") no_sender.Add(param.name, param.value);
  }
  const struct {
    const char* label;
    SignedWebhook webhook;
    const char* want;
  } cases[] = {
      {"empty body", raw(""), "400 PARAM_MISSING"},
      {"cut escape", raw("AccountSid=%4"), "400 FORM_BAD_ESCAPE"},
      {"NUL", raw("AccountSid=a%00b"), "400 FORM_NUL"},
      {"no UTF-8", raw("Body=%ff"), "400 FORM_NOT_UTF8"},
      {"too large", raw("Body=" + std::string(70'000, 'x')), "413 FORM_TOO_LARGE"},
      {"JSON", json, "415 CONTENT_TYPE"},
      {"no content type", untyped, "415 CONTENT_TYPE"},
      {"token too long", token, "400 HEADER_INVALID"},
      {"token of bytes", token_bytes, "400 HEADER_INVALID"},
      {"two accounts", SignedPost(kMessageTarget, twice, kTokenA), "400 PARAM_REPEATED"},
      {"no sender", SignedPost(kMessageTarget, no_sender, kTokenA), "400 PARAM_MISSING"},
      {"wrong signature", SignedPost(kMessageTarget, MessageParams(), kTokenB),
       "403 SIGNATURE_MISMATCH"},
      {"body changed after signing", raw(twilio::EncodeForm(MessageParams("Other"))),
       "403 SIGNATURE_MISMATCH"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(Message(c.webhook), c.want) << c.label;
    EXPECT_TRUE(publisher_.records.empty()) << c.label;
  }
}

TEST_F(PipelineTest, WhatCarriesNoSignatureIsRefusedBeforeItIsRead) {
  for (const char* body : {"", "From=x", "Body=%ff"}) {
    SignedWebhook webhook;
    webhook.target = kMessageTarget;
    webhook.body = body;
    EXPECT_EQ(Message(webhook), "403 SIGNATURE_MISSING") << body;
    EXPECT_EQ(Status(webhook), "403 SIGNATURE_MISSING") << body;
  }
}

TEST_F(PipelineTest, TakesAMessageByGet) {
  SignedWebhook webhook;
  webhook.is_get = true;
  webhook.content_type = "";
  webhook.target = std::string(kMessageTarget) + "?" + twilio::EncodeForm(MessageParams());
  webhook.signature = twilio::Sign(kServerUrl + webhook.target, {}, kTokenA);
  EXPECT_EQ(Message(webhook), "");
  EXPECT_EQ(publisher_.Of(Topic::kInbound).size(), 1u);
}

TEST_F(PipelineTest, PublishesAStatusWithOurMessageAndAttempt) {
  const std::string id = NewId();
  const std::string url = twilio::StatusCallbackUrl("", {.message_id = id, .attempt = 2});
  const twilio::FormParams params = {{"AccountSid", kAccountA},
                                     {"MessageSid", kMessageSid},
                                     {"MessageStatus", "delivered"},
                                     {"From", kNumberA},
                                     {"To", kCustomer}};
  const std::string target(twilio::WithoutFragment(url));
  EXPECT_EQ(Status(SignedPost(target, params, kTokenA)), "");
  ASSERT_EQ(publisher_.records.size(), 1u);
  events::v1::DeliveryStatusRecord record;
  ASSERT_TRUE(record.ParseFromString(publisher_.records[0].value));
  EXPECT_EQ(record.message_id(), id);
  EXPECT_EQ(record.attempt(), 2);
  EXPECT_EQ(record.status(), "delivered");
  // The query is signed: nobody moves a status to another message.
  SignedWebhook moved = SignedPost(target, params, kTokenA);
  moved.target = std::string(twilio::WithoutFragment(
      twilio::StatusCallbackUrl("", {.message_id = NewId(), .attempt = 2})));
  EXPECT_EQ(Status(moved), "403 SIGNATURE_MISMATCH");
}

TEST_F(PipelineTest, MalformedStatusesChangeNothing) {
  const twilio::FormParams good = {{"AccountSid", kAccountA},
                                   {"MessageSid", kMessageSid},
                                   {"MessageStatus", "sent"},
                                   {"From", kNumberA}};
  const twilio::FormParams no_state = {{"AccountSid", kAccountA}, {"MessageSid", kMessageSid}};
  const twilio::FormParams foreign = {{"AccountSid", kAccountA},
                                      {"MessageSid", kMessageSid},
                                      {"MessageStatus", "sent"},
                                      {"From", kNumberB}};
  const std::string path = "/webhooks/twilio/status";
  const struct {
    const char* label;
    SignedWebhook webhook;
    const char* want;
  } cases[] = {
      {"no state", SignedPost(path, no_state, kTokenA), "400 PARAM_MISSING"},
      {"B's number", SignedPost(path, foreign, kTokenA), "403 NUMBER_OF_ANOTHER_ACCOUNT"},
      {"attempt that is none", SignedPost(path + "?attempt=x", good, kTokenA), "400 PARAM_INVALID"},
      {"query that is none", SignedPost(path + "?a=%zz", good, kTokenA), "400 FORM_BAD_ESCAPE"},
      {"wrong signature", SignedPost(path, good, kTokenB), "403 SIGNATURE_MISMATCH"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(Status(c.webhook), c.want) << c.label;
    EXPECT_TRUE(publisher_.records.empty()) << c.label;
  }
}

}  // namespace
}  // namespace parley::ingest
