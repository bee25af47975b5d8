// Composition root of the sender: settings, adapters, pipelines, threads.
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>

#include "adapters/kafka_results.h"
#include "adapters/kernel_timer.h"
#include "adapters/postgres_hold.h"
#include "adapters/postgres_operator.h"
#include "adapters/postgres_store.h"
#include "adapters/process_identity.h"
#include "adapters/redis_limits.h"
#include "adapters/twilio_api.h"
#include "adapters/twilio_lists.h"
#include "config.h"
#include "domain/weights.h"
#include "libs/base/shutdown.h"
#include "libs/base/status.h"
#include "libs/config/config.h"
#include "libs/crypto/seal.h"
#include "libs/http/admin.h"
#include "libs/kafka/consumer.h"
#include "libs/kafka/log_reader.h"
#include "libs/kafka/producer.h"
#include "libs/postgres/listener.h"
#include "libs/postgres/migrate.h"
#include "libs/postgres/pool.h"
#include "libs/telemetry/log.h"
#include "libs/telemetry/metrics.h"
#include "libs/twilio/client.h"
#include "operator/command.h"
#include "operator/endpoints.h"
#include "operator/hold.h"
#include "pipeline/account_limits.h"
#include "pipeline/commands.h"
#include "pipeline/consent.h"
#include "pipeline/consent_reading.h"
#include "pipeline/directory.h"
#include "pipeline/dispatch.h"
#include "pipeline/evidence.h"
#include "pipeline/evidence_search.h"
#include "pipeline/hold.h"
#include "pipeline/leases.h"
#include "pipeline/log_loop.h"
#include "pipeline/pauses.h"
#include "pipeline/publisher.h"
#include "pipeline/pump.h"
#include "pipeline/settler.h"
#include "pipeline/standstill_report.h"
#include "pipeline/sweeper.h"
#include "pipeline/workers.h"

// Read by jemalloc: threads that allocate little need few arenas and small caches.
extern "C" {
extern const char* malloc_conf;
const char* malloc_conf = "narenas:2,lg_tcache_max:12,dirty_decay_ms:2000";
}

namespace parley::sender {

const std::vector<postgres::Migration>& Migrations();  // Generated from migrations/.

namespace {

using std::chrono::milliseconds;

constexpr char kSchema[] = "sender";
constexpr char kRole[] = "sender_worker";
// Nobody waits for a result.
constexpr milliseconds kResultsLinger{5};
// The least that brokers allow by default: what a killed replica read is read on that soon.
constexpr milliseconds kSessionTimeout{6'000};
// Half of the time within which a pause holds.
constexpr milliseconds kWatchInterval{1'000};
// For all of an orderly end; below the 25 s after which services are killed.
constexpr milliseconds kStopMax{20'000};

postgres::PoolOptions DatabaseOptions(const Config& config) {
  postgres::PoolOptions options;
  options.url = WithPlannerSettings(std::string(config.database_url.Reveal()));
  options.application_name = "sender";
  options.role = kRole;
  options.schema = kSchema;
  options.connections_max = 8;
  return options;
}

absl::StatusOr<crypto::KeyRing> DirectoryKeys(const Config& config) {
  if (config.directory_key_file.empty()) {
    return InvalidArgument("DIRECTORY_KEY_MISSING",
                           "PARLEY_DIRECTORY_KEY_FILE is not set; without it no account's token "
                           "can be opened.");
  }
  return crypto::KeyRing::FromFile(config.directory_key_file);
}

// Wakes the pump and the leases by what other replicas say.
void Listen(postgres::Listener& listener, Pump& pump, LeaseKeeper& leases, HoldKeeper& hold,
            std::stop_token stop) {
  while (!stop.stop_requested()) {
    listener.Wait(milliseconds(5'000), stop);
    std::vector<std::int64_t> lanes;
    for (const std::string& payload : listener.TakePayloads()) {
      std::int64_t lane = 0;
      const char* end = payload.data() + payload.size();
      if (payload == kLeasesPayload) {
        hold.Wake();
        leases.Wake();
      } else if (std::from_chars(payload.data(), end, lane).ptr == end && lane > 0) {
        lanes.push_back(lane);
      } else {
        pump.Search();
      }
    }
    if (!lanes.empty()) pump.Poke(lanes);
  }
}

// Takes up what operators paused, and tells them what stands still.
void Watch(Pauses& pauses, StandstillReport& report, Dispatcher& dispatcher, std::stop_token stop) {
  while (SleepFor(stop, kWatchInterval)) {
    const absl::Status loaded = pauses.Load();
    if (!loaded.ok()) telemetry::Warning("pauses_unread", loaded);
    const absl::Status told =
        report.Tell(dispatcher.Standstills(), std::chrono::steady_clock::now());
    if (!told.ok()) telemetry::Warning("standstills_not_told", told);
  }
}

absl::Status Serve(const Config& config, Shutdown& shutdown) {
  std::jthread deadline;  // Ends last, so that it watches every destructor below.
  PARLEY_ASSIGN_OR_RETURN(crypto::KeyRing keys, DirectoryKeys(config));
  PARLEY_ASSIGN_OR_RETURN(auto weights, ParseWeights(config.send_weights));
  const std::string replica = ThisProcess();

  // Adapters.
  postgres::Pool pool(DatabaseOptions(config));
  postgres::PoolOptions lease_options = DatabaseOptions(config);
  lease_options.application_name = "sender-leases";
  lease_options.url = WithShortTimeouts(lease_options.url);
  lease_options.connections_max = 2;
  lease_options.statement_max = milliseconds(2'000);
  postgres::Pool lease_pool(lease_options);
  PostgresStore store(pool);
  // The pump must not stand still for long while it holds leases.
  postgres::PoolOptions pump_options = DatabaseOptions(config);
  pump_options.application_name = "sender-pump";
  pump_options.connections_max = 1;
  pump_options.statement_max = milliseconds(2'000);
  postgres::Pool pump_pool(pump_options);
  PostgresStore pump_store(pump_pool);
  PostgresLeases lease_store(lease_pool);
  // What operators ask is answered apart from the sends, and never holds up their pauses.
  postgres::PoolOptions operator_options = DatabaseOptions(config);
  operator_options.application_name = "sender-operator";
  operator_options.connections_max = kAnswersMax + 1;
  operator_options.statement_max = milliseconds(5'000);
  postgres::Pool operator_pool(operator_options);
  PostgresOperator operator_store(operator_pool);
  PostgresHold hold_store(lease_pool);
  PARLEY_ASSIGN_OR_RETURN(const auto timer, KernelTimer::Create());
  PARLEY_ASSIGN_OR_RETURN(auto producer, kafka::Producer::Create({.brokers = config.kafka_brokers,
                                                                  .client_id = "sender",
                                                                  .linger = kResultsLinger,
                                                                  .queued_records_max = 30'000}));
  KafkaResults results(*producer);
  twilio::TransportOptions transport;
  transport.base_url = config.twilio_base_url;
  transport.answer_timeout = config.send_timeout;
  PARLEY_ASSIGN_OR_RETURN(const auto client, twilio::Client::Create(transport));
  TwilioApi api(*client);
  TwilioLists lists(*client);

  // Pipelines.
  ConsentWatch consent(std::chrono::steady_clock::now());
  Pump* pump_to_tell = nullptr;  // The directory and the settler are older than the pump.
  const auto rules_changed = [&] {
    if (pump_to_tell != nullptr) pump_to_tell->DirectoryChanged();
  };
  Directory directory(
      store, std::move(keys),
      {config.rate_long_code, config.rate_toll_free, config.rate_short_code, config.rate_whatsapp},
      config.server_url, rules_changed, config.twilio_base_url);
  Pauses pauses(directory, operator_store, rules_changed);
  HoldKeeper hold(hold_store, results, [&] {
    if (pump_to_tell != nullptr) pump_to_tell->Wake();
  });
  Publisher publisher(store, results, {});
  Settler settler(store, publisher, [&](std::vector<Settled> settled) {
    const auto elsewhere = pump_to_tell->Tell(std::move(settled));
    // If that is lost, its owner finds it by itself, within half a minute.
    if (!elsewhere.empty()) store.WakeOwners(elsewhere).IgnoreError();
  });
  EngineOptions engine_options{.replica = replica, .send_timeout = config.send_timeout};
  engine_options.scheduler.weights = std::move(weights);
  engine_options.scheduler.account_limit = config.account_parallel;
  Pump pump(
      pump_store, pauses, settler, publisher,
      [&] {
        if (!hold.Allows()) return Permission{.interactive = false, .bulk = false};
        return consent.Allowed(std::chrono::steady_clock::now());
      },
      engine_options);
  pump_to_tell = &pump;
  RedisLimits limit_exchange(config.redis_url, replica);
  AccountLimits account_limits(limit_exchange, pump, replica, config.account_parallel);
  Dispatcher dispatcher(api, directory, settler, account_limits, RetryPolicy{});
  Workers<Dispatch> workers(
      static_cast<std::size_t>(config.workers),
      [&](Dispatch dispatch) { dispatcher.Run(std::move(dispatch)); }, [&] { pump.WorkerDone(); });
  pump.SetWorkers(&workers);
  Sweeper sweeper(store, publisher, {});
  LeaseKeeper leases(lease_store, *timer, pump, {.replica = replica});
  CommandHandler commands(store, results, publisher, pump, [&] { sweeper.Wake(); });
  EvidenceHandler evidence(store, publisher);
  EvidenceSearch search(
      store, lists, directory, publisher,
      // Nobody owns anything while sends are held; two that look find the same.
      [&] { return hold.Allows() ? pump.Owned() : ShardSet().set(); },
      [&] { return dispatcher.OpenAccounts(); }, {});
  StandstillReport standstills(operator_store, replica);
  postgres::PoolOptions listener_options = DatabaseOptions(config);
  listener_options.application_name = "sender-listener";
  postgres::Listener listener(listener_options, {kWakeChannel});

  // What the store knows is enough to start while Kafka is away.
  LogPositions consent_positions;
  while (!shutdown.token().stop_requested()) {
    absl::Status loaded = directory.Load();
    if (loaded.ok()) loaded = pauses.Load();
    // Before the positions: of a database that was restored they say nothing.
    if (loaded.ok()) loaded = hold.Look(std::chrono::steady_clock::now());
    if (loaded.ok()) {
      auto positions = store.ConsentPositions();
      loaded = positions.status();
      if (loaded.ok()) consent_positions = *std::move(positions);
    }
    if (loaded.ok()) break;
    telemetry::Warning("directory_not_loaded", loaded);
    SleepFor(shutdown.token(), milliseconds(500));
  }

  PARLEY_ASSIGN_OR_RETURN(const auto command_consumer,
                          kafka::Consumer::Create({.brokers = config.kafka_brokers,
                                                   .group = "sender",
                                                   .client_id = "sender",
                                                   .topics = {kafka::kSendCommandsTopic},
                                                   .session_timeout = kSessionTimeout}));
  PARLEY_ASSIGN_OR_RETURN(const auto evidence_consumer,
                          kafka::Consumer::Create({.brokers = config.kafka_brokers,
                                                   .group = "sender-evidence",
                                                   .client_id = "sender-evidence",
                                                   .topics = {kafka::kDeliveryStatusTopic},
                                                   .session_timeout = kSessionTimeout}));
  PARLEY_ASSIGN_OR_RETURN(
      const auto directory_reader,
      kafka::LogReader::Create({config.kafka_brokers, "sender-directory", kafka::kDirectoryTopic}));
  LogLoop directory_loop(*directory_reader, *producer);
  ConsentHandler consent_handler(
      store, [&](const std::vector<kafka::Record>& records) { hold.Stored(records); });
  ConsentWatcher consent_watcher(consent, [&] { pump.Wake(); });
  ConsentReading consent_reading(
      {config.kafka_brokers, "sender-consent", kafka::kConsentTopic, consent_positions}, *producer,
      consent_handler, consent_watcher, hold);

  http::AdminServer admin(config.bind_address, config.admin_port,
                          {{"database", [&] { return lease_store.Ping(); }},
                           {"leases", [&] { return leases.Ready(); }}});
  AddOperatorEndpoints(admin.routes(), operator_pool);
  PARLEY_RETURN_IF_ERROR(admin.Start());

  // Threads, by the order in which they end: intake first.
  std::jthread settling([&](std::stop_token stop) { settler.Run(stop); });
  std::jthread publishing([&](std::stop_token stop) { publisher.Run(stop); });
  std::jthread guarding([&](std::stop_token stop) { leases.Guard(stop); });
  std::jthread renewing([&](std::stop_token stop) { leases.Renew(stop); });
  std::jthread pumping([&](std::stop_token stop) { pump.Run(stop); });
  std::jthread sweeping([&](std::stop_token stop) { sweeper.Run(stop); });
  std::jthread searching([&](std::stop_token stop) { search.Run(stop); });
  std::jthread watching(
      [&](std::stop_token stop) { Watch(pauses, standstills, dispatcher, stop); });
  std::jthread listening([&](std::stop_token stop) { Listen(listener, pump, leases, hold, stop); });
  std::jthread reading_directory([&](std::stop_token stop) {
    directory_loop.Run(
        [&](const std::vector<kafka::Record>& records, const LogLoop::Bury& bury) {
          DirectoryRows rows;
          for (const kafka::Record& record : records) {
            const absl::Status parsed = ParseDirectoryRecord(record.value, rows);
            if (!parsed.ok()) bury(record, parsed);
          }
          return directory.Apply(rows);
        },
        nullptr, stop);
  });
  std::jthread reading_consent([&](std::stop_token stop) { consent_reading.Run(stop); });
  std::jthread sharing_limits([&](std::stop_token stop) {
    account_limits.Run(
        {[&] { return dispatcher.TakeUses(); },
         [&](const std::string& account_sid, int use) { dispatcher.SetOthers(account_sid, use); }},
        stop);
  });
  std::jthread holding([&](std::stop_token stop) { hold.Run(stop); });
  kafka::LoopOptions loop;
  loop.batch_max = 500;
  std::jthread taking_commands([&](std::stop_token stop) {
    kafka::RunConsumer(
        *command_consumer, *producer, loop,
        [&](const std::vector<kafka::Record>& records) { return commands.Handle(records); }, stop);
  });
  std::jthread taking_evidence([&](std::stop_token stop) {
    kafka::RunConsumer(
        *evidence_consumer, *producer, loop,
        [&](const std::vector<kafka::Record>& records) { return evidence.Handle(records); }, stop);
  });
  telemetry::Info("started", {{"replica", replica}, {"workers", config.workers}});

  shutdown.Wait();
  telemetry::Info("stopping");
  deadline = std::jthread([](std::stop_token stop) {
    if (!SleepFor(stop, kStopMax)) return;
    // Requests without an outcome become unconfirmed, as after a crash.
    telemetry::Error("stop_timed_out", Unavailable("STOP_TIMED_OUT", "Something hangs."));
    std::_Exit(1);
  });
  const auto end = [](std::initializer_list<std::jthread*> threads) {
    for (std::jthread* thread : threads) thread->request_stop();
    for (std::jthread* thread : threads) thread->join();
  };
  searching.request_stop();  // It may be asking Twilio, as long as a worker may.
  watching.request_stop();   // It may wait for the database.
  end({&taking_commands, &pumping, &sweeping});
  // Others may send at once what this one has not written.
  end({&renewing});
  end({&guarding});
  leases.Leave();
  workers.Stop();  // Requests that are on their way get their answers.
  end({&settling});
  end({&taking_evidence, &reading_directory, &reading_consent, &listening, &searching, &watching,
       &holding, &sharing_limits});
  end({&publishing});
  admin.Stop();
  producer.reset();  // Its last callbacks speak to the publisher, which is still there.
  telemetry::Info("stopped");
  return absl::OkStatus();
}

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "sender: %s\n", std::string(status.message()).c_str());
  return 1;
}

int Run(int argc, char** argv) {
  const std::string_view command = argc > 1 ? argv[1] : "serve";
  if (command == "--help") {
    std::printf(
        "sender: sends messages through Twilio, never twice.\n\n"
        "  sender [serve]             run\n"
        "  sender migrate             create or update its tables\n"
        "  sender shards              who sends for what\n"
        "  sender queues              what waits, by number\n"
        "  sender unconfirmed         requests whose outcome nobody knows\n"
        "  sender breakers            what stands still, and why\n"
        "  sender pause               stops an account or a number\n"
        "  sender resume              ends that\n"
        "  sender hold, release       stop all sends, as around a restore; let them go\n"
        "  sender --settings-markdown the settings as a table for the documentation\n\n%s",
        config::HelpText(config::List<Config>()).c_str());
    return 0;
  }
  if (command == "--settings-markdown") {
    std::printf("%s", config::Markdown(config::List<Config>()).c_str());
    return 0;
  }
  const bool holds = IsHoldCommand(command);
  const bool asks = holds || IsOperatorCommand(command);
  if (command != "serve" && command != "migrate" && !asks) {
    std::fprintf(stderr, "sender: unknown command %s; see sender --help\n",
                 std::string(command).c_str());
    return 2;
  }
  const auto config = config::Load<Config>();
  if (!config.ok()) return Fail(config.status());
  telemetry::InitLogging("sender", config->log_level);
  if (command == "migrate") {
    const absl::Status migrated =
        postgres::Migrate(std::string(config->database_url.Reveal()), kSchema, Migrations());
    return migrated.ok() ? 0 : Fail(migrated);
  }
  if (asks) {
    postgres::PoolOptions options;
    options.url = std::string(config->database_url.Reveal());
    options.application_name = "sender-operator";
    options.role = kRole;
    options.schema = kSchema;
    options.connections_max = 1;
    if (holds) {
      postgres::Pool pool(options);
      PostgresHold store(pool);
      return RunHoldCommand(argc - 1, argv + 1, store);
    }
    return RunOperatorCommand(argc - 1, argv + 1, options);
  }
  Shutdown shutdown;
  const absl::Status served = Serve(*config, shutdown);
  return served.ok() ? 0 : Fail(served);
}

}  // namespace
}  // namespace parley::sender

int main(int argc, char** argv) { return parley::sender::Run(argc, argv); }
