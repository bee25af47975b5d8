// webhook-ingest: verifies Twilio's webhooks and makes them durable in Kafka before it answers.
// Composition only.
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "adapters/directory_feed.h"
#include "adapters/durable_publisher.h"
#include "adapters/kafka_publisher.h"
#include "adapters/routes.h"
#include "adapters/snapshot_file.h"
#include "config.h"
#include "libs/base/clock.h"
#include "libs/base/shutdown.h"
#include "libs/config/config.h"
#include "libs/crypto/seal.h"
#include "libs/http/admin.h"
#include "libs/http/server.h"
#include "libs/kafka/producer.h"
#include "libs/telemetry/log.h"
#include "pipeline.h"
#include "spool/command.h"
#include "spool/replay.h"

namespace parley::ingest {
namespace {

constexpr std::chrono::minutes kInsecureWarningEvery{1};
// What may wait in the producer while Kafka is away: records that went to the spool since, and the
// beginning of the replay.
constexpr int kQueuedKib = 16 << 10;

absl::Status Serve(const Config& config, Shutdown& shutdown) {
  PARLEY_ASSIGN_OR_RETURN(const crypto::KeyRing keys,
                          crypto::KeyRing::FromFile(config.directory_key_file));
  PARLEY_ASSIGN_OR_RETURN(const std::string server_url, twilio::OriginAndPrefix(config.server_url));
  PARLEY_ASSIGN_OR_RETURN(const auto proxies, http::TrustedProxies::Parse(config.trusted_proxies));
  Circuit circuit;  // Before the producer, whose last callbacks speak to it.
  PARLEY_ASSIGN_OR_RETURN(
      auto spool, Spool::Open({.folder = config.data_dir + "/spool",
                               .bytes_max = static_cast<std::uint64_t>(config.spool_mib_max) << 20},
                              SystemFiles(), SystemClock()));
  // What was spooled tells of an outage: webhooks need not wait for Kafka to find out.
  if (spool->records() > 0) circuit.Failed(Unavailable("SPOOL_NOT_EMPTY", "Not replayed yet."));
  PARLEY_ASSIGN_OR_RETURN(auto producer, kafka::Producer::Create({.brokers = config.kafka_brokers,
                                                                  .client_id = "webhook-ingest",
                                                                  .linger = config.kafka_linger,
                                                                  .queued_kib_max = kQueuedKib}));
  const SnapshotFile snapshot(config.data_dir, keys);
  PARLEY_ASSIGN_OR_RETURN(auto feed, DirectoryFeed::Start({.brokers = config.kafka_brokers}, keys,
                                                          snapshot, *producer, SystemClock()));
  KafkaPublisher to_kafka(*producer);
  DurablePublisher publisher(to_kafka, *spool, circuit);
  const Replay replay(ReplayOptions(), *spool, to_kafka, circuit, SystemClock());
  WebhookPipeline pipeline(
      {.verify = {.server_url = server_url, .check_signatures = !config.insecure_webhooks},
       .acknowledge_within = config.acknowledge_within},
      *feed, publisher, to_kafka, SystemClock());

  http::Server server({.name = "webhooks",
                       .bind_address = config.bind_address,
                       .port = config.http_port,
                       .connections_max = config.connections,
                       .limits = WebhookLimits(),
                       .connections_per_address = config.connections_per_address,
                       .proxies = proxies});
  RegisterRoutes(
      server.routes(), pipeline,
      {.directory = [&] { return feed->Ready(); }, .durable = [&] { return publisher.Health(); }},
      proxies, SystemClock());
  http::AdminServer admin(config.bind_address, config.admin_port,
                          {{"directory", [&] { return feed->Ready(); }},
                           {"durable", [&] { return publisher.Health(); }}});
  PARLEY_RETURN_IF_ERROR(server.Start());
  PARLEY_RETURN_IF_ERROR(admin.Start());  // Last: whoever is told "ready" may call at once.
  telemetry::Info("started", {{"server_url", server_url}});

  while (config.insecure_webhooks && !shutdown.token().stop_requested()) {
    telemetry::Warning("insecure_webhooks",
                       {{"remedy", "signatures are not checked; unset PARLEY_INSECURE_WEBHOOKS"}});
    SleepFor(shutdown.token(), kInsecureWarningEvery);
  }
  shutdown.Wait();
  telemetry::Info("stopping");
  server.Stop();  // Requests under way end first; then what they use is taken down.
  admin.Stop();
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  const std::string_view command = argc > 1 ? argv[1] : "serve";
  if (command == "--help") {
    std::printf(
        "webhook-ingest [serve]: takes Twilio's webhooks.\n"
        "webhook-ingest spool [list|show|verify]: what waits on the disk for Kafka.\n\n%s",
        config::HelpText(config::List<Config>()).c_str());
    return EXIT_SUCCESS;
  }
  if (command == "--settings-markdown") {
    std::printf("%s", config::Markdown(config::List<Config>()).c_str());
    return EXIT_SUCCESS;
  }
  if (command == "spool") return RunSpoolCommand({argv + 2, argv + argc});
  if (command != "serve") {
    std::fprintf(stderr, "webhook-ingest: unknown command; try --help.\n");
    return EXIT_FAILURE;
  }
  Shutdown shutdown;  // First: logging starts a thread, and every thread must inherit its mask.
  auto config = config::Load<Config>();
  absl::Status status = config.status();
  if (status.ok()) status = Validate(*config);
  telemetry::InitLogging("webhook-ingest", config.ok() ? config->log_level : "info");
  if (status.ok()) status = Serve(*config, shutdown);
  if (!status.ok()) {
    telemetry::Error("failed", status);
    return EXIT_FAILURE;
  }
  telemetry::Info("stopped");
  return EXIT_SUCCESS;
}

}  // namespace
}  // namespace parley::ingest

int main(int argc, char** argv) { return parley::ingest::Main(argc, argv); }
