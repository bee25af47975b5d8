#include "tests/integration/gateway-api/fixture.h"

#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <cstdlib>

#include "libs/base/id.h"
#include "libs/crypto/credential.h"
#include "libs/crypto/digest.h"
#include "libs/postgres/migrate.h"

namespace parley::gateway {

const std::vector<postgres::Migration>& Migrations();

namespace {

constexpr char kOrigin[] = "https://app.example.com";

[[noreturn]] void Die(const absl::Status& status) {
  std::fprintf(stderr, "the fixture failed: %s\n", status.ToString().c_str());
  std::abort();
}

std::string AdminUrl() {
  const char* url = std::getenv("PARLEY_DATABASE_URL");
  return url != nullptr ? url : "postgresql://parley@127.0.0.1:15432/parley";
}

void Administer(const std::string& url, const std::string& sql) {
  pqxx::connection connection(url);
  pqxx::nontransaction(connection).exec(sql);
}

postgres::PoolOptions PoolFor(const std::string& url, const char* role) {
  return {.url = url, .role = role, .schema = "gateway", .connections_max = 8};
}

}  // namespace

std::string MadeUpSid(char digit) { return "AC" + std::string(32, digit); }

Gateway& Gateway::Get() {
  static Gateway gateway;
  return gateway;
}

Gateway::Gateway() : admin_url_(AdminUrl()) {
  database_ = "gateway_api_" + crypto::Hex(crypto::Sha256(NewId())).substr(0, 12);
  Administer(admin_url_, "CREATE DATABASE " + database_);
  database_url_ = admin_url_.substr(0, admin_url_.rfind('/') + 1) + database_;
  const std::string& url = database_url_;
  if (const auto status = postgres::Migrate(url, "gateway", Migrations()); !status.ok()) {
    Die(status);
  }
  auto keys = crypto::KeyRing::Parse("k1:" + crypto::Base64(std::string(32, 'k')));
  if (!keys.ok()) Die(keys.status());
  keys_ = std::make_unique<crypto::KeyRing>(*std::move(keys));
  database_pool_ = std::make_unique<postgres::Pool>(PoolFor(url, "gateway_api"));
  worker_pool_ = std::make_unique<postgres::Pool>(PoolFor(url, "gateway_worker"));
  services_ = std::make_unique<api::Services>(
      api::Services{.database = *database_pool_,
                    .worker = *worker_pool_,
                    .master_keys = *keys_,
                    .directory_keys = *keys_,
                    .twilio = twilio,
                    .clock = SystemClock(),
                    .login_throttle = login_throttle_,
                    .options = {.server_url = "http://127.0.0.1:8080", .ai_enabled = true}});
  authenticator_ = std::make_unique<Authenticator>(*worker_pool_);
  server_ = std::make_unique<api::Server>(
      api::ServerOptions{
          .http_port = 0, .grpc_port = 0, .http_connections = 8, .allowed_origins = {kOrigin}},
      *services_, *authenticator_);
  if (const auto status = server_->Start(); !status.ok()) Die(status);
}

Gateway::~Gateway() {
  server_->Stop();
  server_.reset();
  database_pool_.reset();
  worker_pool_.reset();
  Administer(admin_url_, "DROP DATABASE " + database_ + " WITH (FORCE)");
}

Answer Gateway::Http(const Request& request) {
  httplib::Client client("127.0.0.1", server_->http_port());
  client.set_read_timeout(30);
  httplib::Request sent;
  sent.method = request.method;
  sent.path = request.path;
  sent.headers = request.headers;
  if (!request.token.empty()) sent.headers.emplace("Authorization", "Bearer " + request.token);
  if (!request.body.is_null()) {
    sent.body = request.body.is_string() ? request.body.get<std::string>() : request.body.dump();
  }
  const httplib::Result result = client.send(sent);
  Answer answer;
  if (!result) {
    answer.code = "NO_ANSWER: " + httplib::to_string(result.error());
    return answer;
  }
  answer.http_status = result->status;
  answer.headers = result->headers;
  answer.body = json::parse(result->body, nullptr, /*allow_exceptions=*/false);
  answer.code = "OK";
  if (result->status < 400 || !answer.body.contains("error")) return answer;
  const json& error = answer.body["error"];
  answer.code = error.value("status", "");
  if (error.contains("details")) answer.reason = error["details"][0].value("reason", "");
  if (error["code"].is_string()) answer.reason = error["code"];  // The old format.
  return answer;
}

Answer Gateway::Grpc(const std::string& method, const json& request, const std::string& token,
                     const std::map<std::string, std::string>& metadata) {
  const auto& table = server_->methods().methods();
  const rpc::Method& described = table.find(method)->second;
  const std::unique_ptr<rpc::Message> message(described.request_prototype->New());
  if (const auto parsed = rpc::FromJson(request.dump(), *message); !parsed.ok()) Die(parsed);
  return Grpc(method, *message, token, metadata);
}

Answer Gateway::Grpc(const api::Server& server, const std::string& method,
                     const rpc::Message& request, const std::string& token,
                     const std::map<std::string, std::string>& metadata) {
  const rpc::Method& described = server.methods().methods().find(method)->second;
  auto channel = grpc::CreateChannel("127.0.0.1:" + std::to_string(server.grpc_port()),
                                     grpc::InsecureChannelCredentials());
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  if (!token.empty()) context.AddMetadata("authorization", "Bearer " + token);
  for (const auto& [name, value] : metadata) context.AddMetadata(name, value);
  const grpc::Slice slice(request.SerializeAsString());
  const grpc::ByteBuffer bytes(&slice, 1);
  grpc::CompletionQueue queue;
  const std::string path =
      "/" + described.descriptor->service()->full_name() + "/" + described.descriptor->name();
  auto call = stub.PrepareUnaryCall(&context, path, bytes, &queue);
  call->StartCall();
  grpc::ByteBuffer response_bytes;
  grpc::Status status;
  call->Finish(&response_bytes, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);

  Answer answer;
  answer.code = absl::StatusCodeToString(static_cast<absl::StatusCode>(status.error_code()));
  for (const auto& [name, value] : context.GetServerTrailingMetadata()) {
    answer.headers.emplace(std::string(name.data(), name.size()),
                           std::string(value.data(), value.size()));
  }
  if (!status.ok()) {
    google::rpc::Status details;
    google::rpc::ErrorInfo info;
    details.ParseFromString(status.error_details());
    if (details.details_size() > 0 && details.details(0).UnpackTo(&info)) {
      answer.reason = info.reason();
    }
    google::rpc::RetryInfo retry;
    if (details.details_size() > 1 && details.details(1).UnpackTo(&retry)) {
      answer.retry_seconds = static_cast<double>(retry.retry_delay().seconds()) +
                             static_cast<double>(retry.retry_delay().nanos()) / 1e9;
    }
    return answer;
  }
  grpc::Slice whole;
  response_bytes.DumpToSingleSlice(&whole);
  const std::unique_ptr<rpc::Message> response(described.response_prototype->New());
  response->ParseFromArray(whole.begin(), static_cast<int>(whole.size()));
  answer.body = json::parse(rpc::ToJson(*response));
  return answer;
}

Tenant Gateway::NewTenant() {
  Tenant tenant;
  const std::string number = std::to_string(++tenants_);
  tenant.organization_id = NewId();
  tenant.email = "owner" + number + "@example.com";
  tenant.password = "a password of " + number;
  const std::string user_id = NewId();
  tenant.api_key = crypto::NewToken(kApiKeyPrefix).Reveal();
  // Visibly made up, and different for each organization.
  tenant.account_sid = MadeUpSid('0');
  tenant.account_sid.replace(34 - number.size(), number.size(), number);
  tenant.phone_number = "+1555" + std::string(7 - number.size(), '0') + number;
  Query("INSERT INTO organizations (id, display_name) VALUES ($1, 'Organization ' || $2)",
        {tenant.organization_id, number});
  Query("INSERT INTO users (id, email, password_hash) VALUES ($1, $2, $3)",
        {user_id, tenant.email, crypto::HashPassword(Secret(tenant.password))});
  Query("INSERT INTO memberships (organization_id, user_id, role) VALUES ($1, $2, 'owner')",
        {tenant.organization_id, user_id});
  Query(
      "INSERT INTO api_keys (key_hash, id, organization_id, display_name, prefix)"
      " VALUES ($1, $2, $3, 'key', 'parley_key')",
      {crypto::HashToken(tenant.api_key), NewId(), tenant.organization_id});
  const std::string token = "token of " + number;
  twilio.Put(tenant.account_sid, {.auth_token = token,
                                  .facts = {"Account " + number, v1::TwilioAccount::KIND_FULL},
                                  .owns_every_number = true});
  Answer connected = Http({.method = "POST",
                           .path = "/v1/twilioAccounts",
                           .body = {{"accountSid", tenant.account_sid}, {"authToken", token}},
                           .token = tenant.api_key});
  EXPECT_EQ(connected.http_status, 200) << connected.body.dump();
  Answer channel = Http({.method = "POST",
                         .path = "/v1/channels",
                         .body = {{"channel",
                                   {{"displayName", "Channel " + number},
                                    {"phoneNumber", tenant.phone_number},
                                    {"media", {"MEDIUM_SMS", "MEDIUM_WHATSAPP"}}}}},
                         .token = tenant.api_key});
  EXPECT_EQ(channel.http_status, 200) << channel.body.dump();
  tenant.channel_id = channel.body.value("id", "");
  return tenant;
}

std::string Gateway::NewSession(const Tenant& tenant, const std::string& role) {
  const std::string user_id = NewId();
  const std::string token(crypto::NewToken(kSessionPrefix).Reveal());
  Query("INSERT INTO users (id, email, password_hash) VALUES ($1, $2, 'none')",
        {user_id, user_id + "@example.com"});
  Query("INSERT INTO memberships (organization_id, user_id, role) VALUES ($1, $2, $3)",
        {tenant.organization_id, user_id, role});
  Query(
      "INSERT INTO sessions (token_hash, user_id, organization_id, expires_at)"
      " VALUES ($1, $2, $3, now() + interval '1 hour')",
      {crypto::HashToken(token), user_id, tenant.organization_id});
  return token;
}

std::string Gateway::Query(const std::string& sql, const std::vector<std::string>& parameters) {
  std::string first;
  const absl::Status status = worker_pool_->Transact([&](pqxx::work& tx) -> absl::Status {
    const pqxx::result result = tx.exec_params(sql, pqxx::prepare::make_dynamic_params(parameters));
    if (!result.empty() && result.columns() > 0) first = result[0][0].c_str();
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << sql << ": " << status;
  return first;
}

std::string Gateway::Snapshot(const std::string& organization_id) {
  std::string all;
  for (const char* table :
       {"organizations", "api_keys", "account_links", "number_claims", "memberships", "channels",
        "contacts", "conversations", "messages", "suppressions", "idempotency_keys", "outbox",
        "live_outbox", "live_tickets", "audit_events"}) {
    const std::string column =
        table == std::string_view("organizations") ? "id" : "organization_id";
    all += std::string(table) + ": " +
           Query(
               "SELECT coalesce(jsonb_agg(to_jsonb(t) ORDER BY to_jsonb(t)::text), '[]')::text"
               " FROM " +
                   std::string(table) + " t WHERE t." + column + " = $1",
               {organization_id}) +
           "\n";
  }
  return all;
}

std::string Gateway::Counts() {
  std::string all;
  for (const char* table :
       {"organizations", "users", "sessions", "api_keys", "account_credentials", "account_links",
        "number_claims", "directory_records", "memberships", "channels", "contacts",
        "conversations", "messages", "suppressions", "idempotency_keys", "outbox", "live_outbox",
        "live_tickets", "audit_events"}) {
    all += std::string(table) + " " + Query("SELECT count(*) FROM " + std::string(table)) + "\n";
  }
  return all;
}

}  // namespace parley::gateway
