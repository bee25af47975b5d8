#include "live/sse.h"

#include <algorithm>
#include <charconv>

#include "libs/base/text.h"

namespace parley::gateway::live {
namespace {

std::optional<std::int64_t> ParseNumber(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 0) return std::nullopt;
  return number;
}

Frame MakeFrame(std::int64_t number, std::string_view name, std::string_view json) {
  std::string text = "id: " + std::to_string(number) + "\nevent: ";
  text += name;
  text += "\ndata: ";
  text += json;
  text += "\n\n";
  return std::make_shared<const std::string>(std::move(text));
}

}  // namespace

Frame ToFrame(const Event& event) { return MakeFrame(event.number, event.name, event.json); }

Frame ResetFrame(std::int64_t after, Time now) {
  const std::string number = std::to_string(after);
  return MakeFrame(after, "reset",
                   "{\"number\":\"" + number + "\",\"time\":\"" + FormatTime(now) +
                       "\",\"reset\":{\"after\":\"" + number + "\"}}");
}

std::optional<Event> ParsePublished(std::string_view message) {
  const std::size_t first = message.find('\n');
  if (first == std::string_view::npos) return std::nullopt;
  const std::size_t second = message.find('\n', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  const std::optional<std::int64_t> number = ParseNumber(message.substr(0, first));
  if (!number) return std::nullopt;
  return Event{*number, std::string(message.substr(first + 1, second - first - 1)),
               std::string(message.substr(second + 1))};
}

LiveRequest ParseTarget(std::string_view target, std::string_view last_event_id) {
  LiveRequest request;
  const std::size_t question = target.find('?');
  request.path = target.substr(0, question);
  if (question != std::string_view::npos) {
    for (const std::string_view pair : Split(target.substr(question + 1), '&')) {
      const std::size_t equals = pair.find('=');
      if (equals == std::string_view::npos) continue;
      const std::string_view value = pair.substr(equals + 1);
      // Neither contains anything that has to be escaped.
      if (pair.substr(0, equals) == "ticket") request.ticket = value;
      if (pair.substr(0, equals) == "after") request.after = ParseNumber(value);
    }
  }
  if (!last_event_id.empty()) {
    if (const auto number = ParseNumber(last_event_id)) request.after = number;
  }
  return request;
}

std::string CookieValue(std::string_view cookie_header, std::string_view name) {
  for (const std::string_view part : Split(cookie_header, ';')) {
    const std::string_view cookie = Trim(part);
    if (cookie.size() > name.size() && cookie.starts_with(name) && cookie[name.size()] == '=') {
      return std::string(cookie.substr(name.size() + 1));
    }
  }
  return "";
}

bool OriginAllowed(std::string_view origin, std::string_view host,
                   const std::vector<std::string>& allowed_origins) {
  if (origin.empty()) return true;
  const std::size_t scheme = origin.find("://");
  if (scheme != std::string_view::npos && origin.substr(scheme + 3) == host) return true;
  return std::find(allowed_origins.begin(), allowed_origins.end(), origin) != allowed_origins.end();
}

}  // namespace parley::gateway::live
