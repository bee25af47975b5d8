// parley-send-bench: measures the sender of a running installation, with senders of its own.
#include "sends.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>

namespace parley::bench {
namespace {

struct Options {
  std::string credentials = ".local/credentials.json";
  std::string run_dir = ".local/run";
  std::string run_command = "./run";
  std::string program;
  std::vector<std::string> only;
  SendBenchOptions bench;
};

int Call(const std::string& command) {
  std::fprintf(stderr, "%s\n", command.c_str());
  return std::system((command + " 1>&2").c_str());
}

int Run(Options& options) {
  const auto target = ReadTarget(options.credentials);
  const auto sender = ReadSender(options.run_dir);
  for (const absl::Status& status : {target.status(), sender.status()}) {
    if (status.ok()) continue;
    std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
    return 1;
  }
  options.bench.target = *target;
  options.bench.sender = *sender;
  if (!options.program.empty()) options.bench.sender.program = options.program;
  options.bench.run_dir = options.run_dir;
  if (Call(options.run_command + " stop sender") != 0) return 1;
  std::vector<SendRow> rows;
  bool complete = true;
  {
    SendBench bench(options.bench, options.run_dir + "/../log/sender-bench.log");
    for (const std::string& name : SendBench::Names()) {
      if (!options.only.empty() &&
          std::find(options.only.begin(), options.only.end(), name) == options.only.end()) {
        continue;
      }
      std::fprintf(stderr, "%s\n", name.c_str());
      const absl::Status status = bench.Run(name, rows);
      if (status.ok()) continue;
      std::fprintf(stderr, "  %s\n", status.ToString().c_str());
      complete = false;
    }
  }
  for (const auto& [path, value] :
       {std::pair<const char*, nlohmann::json>{"faults", nlohmann::json::object()},
        std::pair<const char*, nlohmann::json>{"settings", {{"callbacks", true}}}}) {
    complete =
        CallSimulator(*target, "PUT", std::string("/simulator/v1/") + path, value).ok() && complete;
  }
  complete = Call(options.run_command + " start sender") == 0 && complete;
  std::printf("%s", RenderSendRows(rows).c_str());
  return complete ? 0 : 1;
}

std::string NameList() {
  std::string list;
  for (const std::string& name : SendBench::Names()) list += (list.empty() ? "" : ", ") + name;
  return list;
}

}  // namespace
}  // namespace parley::bench

int main(int argc, char** argv) {
  parley::bench::Options options;
  CLI::App app(
      "Measures the sender: throughput beside what the machine allows, latency from the API to "
      "Twilio, and a long queue. It stops the installation's sender, runs its own with the same "
      "settings but for workers and rates, and starts the installation's again at the end.");
  app.add_option("--credentials", options.credentials, "what ./run start wrote")
      ->capture_default_str();
  app.add_option("--run-dir", options.run_dir, "folder of the .pid files")->capture_default_str();
  app.add_option("--run-command", options.run_command, "stops and starts the sender")
      ->capture_default_str();
  app.add_option("--sender", options.program, "another program than the installation's");
  app.add_option("--only", options.only, parley::bench::NameList());
  app.add_option("--sends", options.bench.sends_max, "messages for each row of throughput")
      ->capture_default_str()
      ->check(CLI::Range(1'000, 1'000'000));
  app.add_option("--bulk", options.bench.bulk, "messages that wait while latencies are measured")
      ->capture_default_str()
      ->check(CLI::Range(1'000, 1'000'000));
  app.add_option("--queued", options.bench.queued, "messages of the long queue")
      ->capture_default_str()
      ->check(CLI::Range(1'000, 10'000'000));
  app.add_option("--seconds", options.bench.latency_seconds, "how long latencies are measured")
      ->capture_default_str()
      ->check(CLI::Range(1, 600));
  CLI11_PARSE(app, argc, argv);
  return parley::bench::Run(options);
}
