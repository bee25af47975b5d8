// gateway: the store, the API, live updates, and what moves messages in and out. Composition only.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "adapters/redis_api_limit.h"
#include "adapters/twilio_accounts.h"
#include "adapters/twilio_message_lists.h"
#include "api/server.h"
#include "auth/authenticator.h"
#include "bootstrap/bootstrap.h"
#include "catchup/catch_up.h"
#include "config.h"
#include "dispatcher/dispatcher.h"
#include "libs/base/clock.h"
#include "libs/base/shutdown.h"
#include "libs/config/config.h"
#include "libs/http/admin.h"
#include "libs/kafka/admin.h"
#include "libs/kafka/producer.h"
#include "libs/postgres/migrate.h"
#include "libs/redis/redis.h"
#include "libs/telemetry/log.h"
#include "live/server.h"
#include "projector/projector.h"
#include "projector/quarantine.h"
#include "relay/consents.h"
#include "relay/relay.h"
#include "roles.h"

namespace parley::gateway {

const std::vector<postgres::Migration>& Migrations();  // Embedded by CMake.

namespace {

constexpr std::chrono::seconds kTopicsDeadline{60};
constexpr int kWorkerConnections = 4;
// The projector's topics but parley.inbound; the dispatcher; catching up.
constexpr int kPipelineConnections = 8;
constexpr std::chrono::milliseconds kKafkaPing{800};

postgres::PoolOptions PoolFor(const Config& config, const char* role, int connections) {
  return {.url = config.database_url,
          .application_name = "gateway",
          .role = role,
          .schema = "gateway",
          .connections_max = connections};
}

std::unique_ptr<api::ApiLimit> LimitOf(const Config& config) {
  if (config.api_rate == 0) return nullptr;
  return std::make_unique<RedisApiLimit>(
      RateLimit{.per_second = static_cast<double>(config.api_rate), .burst = config.api_burst},
      config.redis_url, SystemClock());
}

// What API requests work with, in the order of need.
struct ApiParts {
  ApiParts(const Config& config, crypto::KeyRing master, crypto::KeyRing directory,
           std::unique_ptr<TwilioClientAccounts> twilio_accounts, const std::string& server_url)
      : master_keys(std::move(master)),
        directory_keys(std::move(directory)),
        twilio(std::move(twilio_accounts)),
        database(PoolFor(config, "gateway_api", config.database_connections)),
        worker(PoolFor(config, "gateway_worker", kWorkerConnections)),
        api_limit(LimitOf(config)),
        services{.database = database,
                 .worker = worker,
                 .master_keys = master_keys,
                 .directory_keys = directory_keys,
                 .twilio = *twilio,
                 .clock = SystemClock(),
                 .login_throttle = login_throttle,
                 .options = {.server_url = server_url,
                             .session_valid = config.session_valid,
                             .cookie_secure = server_url.starts_with("https:"),
                             .https_only = config.environment == "production",
                             .configure_webhooks = config.ConfiguresWebhooks(),
                             .ai_enabled = config.AiEnabledByDefault(),
                             .ai_delay_ms = config.ai_response_delay_ms,
                             .ai_provider = config.ai_provider}} {}

  static absl::StatusOr<std::unique_ptr<ApiParts>> Create(const Config& config) {
    PARLEY_ASSIGN_OR_RETURN(auto master, crypto::KeyRing::FromFile(config.master_key_file));
    PARLEY_ASSIGN_OR_RETURN(auto directory, crypto::KeyRing::FromFile(config.directory_key_file));
    PARLEY_ASSIGN_OR_RETURN(auto twilio, TwilioClientAccounts::Create(config.twilio_api_base_url));
    PARLEY_ASSIGN_OR_RETURN(const auto server_url, twilio::OriginAndPrefix(config.server_url));
    return std::make_unique<ApiParts>(config, std::move(master), std::move(directory),
                                      std::move(twilio), server_url);
  }

  const crypto::KeyRing master_keys;
  const crypto::KeyRing directory_keys;
  const std::unique_ptr<TwilioClientAccounts> twilio;
  postgres::Pool database;
  postgres::Pool worker;
  LoginThrottle login_throttle;
  const std::unique_ptr<api::ApiLimit> api_limit;
  api::Services services;
  Authenticator authenticator{worker};
};

// The role "live".
class LiveRole {
 public:
  LiveRole(const Config& config, ApiParts& parts)
      : events_(parts.worker),
        server_(
            {.bind_address = config.bind_address,
             .port = config.live_port,
             .connections_max = config.live_connections,
             .allowed_origins = config.AllowedOrigins(),
             .session_cookie = std::string(kSessionCookie),
             .redis = {.url = config.redis_url}},
            [&parts](const live::Credential& credential) {
              return Authorize(parts.authenticator, credential);
            },
            events_, SystemClock()) {}

  absl::Status Start() { return server_.Start(); }
  void Stop() { server_.Stop(); }

 private:
  static absl::StatusOr<live::Admission> Authorize(const Authenticator& authenticator,
                                                   const live::Credential& credential) {
    if (!credential.ticket.empty()) {
      PARLEY_ASSIGN_OR_RETURN(auto owner, authenticator.TakeLiveTicket(credential.ticket));
      live::Admission admission(std::move(owner.organization_id));
      admission.behind_ticket = std::move(owner.credential);
      return admission;
    }
    if (credential.token.empty()) {
      return authenticator.CheckTicketCredential(credential.behind_ticket);
    }
    rpc::CallContext call;
    call.credential = credential.token;
    call.credential_is_cookie = credential.from_cookie;
    PARLEY_RETURN_IF_ERROR(authenticator.Authenticate(call));
    return call.organization_id;
  }

  live::StoredEvents events_;
  live::Server server_;
};

// The roles "projector", "relay" and "dispatcher": whichever of them this replica runs.
class PipelineRoles {
 public:
  static absl::StatusOr<std::unique_ptr<PipelineRoles>> Create(const Config& config,
                                                               const std::set<Role>& roles,
                                                               const ApiParts& parts) {
    PARLEY_ASSIGN_OR_RETURN(auto producer,
                            kafka::Producer::Create({.brokers = config.kafka_brokers,
                                                     .client_id = "gateway",
                                                     .linger = std::chrono::milliseconds(0)}));
    PARLEY_ASSIGN_OR_RETURN(auto lists, TwilioMessageLists::Create(config.twilio_api_base_url));
    return std::make_unique<PipelineRoles>(config, roles, parts, std::move(producer),
                                           std::move(lists));
  }

  PipelineRoles(const Config& config, const std::set<Role>& roles, const ApiParts& parts,
                std::unique_ptr<kafka::Producer> producer,
                std::unique_ptr<TwilioMessageLists> lists)
      : producer_(std::move(producer)),
        lists_(std::move(lists)),
        pool_(PoolFor(config, "gateway_worker", kPipelineConnections + config.projector_threads)) {
    const store::AppendPolicy append{
        .turn_keys = {.master = &parts.master_keys, .directory = &parts.directory_keys}};
    if (roles.contains(Role::kRelay)) {
      publisher_ = std::make_unique<redis::Publisher>(redis::Options{.url = config.redis_url});
      relay_ = std::make_unique<relay::Relay>(
          relay::RelayOptions{.database = PoolFor(config, "gateway_worker", 1)}, *producer_,
          [this](std::string channel, std::string message) {
            publisher_->Publish(std::move(channel), std::move(message));
          },
          SystemClock());
    }
    if (roles.contains(Role::kProjector)) {
      projector_ = std::make_unique<projector::Projector>(
          projector::ProjectorOptions{
              .brokers = config.kafka_brokers,
              .inbound_threads = config.projector_threads,
              .reply_age_max = config.reply_age_max,
              .channel_defaults = {.ai_enabled = config.AiEnabledByDefault(),
                                   .ai_delay =
                                       std::chrono::milliseconds(config.ai_response_delay_ms),
                                   .ai_provider = config.ai_provider},
              .append = append},
          pool_, *producer_, SystemClock());
      quarantine_ = std::make_unique<projector::Quarantine>(
          projector::QuarantineOptions{.brokers = config.kafka_brokers,
                                       .webhooks_max = config.quarantine_webhooks},
          pool_, *producer_);
    }
    if (roles.contains(Role::kDispatcher)) {
      dispatcher_ = std::make_unique<dispatcher::Dispatcher>(
          dispatcher::DispatcherOptions{.database = PoolFor(config, "gateway_worker", 1),
                                        .append = append},
          pool_, SystemClock());
      catch_up_ = std::make_unique<catchup::CatchUp>(
          catchup::CatchUpOptions{.database = PoolFor(config, "gateway_worker", 1),
                                  .every = config.catch_up_every,
                                  .leave_for = config.catch_up_leave_for,
                                  .pages_max = config.catch_up_pages},
          pool_, *lists_, parts.master_keys, SystemClock());
    }
  }

  absl::Status Start() {
    if (relay_ != nullptr) relay_->Start();
    if (dispatcher_ != nullptr) dispatcher_->Start();
    if (catch_up_ != nullptr) catch_up_->Start();
    if (quarantine_ != nullptr) PARLEY_RETURN_IF_ERROR(quarantine_->Start());
    return projector_ != nullptr ? projector_->Start() : absl::OkStatus();
  }

  // Intake first, and the relay last: it publishes what the others still wrote.
  void Stop() {
    if (projector_ != nullptr) projector_->Stop();
    if (quarantine_ != nullptr) quarantine_->Stop();
    if (catch_up_ != nullptr) catch_up_->Stop();
    if (dispatcher_ != nullptr) dispatcher_->Stop();
    if (relay_ != nullptr) relay_->Stop();
  }

  absl::Status PingKafka() const { return producer_->Ping(kKafkaPing); }

 private:
  const std::unique_ptr<kafka::Producer> producer_;
  const std::unique_ptr<TwilioMessageLists> lists_;
  postgres::Pool pool_;
  std::unique_ptr<redis::Publisher> publisher_;
  std::unique_ptr<relay::Relay> relay_;
  std::unique_ptr<projector::Projector> projector_;
  std::unique_ptr<projector::Quarantine> quarantine_;
  std::unique_ptr<dispatcher::Dispatcher> dispatcher_;
  std::unique_ptr<catchup::CatchUp> catch_up_;
};

bool RunsPipelines(const std::set<Role>& roles) {
  return roles.contains(Role::kProjector) || roles.contains(Role::kRelay) ||
         roles.contains(Role::kDispatcher);
}

absl::Status Serve(const Config& config, const std::set<Role>& roles) {
  Shutdown shutdown;
  PARLEY_ASSIGN_OR_RETURN(const auto parts, ApiParts::Create(config));
  std::unique_ptr<api::Server> api_server;
  std::unique_ptr<LiveRole> live;
  std::unique_ptr<PipelineRoles> pipelines;
  std::vector<http::ReadyCheck> checks{{"database", [&] { return parts->worker.Ping(); }}};
  if (roles.contains(Role::kApi)) {
    api_server = std::make_unique<api::Server>(
        api::ServerOptions{.bind_address = config.bind_address,
                           .http_port = config.http_port,
                           .grpc_port = config.grpc_port,
                           .http_connections = config.http_connections,
                           .allowed_origins = config.AllowedOrigins(),
                           .web_root = config.web_root,
                           .api_limit = parts->api_limit.get()},
        parts->services, parts->authenticator);
  }
  if (roles.contains(Role::kLive)) live = std::make_unique<LiveRole>(config, *parts);
  if (RunsPipelines(roles)) {
    PARLEY_ASSIGN_OR_RETURN(pipelines, PipelineRoles::Create(config, roles, *parts));
  }
  if (roles.contains(Role::kProjector) || roles.contains(Role::kRelay)) {
    checks.push_back({"kafka", [&] { return pipelines->PingKafka(); }});
  }
  http::AdminServer admin(config.bind_address, config.admin_port, std::move(checks));
  if (pipelines != nullptr) PARLEY_RETURN_IF_ERROR(pipelines->Start());
  if (live != nullptr) PARLEY_RETURN_IF_ERROR(live->Start());
  if (api_server != nullptr) PARLEY_RETURN_IF_ERROR(api_server->Start());
  PARLEY_RETURN_IF_ERROR(admin.Start());  // Last: whoever is told "ready" may call at once.
  telemetry::Info("started", {{"server_url", config.server_url}});

  shutdown.Wait();
  telemetry::Info("stopping");
  if (api_server != nullptr) api_server->Stop();
  if (live != nullptr) live->Stop();
  if (pipelines != nullptr) pipelines->Stop();
  admin.Stop();
  return absl::OkStatus();
}

absl::Status Migrate(const Config& config) {
  PARLEY_RETURN_IF_ERROR(postgres::Migrate(config.database_url, "gateway", Migrations()));
  return kafka::CreateTopics(config.kafka_brokers,
                             kafka::ParleyTopics(config.kafka_partitions, config.kafka_replication),
                             kTopicsDeadline);
}

absl::Status RepublishSuppressions(const Config& config, std::string& answer) {
  postgres::Pool pool(PoolFor(config, "gateway_worker", 1));
  PARLEY_RETURN_IF_ERROR(pool.Transact([](pqxx::work& tx) {
    const Time now = SystemClock().Now();
    relay::RequestConsents(tx, now, now);
    return absl::OkStatus();
  }));
  answer =
      "All suppressions will be republished by the relay; its log says consents_republished.\n";
  return absl::OkStatus();
}

absl::Status Bootstrap(const Config& config, const std::string& credentials_file,
                       std::string& answer) {
  nlohmann::json known = nlohmann::json::object();
  if (!credentials_file.empty()) {
    PARLEY_ASSIGN_OR_RETURN(known, bootstrap::ReadCredentials(credentials_file));
  }
  PARLEY_ASSIGN_OR_RETURN(const auto parts, ApiParts::Create(config));
  PARLEY_ASSIGN_OR_RETURN(const nlohmann::json credentials,
                          bootstrap::Run(parts->services,
                                         {.email = config.bootstrap_email,
                                          .account_sid = config.twilio_account_sid,
                                          .auth_token = config.twilio_auth_token,
                                          .phone_number = config.twilio_phone_number},
                                         known));
  if (!credentials_file.empty()) {
    PARLEY_RETURN_IF_ERROR(bootstrap::WriteCredentials(credentials_file, credentials));
  }
  answer = credentials.dump() + "\n";
  return absl::OkStatus();
}

// Runs a command whose standard output is its answer and nothing else: meanwhile log lines go to
// standard error, and so does a failure, as a sentence.
int RunCommand(const std::function<absl::Status(std::string& answer)>& command) {
  std::fflush(stdout);
  const int output = ::dup(STDOUT_FILENO);
  ::dup2(STDERR_FILENO, STDOUT_FILENO);
  std::string answer;
  const absl::Status status = command(answer);
  std::fflush(stdout);
  ::dup2(output, STDOUT_FILENO);
  ::close(output);
  if (!status.ok()) {
    std::fprintf(stderr, "gateway: %s\n", std::string(status.message()).c_str());
    return EXIT_FAILURE;
  }
  std::printf("%s", answer.c_str());
  return EXIT_SUCCESS;
}

int Main(int argc, char** argv) {
  CLI::App app("Parley's store, API, live updates and pipelines.", "gateway");
  std::string roles_text = "api,live,projector,relay,dispatcher";
  std::string credentials_file;
  bool markdown = false;
  app.add_flag("--settings-markdown", markdown, "print the settings as a Markdown table");
  app.add_option("--roles", roles_text, "what this replica runs")->capture_default_str();
  CLI::App* serve = app.add_subcommand("serve", "serve until SIGTERM (the default)");
  serve->add_option("--roles", roles_text, "what this replica runs");
  CLI::App* migrate = app.add_subcommand("migrate", "bring the database and Kafka's topics up");
  CLI::App* republish = app.add_subcommand(
      "republish-suppressions", "tell every sender again who opted out; the relay does it");
  CLI::App* bootstrap = app.add_subcommand("bootstrap", "make the first organization; repeatable");
  bootstrap->add_option("--credentials", credentials_file, "file to read and to keep up to date");
  app.require_subcommand(0, 1);
  app.footer(config::HelpText(config::List<Config>()));
  CLI11_PARSE(app, argc, argv);
  if (markdown) {
    std::printf("%s", config::Markdown(config::List<Config>()).c_str());
    return EXIT_SUCCESS;
  }

  const auto config = config::Load<Config>();
  absl::Status status = config.ok() ? Validate(*config) : config.status();
  if (*migrate || *bootstrap || *republish) {
    return RunCommand([&](std::string& answer) {
      if (!status.ok()) return status;
      if (*republish) return RepublishSuppressions(*config, answer);
      return *migrate ? Migrate(*config) : Bootstrap(*config, credentials_file, answer);
    });
  }
  telemetry::InitLogging("gateway", config.ok() ? config->log_level : "info");
  const auto roles = ParseRoles(roles_text);
  if (status.ok()) status = roles.status();
  if (status.ok()) status = Serve(*config, *roles);
  if (!status.ok()) {
    telemetry::Error("failed", status);
    return EXIT_FAILURE;
  }
  telemetry::Info("stopped");
  return EXIT_SUCCESS;
}

}  // namespace
}  // namespace parley::gateway

int main(int argc, char** argv) { return parley::gateway::Main(argc, argv); }
