// What is written and read on a live connection. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libs/base/clock.h"
#include "live/events.h"
#include "live/feed.h"

namespace parley::gateway::live {

// "id: 7\nevent: message\ndata: {…}\n\n".
Frame ToFrame(const Event& event);

// The event that says: read the lists again, what comes after number `after` follows.
Frame ResetFrame(std::int64_t after, Time now);

// What the relay tells through Redis: "<number>\n<name>\n<JSON>". None if it is something else.
std::optional<Event> ParsePublished(std::string_view message);

// A client's wish, from the request's target and headers.
struct LiveRequest {
  std::string path;
  std::string ticket;
  std::optional<std::int64_t> after;
};
// `last_event_id` is the header; it wins over ?after=. Numbers that are none count as absent.
LiveRequest ParseTarget(std::string_view target, std::string_view last_event_id);

// The value of a cookie, or empty.
std::string CookieValue(std::string_view cookie_header, std::string_view name);

// True if a page of `origin` may use the credential that a browser adds by itself: without an
// Origin header, of the same host, or on the list.
bool OriginAllowed(std::string_view origin, std::string_view host,
                   const std::vector<std::string>& allowed_origins);

}  // namespace parley::gateway::live
