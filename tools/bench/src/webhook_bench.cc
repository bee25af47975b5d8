#include "webhook_bench.h"

#include <signal.h>

#include <cmath>
#include <cstdio>
#include <thread>

#include "http_load.h"
#include "libs/base/id.h"
#include "libs/base/status.h"
#include "libs/kafka/producer.h"
#include "libs/postgres/pool.h"
#include "libs/twilio/form.h"
#include "libs/webhooks/webhook.h"
#include "progress.h"
#include "scenarios.h"
#include "sends_process.h"
#include "yardstick_process.h"

namespace parley::bench {
namespace {

// The goals of issue 4.
constexpr double kShareMin = 0.75;
constexpr double kPacedP99Ms = 10;
constexpr double kSpoolPerSecond = 3'000;
constexpr double kProjectedPerSecond = 5'000;
constexpr double kLiveP99Ms = 25;
constexpr double kMemoryMib = 60;

// Before what is counted: connections, threads and Kafka's batches find their size, and while Kafka
// is away the first webhooks wait for it in vain.
constexpr std::chrono::seconds kWarmUp{3};
constexpr int kConversations = 5'000;
constexpr std::chrono::seconds kStoredWithin{600};
constexpr std::chrono::seconds kQuiet{2};

Load LoadOf(const WebhookBenchOptions& options, std::chrono::seconds duration, int per_second) {
  Load load;
  load.duration = duration;
  load.connections = options.connections;
  load.per_second = per_second;
  load.kafka_brokers = options.kafka_brokers;
  return load;
}

std::string Text(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

// Texts of many customers to the target's number as records for parley.inbound.
absl::Status ProduceInbound(const WebhookBenchOptions& options, std::int64_t first_customer) {
  PARLEY_ASSIGN_OR_RETURN(const auto producer,
                          kafka::Producer::Create({.brokers = options.kafka_brokers,
                                                   .client_id = "parley-bench",
                                                   .linger = std::chrono::milliseconds(5)}));
  const std::string run = NewId();
  for (int n = 0; n < options.inbound; ++n) {
    const std::string sid = MessageSid(run, n);
    const std::string body =
        twilio::EncodeForm({{"MessageSid", sid},
                            {"AccountSid", options.target.account_sid},
                            {"From", CustomerNumber(first_customer + n % kConversations)},
                            {"To", options.target.phone_number},
                            {"Body", "bench"},
                            {"NumMedia", "0"},
                            {"NumSegments", "1"},
                            {"ApiVersion", "2010-04-01"}});
    webhooks::Webhook webhook;
    PARLEY_RETURN_IF_ERROR(
        webhooks::ParseWebhook(webhooks::Kind::kMessage,
                               {.target = "/webhooks/twilio/message",
                                .content_type = "application/x-www-form-urlencoded",
                                .signature = {},
                                .idempotency_token = {},
                                .traceparent = {},
                                .body = body,
                                .received_at = SystemClock().Now()},
                               webhook));
    for (webhooks::OutgoingRecord& record : webhooks::MakeRecords(webhook, {})) {
      const kafka::OutRecord out{.topic = kafka::kInboundTopic,
                                 .key = std::move(record.key),
                                 .value = std::move(record.value),
                                 .headers = {{kafka::kTypeHeader, record.type}}};
      absl::Status queued = producer->Produce(out, [](const absl::Status&) {});
      while (queued.code() == absl::StatusCode::kResourceExhausted) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        queued = producer->Produce(out, [](const absl::Status&) {});
      }
      PARLEY_RETURN_IF_ERROR(queued);
    }
  }
  return producer->Flush(std::chrono::seconds(60));
}

// How many messages of these customers the store has.
absl::StatusOr<std::int64_t> Stored(postgres::Pool& pool, std::int64_t first_customer) {
  return pool.Read<std::int64_t>([&](pqxx::work& tx) -> absl::StatusOr<std::int64_t> {
    return tx
        .exec_params1(
            "SELECT coalesce(sum(message_count), 0)::bigint FROM gateway.conversations "
            "WHERE customer_number BETWEEN $1 AND $2",
            CustomerNumber(first_customer), CustomerNumber(first_customer + kConversations - 1))[0]
        .as<std::int64_t>();
  });
}

// A process that stands still for as long as this lives: the gateway's projector takes half of a
// small machine, which is its own row and not the handler's cost.
class StoppedProcess {
 public:
  explicit StoppedProcess(pid_t pid) : pid_(pid) {
    if (pid_ > 0) kill(pid_, SIGSTOP);
  }
  ~StoppedProcess() {
    if (pid_ > 0) kill(pid_, SIGCONT);
  }
  StoppedProcess(const StoppedProcess&) = delete;
  StoppedProcess& operator=(const StoppedProcess&) = delete;

 private:
  const pid_t pid_;
};

postgres::PoolOptions Database(const WebhookBenchOptions& options) {
  return {.url = options.database_url,
          .application_name = "parley-bench",
          .role = {},
          .schema = {},
          .connections_max = 1};
}

// Waits until the projector has caught up with the rows before: nothing was stored for a while.
absl::Status Settle(const WebhookBenchOptions& options) {
  postgres::Pool pool(Database(options));
  std::int64_t last = -1;
  std::int64_t since = SteadyMicros();
  while (SteadyMicros() - since < std::chrono::microseconds(kQuiet).count()) {
    const auto count = pool.Read<std::int64_t>([](pqxx::work& tx) -> absl::StatusOr<std::int64_t> {
      return tx
          .exec1("SELECT coalesce(sum(message_count), 0)::bigint FROM gateway.conversations")[0]
          .as<std::int64_t>();
    });
    PARLEY_RETURN_IF_ERROR(count.status());
    if (*count != last) since = SteadyMicros();
    last = *count;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<WebhookRow>> BenchAcknowledged(const WebhookBenchOptions& options) {
  PARLEY_ASSIGN_OR_RETURN(const YardstickProcess bare,
                          YardstickProcess::Start({.program = options.yardstick,
                                                   .kafka_brokers = options.kafka_brokers,
                                                   .connections = options.connections}));
  ProcessWatch watch(options.run_dir, {"webhook-ingest"});
  watch.Start();
  const std::string& ingest = options.target.webhooks_url;
  const Load load = LoadOf(options, options.duration, 0);
  const Load warm_up = LoadOf(options, kWarmUp, 0);
  PARLEY_RETURN_IF_ERROR(MeasureWebhooks(options.target, warm_up).status());
  PARLEY_ASSIGN_OR_RETURN(Samples beside, MeasureFlood(options.target, load, ingest));
  Samples ours;
  Samples yardstick;
  {
    const StoppedProcess gateway(PidOf(options.run_dir, "gateway"));
    PARLEY_RETURN_IF_ERROR(MeasureFlood(options.target, warm_up, bare.url()).status());
    for (int round = 1; round <= options.rounds; ++round) {
      ShowProgress("acknowledged", "round " + std::to_string(round));
      PARLEY_ASSIGN_OR_RETURN(const Samples mine, MeasureFlood(options.target, load, ingest));
      PARLEY_ASSIGN_OR_RETURN(const Samples its, MeasureFlood(options.target, load, bare.url()));
      ours.Append(mine);
      yardstick.Append(its);
    }
  }
  const double peak_mib = watch.Stop().at("webhook-ingest").peak_mib;
  const Summary real = Summarize(std::move(ours));
  const Summary floor = Summarize(std::move(yardstick));
  const double share = floor.per_second > 0 ? real.per_second / floor.per_second : 0;
  return std::vector<WebhookRow>{
      {"a bare handler that only produces", floor, "", "", std::nullopt},
      {"signed webhooks acknowledged", real, "at least 75% of the bare handler",
       Text("%.0f%%", 100 * share), share >= kShareMin && real.errors == 0},
      {"the same while the projector stores them", Summarize(std::move(beside)), "", "",
       std::nullopt},
      {"memory of webhook-ingest meanwhile",
       {},
       "at most 60 MiB",
       Text("%.0f MiB", peak_mib),
       peak_mib <= kMemoryMib}};
}

absl::StatusOr<std::vector<WebhookRow>> BenchPaced(const WebhookBenchOptions& options) {
  PARLEY_ASSIGN_OR_RETURN(const YardstickProcess bare,
                          YardstickProcess::Start({.program = options.yardstick,
                                                   .kafka_brokers = options.kafka_brokers,
                                                   .connections = options.connections}));
  PARLEY_RETURN_IF_ERROR(Settle(options));
  const Load load = LoadOf(options, options.duration, options.paced_per_second);
  PARLEY_ASSIGN_OR_RETURN(Samples its, MeasurePaced(options.target, load, bare.url()));
  PARLEY_ASSIGN_OR_RETURN(Samples ours,
                          MeasurePaced(options.target, load, options.target.webhooks_url));
  const Summary real = Summarize(std::move(ours));
  const std::string pace = std::to_string(options.paced_per_second) + "/s";
  return std::vector<WebhookRow>{
      // Nothing is stored meanwhile: the least that Kafka and this machine take.
      {"a bare handler at " + pace, Summarize(std::move(its)), "", "", std::nullopt},
      {"signed webhooks at " + pace, real, "p99 at most 10 ms", Text("%.1f ms", real.p99_ms),
       real.count > 0 && real.p99_ms <= kPacedP99Ms && real.errors == 0}};
}

absl::StatusOr<std::vector<WebhookRow>> BenchSpool(const WebhookBenchOptions& options) {
  PARLEY_RETURN_IF_ERROR(MeasureWebhooks(options.target, LoadOf(options, 2 * kWarmUp, 0)).status());
  PARLEY_ASSIGN_OR_RETURN(Samples samples,
                          MeasureWebhooks(options.target, LoadOf(options, options.duration, 0)));
  const Summary summary = Summarize(std::move(samples));
  return std::vector<WebhookRow>{{"signed webhooks through the spool, Kafka away", summary,
                                  "at least 3,000/s", Text("%.0f/s", summary.per_second),
                                  summary.per_second >= kSpoolPerSecond && summary.errors == 0}};
}

absl::StatusOr<std::vector<WebhookRow>> BenchProjector(const WebhookBenchOptions& options) {
  PARLEY_RETURN_IF_ERROR(Settle(options));
  postgres::Pool pool(Database(options));
  // Others than the run before.
  const std::int64_t first_customer = SteadyMicros() / 1'000 % 9'000'000;
  PARLEY_ASSIGN_OR_RETURN(const std::int64_t before, Stored(pool, first_customer));
  const std::int64_t begin = SteadyMicros();
  PARLEY_RETURN_IF_ERROR(ProduceInbound(options, first_customer));
  std::int64_t stored = 0;
  while (stored < options.inbound) {
    if (SteadyMicros() - begin > std::chrono::microseconds(kStoredWithin).count()) {
      return Unavailable("NOT_STORED", std::to_string(stored) + " were stored within 10 minutes.");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    PARLEY_ASSIGN_OR_RETURN(const std::int64_t now, Stored(pool, first_customer));
    stored = now - before;
    ShowProgress("projector", std::to_string(stored) + " of " + std::to_string(options.inbound));
  }
  Summary summary;
  summary.count = stored;
  const double seconds = static_cast<double>(SteadyMicros() - begin) / 1e6;
  summary.per_second = static_cast<double>(stored) / seconds;
  return std::vector<WebhookRow>{
      {"records stored by the projector", summary, "at least 5,000/s, 1,000,000 in 4 minutes",
       Text("%.1f s", seconds), summary.per_second >= kProjectedPerSecond}};
}

absl::StatusOr<std::vector<WebhookRow>> BenchLive(const WebhookBenchOptions& options) {
  PARLEY_RETURN_IF_ERROR(Settle(options));
  const Load load = LoadOf(options, options.duration, options.live_per_second);
  PARLEY_ASSIGN_OR_RETURN(Samples samples, MeasureLive(options.target, load));
  const Summary summary = Summarize(std::move(samples));
  return std::vector<WebhookRow>{
      {"webhook → live event at " + std::to_string(options.live_per_second) + "/s", summary,
       "p99 at most 25 ms", Text("%.1f ms", summary.p99_ms),
       summary.count > 0 && summary.p99_ms <= kLiveP99Ms && summary.errors == 0}};
}

std::string RenderWebhookTable(const std::vector<WebhookRow>& rows) {
  std::string text =
      "| what | count | per second | p50 ms | p99 ms | max ms | errors | goal | reached |\n"
      "|---|---|---|---|---|---|---|---|---|\n";
  for (const WebhookRow& row : rows) {
    const Summary& it = row.summary;
    text += "| " + row.name + " | ";
    text += it.count + it.errors == 0
                ? "– | – | – | – | – | – | "
                : std::to_string(it.count) + " | " + Text("%.0f | ", it.per_second) +
                      Text("%.1f | ", it.p50_ms) + Text("%.1f | ", it.p99_ms) +
                      Text("%.1f | ", it.max_ms) + std::to_string(it.errors) + " | ";
    text += (row.goal.empty() ? "–" : row.goal) + " | ";
    text += !row.reached ? "–" : (*row.reached ? "yes: " : "**no**: ") + row.note;
    text += " |\n";
  }
  return text;
}

}  // namespace parley::bench
