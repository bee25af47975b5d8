#include "domain/api_error.h"

#include "domain/text.h"

namespace parley::simulator {

std::string RenderError(const ApiError& error) {
  const std::string code = std::to_string(error.code);
  std::string out = "{\"code\":" + code + ",\"message\":";
  AppendJson(out, error.message);
  if (!error.detail.empty()) {
    out += ",\"detail\":";
    AppendJson(out, error.detail);
  }
  out += ",\"more_info\":\"https://www.twilio.com/docs/errors/" + code +
         "\",\"status\":" + std::to_string(error.status) + "}";
  return out;
}

ApiError NotFound(std::string_view path) {
  std::string message = "The requested resource ";
  message += IsValidUtf8(path) ? path : std::string_view("(not UTF-8)");
  message += " was not found";
  return {20404, 404, std::move(message), {}};
}

ApiError MethodNotAllowed() { return {20004, 405, "Method not allowed", {}}; }

}  // namespace parley::simulator
