#include "pipeline.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "domain/trace.h"
#include "fakes/fakes.h"
#include "libs/base/id.h"
#include "libs/twilio/callback.h"
#include "libs/twilio/url.h"
#include "parley/events/v1/consent.pb.h"
#include "parley/events/v1/delivery_status.pb.h"
#include "parley/events/v1/inbound.pb.h"
#include "parley/events/v1/quarantine.pb.h"

namespace parley::ingest {
namespace {

using webhooks::OutgoingRecord;
using webhooks::Topic;

class PipelineTest : public testing::Test {
 protected:
  PipelineTest() { directory_.current = TwoAccounts(); }

  // "" if the webhook was taken.
  std::string Message(const SignedWebhook& webhook) {
    return Handle(webhooks::Kind::kMessage, webhook);
  }
  std::string Status(const SignedWebhook& webhook) {
    return Handle(webhooks::Kind::kStatus, webhook);
  }
  std::string Handle(webhooks::Kind kind, const SignedWebhook& webhook,
                     const Arrival& arrival = {}) {
    const Outcome outcome = pipeline_.Handle(kind, webhook.View(), arrival);
    if (const auto* refusal = std::get_if<Refusal>(&outcome)) {
      return std::to_string(refusal->http_status) + " " + refusal->reason;
    }
    twiml_ = std::get<Answer>(outcome).twiml;
    return "";
  }

  FakeDirectory directory_;
  FakePublisher publisher_;
  SimulatedClock clock_{FromMicros(1'700'000'000'000'000)};
  std::string twiml_;  // The last answer.
  WebhookPipeline pipeline_{
      {.verify = {.server_url = kServerUrl}}, directory_, publisher_, publisher_, clock_};
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
  // Nor one that has none: it could not be kept for a release.
  SignedWebhook unsigned_one = SignedPost(kMessageTarget, MessageParams(), kTokenA);
  unsigned_one.signature = "";
  EXPECT_EQ(Message(unsigned_one), "503 DIRECTORY_INCOMPLETE");
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

// --- Calls ---

const std::string kCallSid = "CA" + std::string(32, 'c');

twilio::FormParams CallParams(std::string_view status = "ringing") {
  return {{"CallSid", kCallSid},
          {"AccountSid", kAccountA},
          {"From", kCustomer},
          {"To", kNumberA},
          {"Caller", kCustomer},
          {"Called", kNumberA},
          {"CallStatus", status},
          {"Direction", "inbound"},
          {"ApiVersion", "2010-04-01"},
          {"CallerName", "ANA B"},
          {"StirVerstat", "TN-Validation-Passed-A"}};
}

std::string AccountOf(const OutgoingRecord& record) {
  events::v1::InboundRecord inbound;
  events::v1::ConsentRecord consent;
  events::v1::DeliveryStatusRecord status;
  switch (record.topic) {
    case Topic::kInbound:
      return inbound.ParseFromString(record.value) ? inbound.account_sid() : "";
    case Topic::kConsent:
      return consent.ParseFromString(record.value) ? consent.account_sid() : "";
    case Topic::kDeliveryStatus:
      return status.ParseFromString(record.value) ? status.account_sid() : "";
    case Topic::kQuarantine:
      return "";
  }
  return "";
}

events::v1::InboundRecord OnlyInbound(const FakePublisher& publisher) {
  events::v1::InboundRecord record;
  EXPECT_EQ(publisher.records.size(), 1u);
  EXPECT_EQ(publisher.records.at(0).topic, Topic::kInbound);
  EXPECT_TRUE(record.ParseFromString(publisher.records.at(0).value));
  return record;
}

TEST_F(PipelineTest, PublishesACallAndGreets) {
  const std::string path(twilio::kVoiceWebhookPath);
  EXPECT_EQ(Handle(webhooks::Kind::kVoice, SignedPost(path, CallParams(), kTokenA)), "");
  EXPECT_NE(twiml_.find("<Say>"), std::string::npos);
  const auto record = OnlyInbound(publisher_);
  EXPECT_EQ(publisher_.records[0].key, kAccountA + "/" + kNumberA + "/" + kCustomer);
  EXPECT_EQ(record.medium(), events::v1::MEDIUM_VOICE);
  EXPECT_EQ(record.customer_number(), kCustomer);
  EXPECT_EQ(record.call().call_sid(), kCallSid);
  EXPECT_EQ(record.call().status(), "ringing");
  EXPECT_EQ(record.call().caller_name(), "ANA B");
  EXPECT_EQ(record.call().answered_by(), "greeting");
  EXPECT_EQ(record.parameters_size(), 11);
}

TEST_F(PipelineTest, VoiceOverHttpsIsSignedWithoutItsPort) {
  const std::string path(twilio::kVoiceWebhookPath);
  WebhookPipeline pipeline({.verify = {.server_url = "https://chat.example.com:8443"}}, directory_,
                           publisher_, publisher_, clock_);
  const SignedWebhook webhook = SignedPost(path, CallParams(), kTokenA, "https://chat.example.com");
  EXPECT_TRUE(
      std::holds_alternative<Answer>(pipeline.Handle(webhooks::Kind::kVoice, webhook.View(), {})));
}

TEST_F(PipelineTest, TheStatusRouteTakesTheEndOfACall) {
  twilio::FormParams params = CallParams("completed");
  params.Add("CallDuration", "42");
  const std::string path(twilio::kStatusWebhookPath);
  EXPECT_EQ(Status(SignedPost(path, params, kTokenA)), "");
  EXPECT_EQ(twiml_, "");
  const auto record = OnlyInbound(publisher_);
  EXPECT_EQ(record.call().status(), "completed");
  EXPECT_EQ(record.call().duration_seconds(), 42);
  EXPECT_EQ(record.call().answered_by(), "");
}

TEST_F(PipelineTest, ACallThatTheBusinessMadeHasNoRow) {
  twilio::FormParams params;
  for (const twilio::FormParam param : CallParams("completed")) {
    params.Add(param.name, param.name == "Direction" ? "outbound-api" : param.value);
  }
  EXPECT_EQ(Status(SignedPost(std::string(twilio::kStatusWebhookPath), params, kTokenA)), "");
  EXPECT_TRUE(publisher_.records.empty());
}

TEST_F(PipelineTest, ARecordingFollowsItsCall) {
  const std::string url = twilio::RecordingUrl("", {.business = kNumberA, .customer = kCustomer});
  const std::string target(twilio::WithoutFragment(url));
  const std::string sid = "RE" + std::string(32, 'e');
  const twilio::FormParams status = {{"AccountSid", kAccountA},
                                     {"CallSid", kCallSid},
                                     {"RecordingSid", sid},
                                     {"RecordingUrl", "https://api.twilio.com/r"},
                                     {"RecordingStatus", "completed"},
                                     {"RecordingDuration", "7"}};
  EXPECT_EQ(Handle(webhooks::Kind::kRecording, SignedPost(target, status, kTokenA)), "");
  EXPECT_EQ(twiml_, "");
  const auto record = OnlyInbound(publisher_);
  EXPECT_EQ(publisher_.records[0].key, kAccountA + "/" + kNumberA + "/" + kCustomer);
  EXPECT_EQ(record.customer_number(), kCustomer);
  EXPECT_EQ(record.recording().recording_sid(), sid);
  EXPECT_EQ(record.recording().call_sid(), kCallSid);
  EXPECT_EQ(record.recording().status(), "completed");
  EXPECT_EQ(record.recording().url(), "https://api.twilio.com/r");
  EXPECT_EQ(record.recording().duration_seconds(), 7);
  // <Record action> has the call's parameters, and is told how to go on.
  publisher_.records.clear();
  twilio::FormParams action = CallParams("in-progress");
  action.Add("RecordingSid", sid);
  action.Add("RecordingUrl", "https://api.twilio.com/r");
  action.Add("RecordingDuration", "7");
  EXPECT_EQ(Handle(webhooks::Kind::kRecording, SignedPost(target, action, kTokenA)), "");
  EXPECT_NE(twiml_.find("<Hangup/>"), std::string::npos);
  EXPECT_EQ(OnlyInbound(publisher_).recording().status(), "");
  // One whose URL names nobody is found by its call.
  publisher_.records.clear();
  EXPECT_EQ(Handle(webhooks::Kind::kRecording,
                   SignedPost(std::string(twilio::kRecordingWebhookPath), status, kTokenA)),
            "");
  EXPECT_EQ(publisher_.records.at(0).key, kAccountA + "/" + kCallSid);
}

// --- One account's valid signature reaches nothing of another's ---

// `params` with some values replaced; A signs.
struct Forgery {
  const char* label;
  webhooks::Kind kind;
  twilio::FormParams params;
  std::vector<twilio::FormParam> replaced;
  const char* query;
  const char* want;  // "": taken, as A's own.
};

TEST_F(PipelineTest, AnAccountsSignatureReachesNothingOfAnothers) {
  using webhooks::Kind;
  const std::string sid_of_b = "SM" + std::string(32, 'b');
  const std::string call_of_b = "CA" + std::string(32, 'b');
  const std::string service_of_b = "MG" + std::string(32, 'b');
  const std::string status_query = "?message_id=" + NewId() + "&attempt=1";
  const std::string recording_query = "?business=%2B15005550007&customer=%2B15005550010";
  const twilio::FormParams message = MessageParams("STOP");
  twilio::FormParams in_service = MessageParams("STOP");
  in_service.Add("MessagingServiceSid", service_of_b);
  const twilio::FormParams status = {{"AccountSid", kAccountA},
                                     {"MessageSid", kMessageSid},
                                     {"MessageStatus", "delivered"},
                                     {"From", kNumberA},
                                     {"To", kCustomer}};
  const twilio::FormParams call = CallParams();
  const twilio::FormParams recording = {
      {"AccountSid", kAccountA}, {"CallSid", kCallSid}, {"RecordingStatus", "completed"}};
  constexpr char kMismatch[] = "403 SIGNATURE_MISMATCH";
  constexpr char kAnothers[] = "403 NUMBER_OF_ANOTHER_ACCOUNT";
  const Forgery cases[] = {
      {"message, AccountSid", Kind::kMessage, message, {{"AccountSid", kAccountB}}, "", kMismatch},
      {"message, To", Kind::kMessage, message, {{"To", kNumberB}}, "", kAnothers},
      {"message, From", Kind::kMessage, message, {{"From", kNumberB}}, "", ""},
      {"message, MessageSid", Kind::kMessage, message, {{"MessageSid", sid_of_b}}, "", ""},
      {"message, service", Kind::kMessage, in_service, {}, "", ""},
      {"status, AccountSid", Kind::kStatus, status, {{"AccountSid", kAccountB}}, "", kMismatch},
      {"status, From", Kind::kStatus, status, {{"From", kNumberB}}, "", kAnothers},
      {"status, To", Kind::kStatus, status, {{"To", kNumberB}}, "", ""},
      {"status, MessageSid", Kind::kStatus, status, {{"MessageSid", sid_of_b}}, "", ""},
      {"status, message_id", Kind::kStatus, status, {}, status_query.c_str(), ""},
      {"call, AccountSid", Kind::kVoice, call, {{"AccountSid", kAccountB}}, "", kMismatch},
      {"call, To", Kind::kVoice, call, {{"To", kNumberB}}, "", kAnothers},
      {"call, Called", Kind::kVoice, call, {{"Called", kNumberB}}, "", ""},
      {"call, From", Kind::kVoice, call, {{"From", kNumberB}}, "", ""},
      {"call, Caller", Kind::kVoice, call, {{"Caller", kNumberB}}, "", ""},
      {"call, CallSid", Kind::kVoice, call, {{"CallSid", call_of_b}}, "", ""},
      {"the end of a call, To", Kind::kStatus, call, {{"To", kNumberB}}, "", kAnothers},
      {"a call by B, From",
       Kind::kStatus,
       call,
       {{"From", kNumberB}, {"Direction", "outbound-api"}},
       "",
       kAnothers},
      {"recording, AccountSid",
       Kind::kRecording,
       recording,
       {{"AccountSid", kAccountB}},
       "",
       kMismatch},
      {"recording, CallSid", Kind::kRecording, recording, {{"CallSid", call_of_b}}, "", ""},
      {"recording, business", Kind::kRecording, recording, {}, recording_query.c_str(), kAnothers},
  };
  for (const Forgery& c : cases) {
    publisher_.records.clear();
    twilio::FormParams params;
    for (const twilio::FormParam param : c.params) {
      const auto replaced = std::find_if(c.replaced.begin(), c.replaced.end(),
                                         [&](const auto& one) { return one.name == param.name; });
      params.Add(param.name, replaced == c.replaced.end() ? param.value : replaced->value);
    }
    const SignedWebhook webhook = SignedPost(std::string("/x") + c.query, params, kTokenA);
    EXPECT_EQ(Handle(c.kind, webhook), c.want) << c.label;
    // What is taken acts as A's, whatever it names: readers apply it to rows of A alone.
    EXPECT_EQ(publisher_.records.empty(), *c.want != '\0') << c.label;
    for (const OutgoingRecord& record : publisher_.records) {
      EXPECT_EQ(AccountOf(record), kAccountA) << c.label;
      EXPECT_EQ(record.value.find(kAccountB), std::string::npos) << c.label;
    }
  }
}

// --- Quarantine ---

TEST_F(PipelineTest, AFailedSignatureOfAKnownAccountIsKept) {
  SignedWebhook webhook =
      SignedPost(kMessageTarget, MessageParams(), kTokenA, "https://wrong.example.com");
  const Arrival arrival{.remote_address = "203.0.113.7",
                        .requested_url = "",
                        .each_header = [](Arrival::HeaderVisitor visit) {
                          visit("X-Twilio-Signature", "s");
                          visit("Authorization", "Basic secret");
                          visit("X-Bytes", "\xff");
                        }};
  EXPECT_EQ(Handle(webhooks::Kind::kMessage, webhook, arrival), "403 SIGNATURE_MISMATCH");
  EXPECT_TRUE(publisher_.records.empty());
  ASSERT_EQ(publisher_.tried.size(), 1u);
  EXPECT_EQ(publisher_.tried[0].topic, Topic::kQuarantine);
  EXPECT_EQ(publisher_.tried[0].key, kAccountA);
  events::v1::QuarantineRecord record;
  ASSERT_TRUE(record.ParseFromString(publisher_.tried[0].value));
  EXPECT_EQ(record.reason(), "SIGNATURE_MISMATCH");
  EXPECT_EQ(record.kind(), events::v1::WEBHOOK_KIND_MESSAGE);
  EXPECT_EQ(record.target(), kMessageTarget);
  EXPECT_EQ(record.body(), webhook.body);
  EXPECT_EQ(record.remote_address(), "203.0.113.7");
  EXPECT_EQ(record.business_number(), kNumberA);
  EXPECT_EQ(record.received_at_us(), 1'700'000'000'000'000);
  ASSERT_EQ(record.headers_size(), 2);
  EXPECT_EQ(record.headers(0).value(), "s");
  EXPECT_EQ(record.headers(1).value(), "?");
  ASSERT_GE(record.tried_urls_size(), 2);
  EXPECT_EQ(record.tried_urls(0), std::string(kServerUrl) + kMessageTarget);
  // Twilio's repeat of it is the same webhook.
  EXPECT_EQ(Handle(webhooks::Kind::kMessage, webhook, arrival), "403 SIGNATURE_MISMATCH");
  EXPECT_EQ(publisher_.tried.size(), 1u);
  // One without a signature shows that a proxy drops the header.
  webhook.signature = "";
  webhook.idempotency_token = "another";
  EXPECT_EQ(Handle(webhooks::Kind::kMessage, webhook, arrival), "403 SIGNATURE_MISSING");
  EXPECT_EQ(publisher_.tried.size(), 2u);
}

TEST_F(PipelineTest, WhatNobodyCouldReleaseIsNotKept) {
  const struct {
    const char* label;
    SignedWebhook webhook;
    const char* want;
  } cases[] = {
      {"unknown account",
       SignedPost(kMessageTarget, MessageParams("x", kNumberA, kUnknownAccount), kTokenA),
       "403 UNKNOWN_ACCOUNT"},
      {"another's number", SignedPost(kMessageTarget, MessageParams("x", kNumberB), kTokenA),
       "403 NUMBER_OF_ANOTHER_ACCOUNT"},
      {"no message", SignedPost(kMessageTarget, {{"AccountSid", kAccountA}}, kTokenB),
       "400 PARAM_MISSING"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(Message(c.webhook), c.want) << c.label;
    EXPECT_TRUE(publisher_.tried.empty()) << c.label;
  }
}

TEST_F(PipelineTest, AStrangerFillsNoQuarantine) {
  for (int i = 0; i < 100; ++i) {
    SignedWebhook webhook = SignedPost(kMessageTarget, MessageParams(), kTokenB);
    webhook.idempotency_token = "token-" + std::to_string(i);
    EXPECT_EQ(Handle(webhooks::Kind::kMessage, webhook, {.remote_address = "203.0.113.7"}),
              "403 SIGNATURE_MISMATCH");
  }
  EXPECT_EQ(publisher_.tried.size(), 20u);
  clock_.Advance(std::chrono::minutes(1));
  for (int i = 100; i < 200; ++i) {
    SignedWebhook webhook = SignedPost(kMessageTarget, MessageParams(), kTokenB);
    webhook.idempotency_token = "token-" + std::to_string(i);
    Handle(webhooks::Kind::kMessage, webhook, {.remote_address = "203.0.113.7"});
  }
  EXPECT_EQ(publisher_.tried.size(), 30u);
}

TEST_F(PipelineTest, UnservedChannelsAreRefusedBeforeAnythingIsPublished) {
  twilio::FormParams messenger;
  for (const twilio::FormParam param : MessageParams()) {
    messenger.Add(param.name, param.name == "From" ? "messenger:12345" : param.value);
  }
  EXPECT_EQ(Message(SignedPost(kMessageTarget, messenger, kTokenA)), "400 CHANNEL_UNSUPPORTED");
  twilio::FormParams sip;
  for (const twilio::FormParam param : CallParams()) {
    sip.Add(param.name, param.name == "From" ? "sip:ana@example.com" : param.value);
  }
  EXPECT_EQ(Handle(webhooks::Kind::kVoice,
                   SignedPost(std::string(twilio::kVoiceWebhookPath), sip, kTokenA)),
            "400 CHANNEL_UNSUPPORTED");
  EXPECT_TRUE(publisher_.records.empty());
}

}  // namespace
}  // namespace parley::ingest
