// Twilio's refusals: what the REST API answers instead of a resource.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace parley::simulator {

// `code` is Twilio's error code; `status` the HTTP status it comes with.
struct ApiError {
  int code = 0;
  int status = 400;
  std::string message;
  std::string detail;  // Optional.
};

template <typename T>
using Result = std::variant<T, ApiError>;

template <typename T>
const ApiError* ErrorOf(const Result<T>& result) {
  return std::get_if<ApiError>(&result);
}

// {"code":…,"message":…,"more_info":…,"status":…}
std::string RenderError(const ApiError& error);

ApiError NotFound(std::string_view path);
ApiError MethodNotAllowed();

}  // namespace parley::simulator
