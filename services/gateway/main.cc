// gateway: the store, the API, live updates, and what moves messages in and out. Composition only.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "adapters/twilio_accounts.h"
#include "api/http_api.h"
#include "api/janitor.h"
#include "api/methods.h"
#include "auth/authenticator.h"
#include "bootstrap/bootstrap.h"
#include "compat/routes.h"
#include "config.h"
#include "libs/base/clock.h"
#include "libs/base/shutdown.h"
#include "libs/config/config.h"
#include "libs/http/admin.h"
#include "libs/http/server.h"
#include "libs/kafka/admin.h"
#include "libs/postgres/migrate.h"
#include "libs/rpc/grpc_server.h"
#include "libs/telemetry/log.h"
#include "roles.h"

namespace parley::gateway {

const std::vector<postgres::Migration>& Migrations();  // Embedded by CMake.

namespace {

constexpr std::chrono::seconds kTopicsDeadline{60};
constexpr std::chrono::seconds kSweepEvery{600};
constexpr int kWorkerConnections = 4;

postgres::PoolOptions PoolFor(const Config& config, const char* role, int connections) {
  return {.url = config.database_url,
          .application_name = "gateway",
          .role = role,
          .schema = "gateway",
          .connections_max = connections};
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
  api::Services services;
  Authenticator authenticator{worker};
};

// The role "api": HTTP and gRPC over one table of methods.
class ApiRole {
 public:
  ApiRole(const Config& config, ApiParts& parts)
      : origins_(config.AllowedOrigins()),
        authenticate_(
            [&parts](rpc::CallContext& call) { return parts.authenticator.Authenticate(call); }),
        transcoder_(FillTable(parts), {.allowed_origins = origins_}),
        compat_(parts.services, authenticate_,
                {.allowed_origins = origins_,
                 .health = {{"database", [&parts] { return parts.worker.Ping(); }}}}),
        site_(config.web_root),
        http_({.name = "http",
               .bind_address = config.bind_address,
               .port = config.http_port,
               .connections_max = config.http_connections}),
        grpc_(table_, {.bind_address = config.bind_address, .port = config.grpc_port}),
        janitor_(parts.worker, kSweepEvery) {
    api::RegisterHttpApi(http_.routes(), {transcoder_, compat_, site_, origins_});
  }

  absl::Status Start() {
    PARLEY_RETURN_IF_ERROR(http_.Start());
    return grpc_.Start();
  }

  void Stop() {
    http_.Stop();
    grpc_.Stop();
  }

 private:
  const rpc::MethodTable& FillTable(ApiParts& parts) {
    table_.SetAuthenticate(authenticate_);
    api::AddInterceptors(table_, SystemClock());
    api::AddMethods(table_, parts.services);
    return table_;
  }

  const std::vector<std::string> origins_;
  const rpc::Authenticate authenticate_;
  rpc::MethodTable table_;
  rpc::Transcoder transcoder_;
  compat::Routes compat_;
  const api::StaticSite site_;
  http::Server http_;
  rpc::GrpcServer grpc_;
  api::Janitor janitor_;
};

absl::Status Serve(const Config& config, const std::set<Role>& roles) {
  Shutdown shutdown;
  PARLEY_ASSIGN_OR_RETURN(const auto parts, ApiParts::Create(config));
  http::AdminServer admin(config.bind_address, config.admin_port,
                          {{"database", [&] { return parts->worker.Ping(); }}});
  PARLEY_RETURN_IF_ERROR(admin.Start());
  std::unique_ptr<ApiRole> api;
  if (roles.contains(Role::kApi)) {
    api = std::make_unique<ApiRole>(config, *parts);
    PARLEY_RETURN_IF_ERROR(api->Start());
  }
  telemetry::Info("started", {{"server_url", config.server_url}});
  shutdown.Wait();
  telemetry::Info("stopping");
  if (api != nullptr) api->Stop();
  admin.Stop();
  return absl::OkStatus();
}

absl::Status Migrate(const Config& config) {
  PARLEY_RETURN_IF_ERROR(postgres::Migrate(config.database_url, "gateway", Migrations()));
  return kafka::CreateTopics(config.kafka_brokers,
                             kafka::ParleyTopics(config.kafka_partitions, config.kafka_replication),
                             kTopicsDeadline);
}

absl::Status Bootstrap(const Config& config, const std::string& credentials_file) {
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
  std::printf("%s\n", credentials.dump().c_str());
  return absl::OkStatus();
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
  if (*migrate || *bootstrap) {
    // Their standard output is for what was asked for; errors are for people.
    if (status.ok()) status = *migrate ? Migrate(*config) : Bootstrap(*config, credentials_file);
    if (!status.ok()) {
      std::fprintf(stderr, "gateway: %s\n", std::string(status.message()).c_str());
    }
    return status.ok() ? EXIT_SUCCESS : EXIT_FAILURE;
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
