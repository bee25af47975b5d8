// ai-responder: answers the turns of conversations. Composition only; see src/.
#include <malloc.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <string_view>

#include "adapters/mock_provider.h"
#include "adapters/openai_provider.h"
#include "adapters/provider_router.h"
#include "adapters/reply_publisher.h"
#include "config.h"
#include "intake.h"
#include "libs/base/shutdown.h"
#include "libs/base/text.h"
#include "libs/config/config.h"
#include "libs/crypto/seal.h"
#include "libs/http/admin.h"
#include "libs/http/guarded_client.h"
#include "libs/kafka/consumer.h"
#include "libs/kafka/producer.h"
#include "libs/telemetry/log.h"
#include "responder.h"

namespace parley::ai {
namespace {

constexpr char kUsage[] =
    "usage: ai-responder [serve | --help | --settings-markdown]\n\n"
    "Answers the turns of conversations through an AI provider.\n\n";

double Jitter() {
  thread_local std::minstd_rand random(std::random_device{}());
  return std::uniform_real_distribution<double>(0, 1)(random);
}

std::vector<std::string> HostPorts(std::string_view list) {
  std::vector<std::string> result;
  for (const std::string_view part : Split(list, ',')) {
    if (!Trim(part).empty()) result.emplace_back(Trim(part));
  }
  return result;
}

// A member that does not poll for this long loses its partitions, so it is longer than all workers
// can be busy without one of them finishing.
std::chrono::milliseconds PollIntervalMax(const Config& config) {
  const RetryPolicy retry;
  return std::max<std::chrono::milliseconds>(
      std::chrono::minutes(5),
      2 * config.ai_attempts * (config.ai_timeout + retry.delay_max + std::chrono::seconds(10)));
}

absl::Status Serve(const Config& config, const Shutdown& shutdown) {
  PARLEY_ASSIGN_OR_RETURN(const crypto::KeyRing keys,
                          crypto::KeyRing::FromFile(config.directory_key_file));
  PARLEY_ASSIGN_OR_RETURN(const auto producer,
                          kafka::Producer::Create({.brokers = config.kafka_brokers,
                                                   .client_id = "ai-responder",
                                                   .queued_records_max = 10'000,
                                                   .queued_kib_max = 16 << 10}));
  PARLEY_ASSIGN_OR_RETURN(const auto consumer,
                          kafka::Consumer::Create({.brokers = config.kafka_brokers,
                                                   .group = "ai-responder",
                                                   .client_id = "ai-responder",
                                                   .topics = {kafka::kConversationEventsTopic},
                                                   .poll_interval_max = PollIntervalMax(config),
                                                   .session_timeout = std::chrono::seconds(6)}));

  const http::GuardedClient client({.allowed = HostPorts(config.outbound_allow),
                                    .read_timeout = config.ai_timeout,
                                    .total_timeout = config.ai_timeout,
                                    .response_bytes_max = 1 << 20});
  MockProvider mock;
  OpenAiProvider openai({.base_url = config.ai_base_url,
                         .key = config.ai_key,
                         .model = config.ai_model,
                         .system_prompt = config.ai_system_prompt,
                         .retry = {.attempts_max = config.ai_attempts}},
                        client, keys, {.clock = SystemClock(), .jitter = Jitter, .wait = SleepFor});
  ProviderRouter providers({{"mock", &mock}, {"openai", &openai}});
  ReplyPublisher replies(*producer);
  Responder responder(providers, replies, SystemClock());
  const auto intake =
      std::make_unique<Intake>(*consumer, *producer, IntakeOptions{.workers = config.workers},
                               [&](const kafka::Record& record, const std::stop_token& stop) {
                                 return responder.Handle(record, stop);
                               });

  http::AdminServer admin(
      config.bind_address, config.admin_port,
      {{"kafka", [&] { return producer->Ping(std::chrono::milliseconds(800)); }},
       {"directory_key", [] { return absl::OkStatus(); }}});  // Without it we were not here.
  PARLEY_RETURN_IF_ERROR(admin.Start());
  telemetry::Info("started", {{"admin_port", admin.port()}, {"workers", config.workers}});

  const bool drained = intake->Run(shutdown.token());
  admin.Stop();
  telemetry::Info("stopped", {{"drained", drained}});
  if (!drained) {
    // Something keeps a worker waiting. Its turn was not committed: the next process answers it.
    std::fflush(stdout);
    std::_Exit(0);
  }
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  const std::string_view command = argc > 1 ? argv[1] : "serve";
  if (command == "--help") {
    std::fputs((kUsage + config::HelpText(config::List<Config>())).c_str(), stdout);
    return 0;
  }
  if (command == "--settings-markdown") {
    std::fputs(config::Markdown(config::List<Config>()).c_str(), stdout);
    return 0;
  }
  if (command != "serve" || argc > 2) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  const absl::StatusOr<Config> config = config::Load<Config>();
  if (!config.ok()) {
    std::fprintf(stderr, "%s\n", std::string(config.status().message()).c_str());
    return 2;
  }
  Shutdown shutdown;  // Before any other thread starts.
  telemetry::InitLogging("ai-responder", config->log_level);
  const absl::Status status = Serve(*config, shutdown);
  if (status.ok()) return 0;
  telemetry::Error("failed_to_start", status);
  return 1;
}

}  // namespace
}  // namespace parley::ai

int main(int argc, char** argv) {
  mallopt(M_ARENA_MAX, 2);  // Many threads that do little: one arena each would be waste.
  return parley::ai::Main(argc, argv);
}
