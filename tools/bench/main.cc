// parley-bench: measures a running installation and prints a table.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>

#include "scenarios.h"

namespace parley::bench {
namespace {

struct Options {
  std::string credentials = ".local/credentials.json";
  std::string run_dir = ".local/run";
  std::vector<std::string> only;
  Load load;
  int duration_s = 10;
};

struct Scenario {
  std::string key;
  std::string name;
  std::function<absl::StatusOr<Samples>(const Target&, const Load&)> run;
};

const std::vector<Scenario>& Scenarios() {
  static const std::vector<Scenario> all = {
      {"webhooks", "signed webhooks acknowledged, 64 connections", MeasureWebhooks},
      {"sends", "sends, provider latency 0 ms",
       [](const Target& t, const Load& l) { return MeasureSends(t, l, 0); }},
      {"sends50", "sends, provider latency 50 ms",
       [](const Target& t, const Load& l) { return MeasureSends(t, l, 50); }},
      {"live", "webhook → live event, 50/s", MeasureLive},
      {"answers", "webhook → the AI's message at Twilio, 50/s", MeasureAnswers},
  };
  return all;
}

int Run(Options& options) {
  const absl::StatusOr<Target> target = ReadTarget(options.credentials);
  if (!target.ok()) {
    std::fprintf(stderr, "%s\n", std::string(target.status().message()).c_str());
    return 1;
  }
  options.load.duration = std::chrono::seconds(options.duration_s);
  ProcessWatch watch(options.run_dir, {"gateway", "webhook-ingest", "ai-responder", "sender"});
  double idle_mib = 0;
  for (const auto& [name, mib] : watch.Resident()) idle_mib += mib;
  std::vector<Row> rows;
  bool complete = true;
  for (const Scenario& scenario : Scenarios()) {
    if (!options.only.empty() &&
        std::find(options.only.begin(), options.only.end(), scenario.key) == options.only.end()) {
      continue;
    }
    std::fprintf(stderr, "%s\n", scenario.name.c_str());
    watch.Start();
    absl::StatusOr<Samples> samples = scenario.run(*target, options.load);
    if (!samples.ok()) {
      std::fprintf(stderr, "  %s\n", samples.status().ToString().c_str());
      complete = false;
      continue;
    }
    rows.push_back({scenario.name, Summarize(*std::move(samples)), watch.Stop()});
  }
  std::printf("%s\nResident at the start, the four services together: %.0f MiB.\n",
              RenderTable(rows).c_str(), idle_mib);
  return complete ? 0 : 1;
}

}  // namespace
}  // namespace parley::bench

int main(int argc, char** argv) {
  parley::bench::Options options;
  CLI::App app(
      "Measures a running installation: throughput, latencies, errors, CPU time and memory of each "
      "service. Start one without sender rates first: PARLEY_RATE_LONG_CODE=0 ./run start");
  app.add_option("--credentials", options.credentials, "what ./run start wrote")
      ->capture_default_str();
  app.add_option("--run-dir", options.run_dir, "folder of the .pid files")->capture_default_str();
  app.add_option("--only", options.only, "webhooks, sends, sends50, live, answers");
  app.add_option("--duration", options.duration_s, "seconds for each scenario that runs by time")
      ->capture_default_str()
      ->check(CLI::Range(1, 600));
  app.add_option("--connections", options.load.connections, "for webhooks")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024));
  app.add_option("--rate", options.load.per_second, "webhooks per second for the latencies")
      ->capture_default_str()
      ->check(CLI::Range(1, 5000));
  app.add_option("--sends", options.load.sends, "messages for each send scenario")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000));
  app.add_option("--kafka", options.load.kafka_brokers, "brokers of the installation")
      ->capture_default_str()
      ->envname("PARLEY_KAFKA_BROKERS");
  CLI11_PARSE(app, argc, argv);
  return parley::bench::Run(options);
}
