// The simulated Twilio with a clock in the test's hand.
#include "domain/world.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace parley::simulator {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr char kOwn[] = "+15005550006";
constexpr char kOther[] = "+15550001001";
constexpr char kCustomer[] = "+15005550123";

class WorldTest : public ::testing::Test {
 protected:
  WorldTest() : world_(WorldOptions{.key = 7}) {
    account_ = &world_.AddAccount("AC" + std::string(32, '1'), std::string(32, '1'), now_);
    world_.AddNumber(*account_, kOwn, "local", now_);
    stranger_ = &world_.AddAccount("AC" + std::string(32, '3'), std::string(32, '3'), now_);
    world_.AddNumber(*stranger_, kOther, "local", now_);
  }

  void Pass(Micros span) {
    now_ += span;
    world_.Advance(now_);
  }

  Params Text(const Params& more = {}) {
    Params params = {{"To", kCustomer}, {"From", kOwn}, {"Body", "Hello"}};
    for (const auto& param : more) {
      std::erase_if(params, [&](const auto& own) { return own.first == param.first; });
      params.push_back(param);
    }
    return params;
  }

  Json Create(const Params& params) {
    const auto created = world_.CreateMessage(*account_, params, now_, now_);
    if (const ApiError* error = ErrorOf(created)) {
      ADD_FAILURE() << error->code << " " << error->message;
      return {};
    }
    return Json::parse(std::get<std::string>(created));
  }

  int Refused(const Params& params) {
    const auto created = world_.CreateMessage(*account_, params, now_, now_);
    const ApiError* error = ErrorOf(created);
    return error == nullptr ? 0 : error->code;
  }

  Json Fetch(const std::string& sid) {
    std::uint64_t number = 0;
    if (world_.FindMessage(*account_, sid, &number) == nullptr) return {};
    std::string out;
    world_.RenderMessage(out, number, now_, false);
    return Json::parse(out);
  }

  std::string StatusOf(const Json& message) { return Fetch(message["sid"])["status"]; }

  std::vector<std::string> Callbacks() {
    std::vector<std::string> seen;
    for (const Webhook& webhook : world_.TakeWebhooks()) {
      seen.emplace_back(Get(webhook.params, "MessageStatus"));
    }
    return seen;
  }

  Received Text(const std::string& body, Channel channel = Channel::kSms) {
    Inbound inbound{kCustomer, kOwn, body, {}, channel, {}, {}};
    auto received = world_.Receive(inbound, now_);
    EXPECT_EQ(ErrorOf(received), nullptr);
    return std::get<Received>(received);
  }

  std::vector<std::string> Bodies(const MessageFilter& filter = {}, const PageRequest& page = {}) {
    std::vector<std::string> bodies;
    for (const std::uint64_t number : world_.ListMessages(*account_, filter, page, now_).messages) {
      bodies.push_back(world_.messages().Find(number)->body);
    }
    return bodies;
  }

  Service& AddService(const std::vector<std::string>& numbers) {
    auto service = std::make_unique<Service>();
    service->sid = world_.NewSid("MG");
    service->account = account_->index;
    service->fields = Json::object();
    for (const std::string& text : numbers) {
      service->number_sids.push_back(world_.FindNumber(text)->sid);
    }
    world_.services.push_back(std::move(service));
    return *world_.services.back();
  }

  Micros now_ = 1'800'000'000 * kSecond;
  World world_;
  Account* account_;
  Account* stranger_;
};

TEST_F(WorldTest, RulesAreCheckedInTwiliosOrder) {
  // Each case has the defects of all that follow it, so that only the order decides.
  const std::string long_body(1601, 'x');
  Params params = {{"MediaUrl", "nonsense"},
                   {"ValidityPeriod", "0"},
                   {"StatusCallback", "nonsense"},
                   {"ScheduleType", "fixed"}};
  const auto expect = [&](int code, const char* label) {
    EXPECT_EQ(Refused(params), code) << label;
  };
  const auto set = [&](const std::string& name, const std::string& value) {
    std::erase_if(params, [&](const auto& param) { return param.first == name; });
    if (!value.empty()) params.emplace_back(name, value);
  };
  expect(21604, "To is missing");
  set("To", "nonsense");
  expect(21603, "From is missing");
  set("From", "???");
  set("MediaUrl", "");
  expect(21619, "nothing to send");
  params.emplace_back("Body", "");
  expect(21602, "an empty body");
  set("Body", long_body);
  set("MediaUrl", "nonsense");
  expect(21617, "the body is too long");
  set("Body", "Hello");
  expect(21620, "the media URL is none");
  set("MediaUrl", "");
  set("ContentSid", "HX" + std::string(32, '0'));
  expect(21655, "the template is unknown");
  set("ContentSid", "");
  expect(21624, "the validity is out of range");
  set("ValidityPeriod", "");
  expect(21609, "the callback is no URL");
  set("StatusCallback", "");
  expect(35118, "scheduled without a service");
  set("ScheduleType", "");
  expect(21211, "To is no number");
  set("To", std::string("whatsapp:") + kCustomer);
  expect(21212, "From is no number");
  set("From", kOther);
  expect(21910, "two channels");
  set("To", kCustomer);
  expect(21660, "From is another account's");
  set("From", "+15550009999");
  expect(21606, "From is nobody's");
  set("From", kOwn);
  world_.settings.geo_blocked_prefixes = {"+1500"};
  world_.opt_outs.Stop(kOwn, kCustomer);
  expect(21408, "the region is off");
  world_.settings.geo_blocked_prefixes.clear();
  expect(21610, "the customer opted out");
  world_.opt_outs.Clear();
  expect(0, "nothing is wrong");
}

TEST_F(WorldTest, RefusesWithTheCodeOfTheDefect) {
  AddService({});
  const std::string service = world_.services.back()->sid;
  Params eleven;
  for (int i = 0; i < 11; ++i) eleven.emplace_back("MediaUrl", "https://example.com/a.png");
  Params with_media = Text();
  with_media.insert(with_media.end(), eleven.begin(), eleven.end());
  EXPECT_EQ(Refused(with_media), 21623);
  const struct {
    const char* label;
    Params params;
    int code;
  } cases[] = {
      {"1600 characters of two bytes fit",
       Text({{"Body",
              [] {
                std::string body;
                for (int i = 0; i < 1600; ++i) body += "ñ";
                return body;
              }()}}),
       0},
      {"validity may be 36000", Text({{"ValidityPeriod", "36000"}}), 0},
      {"validity may not be 36001", Text({{"ValidityPeriod", "36001"}}), 21624},
      {"underscore in the callback's host", Text({{"StatusCallback", "https://a_b.example/"}}),
       21609},
      {"long callback", Text({{"StatusCallback", "https://a.example/" + std::string(4000, 'x')}}),
       21609},
      {"local callback is fine by default", Text({{"StatusCallback", "http://localhost:1/"}}), 0},
      {"unknown service", Text({{"MessagingServiceSid", "MG" + std::string(32, '0')}}), 21701},
      {"unknown WhatsApp sender",
       {{"To", std::string("whatsapp:") + kCustomer},
        {"From", "whatsapp:+15550009999"},
        {"Body", "x"}},
       63007},
      {"sender name to North America", Text({{"From", "Parley"}}), 21612},
      {"unknown ScheduleType", Text({{"ScheduleType", "soon"}}), 35126},
      {"SendAt is missing", Text({{"MessagingServiceSid", service}, {"ScheduleType", "fixed"}}),
       35111},
      {"SendAt cannot be read",
       Text({{"MessagingServiceSid", service}, {"ScheduleType", "fixed"}, {"SendAt", "soon"}}),
       35114},
      {"SendAt in 899 s",
       Text({{"MessagingServiceSid", service},
             {"ScheduleType", "fixed"},
             {"SendAt", FormatIso8601(now_ + 899 * kSecond)}}),
       35117},
      {"SendAt in 900 s",
       Text({{"MessagingServiceSid", service},
             {"ScheduleType", "fixed"},
             {"SendAt", FormatIso8601(now_ + 900 * kSecond)}}),
       0},
      {"SendAt in 35 days and a second",
       Text({{"MessagingServiceSid", service},
             {"ScheduleType", "fixed"},
             {"SendAt", FormatIso8601(now_ + 3'024'001 * kSecond)}}),
       35117},
      {"SendAt alone is ignored", Text({{"SendAt", "soon"}}), 0},
  };
  for (const auto& c : cases) EXPECT_EQ(Refused(c.params), c.code) << c.label;
  world_.settings.require_public_callback_host = true;
  for (const char* url : {"http://localhost/", "http://127.0.0.1/", "http://10.1.2.3/",
                          "http://172.16.0.1/", "http://192.168.1.1/", "http://intranet/"}) {
    EXPECT_EQ(Refused(Text({{"StatusCallback", url}})), 21609) << url;
  }
  EXPECT_EQ(Refused(Text({{"StatusCallback", "http://172.15.0.1/"}})), 0);
  account_->type = "Trial";
  EXPECT_EQ(Refused(Text()), 21608);
  account_->verified_numbers = {kCustomer};
  EXPECT_EQ(Create(Text())["body"], "Sent from your Twilio trial account - Hello");
  account_->status = "suspended";
  EXPECT_EQ(Refused(Text()), 20005);
}

TEST_F(WorldTest, TestCredentialsKnowOnlyMagicNumbers) {
  account_->test = true;
  const struct {
    const char* to;
    const char* from;
    const char* body;
    int code;
  } cases[] = {
      {"+15005550001", kOwn, "x", 21211},      {"+15005550002", kOwn, "x", 21612},
      {"+15005550003", kOwn, "x", 21408},      {"+15005550004", kOwn, "x", 21610},
      {"+15005550009", kOwn, "x", 21614},      {kCustomer, "+15005550001", "x", 21212},
      {kCustomer, "+15005550007", "x", 21606}, {kCustomer, "+15005550008", "x", 21611},
      {kCustomer, kOther, "x", 21606},         {kCustomer, kOwn, "", 21602},
      {"nonsense", kOwn, "x", 21211},          {kCustomer, kOwn, "x", 0},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(Refused({{"To", c.to}, {"From", c.from}, {"Body", c.body}}), c.code)
        << c.to << c.from;
  }
  EXPECT_THAT(world_.ledger(), IsEmpty());
  EXPECT_THAT(Bodies(), IsEmpty());
}

TEST_F(WorldTest, TheAnswerHasTwiliosFieldsInTwiliosOrder) {
  const Json message = Create(Text());
  std::vector<std::string> keys;
  for (const auto& [key, value] : message.items()) keys.push_back(key);
  EXPECT_THAT(keys,
              ElementsAre("body", "num_segments", "direction", "from", "date_updated", "price",
                          "error_message", "uri", "account_sid", "num_media", "to", "date_created",
                          "status", "sid", "date_sent", "messaging_service_sid", "error_code",
                          "price_unit", "api_version", "subresource_uris"));
  EXPECT_EQ(message["status"], "queued");
  EXPECT_EQ(message["num_segments"], "1");
  EXPECT_TRUE(message["price"].is_null());
  EXPECT_FALSE(message["subresource_uris"].contains("feedback"));
  EXPECT_TRUE(Fetch(message["sid"])["subresource_uris"].contains("feedback"));
}

TEST_F(WorldTest, AMessageIsQueuedSentDeliveredAndPriced) {
  const Json message = Create(Text({{"StatusCallback", "http://a.example/s#rc=5"}}));
  EXPECT_EQ(StatusOf(message), "queued");
  Pass(50 * kMillisecond);
  EXPECT_EQ(StatusOf(message), "sent");
  EXPECT_FALSE(Fetch(message["sid"])["date_sent"].is_null());
  EXPECT_THAT(Callbacks(), ElementsAre("sent"));
  Pass(150 * kMillisecond);
  EXPECT_EQ(StatusOf(message), "delivered");
  EXPECT_TRUE(Fetch(message["sid"])["price"].is_null());
  const auto webhooks = world_.TakeWebhooks();
  ASSERT_EQ(webhooks.size(), 1U);
  EXPECT_THAT(webhooks[0].params,
              ElementsAre(Pair("RawDlrDoneDate", FormatDlrDate(now_)),
                          Pair("SmsSid", message["sid"]), Pair("SmsStatus", "delivered"),
                          Pair("MessageStatus", "delivered"), Pair("To", kCustomer),
                          Pair("MessageSid", message["sid"]), Pair("AccountSid", account_->sid),
                          Pair("From", kOwn), Pair("ApiVersion", "2010-04-01")));
  EXPECT_EQ(webhooks[0].url, "http://a.example/s#rc=5");
  Pass(2 * kSecond);
  EXPECT_EQ(Fetch(message["sid"])["price"], "-0.00790");
  EXPECT_THAT(Callbacks(), IsEmpty());
}

TEST_F(WorldTest, CallbacksCanBeSwitchedOff) {
  world_.settings.callbacks = false;
  const Json message = Create(Text({{"StatusCallback", "http://a.example/"}}));
  EXPECT_EQ(world_.NextDue(), std::numeric_limits<Micros>::max());
  Pass(kSecond);
  EXPECT_THAT(Callbacks(), IsEmpty());
  EXPECT_EQ(StatusOf(message), "delivered");
}

TEST_F(WorldTest, FaultsDelayDoubleShuffleAndFailCallbacks) {
  const Params params = Text({{"StatusCallback", "http://a.example/"}});
  world_.faults.callback_delay_ms = 1000;
  Create(params);
  Pass(1049 * kMillisecond);
  EXPECT_THAT(Callbacks(), IsEmpty());
  Pass(kMillisecond);
  EXPECT_THAT(Callbacks(), ElementsAre("sent"));
  Pass(kSecond);
  EXPECT_THAT(Callbacks(), ElementsAre("delivered"));

  world_.faults = {};
  world_.faults.callback_duplicate_rate = 1;
  Create(params);
  Pass(kSecond);
  EXPECT_THAT(Callbacks(), ElementsAre("sent", "sent", "delivered", "delivered"));

  world_.faults = {};
  world_.faults.callback_shuffle = true;
  bool swapped = false;
  for (int i = 0; i < 50; ++i) {
    Create(params);
    Pass(kSecond);
    swapped |= Callbacks() == std::vector<std::string>{"delivered", "sent"};
  }
  EXPECT_TRUE(swapped);

  world_.faults = {};
  world_.faults.undelivered_rate = 1;
  world_.faults.undelivered_error_code = 30005;
  const Json lost = Create(params);
  Pass(kSecond);
  EXPECT_THAT(Callbacks(), ElementsAre("sent", "undelivered"));
  EXPECT_EQ(Fetch(lost["sid"])["error_code"], 30005);
}

TEST_F(WorldTest, TheLedgerKeepsEveryCreationInOrder) {
  Create(Text({{"Body", "one"}}));
  Refused(Text({{"To", "nonsense"}}));
  now_ += 5;
  Create(Text({{"Body", "two"}, {"StatusCallback", "http://a.example/?m=1"}}));
  Text("STOP");  // The carrier's own reply is no creation.
  ASSERT_EQ(world_.ledger().size(), 2U);
  std::string out;
  world_.RenderLedgerEntry(out, world_.ledger()[1], now_);
  const Json entry = Json::parse(out);
  EXPECT_EQ(entry["index"], 2);
  EXPECT_EQ(entry["body"], "two");
  EXPECT_EQ(entry["arrived_at_us"], now_);
  EXPECT_EQ(entry["status_callback"], "http://a.example/?m=1");
  EXPECT_EQ(entry["from"], kOwn);
}

TEST_F(WorldTest, ListsFilterPageAndLag) {
  for (const char* body : {"1", "2", "3", "4", "5"}) {
    Create(Text({{"Body", body}}));
    Pass(kMillisecond);
  }
  Create(Text({{"Body", "other"}, {"To", "+15005550199"}}));
  EXPECT_THAT(Bodies(), ElementsAre("other", "5", "4", "3", "2", "1"));
  EXPECT_THAT(Bodies({.to = kCustomer}), ElementsAre("5", "4", "3", "2", "1"));
  EXPECT_THAT(Bodies({.from = kOwn, .sent_to = now_ - kDay}), IsEmpty());
  EXPECT_THAT(Bodies({.to = "+15005550198"}), IsEmpty());
  EXPECT_THAT(Bodies({}, {.page_size = 2, .page = 1}), ElementsAre("4", "3"));

  const auto first = world_.ListMessages(*account_, {.to = kCustomer}, {.page_size = 2}, now_);
  EXPECT_TRUE(first.more_after);
  EXPECT_FALSE(first.more_before);
  const std::string last = world_.MessageSid(first.messages.back());
  EXPECT_THAT(Bodies({.to = kCustomer}, {.page_size = 2, .page = 1, .page_token = "PA" + last}),
              ElementsAre("3", "2"));
  const auto rest = world_.ListMessages(
      *account_, {.to = kCustomer}, {.page_size = 3, .page = 1, .page_token = "PA" + last}, now_);
  EXPECT_FALSE(rest.more_after);
  const std::string third = world_.MessageSid(rest.messages.front());
  EXPECT_THAT(Bodies({.to = kCustomer}, {.page_size = 2, .page_token = "PB" + third}),
              ElementsAre("5", "4"));
  // Another account sees nothing of it.
  EXPECT_THAT(world_.ListMessages(*stranger_, {}, {}, now_).messages, IsEmpty());
  EXPECT_EQ(world_.FindMessage(*stranger_, last, nullptr), nullptr);

  world_.faults.list_lag_ms = 1000;
  const Json late = Create(Text({{"Body", "late"}}));
  EXPECT_EQ(Bodies({}, {.page_size = 1}), std::vector<std::string>{});
  EXPECT_EQ(StatusOf(late), "queued");
  Pass(kSecond);
  EXPECT_THAT(Bodies({}, {.page_size = 1}), ElementsAre("late"));
}

TEST_F(WorldTest, FinalMessagesCanBeRedactedAndDeleted) {
  const std::string sid = Create(Text())["sid"];
  EXPECT_EQ(world_.DeleteMessage(*account_, sid, now_)->code, 20009);
  EXPECT_EQ(world_.UpdateMessage(*account_, sid, {{"Body", "new"}}, now_)->code, 20422);
  Pass(kSecond);
  EXPECT_EQ(world_.UpdateMessage(*account_, sid, {{"Body", ""}}, now_), std::nullopt);
  EXPECT_EQ(Fetch(sid)["body"], "");
  EXPECT_EQ(world_.UpdateMessage(*account_, sid, {{"Status", "canceled"}}, now_)->code, 30409);
  EXPECT_EQ(world_.DeleteMessage(*account_, sid, now_), std::nullopt);
  EXPECT_TRUE(Fetch(sid).is_null());
  EXPECT_THAT(Bodies(), IsEmpty());
}

TEST_F(WorldTest, ScheduledMessagesWaitForTheirTime) {
  AddService({kOwn});
  const Params params = {{"To", kCustomer},
                         {"MessagingServiceSid", world_.services.back()->sid},
                         {"Body", "later"},
                         {"ScheduleType", "fixed"},
                         {"SendAt", FormatIso8601(now_ + kHour)},
                         {"StatusCallback", "http://a.example/"}};
  const Json sent = Create(params);
  const Json canceled = Create(params);
  EXPECT_EQ(sent["status"], "scheduled");
  EXPECT_TRUE(sent["from"].is_null());
  EXPECT_EQ(sent["num_segments"], "0");
  Pass(kHour - kMillisecond);
  EXPECT_EQ(StatusOf(sent), "scheduled");
  EXPECT_EQ(world_.UpdateMessage(*account_, canceled["sid"].get<std::string>(),
                                 {{"Status", "canceled"}}, now_),
            std::nullopt);
  EXPECT_EQ(StatusOf(canceled), "canceled");
  Pass(0);
  EXPECT_THAT(Callbacks(), ElementsAre("canceled"));
  Pass(kSecond);
  EXPECT_EQ(StatusOf(sent), "delivered");
  EXPECT_EQ(Fetch(sent["sid"])["from"], kOwn);
  EXPECT_EQ(StatusOf(canceled), "canceled");
  EXPECT_THAT(Callbacks(), ElementsAre("queued", "sent", "delivered"));
  EXPECT_THAT(Bodies({.from = kOwn}), ElementsAre("later"));
}

TEST_F(WorldTest, AServiceWithoutNumbersFailsItsMessages) {
  AddService({});
  const Json message = Create(
      {{"To", kCustomer}, {"MessagingServiceSid", world_.services.back()->sid}, {"Body", "x"}});
  EXPECT_EQ(message["status"], "accepted");
  Pass(kSecond);
  EXPECT_EQ(StatusOf(message), "failed");
  EXPECT_EQ(Fetch(message["sid"])["error_code"], 21703);
}

TEST_F(WorldTest, StopHoldsForThePairUntilStart) {
  Text("stop");
  EXPECT_EQ(Refused(Text()), 21610);
  EXPECT_EQ(Refused(Text({{"To", "+15005550199"}})), 0);
  Text("HELP");  // Whoever opted out gets no help.
  Json thread = world_.Thread(kCustomer, kOwn, 100, now_);
  int carrier_replies = 0;
  for (const Json& item : thread) carrier_replies += item["carrier_reply"] == true ? 1 : 0;
  EXPECT_EQ(carrier_replies, 1);
  Text("START");
  EXPECT_EQ(Refused(Text()), 0);
}

TEST_F(WorldTest, StopReachesAWholeService) {
  world_.AddNumber(*account_, "+15550001002", "local", now_);
  Service& service = AddService({kOwn, "+15550001002"});
  for (const auto& number : world_.numbers()) {
    if (number->account == account_->index) number->service_sid = service.sid;
  }
  Text("STOP");
  const Json message =
      Create({{"To", kCustomer}, {"MessagingServiceSid", service.sid}, {"Body", "x"}});
  Pass(kSecond);
  EXPECT_EQ(Fetch(message["sid"])["error_code"], 21610);
}

TEST_F(WorldTest, WhatsAppTakesFreeTextForADay) {
  const Params params = {{"To", std::string("whatsapp:") + kCustomer},
                         {"From", std::string("whatsapp:") + kOwn},
                         {"Body", "x"},
                         {"StatusCallback", "http://a.example/"}};
  const Json closed = Create(params);
  Pass(kSecond);
  EXPECT_EQ(Fetch(closed["sid"])["error_code"], 63016);
  EXPECT_THAT(Callbacks(), ElementsAre("failed"));
  Text("Hello", Channel::kWhatsApp);
  Pass(kDay - kMillisecond);
  const Json open = Create(params);
  Pass(kSecond);
  EXPECT_EQ(StatusOf(open), "delivered");
  const auto webhooks = world_.TakeWebhooks();
  ASSERT_EQ(webhooks.size(), 2U);
  std::vector<std::string> names;
  for (const auto& [name, value] : webhooks[1].params) names.push_back(name);
  EXPECT_THAT(names, ElementsAre("EventType", "SmsSid", "SmsStatus", "MessageStatus",
                                 "ChannelToAddress", "To", "ChannelPrefix", "MessageSid",
                                 "AccountSid", "From", "ApiVersion", "ChannelInstallSid"));
  EXPECT_TRUE(world_.MarkRead(open["sid"].get<std::string>(), now_));
  EXPECT_FALSE(world_.MarkRead(open["sid"].get<std::string>(), now_));
  Pass(0);
  EXPECT_EQ(StatusOf(open), "read");
  EXPECT_THAT(Callbacks(), ElementsAre("read"));
  const Json again = Create(params);
  Pass(kSecond);
  EXPECT_EQ(StatusOf(again), "failed");
}

TEST(Sandbox, WritesOnlyToThoseWhoJoined) {
  const Micros now = 1'800'000'000 * kSecond;
  World world(WorldOptions{.key = 7, .sandbox_number = "+14155238886"});
  const Account& account = world.AddAccount("AC" + std::string(32, '1'), "token", now);
  const auto text = [&](const std::string& body) {
    Inbound inbound{kCustomer, "+14155238886", body, {}, Channel::kWhatsApp, {}, {}};
    EXPECT_EQ(ErrorOf(world.Receive(inbound, now)), nullptr);
  };
  const auto error = [&] {
    const Params params = {{"To", std::string("whatsapp:") + kCustomer},
                           {"From", "whatsapp:+14155238886"},
                           {"Body", "x"}};
    EXPECT_EQ(ErrorOf(world.CreateMessage(account, params, now, now)), nullptr);
    return world.messages().Find(world.messages().end() - 1)->error_code;
  };
  text("Hello");
  EXPECT_EQ(error(), 63015);
  text("join made-up");
  EXPECT_EQ(error(), 0);
  text("stop");
  EXPECT_EQ(error(), 63015);
}

TEST_F(WorldTest, InboundTextsReachTheNumbersWebhook) {
  EXPECT_EQ(Text("Hello").webhook_id, 0U);
  const auto number = world_.FindNumberBySid(*account_, world_.FindNumber(kOwn)->sid);
  number->settings = {{"sms_url", "http://a.example/in#rc=3"},
                      {"sms_fallback_url", "http://b.example/"}};
  const Received received = Text("Grüße");
  const auto webhooks = world_.TakeWebhooks();
  ASSERT_EQ(webhooks.size(), 1U);
  EXPECT_EQ(webhooks[0].id, received.webhook_id);
  EXPECT_EQ(webhooks[0].fallback_url, "http://b.example/");
  const Params& params = webhooks[0].params;
  EXPECT_EQ(Get(params, "MessageSid"), received.sid);
  EXPECT_EQ(Get(params, "SmsSid"), received.sid);
  EXPECT_EQ(Get(params, "SmsStatus"), "received");
  EXPECT_EQ(Get(params, "Body"), "Grüße");
  EXPECT_EQ(Get(params, "From"), kCustomer);
  EXPECT_EQ(Get(params, "NumMedia"), "0");
  EXPECT_EQ(StatusOf(Json{{"sid", received.sid}}), "received");

  const std::string chosen = "SM" + std::string(32, 'a');
  Inbound inbound{kCustomer, kOwn, "twice", {}, Channel::kSms, chosen, {}};
  EXPECT_EQ(std::get<Received>(world_.Receive(inbound, now_)).sid, chosen);
  EXPECT_EQ(std::get<Received>(world_.Receive(inbound, now_)).sid, chosen);
  EXPECT_EQ(world_.TakeWebhooks().size(), 2U);
  EXPECT_THAT(Bodies(), ElementsAre("twice", "Grüße", "Hello"));
}

TEST_F(WorldTest, BadInboundTextsAreRefused) {
  const struct {
    Inbound inbound;
    int status;
  } cases[] = {
      {{"nonsense", kOwn, "x", {}, Channel::kSms, {}, {}}, 400},
      {{kCustomer, "+15550009999", "x", {}, Channel::kSms, {}, {}}, 404},
      {{kCustomer, kOwn, "x", {"nonsense"}, Channel::kSms, {}, {}}, 400},
      {{kCustomer, kOwn, "x", {}, Channel::kSms, "SM1", {}}, 400},
      {{kCustomer, kOwn, "x", {}, Channel::kRcs, {}, {}}, 400},
  };
  for (const auto& c : cases) {
    const auto received = world_.Receive(c.inbound, now_);
    ASSERT_NE(ErrorOf(received), nullptr);
    EXPECT_EQ(ErrorOf(received)->status, c.status);
  }
  EXPECT_THAT(Bodies(), IsEmpty());
}

WebhookResult Answer(std::string body, std::string type = "text/xml") {
  WebhookResult result;
  result.end = WebhookEnd::kAnswered;
  result.status = 200;
  result.delivered = true;
  result.body = std::move(body);
  result.content_type = std::move(type);
  return result;
}

TEST_F(WorldTest, TwimlAnswersAreCarriedOut) {
  world_.FindNumberBySid(*account_, world_.FindNumber(kOwn)->sid)->settings = {
      {"sms_url", "http://a.example/in"}, {"sms_fallback_url", "http://b.example/f"}};
  const auto answer = [&](const WebhookResult& result) {
    Text("Hello");
    const auto webhooks = world_.TakeWebhooks();
    world_.OnWebhook(webhooks.at(0), result, now_);
    return world_.TakeWebhooks();
  };
  answer(Answer("<Response><Message>one</Message><Message><Body>two</Body></Message></Response>"));
  EXPECT_THAT(Bodies({.from = kOwn}), ElementsAre("two", "one"));
  answer(Answer("three", "text/plain"));
  EXPECT_THAT(Bodies({.from = kOwn}), ElementsAre("three", "two", "one"));
  answer(Answer("<Response/>"));
  answer(Answer(""));
  EXPECT_EQ(Bodies({.from = kOwn}).size(), 3U);
  EXPECT_THAT(world_.ledger(), IsEmpty());

  const auto redirected = answer(Answer("<Response><Redirect>next?x=1</Redirect></Response>"));
  ASSERT_EQ(redirected.size(), 1U);
  EXPECT_EQ(redirected[0].url, "http://a.example/next?x=1");
  const auto fallback = answer(Answer("<nonsense"));
  ASSERT_EQ(fallback.size(), 1U);
  EXPECT_EQ(fallback[0].url, "http://b.example/f");
  EXPECT_EQ(Get(fallback[0].params, "ErrorCode"), "12100");
  EXPECT_EQ(answer(Answer("{}", "application/json"))[0].url, "http://b.example/f");
  // A reply to somebody who stopped fails.
  world_.opt_outs.Stop(kOwn, kCustomer);
  answer(Answer("<Response><Message>four</Message></Response>"));
  Pass(kSecond);
  const auto last = world_.ListMessages(*account_, {.from = kOwn}, {.page_size = 1}, now_);
  EXPECT_EQ(world_.messages().Find(last.messages[0])->error_code, 21610);
}

TEST_F(WorldTest, MediaIsFetchedBeforeTheMessageGoesOut) {
  const Json message = Create(Text({{"MediaUrl", "http://a.example/cat.png"}}));
  EXPECT_EQ(message["sid"].get<std::string>().substr(0, 2), "MM");
  EXPECT_EQ(message["num_media"], "1");
  Pass(kSecond);
  EXPECT_EQ(StatusOf(message), "queued");
  const auto fetches = world_.TakeWebhooks();
  ASSERT_EQ(fetches.size(), 1U);
  EXPECT_EQ(fetches[0].method, "GET");
  world_.OnWebhook(fetches[0], Answer("bytes", "image/png; x=y"), now_);
  Pass(kSecond);
  EXPECT_EQ(StatusOf(message), "delivered");
  EXPECT_EQ(world_.FindMedia(fetches[0].resource_sid)->content_type, "image/png");

  const Json lost = Create(Text({{"MediaUrl", "http://a.example/gone.png"}}));
  world_.OnWebhook(world_.TakeWebhooks().at(0), WebhookResult(), now_);
  Pass(kSecond);
  EXPECT_EQ(Fetch(lost["sid"])["error_code"], 11200);
}

TEST_F(WorldTest, CallsRingTalkAndEnd) {
  const auto created = world_.CreateCall(*account_,
                                         {{"To", kCustomer},
                                          {"From", kOwn},
                                          {"Twiml", "<Response><Say>Hi</Say></Response>"},
                                          {"StatusCallback", "http://a.example/"}},
                                         now_);
  ASSERT_EQ(ErrorOf(created), nullptr);
  const Call& call = *std::get<Call*>(created);
  EXPECT_EQ(call.status, "queued");
  Pass(50 * kMillisecond);
  EXPECT_EQ(call.status, "ringing");
  Pass(300 * kMillisecond);
  EXPECT_EQ(call.status, "in-progress");
  EXPECT_EQ(call.steps[0]["text"], "Hi");
  Pass(2 * kSecond);
  EXPECT_EQ(call.status, "completed");
  const auto webhooks = world_.TakeWebhooks();
  ASSERT_EQ(webhooks.size(), 1U);
  EXPECT_EQ(Get(webhooks[0].params, "CallStatus"), "completed");
  EXPECT_EQ(Get(webhooks[0].params, "CallDuration"), "2");
}

TEST_F(WorldTest, ACallersVoicemailIsRecorded) {
  world_.FindNumberBySid(*account_, world_.FindNumber(kOwn)->sid)->settings = {
      {"voice_url", "http://a.example/voice"}};
  Inbound inbound{kCustomer, kOwn, "call me", {}, Channel::kSms, {}, {}};
  const auto received = std::get<Received>(world_.ReceiveCall(inbound, now_));
  world_.OnWebhook(world_.TakeWebhooks().at(0),
                   Answer("<Response><Say>Hi</Say><Record action='/rec'/></Response>"), now_);
  const auto next = world_.TakeWebhooks();
  ASSERT_EQ(next.size(), 1U);
  EXPECT_EQ(next[0].url, "http://a.example/rec");
  EXPECT_EQ(Get(next[0].params, "RecordingSid").substr(0, 2), "RE");
  world_.OnWebhook(next[0], Answer("<Response><Hangup/></Response>"), now_);
  EXPECT_EQ(world_.FindCall(*account_, received.sid)->status, "completed");
}

TEST_F(WorldTest, ARedirectingCallEnds) {
  world_.FindNumberBySid(*account_, world_.FindNumber(kOwn)->sid)->settings = {
      {"voice_url", "http://a.example/voice"}};
  Inbound inbound{kCustomer, kOwn, "", {}, Channel::kSms, {}, {}};
  const auto received = std::get<Received>(world_.ReceiveCall(inbound, now_));
  int documents = 0;
  for (auto webhooks = world_.TakeWebhooks(); !webhooks.empty(); webhooks = world_.TakeWebhooks()) {
    ++documents;
    world_.OnWebhook(webhooks[0], Answer("<Response><Redirect>/again</Redirect></Response>"), now_);
  }
  EXPECT_EQ(documents, kTwimlDocumentsMax);
  EXPECT_EQ(world_.FindCall(*account_, received.sid)->status, "failed");
}

TEST_F(WorldTest, ResetForgetsTrafficAndKeepsNumbers) {
  const std::string sid = Create(Text())["sid"];
  Text("STOP");
  world_.faults.latency_ms = 5;
  world_.Reset();
  EXPECT_THAT(world_.ledger(), IsEmpty());
  EXPECT_TRUE(Fetch(sid).is_null());
  EXPECT_EQ(world_.faults.latency_ms, 0);
  EXPECT_NE(Create(Text())["sid"], sid);
  EXPECT_EQ(world_.ledger().front().index, 1U);
}

TEST_F(WorldTest, StateOutlivesARestart) {
  world_.FindNumberBySid(*account_, world_.FindNumber(kOwn)->sid)->settings = {
      {"sms_url", "http://a.example/in"}};
  AddService({kOwn});
  Text("STOP");
  World next(WorldOptions{.key = 8});
  Account& account = next.AddAccount(account_->sid, "another token", now_);
  EXPECT_EQ(next.LoadState(Json::parse(world_.SaveState().dump()), now_), "");
  EXPECT_EQ(account.auth_token, "another token");
  EXPECT_EQ(next.FindNumber(kOwn)->Setting("sms_url"), "http://a.example/in");
  EXPECT_EQ(next.FindNumber(kOwn)->sid, world_.FindNumber(kOwn)->sid);
  EXPECT_EQ(next.services.size(), 1U);
  EXPECT_TRUE(next.IsOptedOut(kOwn, kCustomer));
  EXPECT_NE(next.LoadState(Json::parse("{\"version\": 1}"), now_), "");
  EXPECT_NE(next.LoadState(Json(), now_), "");
}

TEST(MessageStore, ForgetsTheOldestAndItsAddresses) {
  MessageStore store(3);
  std::vector<std::uint64_t> forgotten;
  store.on_forget = [&](std::uint64_t number, const Message&) { forgotten.push_back(number); };
  for (int i = 0; i < 5; ++i) {
    Message message;
    message.to = store.addresses().Intern("+1500555010" + std::to_string(i));
    message.from = store.addresses().Intern(kOwn);
    store.Append(std::move(message));
  }
  EXPECT_THAT(forgotten, ElementsAre(0, 1));
  EXPECT_EQ(store.Find(1), nullptr);
  EXPECT_NE(store.Find(2), nullptr);
  EXPECT_EQ(store.addresses().size(), 4U);
  EXPECT_EQ(store.addresses().Lookup("+15005550100"), kNever);
  // The chain of the sender ends where the store begins.
  std::vector<std::uint64_t> chain;
  for (std::uint64_t number = store.addresses().At(store.addresses().Lookup(kOwn)).last_from;
       store.Find(number) != nullptr; number = store.Find(number)->previous_from) {
    chain.push_back(number);
  }
  EXPECT_THAT(chain, ElementsAre(4, 3, 2));
}

}  // namespace
}  // namespace parley::simulator
