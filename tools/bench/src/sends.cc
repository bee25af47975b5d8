#include "sends.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <functional>
#include <pqxx/pqxx>
#include <thread>
#include <unordered_map>

#include "http_load.h"
#include "libs/base/clock.h"
#include "libs/base/id.h"
#include "libs/base/status.h"
#include "libs/postgres/pool.h"
#include "progress.h"
#include "sends_yardstick.h"
#include "stats.h"

namespace parley::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr int kWorkers[] = {64, 256, 512};
// Without a new arrival for this long a scenario is given up.
constexpr seconds kStandstillMax{30};
constexpr int kBareRows = 30'000;
constexpr char kLongQueueBody[] = "bench long queue";

std::int64_t NowMicros() { return ToMicros(SystemClock().Now()); }

std::string Text(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

// From its `share` on: the middle of a run, without its start and its end.
double SteadyRate(std::vector<std::int64_t> times) {
  std::sort(times.begin(), times.end());
  const std::size_t first = times.size() / 10;
  const std::size_t last = times.size() - 1 - first;
  const auto span = static_cast<double>(times[last] - times[first]) / 1e6;
  return span > 0 ? static_cast<double>(last - first) / span : 0;
}

// Of this process, without the sender that it runs.
double OwnCpuSeconds() {
  timespec used{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9;
}

// A POST /v1/messages as an HTTP/1.1 request.
std::string PostMessage(const Target& target, const std::string& to, const std::string& body) {
  const std::string json =
      nlohmann::json{{"channelId", target.channel_id}, {"to", to}, {"body", body}}.dump();
  return "POST /v1/messages HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
         "Authorization: Bearer " +
         std::string(target.api_key.Reveal()) +
         "\r\nContent-Length: " + std::to_string(json.size()) + "\r\n\r\n" + json;
}

}  // namespace

SendBench::SendBench(SendBenchOptions options, std::string log)
    : options_(std::move(options)),
      target_(options_.target),
      process_(options_.sender, std::move(log)) {}

std::vector<std::string> SendBench::Names() {
  return {"bare-calls",  "bare-rows",   "sends-64", "sends-256", "sends-512", "sends50-64",
          "sends50-256", "sends50-512", "idle",     "busy",      "busy-full", "queue"};
}

absl::Status SendBench::Run(const std::string& name, std::vector<SendRow>& rows) {
  for (const int workers : kWorkers) {
    const std::string suffix = "-" + std::to_string(workers);
    if (name == "sends" + suffix) return Throughput(workers, 0, rows);
    if (name == "sends50" + suffix) return Throughput(workers, 50, rows);
  }
  if (name == "bare-calls") return BareCalls(rows);
  if (name == "bare-rows") return BareRows(rows);
  if (name == "idle") return Idle(rows);
  if (name == "busy") return Busy(20, rows);
  if (name == "busy-full") return Busy(0, rows);
  if (name == "queue") return LongQueue(rows);
  return InvalidArgument("UNKNOWN_NAME", "There is no " + name + "; see --help.");
}

absl::Status SendBench::BareCalls(std::vector<SendRow>& rows) {
  PARLEY_RETURN_IF_ERROR(Prepare(0));
  for (const int workers : kWorkers) {
    CpuNote(0);
    PARLEY_ASSIGN_OR_RETURN(const double rate, MeasureBareCalls(target_, workers, seconds(3)));
    rows.push_back({"bare cpp-httplib clients, " + std::to_string(workers) + " threads",
                    rate,
                    "calls/s",
                    {},
                    false,
                    "yardstick; " + CpuNote(rate * 3)});
  }
  return absl::OkStatus();
}

absl::Status SendBench::BareRows(std::vector<SendRow>& rows) {
  const std::string url = options_.sender.Setting("PARLEY_DATABASE_URL");
  for (const int connections : {1, 4}) {
    CpuNote(0);
    PARLEY_ASSIGN_OR_RETURN(const double rate, MeasureBareRows(url, connections, kBareRows));
    rows.push_back(
        {"PostgreSQL: insert, claim, outcome by 100, connections: " + std::to_string(connections),
         rate,
         "messages/s",
         {},
         false,
         "yardstick; " + CpuNote(kBareRows)});
  }
  return absl::OkStatus();
}

absl::Status SendBench::Prepare(int latency_ms) {
  process_.Stop();
  PARLEY_RETURN_IF_ERROR(
      CallSimulator(target_, "PUT", "/simulator/v1/faults", {{"latency_ms", latency_ms}}).status());
  return CallSimulator(target_, "PUT", "/simulator/v1/settings", {{"callbacks", false}}).status();
}

absl::Status SendBench::StartSender(int workers, double rate) {
  return process_.Start({{"PARLEY_SEND_WORKERS", std::to_string(workers)},
                         {"PARLEY_RATE_LONG_CODE", Text("%g", rate)},
                         {"PARLEY_LOG_LEVEL", "warning"}});
}

// One message from each number: lanes, connections and caches are there.
absl::Status SendBench::WarmUp() {
  PARLEY_RETURN_IF_ERROR(process_.WaitReady());
  PARLEY_ASSIGN_OR_RETURN(const std::int64_t end, LedgerEnd(target_));
  PARLEY_ASSIGN_OR_RETURN(auto producer,
                          CommandProducer::Create(options_.sender.Setting("PARLEY_KAFKA_BROKERS")));
  PARLEY_RETURN_IF_ERROR(
      producer.Produce(target_, {.count = kSenderNumbers, .body_prefix = "bench warm-up "}));
  return WaitForLedger(end + kSenderNumbers, "warm-up");
}

absl::Status SendBench::WaitForLedger(std::int64_t end, const std::string& label) {
  auto moved = steady_clock::now();
  auto shown = moved;
  std::int64_t last = -1;
  while (true) {
    PARLEY_ASSIGN_OR_RETURN(const std::int64_t now_at, LedgerEnd(target_));
    if (now_at >= end) break;
    const auto now = steady_clock::now();
    if (now_at != last) moved = now;
    last = now_at;
    if (now - moved > kStandstillMax) {
      return Unavailable("STANDSTILL", label + ": nothing arrives any more; missing: " +
                                           std::to_string(end - now_at));
    }
    if (now - shown > seconds(1)) {
      shown = now;
      ShowProgress(label, std::to_string(end - now_at) + " to come");
    }
    std::this_thread::sleep_for(milliseconds(20));
  }
  EndProgress();
  return absl::OkStatus();
}

absl::Status SendBench::Throughput(int workers, int latency_ms, std::vector<SendRow>& rows) {
  const std::string what = "sends, " + std::to_string(workers) + " workers, provider " +
                           std::to_string(latency_ms) + " ms";
  PARLEY_RETURN_IF_ERROR(Prepare(latency_ms));
  PARLEY_RETURN_IF_ERROR(StartSender(workers, 0));
  PARLEY_RETURN_IF_ERROR(WarmUp());
  const double most = latency_ms == 0 ? 0 : workers * 1000.0 / latency_ms;
  const int count = latency_ms == 0 ? options_.sends_max
                                    : std::min(options_.sends_max, static_cast<int>(most * 5));
  PARLEY_ASSIGN_OR_RETURN(auto producer,
                          CommandProducer::Create(options_.sender.Setting("PARLEY_KAFKA_BROKERS")));
  PARLEY_ASSIGN_OR_RETURN(const std::int64_t end, LedgerEnd(target_));
  const std::string prefix = "bench " + NewId() + " ";
  CpuNote(0);
  const std::int64_t begin_us = NowMicros();
  PARLEY_RETURN_IF_ERROR(producer.Produce(target_, {.count = count, .body_prefix = prefix}));
  PARLEY_RETURN_IF_ERROR(WaitForLedger(end + count, what));
  const std::string cpu = CpuNote(count);
  PARLEY_ASSIGN_OR_RETURN(const auto arrivals, ArrivalsAfter(target_, end, prefix));
  std::vector<std::int64_t> times;
  for (const auto& [body, at_us] : arrivals) times.push_back(at_us);
  const std::int64_t last = *std::max_element(times.begin(), times.end());
  const std::optional<double> goal = latency_ms == 0 ? 8'000.0 : 0.9 * most;
  rows.push_back({what,
                  static_cast<double>(times.size()) * 1e6 / static_cast<double>(last - begin_us),
                  "sends/s", goal, false,
                  "middle 80 %: " + Text("%.0f", SteadyRate(times)) + "/s; peak " +
                      Text("%.0f", StatusMib(process_.pid(), "VmHWM:")) + " MiB; " + cpu});
  return absl::OkStatus();
}

absl::Status SendBench::Idle(std::vector<SendRow>& rows) {
  PARLEY_RETURN_IF_ERROR(Prepare(0));
  PARLEY_RETURN_IF_ERROR(StartSender(64, 0));
  PARLEY_RETURN_IF_ERROR(WarmUp());
  return PostPaced("POST /v1/messages → Twilio, idle", 30, rows);
}

absl::Status SendBench::Busy(double rate, std::vector<SendRow>& rows) {
  PARLEY_RETURN_IF_ERROR(Prepare(rate > 0 ? 0 : 50));
  // The bulk is stored by a sender that may hardly send, so that all of it waits at the start.
  PARLEY_RETURN_IF_ERROR(StartSender(64, 0.1));
  PARLEY_RETURN_IF_ERROR(process_.WaitReady());
  PARLEY_ASSIGN_OR_RETURN(auto producer,
                          CommandProducer::Create(options_.sender.Setting("PARLEY_KAFKA_BROKERS")));
  const std::string prefix = "bench bulk ";
  PARLEY_RETURN_IF_ERROR(producer.Produce(
      target_, {.count = options_.bulk, .first_number = 1, .bulk = true, .body_prefix = prefix}));
  const std::string waiting =
      "SELECT count(*) FROM sender.deliveries WHERE state = 'queued' AND body LIKE '" + prefix +
      "%'";
  const auto deadline = steady_clock::now() + seconds(120);
  std::int64_t stored = 0;
  while (stored < options_.bulk * 99 / 100) {
    PARLEY_ASSIGN_OR_RETURN(stored, Count(waiting));
    ShowProgress("bulk", std::to_string(stored) + " stored");
    if (steady_clock::now() > deadline) return Unavailable("STANDSTILL", "Bulk is not stored.");
    std::this_thread::sleep_for(milliseconds(500));
  }
  process_.Stop();
  PARLEY_RETURN_IF_ERROR(StartSender(64, rate));
  PARLEY_RETURN_IF_ERROR(process_.WaitReady());
  std::this_thread::sleep_for(seconds(2));  // Its start is not what is measured.
  const std::string what =
      rate > 0 ? "POST /v1/messages → Twilio, while bulk waits for its numbers' rates"
               : "POST /v1/messages → Twilio, while bulk goes out at full speed (50 ms provider)";
  absl::Status measured = PostPaced(what, 100, rows);
  PARLEY_ASSIGN_OR_RETURN(const std::int64_t left, Count(waiting));
  if (measured.ok()) rows.back().note += "; bulk left at the end: " + std::to_string(left);
  process_.Stop();
  measured.Update(Execute("DELETE FROM sender.deliveries WHERE body LIKE '" + prefix + "%'"));
  return measured;
}

absl::Status SendBench::PostPaced(const std::string& what, std::optional<double> goal,
                                  std::vector<SendRow>& rows) {
  PARLEY_ASSIGN_OR_RETURN(const std::int64_t end, LedgerEnd(target_));
  const std::string prefix = "bench post " + NewId() + " ";
  const int total = static_cast<int>(options_.posts_per_second * options_.latency_seconds);
  const std::int64_t first_customer = NowMicros() / 1000;
  const std::int64_t system_minus_steady = NowMicros() - SteadyMicros();
  int begun = 0;
  std::unordered_map<int, std::string> under_way;  // Bodies by connection.
  std::unordered_map<std::string, std::int64_t> due;
  int refused = 0;
  HttpLoad http(
      {.url = target_.http_url, .connections = 8, .per_second = options_.posts_per_second},
      [&](int connection, std::string& request) {
        if (begun == total) return HttpNext::kEnd;
        const std::string body = prefix + std::to_string(begun);
        request = PostMessage(target_, CustomerNumber(first_customer + begun), body);
        under_way[connection] = body;
        ++begun;
        return HttpNext::kSend;
      },
      [&](const HttpOutcome& outcome) {
        if (outcome.status / 100 != 2) ++refused;
        due[under_way[outcome.connection]] = outcome.due_us + system_minus_steady;
      });
  PARLEY_RETURN_IF_ERROR(http.Run({}));
  Samples samples;
  const auto deadline = steady_clock::now() + kStandstillMax;
  std::unordered_map<std::string, std::int64_t> arrivals;
  while (arrivals.size() < due.size() && steady_clock::now() < deadline) {
    std::this_thread::sleep_for(milliseconds(200));
    PARLEY_ASSIGN_OR_RETURN(arrivals, ArrivalsAfter(target_, end, prefix));
  }
  for (const auto& [body, due_us] : due) {
    const auto arrived = arrivals.find(body);
    if (arrived == arrivals.end()) {
      ++samples.errors;
    } else {
      samples.micros.push_back(arrived->second - due_us);
    }
  }
  samples.seconds = options_.latency_seconds;
  const Summary summary = Summarize(std::move(samples));
  rows.push_back({what + ", p99", summary.p99_ms, "ms", goal, true,
                  "p50 " + Text("%.1f", summary.p50_ms) + ", max " + Text("%.1f", summary.max_ms) +
                      " ms; " + std::to_string(summary.count) + " at " +
                      Text("%g", options_.posts_per_second) + "/s; missing: " +
                      std::to_string(summary.errors) + ", refused: " + std::to_string(refused)});
  return absl::OkStatus();
}

absl::Status SendBench::LongQueue(std::vector<SendRow>& rows) {
  PARLEY_RETURN_IF_ERROR(Prepare(0));
  PARLEY_RETURN_IF_ERROR(StartSender(64, 0));
  PARLEY_RETURN_IF_ERROR(WarmUp());  // Every number has a lane now.
  process_.Stop();
  const std::string mark = kLongQueueBody;
  ShowProgress("long queue", "filling the table");
  PARLEY_RETURN_IF_ERROR(Execute(
      "WITH numbered AS (SELECT lane_id, row_number() OVER (ORDER BY lane_id) - 1 AS nr, "
      "count(*) OVER () AS lanes FROM sender.lanes WHERE account_sid = '" +
      target_.account_sid +
      "' AND medium = 1) "
      "INSERT INTO sender.deliveries (organization_id, message_id, generation, lane_id, "
      "customer_number, body, media_urls, content_sid, content_variables, messaging_service_sid, "
      "segments, conversation_seq, priority, created_at, not_before, not_after, due_at) "
      "SELECT '" +
      target_.organization_id +
      "', gen_random_uuid(), 0, l.lane_id, '+1555' || lpad((n % 10000000)::text, 7, '0'), '" +
      mark +
      " ' || n, '{}', '', '', '', 1, 0, 2, now(), now(), now() + interval '10 hours', now() "
      "FROM generate_series(1, " +
      std::to_string(options_.queued) +
      ") n JOIN numbered l ON l.nr = n % l.lanes; ANALYZE sender.deliveries"));
  PARLEY_ASSIGN_OR_RETURN(const std::int64_t end, LedgerEnd(target_));
  const auto begin = steady_clock::now();
  PARLEY_RETURN_IF_ERROR(StartSender(64, 1));
  absl::Status status = WaitForLedger(end + 1, "first claim");
  const double first_s = std::chrono::duration<double>(steady_clock::now() - begin).count();
  if (status.ok()) {
    std::this_thread::sleep_for(seconds(10));  // Until what it keeps in memory has settled.
    rows.push_back({"first claim after a restart, queued: " + std::to_string(options_.queued),
                    first_s, "s", 5.0, true, "from its start to the first request at Twilio"});
    rows.push_back({"sender's peak resident memory, queued: " + std::to_string(options_.queued),
                    StatusMib(process_.pid(), "VmHWM:"), "MiB", 150.0, true,
                    "now " + Text("%.0f", StatusMib(process_.pid(), "VmRSS:")) + " MiB"});
  }
  process_.Stop();
  ShowProgress("long queue", "emptying the table");
  status.Update(Execute("DELETE FROM sender.deliveries WHERE body LIKE '" + mark + "%'"));
  status.Update(
      Execute("DELETE FROM sender.deliveries WHERE state = 'sent' AND organization_id = '" +
              target_.organization_id + "' AND body = '' AND priority = 2"));
  EndProgress();
  return status;
}

absl::StatusOr<std::int64_t> SendBench::Count(const std::string& sql) {
  postgres::PoolOptions options;
  options.url = options_.sender.Setting("PARLEY_DATABASE_URL");
  options.application_name = "parley-send-bench";
  postgres::Pool pool(options);
  return pool.Read<std::int64_t>([&](pqxx::work& tx) -> absl::StatusOr<std::int64_t> {
    return tx.exec1(sql)[0].as<std::int64_t>();
  });
}

absl::Status SendBench::Execute(const std::string& sql) {
  postgres::PoolOptions options;
  options.url = options_.sender.Setting("PARLEY_DATABASE_URL");
  options.application_name = "parley-send-bench";
  options.statement_max = milliseconds(0);
  postgres::Pool pool(options);
  return pool.Transact([&](pqxx::work& tx) {
    tx.exec(sql);
    return absl::OkStatus();
  });
}

// Begins to count with 0; then says what each program used for one of that many, and how many that
// allows on this machine.
std::string SendBench::CpuNote(double count) {
  std::vector<std::pair<std::string, double>> now = {{"sender", TreeCpuSeconds(process_.pid())}};
  for (const char* name : {"postgres", "kafka", "gateway", "twilio-simulator"}) {
    now.emplace_back(name, TreeCpuSeconds(PidOf(options_.run_dir, name)));
  }
  now.emplace_back("bench", OwnCpuSeconds());
  std::string note;
  double sum_ms = 0;
  for (std::size_t i = 0; i < now.size() && i < cpu_at_start_.size() && count > 0; ++i) {
    const double used_ms = (now[i].second - cpu_at_start_[i].second) * 1000 / count;
    if (used_ms < 0.0005) continue;
    note += ", " + now[i].first + Text(" %.3f", used_ms);
    sum_ms += used_ms;
  }
  cpu_at_start_ = std::move(now);
  const unsigned cores = std::thread::hardware_concurrency();
  return "CPU ms each: " + Text("%.3f", sum_ms) + note + "; that allows " +
         Text("%.0f", sum_ms > 0 ? cores * 1000 / sum_ms : 0) + "/s on " + std::to_string(cores) +
         " cores";
}

std::string RenderSendRows(const std::vector<SendRow>& rows) {
  std::string text = "| what | measured | goal | reached | notes |\n|---|---|---|---|---|\n";
  for (const SendRow& row : rows) {
    const char* const format = row.value < 100 ? "%.1f" : "%.0f";
    text += "| " + row.what + " | " + Text(format, row.value) + " " + row.unit + " | ";
    if (row.goal) {
      const double ratio = row.at_most ? *row.goal / row.value : row.value / *row.goal;
      text += (row.at_most ? "≤ " : "≥ ") + Text("%.0f", *row.goal) + " | " +
              (ratio >= 1 ? "yes, " : "no, ") + Text("%.2f", ratio) + " of it";
    } else {
      text += "– | –";
    }
    text += " | " + row.note + " |\n";
  }
  return text;
}

}  // namespace parley::bench
