#include "scenarios.h"

#include <httplib.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "http_load.h"
#include "libs/base/clock.h"
#include "libs/base/id.h"
#include "libs/base/shutdown.h"
#include "libs/base/status.h"
#include "libs/kafka/producer.h"
#include "parley/events/v1/send_command.pb.h"
#include "progress.h"

namespace parley::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::int64_t kConversations = 500;  // As a busy company has.
constexpr int kSenderNumbers = 50;
// How long after the last request an answer is waited for; what is missing then is an error.
constexpr seconds kTailMax{60};

// An operation is a webhook that was answered 2xx.
void Add(const HttpOutcome& outcome, Samples& samples) {
  if (outcome.status / 100 == 2) {
    samples.micros.push_back(outcome.answered_us - outcome.due_us);
  } else {
    ++samples.errors;
  }
}

std::int64_t NowMicros() { return ToMicros(SystemClock().Now()); }

// Shows `state` each second until it is destroyed.
class ProgressLine {
 public:
  ProgressLine(std::string name, std::function<std::string()> state)
      : thread_([name = std::move(name), state = std::move(state)](std::stop_token stop) {
          while (SleepFor(stop, seconds(1))) ShowProgress(name, state());
          EndProgress();
        }) {}

 private:
  std::jthread thread_;
};

// Where answers are looked up by what names them.
class Arrivals {
 public:
  void Expect(const std::string& name, std::int64_t sent_us) {
    const std::lock_guard lock(mutex_);
    sent_[name] = sent_us;
  }
  void Arrived(const std::string& name, std::int64_t at_us) {
    const std::lock_guard lock(mutex_);
    const auto sent = sent_.find(name);
    if (sent == sent_.end()) return;
    samples_.micros.push_back(at_us - sent->second);
    sent_.erase(sent);
  }
  std::size_t missing() const {
    const std::lock_guard lock(mutex_);
    return sent_.size();
  }
  std::size_t arrived() const {
    const std::lock_guard lock(mutex_);
    return samples_.micros.size();
  }
  Samples Take(double duration_s) {
    const std::lock_guard lock(mutex_);
    samples_.errors += static_cast<std::int64_t>(sent_.size());
    samples_.seconds = duration_s;
    return samples_;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::int64_t> sent_;
  Samples samples_;
};

// Sends webhooks at an even pace, whatever the answers take. `expect` hears of each just before it
// leaves. Answers each one's latency from when it was due until its answer.
absl::StatusOr<Samples> SendPaced(
    const Target& target, const Load& load, const std::string& run,
    const std::function<void(std::int64_t, const std::string&)>& expect,
    std::int64_t customers = 1'000'000) {
  const std::int64_t total = load.per_second * load.duration.count();
  const std::int64_t first_customer = NowMicros() / 1000;  // Others than the run before.
  std::int64_t begun = 0;
  Samples samples;
  HttpLoad http(
      {.url = target.webhooks_url,
       .connections = load.connections,
       .per_second = static_cast<double>(load.per_second)},
      [&](int, std::string& request) {
        if (begun == total) return HttpNext::kEnd;
        const std::int64_t n = begun++;
        const std::string customer = CustomerNumber(first_customer + n % customers);
        expect(n, customer);
        request = SignedWebhook(target, {.sid = MessageSid(run, n),
                                         .from = customer,
                                         .to = target.phone_number,
                                         .body = run + "-" + std::to_string(n)});
        return HttpNext::kSend;
      },
      [&](const HttpOutcome& outcome) { Add(outcome, samples); });
  PARLEY_RETURN_IF_ERROR(http.Run({}));
  samples.seconds = static_cast<double>(load.duration.count());
  return samples;
}

absl::Status SetAi(const Target& target, bool enabled) {
  return CallApi(target, "PATCH", "/v1/channels/" + target.channel_id,
                 {{"ai", {{"enabled", enabled}, {"responseDelayMs", 0}}}})
      .status();
}

// Reads the simulator's ledger from its present end on, until told to stop.
class LedgerReader {
 public:
  using OnEntry = std::function<void(const nlohmann::json&)>;
  LedgerReader(const Target& target, OnEntry on_entry) : on_entry_(std::move(on_entry)) {
    Read(target, false);
    thread_ = std::jthread([this, &target](std::stop_token stop) {
      while (SleepFor(stop, milliseconds(50))) Read(target, true);
    });
  }

 private:
  void Read(const Target& target, bool report) {
    while (true) {
      const auto page =
          CallSimulator(target, "GET", "/simulator/v1/ledger?after=" + std::to_string(after_), {});
      if (!page.ok() || !page->contains("entries") || (*page)["entries"].empty()) return;
      for (const auto& entry : (*page)["entries"]) {
        if (report) on_entry_(entry);
      }
      after_ = (*page)["next"].get<std::int64_t>();
    }
  }

  OnEntry on_entry_;
  std::int64_t after_ = 0;
  std::jthread thread_;
};

void WaitForTail(const Arrivals& arrivals) {
  const auto deadline = std::chrono::steady_clock::now() + kTailMax;
  while (arrivals.missing() > 0 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(milliseconds(20));
  }
}

}  // namespace

absl::StatusOr<Samples> MeasureFlood(const Target& target, const Load& load,
                                     const std::string& url) {
  const std::string run = NewId();
  std::int64_t begun = 0;
  Samples samples;
  const std::int64_t begin = SteadyMicros();
  const std::int64_t end = begin + std::chrono::microseconds(load.duration).count();
  HttpLoad http(
      {.url = url, .connections = load.connections},
      [&](int, std::string& request) {
        if (SteadyMicros() >= end) return HttpNext::kEnd;
        const std::int64_t n = begun++;
        request = SignedWebhook(target, {.sid = MessageSid(run, n),
                                         .from = CustomerNumber(n % kConversations),
                                         .to = target.phone_number,
                                         .body = "bench"});
        return HttpNext::kSend;
      },
      [&](const HttpOutcome& outcome) { Add(outcome, samples); });
  PARLEY_RETURN_IF_ERROR(http.Run({}));
  samples.seconds = static_cast<double>(SteadyMicros() - begin) / 1e6;
  return samples;
}

absl::StatusOr<Samples> MeasureWebhooks(const Target& target, const Load& load) {
  PARLEY_RETURN_IF_ERROR(SetAi(target, false));
  return MeasureFlood(target, load, target.webhooks_url);
}

absl::StatusOr<Samples> MeasurePaced(const Target& target, const Load& load,
                                     const std::string& url) {
  PARLEY_RETURN_IF_ERROR(SetAi(target, false));
  Target there = target;
  there.webhooks_url = url;
  return SendPaced(
      there, load, NewId(), [](std::int64_t, const std::string&) {}, kConversations);
}

absl::StatusOr<Samples> MeasureSends(const Target& target, const Load& load, int latency_ms) {
  PARLEY_RETURN_IF_ERROR(
      CallSimulator(target, "PUT", "/simulator/v1/faults", {{"latency_ms", latency_ms}}).status());
  PARLEY_RETURN_IF_ERROR(
      CallSimulator(target, "PUT", "/simulator/v1/settings", {{"callbacks", false}}).status());
  PARLEY_ASSIGN_OR_RETURN(
      const auto producer,
      kafka::Producer::Create(
          {.brokers = load.kafka_brokers, .client_id = "parley-bench", .linger = milliseconds(5)}));
  Arrivals arrivals;
  std::atomic<std::int64_t> last_us{0};
  std::optional<LedgerReader> ledger(std::in_place, target, [&](const nlohmann::json& entry) {
    const std::int64_t at = entry.at("arrived_at_us");
    last_us = std::max<std::int64_t>(last_us, at);
    arrivals.Arrived(entry.at("body"), at);
  });
  const ProgressLine progress("sends", [&] {
    return std::to_string(arrivals.arrived()) + " of " + std::to_string(load.sends);
  });
  const std::int64_t begin_us = NowMicros();
  for (int i = 0; i < load.sends; ++i) {
    events::v1::SendCommand command;
    command.set_organization_id(target.organization_id);
    events::v1::Send& send = *command.mutable_send();
    const std::string id = NewId();
    char number[16];
    std::snprintf(number, sizeof number, "+1555000%04d", 1000 + i % kSenderNumbers);
    send.set_message_id(id);
    send.set_account_sid(target.account_sid);
    send.set_sender_number(number);
    send.set_customer_number(CustomerNumber(i));
    send.set_medium(events::v1::MEDIUM_SMS);
    send.set_body(id);
    send.set_conversation_id(NewId());
    send.set_conversation_seq(1);
    send.set_priority(events::v1::PRIORITY_INTERACTIVE);
    const std::int64_t now = NowMicros();
    send.set_created_at_us(now);
    send.set_not_after_us(now + 3'600'000'000);
    arrivals.Expect(id, now);
    kafka::OutRecord record{kafka::kSendCommandsTopic, number, command.SerializeAsString(), {}};
    absl::Status queued;
    while (absl::IsResourceExhausted(queued = producer->Produce(record, {}))) {
      std::this_thread::sleep_for(milliseconds(5));
    }
    PARLEY_RETURN_IF_ERROR(queued);
  }
  WaitForTail(arrivals);
  ledger.reset();
  Samples samples = arrivals.Take(static_cast<double>(last_us - begin_us) / 1e6);
  PARLEY_RETURN_IF_ERROR(
      CallSimulator(target, "PUT", "/simulator/v1/faults", {{"latency_ms", 0}}).status());
  PARLEY_RETURN_IF_ERROR(
      CallSimulator(target, "PUT", "/simulator/v1/settings", {{"callbacks", true}}).status());
  return samples;
}

absl::StatusOr<Samples> MeasureLive(const Target& target, const Load& load) {
  PARLEY_RETURN_IF_ERROR(SetAi(target, false));
  const std::string run = NewId();
  Arrivals arrivals;
  std::atomic<bool> connected{false};
  std::jthread listener([&](std::stop_token stop) {
    httplib::Client client(target.live_url);
    client.set_tcp_nodelay(true);
    client.set_read_timeout(30, 0);
    std::string buffer;
    client.Get(
        "/v1/live",
        {{"Authorization", "Bearer " + std::string(target.api_key.Reveal())},
         {"Accept", "text/event-stream"}},
        [&](const httplib::Response& response) {
          connected = response.status == 200;
          return response.status == 200;
        },
        [&](const char* data, std::size_t size) {
          const std::int64_t now = NowMicros();
          buffer.append(data, size);
          std::size_t end = 0;
          while ((end = buffer.find("\n\n")) != std::string::npos) {
            // Only the run's own texts: "<run>-<n>".
            const std::size_t at = buffer.find(run);
            if (at != std::string::npos && at < end) {
              arrivals.Arrived(buffer.substr(at, buffer.find('"', at) - at), now);
            }
            buffer.erase(0, end + 2);
          }
          return !stop.stop_requested();
        });
  });
  const auto deadline = std::chrono::steady_clock::now() + seconds(5);
  while (!connected && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(milliseconds(5));
  }
  if (!connected) return Unavailable("NO_LIVE", "GET /v1/live does not answer 200.");
  const ProgressLine progress("webhook to live",
                              [&] { return std::to_string(arrivals.arrived()) + " seen"; });
  PARLEY_RETURN_IF_ERROR(SendPaced(target, load, run, [&](std::int64_t n, const std::string&) {
                           arrivals.Expect(run + "-" + std::to_string(n), NowMicros());
                         }).status());
  WaitForTail(arrivals);
  listener.request_stop();
  // One more message lets the listener see the stop.
  Load one = load;
  one.per_second = 1;
  one.duration = seconds(1);
  PARLEY_RETURN_IF_ERROR(
      SendPaced(target, one, NewId(), [](std::int64_t, const std::string&) {}).status());
  return arrivals.Take(static_cast<double>(load.duration.count()));
}

absl::StatusOr<Samples> MeasureAnswers(const Target& target, const Load& load) {
  PARLEY_RETURN_IF_ERROR(SetAi(target, true));
  Arrivals arrivals;
  std::optional<LedgerReader> ledger(std::in_place, target, [&](const nlohmann::json& entry) {
    arrivals.Arrived(entry.at("to"), entry.at("arrived_at_us"));
  });
  {
    const ProgressLine progress("webhook to answer",
                                [&] { return std::to_string(arrivals.arrived()) + " answered"; });
    PARLEY_RETURN_IF_ERROR(
        SendPaced(target, load, NewId(), [&](std::int64_t, const std::string& customer) {
          arrivals.Expect(customer, NowMicros());
        }).status());
    WaitForTail(arrivals);
  }
  ledger.reset();
  return arrivals.Take(static_cast<double>(load.duration.count()));
}

}  // namespace parley::bench
