#include "adapters/routes.h"

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "libs/base/status.h"
#include "libs/telemetry/log.h"
#include "libs/telemetry/metrics.h"
#include "libs/twilio/callback.h"
#include "libs/twilio/form.h"
#include "libs/twilio/twiml.h"

namespace parley::ingest {
namespace {

constexpr std::chrono::milliseconds kRequestWithin{10'000};
constexpr char kJson[] = "application/json";
constexpr int kMethodNotAllowed = 405;
constexpr int kUnsupportedMediaType = 415;
constexpr int kServiceUnavailable = 503;

using webhooks::Kind;

struct Route {
  const char* path;
  Kind kind;
  bool legacy;  // COMPATIBILITY.md: errors have the old applications' form.
};

// The routes that Twilio calls most come first: cpp-httplib tries them in order.
constexpr Route kRoutes[] = {
    {twilio::kMessageWebhookPath.data(), Kind::kMessage, false},
    {twilio::kStatusWebhookPath.data(), Kind::kStatus, false},
    {"/api/webhooks/sms", Kind::kMessage, true},
    {"/api/webhooks/whatsapp", Kind::kMessage, true},
    {"/api/webhooks/twilio/incoming", Kind::kMessage, true},
    {"/api/webhooks/twilio", Kind::kStatus, true},
    {twilio::kVoiceWebhookPath.data(), Kind::kVoice, false},
    {twilio::kRecordingWebhookPath.data(), Kind::kRecording, false},
    {"/api/webhooks/voice", Kind::kVoice, true},
};

struct KindMetrics {
  explicit KindMetrics(const char* kind)
      : acknowledged(telemetry::Counter(
            "parley_webhook_ingest_acknowledged_total",
            "Webhooks answered 2xx: each is durable, in Kafka or in the spool.", {{"kind", kind}})),
        latency(telemetry::LatencyHistogram(
            "parley_webhook_ingest_latency_seconds",
            "From the request's head to its answer. Twilio gives up after 15 s; if it grows, "
            "look at Kafka first.",
            {{"kind", kind}})) {}
  prometheus::Counter& acknowledged;
  prometheus::Histogram& latency;
};

KindMetrics& Metrics(Kind kind) {
  static KindMetrics message("message");
  static KindMetrics status("status");
  static KindMetrics voice("voice");
  static KindMetrics recording("recording");
  switch (kind) {
    case Kind::kMessage:
      return message;
    case Kind::kStatus:
      return status;
    case Kind::kVoice:
      return voice;
    case Kind::kRecording:
      return recording;
  }
  return message;
}

std::string Dump(const nlohmann::json& json) {
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string RefusalBody(const Route& route, const Refusal& refusal) {
  if (route.legacy) {
    return Dump(
        {{"success", false}, {"error", {{"code", refusal.reason}, {"message", refusal.message}}}});
  }
  return Dump({{"error",
                {{"code", refusal.http_status},
                 {"message", refusal.message},
                 {"details",
                  {{{"@type", "type.googleapis.com/google.rpc.ErrorInfo"},
                    {"reason", refusal.reason},
                    {"domain", "parley"}}}}}}});
}

void Respond(const Route& route, const Refusal& refusal, httplib::Response& response) {
  response.status = refusal.http_status;
  if (refusal.http_status == kServiceUnavailable) response.set_header("Retry-After", "1");
  response.set_content(RefusalBody(route, refusal), kJson);
}

void CountRefusal(const Route& route, const std::string& reason, int http_status) {
  telemetry::Counter("parley_webhook_ingest_refused_total",
                     "Webhooks not taken, by reason. SIGNATURE_MISMATCH: SERVER_URL or a token is "
                     "wrong; NOT_DURABLE: neither Kafka nor the spool takes it; UNKNOWN_ACCOUNT: "
                     "nobody connected it.",
                     {{"reason", reason}})
      .Increment();
  telemetry::Info("refused", {{"path", route.path}, {"reason", reason}, {"status", http_status}});
}

void RefuseMethod(const Route& route, httplib::Response& response) {
  const Refusal refusal{kMethodNotAllowed, "METHOD_NOT_ALLOWED", "Use GET or POST."};
  response.set_header("Allow", "GET, POST");
  Respond(route, refusal, response);
  CountRefusal(route, refusal.reason, refusal.http_status);
}

// A header's value without copying it; empty if absent.
std::string_view Header(const httplib::Request& request, const char* name) {
  const auto found = request.headers.find(name);
  return found == request.headers.end() ? std::string_view() : std::string_view(found->second);
}

// All lines of a header as the one list that they are; each proxy may add a line of its own.
std::string Lines(const httplib::Request& request, const char* name) {
  std::string joined;
  const auto [begin, end] = request.headers.equal_range(name);
  for (auto line = begin; line != end; ++line) {
    if (line != begin) joined += ',';
    joined += line->second;
  }
  return joined;
}

class Handler {
 public:
  Handler(const Route& route, WebhookPipeline& pipeline, const http::TrustedProxies& proxies,
          const Clock& clock)
      : route_(route), pipeline_(pipeline), proxies_(proxies), clock_(clock) {}

  void Post(const httplib::Request& request, httplib::Response& response,
            const httplib::ContentReader& reader) const {
    const auto begun = clock_.Steady();
    if (request.is_multipart_form_data()) {  // The library does not hand out its bytes.
      const Refusal refusal{kUnsupportedMediaType, "CONTENT_TYPE",
                            std::string(webhooks::NoForm().message())};
      http::RespondAndClose(response, refusal.http_status, RefusalBody(route_, refusal), kJson);
      CountRefusal(route_, refusal.reason, refusal.http_status);
      return;
    }
    const auto body = http::ReadBody(request, reader, twilio::kWebhookBodyBytesMax);
    if (!body.ok()) {
      if (route_.legacy) {
        const Refusal refusal{http::HttpStatus(body.status()), ErrorReason(body.status()),
                              std::string(body.status().message())};
        http::RespondAndClose(response, refusal.http_status, RefusalBody(route_, refusal), kJson);
      } else {
        http::RespondError(response, body.status());  // Keeps the connection where it can go on.
      }
      CountRefusal(route_, ErrorReason(body.status()), response.status);
      return;
    }
    Handle(request, *body, begun, response);
  }

  void Get(const httplib::Request& request, httplib::Response& response) const {
    if (request.method != "GET") {  // cpp-httplib sends HEAD here too.
      RefuseMethod(route_, response);
      return;
    }
    Handle(request, "", clock_.Steady(), response);
  }

 private:
  void Handle(const httplib::Request& request, std::string_view body,
              std::chrono::steady_clock::time_point begun, httplib::Response& response) const {
    const Outcome outcome = Ask(request, body);
    KindMetrics& metrics = Metrics(route_.kind);
    if (const auto* refusal = std::get_if<Refusal>(&outcome)) {
      Respond(route_, *refusal, response);
      CountRefusal(route_, refusal->reason, refusal->http_status);
    } else {
      metrics.acknowledged.Increment();
      response.status = 200;
      const std::string& twiml = std::get<Answer>(outcome).twiml;
      if (!twiml.empty()) response.set_content(twiml, twilio::kTwimlContentType.data());
    }
    metrics.latency.Observe(std::chrono::duration<double>(clock_.Steady() - begun).count());
  }

  Outcome Ask(const httplib::Request& request, std::string_view body) const {
    const webhooks::WebhookRequest webhook{
        .is_get = request.method == "GET",
        .target = request.target,
        .content_type = Header(request, "Content-Type"),
        .signature = Header(request, "X-Twilio-Signature"),
        .idempotency_token = Header(request, "I-Twilio-Idempotency-Token"),
        .traceparent = Header(request, "traceparent"),
        .body = body,
        .received_at = clock_.Now(),
    };
    const std::string forwarded_for = Lines(request, "X-Forwarded-For");
    const std::string proto = Lines(request, "X-Forwarded-Proto");
    const std::string host = Lines(request, "X-Forwarded-Host");
    const std::string port = Lines(request, "X-Forwarded-Port");
    http::Forwarded forwarded = http::ReadForwarded(request.remote_addr,
                                                    {.host = Header(request, "Host"),
                                                     .forwarded_for = forwarded_for,
                                                     .forwarded_proto = proto,
                                                     .forwarded_host = host,
                                                     .forwarded_port = port},
                                                    proxies_);
    return pipeline_.Handle(route_.kind, webhook,
                            {.remote_address = std::move(forwarded.remote_address),
                             .requested_url = std::move(forwarded.requested_url),
                             .each_header = [&request](Arrival::HeaderVisitor visit) {
                               for (const auto& [name, value] : request.headers) visit(name, value);
                             }});
  }

  const Route& route_;
  WebhookPipeline& pipeline_;
  const http::TrustedProxies& proxies_;
  const Clock& clock_;
};

void RespondHealth(const HealthChecks& health, httplib::Response& response) {
  const absl::Status directory = health.directory();
  const absl::Status durable = health.durable();
  const auto show = [](const absl::Status& status) {
    return status.ok() ? std::string("ok") : std::string(status.message());
  };
  const bool ok = directory.ok() && durable.ok();
  response.status = ok ? 200 : kServiceUnavailable;
  response.set_content(
      Dump({{"status", ok ? "ok" : "unavailable"},
            {"checks", {{"directory", show(directory)}, {"durable", show(durable)}}}}),
      "application/json");
}

}  // namespace

http::ConnectionLimits WebhookLimits() {
  return {.head_within = kRequestWithin,
          .request_within = kRequestWithin,
          .write_timeout = kRequestWithin,
          .target_bytes_max = 8 << 10,
          .header_bytes_max = 8 << 10};
}

void RegisterRoutes(httplib::Server& server, WebhookPipeline& pipeline, HealthChecks health,
                    const http::TrustedProxies& proxies, const Clock& clock) {
  for (const Route& route : kRoutes) {
    const Handler handler(route, pipeline, proxies, clock);
    server.Post(route.path, [handler](const httplib::Request& request, httplib::Response& response,
                                      const httplib::ContentReader& reader) {
      handler.Post(request, response, reader);
    });
    server.Get(route.path, [handler](const httplib::Request& request, httplib::Response& response) {
      handler.Get(request, response);
    });
  }
  server.Get("/api/webhooks/health",
             [health = std::move(health)](const httplib::Request&, httplib::Response& response) {
               RespondHealth(health, response);
             });
  server.set_error_handler(
      httplib::Server::Handler([](const httplib::Request& request, httplib::Response& response) {
        if (response.status != 404 || !response.body.empty()) return;
        const auto* route = std::find_if(std::begin(kRoutes), std::end(kRoutes),
                                         [&](const Route& r) { return request.path == r.path; });
        if (route != std::end(kRoutes)) {  // Only another method finds no handler there.
          RefuseMethod(*route, response);
        } else {
          response.set_content(R"({"error":{"code":404,"message":"There is no webhook here."}})",
                               kJson);
        }
      }));
}

}  // namespace parley::ingest
