#include "libs/telemetry/log.h"

#include <signal.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdio>
#include <mutex>
#include <nlohmann/json.hpp>

#include "libs/base/clock.h"
#include "libs/base/status.h"

namespace parley::telemetry {
namespace {

// spdlog's own standard-output sink flushes each line, which costs a system call.
class BufferedStdout final : public spdlog::sinks::base_sink<std::mutex> {
 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    std::fwrite(message.payload.data(), 1, message.payload.size(), stdout);
    std::fputc('\n', stdout);
  }
  void flush_() override { std::fflush(stdout); }
};

std::string& Service() {
  static std::string service = "parley";
  return service;
}

void AppendQuoted(std::string& out, std::string_view text) {
  const auto is_plain = [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; };
  if (std::all_of(text.begin(), text.end(), is_plain)) {  // Nearly always; several times faster.
    out.append("\"").append(text).append("\"");
    return;
  }
  out += nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void Write(spdlog::level::level_enum level, std::string_view event, LogFields fields,
           const absl::Status* status) {
  spdlog::logger* logger = spdlog::default_logger_raw();
  if (!logger->should_log(level)) return;
  std::string line;
  line.reserve(256);
  line += R"({"time":")" + FormatTime(SystemClock().Now()) + R"(","level":")";
  const auto name = spdlog::level::to_string_view(level);
  line.append(name.data(), name.size());
  line += R"(","service":")" + Service() + R"(","event":)";
  AppendQuoted(line, event);
  for (const LogField& field : fields) {
    line.push_back(',');
    field.AppendTo(line);
  }
  if (status != nullptr) {
    line += R"(,"code":")" + absl::StatusCodeToString(status->code()) + R"(","reason":)";
    AppendQuoted(line, ErrorReason(*status));
    line += R"(,"error":)";
    AppendQuoted(line, FromAbsl(status->message()));
  }
  line.push_back('}');
  logger->log(level, spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace

void LogField::AppendTo(std::string& out) const {
  AppendQuoted(out, key_);
  out.push_back(':');
  if (const auto* text = std::get_if<std::string_view>(&value_)) {
    AppendQuoted(out, *text);
  } else if (const auto* flag = std::get_if<bool>(&value_)) {
    out += *flag ? "true" : "false";
  } else if (const auto* number = std::get_if<double>(&value_)) {
    out += nlohmann::json(*number).dump();
  } else {
    out += std::to_string(std::get<std::int64_t>(value_));
  }
}

void InitLogging(std::string_view service, std::string_view level) {
  Service() = service;
  static char buffer[1 << 16];
  std::setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
  auto logger = std::make_shared<spdlog::logger>("parley", std::make_shared<BufferedStdout>());
  logger->set_level(spdlog::level::from_str(std::string(level)));
  logger->flush_on(spdlog::level::warn);
  spdlog::set_default_logger(std::move(logger));
  // Its thread takes no signals: one that came there would end the process, not drain it.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  spdlog::flush_every(std::chrono::seconds(1));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Debug(std::string_view event, LogFields fields) {
  Write(spdlog::level::debug, event, fields, nullptr);
}
void Info(std::string_view event, LogFields fields) {
  Write(spdlog::level::info, event, fields, nullptr);
}
void Warning(std::string_view event, LogFields fields) {
  Write(spdlog::level::warn, event, fields, nullptr);
}
void Error(std::string_view event, LogFields fields) {
  Write(spdlog::level::err, event, fields, nullptr);
}
void Error(std::string_view event, const absl::Status& status, LogFields fields) {
  Write(spdlog::level::err, event, fields, &status);
}
void Warning(std::string_view event, const absl::Status& status, LogFields fields) {
  Write(spdlog::level::warn, event, fields, &status);
}

}  // namespace parley::telemetry
