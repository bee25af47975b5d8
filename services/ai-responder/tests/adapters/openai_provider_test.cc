#include "adapters/openai_provider.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <future>
#include <mutex>
#include <nlohmann/json.hpp>

#include "libs/base/status.h"
#include "libs/crypto/digest.h"
#include "libs/http/server.h"
#include "tests/fakes/turns.h"

namespace parley::ai {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;

std::string ChatCompletion(const std::string& text) {
  return json{{"choices", {{{"message", {{"role", "assistant"}, {"content", text}}}}}}}.dump();
}

struct Scripted {
  int status = 200;
  std::string body = ChatCompletion("the answer");
  std::string retry_after;
  bool silent = false;  // Does not answer before the test is over.
};

// An endpoint that answers as scripted, then with a chat completion, and keeps what it was asked.
class FakeEndpoint {
 public:
  struct Asked {
    std::string path;
    std::string authorization;
    json body;
  };

  FakeEndpoint() : server_({.name = "openai"}) {
    server_.routes().Post(
        ".*", [this](const httplib::Request& request, httplib::Response& response) {
          Scripted answer;
          {
            const std::lock_guard lock(mutex_);
            asked_.push_back({request.path, request.get_header_value("Authorization"),
                              json::parse(request.body)});
            if (!script_.empty()) {
              answer = script_.front();
              script_.pop_front();
            }
          }
          if (answer.silent) over_.wait();
          response.status = answer.status;
          if (!answer.retry_after.empty()) response.set_header("Retry-After", answer.retry_after);
          response.set_content(answer.body, "application/json");
        });
    EXPECT_TRUE(server_.Start().ok());
  }
  ~FakeEndpoint() { over_source_.set_value(); }

  void Script(std::deque<Scripted> script) { script_ = std::move(script); }
  std::string host_port() const { return "127.0.0.1:" + std::to_string(server_.port()); }
  std::vector<Asked> asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
  }

 private:
  std::mutex mutex_;
  std::deque<Scripted> script_;
  std::vector<Asked> asked_;
  std::promise<void> over_source_;
  std::shared_future<void> over_ = over_source_.get_future().share();
  http::Server server_;  // Last: its threads use all of the above.
};

class OpenAiProviderTest : public testing::Test {
 protected:
  OpenAiProviderTest() : provider_(MakeProvider("http://" + endpoint_.host_port() + "/v1/")) {}

  OpenAiProvider MakeProvider(const std::string& base_url) {
    return OpenAiProvider({.base_url = base_url,
                           .key = Secret("operators-key"),
                           .model = "default-model",
                           .system_prompt = "default prompt",
                           .retry = {.attempts_max = 3, .delay_min = 100ms, .delay_max = 1s}},
                          client_, keys_,
                          {.clock = clock_,
                           .jitter = [] { return 0.5; },
                           .wait =
                               [this](const std::stop_token& stop, milliseconds wait) {
                                 waits_.push_back(wait);
                                 return !stop.stop_requested();
                               }});
  }

  std::string Reason(const absl::StatusOr<Completion>& answer) {
    return answer.ok() ? "OK" : ErrorReason(answer.status());
  }

  std::string Seal(const std::string& key, const std::string& organization) {
    return keys_.Seal(Secret(key), {crypto::kAiKey, organization});
  }

  FakeEndpoint endpoint_;
  const http::GuardedClient client_{
      {.allowed = {endpoint_.host_port()}, .read_timeout = 200ms, .response_bytes_max = 64 << 10}};
  const crypto::KeyRing keys_ =
      *crypto::KeyRing::Parse("k1:" + crypto::Base64(std::string(32, 'k')));
  SimulatedClock clock_{At(0)};
  std::vector<milliseconds> waits_;
  OpenAiProvider provider_;
};

TEST_F(OpenAiProviderTest, AsksWithTheOperatorsDefaults) {
  const auto answer = provider_.Complete(MakeTurn("hello"), {});
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->text, "the answer");
  EXPECT_EQ(answer->model, "openai/default-model");
  ASSERT_EQ(endpoint_.asked().size(), 1U);
  const FakeEndpoint::Asked asked = endpoint_.asked()[0];
  EXPECT_EQ(asked.path, "/v1/chat/completions");
  EXPECT_EQ(asked.authorization, "Bearer operators-key");
  EXPECT_EQ(asked.body["model"], "default-model");
  ASSERT_EQ(asked.body["messages"].size(), 2U);
  EXPECT_EQ(asked.body["messages"][0]["role"], "system");
  EXPECT_EQ(asked.body["messages"][1], (json{{"role", "user"}, {"content", "hello"}}));
}

TEST_F(OpenAiProviderTest, EachKeyGoesWhereItBelongs) {
  const Turn plain = MakeTurn();
  const std::string own_url = "http://" + endpoint_.host_port() + "/own";
  struct Case {
    const char* label;
    std::string base_url;
    std::string sealed_key;
    const char* authorization;
    const char* path;
  };
  const std::string own_key = Seal("own-key", plain.organization_id);
  const Case cases[] = {
      {"all by default", "", "", "Bearer operators-key", "/v1/chat/completions"},
      {"own key, default address", "", own_key, "Bearer own-key", "/v1/chat/completions"},
      {"own address, no key", own_url, "", "", "/own/chat/completions"},
      {"both own", own_url, own_key, "Bearer own-key", "/own/chat/completions"},
  };
  for (const Case& c : cases) {
    Turn turn = plain;
    turn.ready.mutable_settings()->set_base_url(c.base_url);
    turn.ready.mutable_settings()->set_sealed_key(c.sealed_key);
    ASSERT_TRUE(provider_.Complete(turn, {}).ok()) << c.label;
    EXPECT_EQ(endpoint_.asked().back().authorization, c.authorization) << c.label;
    EXPECT_EQ(endpoint_.asked().back().path, c.path) << c.label;
  }
}

TEST_F(OpenAiProviderTest, RefusesKeysThatDoNotOpen) {
  struct Case {
    const char* label;
    std::string sealed;
  };
  Turn turn = MakeTurn();
  std::string changed = Seal("own-key", turn.organization_id);
  changed.back() = static_cast<char>(changed.back() ^ 1);
  const Case cases[] = {
      {"another organization's", Seal("own-key", DerivedId({"other"}))},
      {"changed", changed},
      {"no sealed value", "plain"},
      {"would break the header", Seal("key\r\nHost: evil", turn.organization_id)},
  };
  for (const Case& c : cases) {
    turn.ready.mutable_settings()->set_sealed_key(c.sealed);
    EXPECT_EQ(Reason(provider_.Complete(turn, {})), "AI_KEY_UNREADABLE") << c.label;
  }
  EXPECT_THAT(endpoint_.asked(), IsEmpty());
}

TEST_F(OpenAiProviderTest, TriesAgainWhatMayPass) {
  struct Case {
    const char* label;
    std::deque<Scripted> script;
    std::vector<milliseconds> waits;
    const char* want;
  };
  const Case cases[] = {
      {"one failure", {{.status = 500}}, {50ms}, "OK"},
      {"two failures", {{.status = 503}, {.status = 429}}, {50ms, 100ms}, "OK"},
      {"too many failures",
       {{.status = 500}, {.status = 500}, {.status = 502}},
       {50ms, 100ms},
       "PROVIDER_UNAVAILABLE"},
      {"too many requests",
       {{.status = 429}, {.status = 429}, {.status = 429}},
       {50ms, 100ms},
       "PROVIDER_RATE_LIMITED"},
      {"Retry-After is kept to", {{.status = 429, .retry_after = "7"}}, {7s}, "OK"},
      {"Retry-After beyond the deadline",
       {{.status = 429, .retry_after = "61"}},
       {},
       "PROVIDER_RATE_LIMITED"},
      {"no answer in time", {{.silent = true}}, {50ms}, "OK"},
  };
  for (const Case& c : cases) {
    waits_.clear();
    const std::size_t before = endpoint_.asked().size();
    endpoint_.Script(c.script);
    EXPECT_EQ(Reason(provider_.Complete(MakeTurn(), {})), c.want) << c.label;
    EXPECT_EQ(waits_, c.waits) << c.label;
    EXPECT_EQ(endpoint_.asked().size() - before, c.waits.size() + 1) << c.label;
  }
}

TEST_F(OpenAiProviderTest, AnEndpointThatNeverAnswersIsATimeOut) {
  endpoint_.Script({{.silent = true}, {.silent = true}, {.silent = true}});
  EXPECT_EQ(Reason(provider_.Complete(MakeTurn(), {})), "PROVIDER_TIMEOUT");
}

TEST_F(OpenAiProviderTest, AnEndpointThatIsAwayIsAskedAgain) {
  // Bound and not listening: nobody else answers there.
  http::Server gone({.name = "gone"});
  ASSERT_TRUE(gone.Start().ok());
  const std::string host_port = "127.0.0.1:" + std::to_string(gone.port());
  gone.Stop();
  const http::GuardedClient client({.allowed = {host_port}});
  OpenAiProvider provider({.base_url = "http://" + host_port, .retry = {.attempts_max = 2}}, client,
                          keys_,
                          {.clock = clock_,
                           .jitter = [] { return 0.0; },
                           .wait =
                               [this](const std::stop_token&, milliseconds wait) {
                                 waits_.push_back(wait);
                                 return true;
                               }});
  EXPECT_EQ(Reason(provider.Complete(MakeTurn(), {})), "PROVIDER_UNAVAILABLE");
  EXPECT_EQ(waits_.size(), 1U);
}

TEST_F(OpenAiProviderTest, WhatIsFinalIsNotTriedAgain) {
  struct Case {
    const char* label;
    Scripted answer;
    const char* want;
  };
  const Case cases[] = {
      {"wrong key", {.status = 401}, "PROVIDER_KEY"},
      {"unknown model", {.status = 404}, "PROVIDER_MODEL"},
      {"bad request", {.status = 400, .body = "{}"}, "PROVIDER_REFUSED"},
      {"no credit",
       {.status = 429, .body = R"({"error":{"code":"insufficient_quota"}})"},
       "PROVIDER_QUOTA"},
      {"a redirect to nowhere", {.status = 302}, "PROVIDER_REFUSED"},
      {"no JSON", {.body = "<html>"}, "PROVIDER_INVALID_ANSWER"},
      {"empty", {.body = ""}, "PROVIDER_INVALID_ANSWER"},
      {"JSON cut off", {.body = R"({"choices":[{"message")"}, "PROVIDER_INVALID_ANSWER"},
      {"invalid UTF-8",
       {.body = "{\"choices\":[{\"message\":{\"content\":\"\xff\"}}]}"},
       "PROVIDER_INVALID_ANSWER"},
      {"an array", {.body = "[]"}, "PROVIDER_INVALID_ANSWER"},
      {"no choices", {.body = R"({"choices":[]})"}, "PROVIDER_INVALID_ANSWER"},
      {"choices of another type", {.body = R"({"choices":"x"})"}, "PROVIDER_INVALID_ANSWER"},
      {"no message", {.body = R"({"choices":[7]})"}, "PROVIDER_INVALID_ANSWER"},
      {"too large", {.body = std::string(65 << 10, ' ')}, "PROVIDER_INVALID_ANSWER"},
  };
  for (const Case& c : cases) {
    const std::size_t before = endpoint_.asked().size();
    endpoint_.Script({c.answer});
    EXPECT_EQ(Reason(provider_.Complete(MakeTurn(), {})), c.want) << c.label;
    EXPECT_EQ(endpoint_.asked().size() - before, 1U) << c.label;
  }
  EXPECT_THAT(waits_, IsEmpty());
}

TEST_F(OpenAiProviderTest, ReadsTheContentsThatEndpointsSend) {
  struct Case {
    const char* body;
    const char* want;
  };
  const Case cases[] = {
      {R"({"choices":[{"message":{"content":null}}]})", ""},
      {R"({"choices":[{"message":{"content":[{"type":"text","text":"a"},{"text":"b"},{}]}}]})",
       "ab"},
      {R"({"choices":[{"message":{"content":"x"}},{"message":{"content":"y"}}]})", "x"},
  };
  for (const Case& c : cases) {
    endpoint_.Script({{.body = c.body}});
    const auto answer = provider_.Complete(MakeTurn(), {});
    ASSERT_TRUE(answer.ok()) << c.body;
    EXPECT_EQ(answer->text, c.want) << c.body;
  }
}

TEST_F(OpenAiProviderTest, CallsNoAddressThatTheOperatorDidNotAllow) {
  struct Case {
    const char* base_url;
    const char* want;
  };
  const Case cases[] = {
      {"http://127.0.0.1:1", "PROVIDER_ADDRESS"},
      {"http://169.254.169.254/latest", "PROVIDER_ADDRESS"},
      {"file:///etc/passwd", "PROVIDER_ADDRESS"},
      {"not a url", "PROVIDER_ADDRESS"},
  };
  for (const Case& c : cases) {
    Turn turn = MakeTurn();
    turn.ready.mutable_settings()->set_base_url(c.base_url);
    EXPECT_EQ(Reason(provider_.Complete(turn, {})), c.want) << c.base_url;
  }
  EXPECT_THAT(endpoint_.asked(), IsEmpty());
}

TEST_F(OpenAiProviderTest, NeedsAnAddressAndAText) {
  OpenAiProvider without = MakeProvider("");
  EXPECT_EQ(Reason(without.Complete(MakeTurn(), {})), "AI_NOT_CONFIGURED");
  EXPECT_EQ(Reason(provider_.Complete(MakeTurn(""), {})), "NOTHING_TO_ANSWER");
}

TEST_F(OpenAiProviderTest, AStopEndsTheWaiting) {
  std::stop_source stop;
  stop.request_stop();
  for (const Scripted& answer : {Scripted{.status = 500}, Scripted{.silent = true}}) {
    endpoint_.Script({answer});
    EXPECT_TRUE(absl::IsCancelled(provider_.Complete(MakeTurn(), stop.get_token()).status()));
  }
}

}  // namespace
}  // namespace parley::ai
