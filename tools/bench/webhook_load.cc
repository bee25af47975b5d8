// parley-webhook-load: signed webhooks for tests/chaos, with a ledger of how each was answered.
#include "webhook_load.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <stop_token>
#include <thread>

namespace parley::bench {
namespace {

int Main(int argc, char** argv) {
  std::string credentials = ".local/credentials.json";
  WebhookLoadOptions options;
  CLI::App app(
      "Sends signed webhooks of many customers, each customer's one after the other, and notes in "
      "a "
      "ledger how each try was answered. Prints what came of it as JSON.");
  app.add_option("--credentials", credentials, "what ./run start wrote")->capture_default_str();
  app.add_option("--webhooks", options.webhooks_min, "at least as many")
      ->capture_default_str()
      ->check(CLI::Range(1, 10'000'000));
  app.add_flag("--until-stopped", options.until_stopped, "goes on until standard input ends");
  app.add_option("--connections", options.connections, "at the same time")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024));
  app.add_option("--rate", options.per_second, "per second; 0: as fast as they are answered")
      ->capture_default_str()
      ->check(CLI::Range(0, 100'000));
  app.add_option("--customers", options.customers, "who write")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000));
  app.add_option("--first-customer", options.first_customer, "the number of the first of them")
      ->check(CLI::Range(0, 9'000'000));
  app.add_option("--numbers", options.numbers, "the business's numbers")->delimiter(',');
  app.add_option("--seed", options.seed, "of customers, texts and repeats")->capture_default_str();
  app.add_option("--ledger", options.ledger, "file to write")->required();
  CLI11_PARSE(app, argc, argv);

  const absl::StatusOr<Target> target = ReadTarget(credentials);
  if (!target.ok()) {
    std::fprintf(stderr, "%s\n", std::string(target.status().message()).c_str());
    return 1;
  }
  std::stop_source stop;
  std::thread([stop]() mutable {
    char ignored = 0;
    while (read(STDIN_FILENO, &ignored, 1) > 0) {
    }
    stop.request_stop();
  }).detach();  // It may wait for ever.
  const auto result = RunWebhookLoad(*target, options, stop.get_token());
  if (!result.ok()) {
    std::fprintf(stderr, "%s\n", std::string(result.status().message()).c_str());
    return 1;
  }
  const nlohmann::json summary = {{"begun", result->begun},
                                  {"acknowledged", result->acknowledged},
                                  {"refused", result->refused},
                                  {"unanswered", result->unanswered},
                                  {"seconds", result->seconds}};
  std::printf("%s\n", summary.dump().c_str());
  return 0;
}

}  // namespace
}  // namespace parley::bench

int main(int argc, char** argv) { return parley::bench::Main(argc, argv); }
