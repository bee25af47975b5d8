#include "target.h"

#include <httplib.h>

#include <cstdio>
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

std::string MessageSid(const std::string& run, std::int64_t number) {
  return "SM" + crypto::Hex(crypto::Sha256(run + "/" + std::to_string(number))).substr(0, 32);
}

std::string CustomerNumber(std::int64_t number) {
  char text[16];
  std::snprintf(text, sizeof text, "+1555%07d", static_cast<int>(number % 10'000'000));
  return text;
}

std::string SignedWebhook(const Target& target, const InboundText& text) {
  constexpr const char* kPath = "/webhooks/twilio/message";
  twilio::FormParams params;
  for (const auto& [name, value] : std::initializer_list<std::pair<const char*, std::string_view>>{
           {"ToCountry", "US"},
           {"SmsMessageSid", text.sid},
           {"NumMedia", "0"},
           {"SmsSid", text.sid},
           {"SmsStatus", "received"},
           {"Body", text.body},
           {"FromCountry", "US"},
           {"To", text.to},
           {"NumSegments", "1"},
           {"MessageSid", text.sid},
           {"AccountSid", target.account_sid},
           {"From", text.from},
           {"ApiVersion", "2010-04-01"}}) {
    params.Add(name, value);
  }
  const std::string body = twilio::EncodeForm(params);
  const std::string_view hex = std::string_view(text.sid).substr(2);
  std::string request = "POST ";
  request.append(kPath).append(" HTTP/1.1\r\nHost: parley\r\nUser-Agent: TwilioProxy/1.1\r\n");
  request.append("Accept: */*\r\nContent-Type: application/x-www-form-urlencoded\r\n");
  request.append("X-Twilio-Signature: ")
      .append(twilio::Sign(target.public_url + kPath, params, target.auth_token));
  request.append("\r\nI-Twilio-Idempotency-Token: ").append(hex.substr(0, 8)).append("-");
  request.append(hex.substr(8, 4)).append("-").append(hex.substr(12, 4)).append("-");
  request.append(hex.substr(16, 4)).append("-").append(hex.substr(20));
  request.append("\r\nContent-Length: ").append(std::to_string(body.size()));
  return request.append("\r\n\r\n").append(body);
}

}  // namespace parley::bench
