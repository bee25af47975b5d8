#include "target.h"

#include <httplib.h>

#include <fstream>

#include "libs/base/status.h"
#include "libs/crypto/digest.h"
#include "libs/twilio/form.h"
#include "libs/twilio/signature.h"

namespace parley::bench {
namespace {

absl::StatusOr<nlohmann::json> Call(const std::string& base, const Secret& bearer,
                                    const std::string& method, const std::string& path,
                                    const nlohmann::json& body) {
  httplib::Client client(base);
  client.set_tcp_nodelay(true);
  client.set_read_timeout(30, 0);
  httplib::Request request;
  request.method = method;
  request.path = path;
  if (!bearer.empty()) {
    request.headers.emplace("Authorization", "Bearer " + std::string(bearer.Reveal()));
  }
  if (!body.is_null()) {
    request.body = body.dump();
    request.headers.emplace("Content-Type", "application/json");
  }
  const httplib::Result result = client.send(request);
  if (!result) {
    return Unavailable("NO_ANSWER", base + path + ": " + httplib::to_string(result.error()) +
                                        "; is it running? Try ./run status.");
  }
  if (result->status >= 300) {
    return Internal(method + " " + path + ": " + std::to_string(result->status) + " " +
                    result->body.substr(0, 300));
  }
  if (result->body.empty()) return nlohmann::json();
  return nlohmann::json::parse(result->body, nullptr, false);
}

}  // namespace

absl::StatusOr<Target> ReadTarget(const std::string& credentials_file) {
  std::ifstream file(credentials_file);
  if (!file) {
    return NotFound("NO_CREDENTIALS",
                    credentials_file + " cannot be read; start an installation with ./run start.");
  }
  const auto json = nlohmann::json::parse(file, nullptr, false);
  if (!json.is_object()) return InvalidArgument("NO_CREDENTIALS", "The file is not JSON.");
  std::string missing;
  const auto text = [&](const char* name) -> std::string {
    if (json.contains(name) && json[name].is_string()) return json[name];
    missing += std::string(" ") + name;
    return {};
  };
  Target target;
  target.public_url = text("public");
  target.http_url = text("http");
  target.live_url = text("live");
  target.webhooks_url = text("webhooks");
  target.twilio_url = text("twilio");
  target.organization_id = text("organization_id");
  target.channel_id = text("channel_id");
  target.account_sid = text("account_sid");
  target.phone_number = text("phone_number");
  target.auth_token = Secret(text("auth_token"));
  target.api_key = Secret(text("api_key"));
  if (!missing.empty()) return InvalidArgument("NO_CREDENTIALS", "It lacks:" + missing);
  return target;
}

absl::StatusOr<nlohmann::json> CallApi(const Target& target, const std::string& method,
                                       const std::string& path, const nlohmann::json& body) {
  return Call(target.http_url, target.api_key, method, path, body);
}

absl::StatusOr<nlohmann::json> CallSimulator(const Target& target, const std::string& method,
                                             const std::string& path, const nlohmann::json& body) {
  return Call(target.twilio_url, Secret(), method, path, body);
}

Webhook MakeInbound(const Target& target, const std::string& run, std::int64_t number,
                    const std::string& customer, const std::string& text) {
  const std::string sid =
      "SM" + crypto::Hex(crypto::Sha256(run + "/" + std::to_string(number))).substr(0, 32);
  twilio::FormParams params;
  for (const auto& [name, value] : std::initializer_list<std::pair<const char*, std::string>>{
           {"ToCountry", "US"},
           {"SmsMessageSid", sid},
           {"NumMedia", "0"},
           {"SmsSid", sid},
           {"SmsStatus", "received"},
           {"Body", text},
           {"FromCountry", "US"},
           {"To", target.phone_number},
           {"NumSegments", "1"},
           {"MessageSid", sid},
           {"AccountSid", target.account_sid},
           {"From", customer},
           {"ApiVersion", "2010-04-01"}}) {
    params.Add(name, value);
  }
  Webhook webhook;
  webhook.path = "/webhooks/twilio/message";
  webhook.body = twilio::EncodeForm(params);
  webhook.signature = twilio::Sign(target.public_url + webhook.path, params, target.auth_token);
  return webhook;
}

}  // namespace parley::bench
