#include "libs/http/admin.h"

#include <nlohmann/json.hpp>

#include "libs/telemetry/metrics.h"

namespace parley::http {

AdminServer::AdminServer(std::string bind_address, int port, std::vector<ReadyCheck> checks)
    : server_({.name = "admin",
               .bind_address = std::move(bind_address),
               .port = port,
               .connections_max = 4,
               .keep_alive = std::chrono::milliseconds(1'000)}),
      checks_(std::move(checks)) {
  server_.routes().Get("/healthz", [](const httplib::Request&, httplib::Response& response) {
    response.set_content(R"({"status":"ok"})", "application/json");
  });
  server_.routes().Get("/readyz", [this](const httplib::Request&, httplib::Response& response) {
    nlohmann::json results = nlohmann::json::object();
    bool ready = true;
    for (const ReadyCheck& check : checks_) {
      const absl::Status status = check.check();
      ready = ready && status.ok();
      results[check.name] = status.ok() ? "ok" : std::string(status.message());
    }
    response.status = ready ? 200 : 503;
    response.set_content(
        nlohmann::json{{"status", ready ? "ok" : "unavailable"}, {"checks", results}}.dump(
            -1, ' ', false, nlohmann::json::error_handler_t::replace),
        "application/json");
  });
  server_.routes().Get("/metrics", [](const httplib::Request&, httplib::Response& response) {
    response.set_content(telemetry::RenderMetrics(), "text/plain; version=0.0.4");
  });
}

}  // namespace parley::http
