// parley-webhook-bench: webhooks of a running installation against their goals and a bare handler.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>

#include "webhook_bench.h"

namespace parley::bench {
namespace {

struct Options {
  std::string credentials = ".local/credentials.json";
  std::string run_command = "./run";
  std::vector<std::string> only;
  int duration_s = 10;
  WebhookBenchOptions bench;
};

using Rows = absl::StatusOr<std::vector<WebhookRow>>;

bool Call(const std::string& command) {
  std::fprintf(stderr, "%s\n", command.c_str());
  return std::system((command + " 1>&2").c_str()) == 0;
}

Rows SpoolWithKafkaAway(const Options& options) {
  if (!Call(options.run_command + " stop kafka")) return absl::AbortedError("Kafka runs on");
  Rows rows = BenchSpool(options.bench);
  if (!Call(options.run_command + " start kafka")) return absl::AbortedError("Kafka stays away");
  return rows;
}

int Run(Options& options) {
  const absl::StatusOr<Target> target = ReadTarget(options.credentials);
  if (!target.ok()) {
    std::fprintf(stderr, "%s\n", std::string(target.status().message()).c_str());
    return 1;
  }
  options.bench.target = *target;
  options.bench.duration = std::chrono::seconds(options.duration_s);
  options.bench.yardstick =
      std::filesystem::read_symlink("/proc/self/exe").parent_path() / "parley-bench-yardstick";
  const std::pair<const char*, std::function<Rows()>> all[] = {
      {"acknowledged", [&] { return BenchAcknowledged(options.bench); }},
      {"paced", [&] { return BenchPaced(options.bench); }},
      {"live", [&] { return BenchLive(options.bench); }},
      {"projector", [&] { return BenchProjector(options.bench); }},
      {"spool", [&] { return SpoolWithKafkaAway(options); }},
  };
  std::vector<WebhookRow> rows;
  bool complete = true;
  for (const auto& [name, run] : all) {
    if (!options.only.empty() && std::ranges::find(options.only, name) == options.only.end()) {
      continue;
    }
    std::fprintf(stderr, "%s\n", name);
    const Rows measured = run();
    if (!measured.ok()) {
      std::fprintf(stderr, "  %s\n", measured.status().ToString().c_str());
      complete = false;
      continue;
    }
    rows.insert(rows.end(), measured->begin(), measured->end());
  }
  std::printf("%s", RenderWebhookTable(rows).c_str());
  return complete ? 0 : 1;
}

}  // namespace
}  // namespace parley::bench

int main(int argc, char** argv) {
  parley::bench::Options options;
  parley::bench::WebhookBenchOptions& bench = options.bench;
  bench.kafka_brokers = "127.0.0.1:19092";
  bench.database_url = "postgresql://parley@127.0.0.1:15432/parley";
  bench.run_dir = ".local/run";
  CLI::App app(
      "Measures the webhooks of a running installation: acknowledged beside a bare handler, at an "
      "even pace, up to the live event, stored by the projector, and through the spool. For the "
      "last it stops Kafka and starts it again.");
  app.add_option("--credentials", options.credentials, "what ./run start wrote")
      ->capture_default_str();
  app.add_option("--run-dir", bench.run_dir, "folder of the .pid files")->capture_default_str();
  app.add_option("--run-command", options.run_command, "stops and starts Kafka")
      ->capture_default_str();
  app.add_option("--only", options.only, "acknowledged, paced, live, projector, spool")
      ->delimiter(',');
  app.add_option("--duration", options.duration_s, "seconds for each row that runs by time")
      ->capture_default_str()
      ->check(CLI::Range(1, 600));
  app.add_option("--rounds", bench.rounds, "in which handler and yardstick take turns")
      ->capture_default_str()
      ->check(CLI::Range(1, 100));
  app.add_option("--connections", bench.connections, "at the same time")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024));
  app.add_option("--inbound", bench.inbound, "records for the projector")
      ->capture_default_str()
      ->check(CLI::Range(1, 10'000'000));
  app.add_option("--kafka", bench.kafka_brokers, "brokers of the installation")
      ->capture_default_str()
      ->envname("PARLEY_KAFKA_BROKERS");
  app.add_option("--database", bench.database_url, "of the installation")
      ->capture_default_str()
      ->envname("PARLEY_DATABASE_URL");
  CLI11_PARSE(app, argc, argv);
  return parley::bench::Run(options);
}
