// The rules of POST /Messages, in Twilio's order (TWILIO.md §2.2, §6, §12). Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "domain/api_error.h"
#include "domain/knobs.h"
#include "domain/model.h"

namespace parley::simulator {

inline constexpr std::size_t kBodyCharsMax = 1600;
inline constexpr std::size_t kMediaMax = 10;
inline constexpr std::size_t kCallbackUrlCharsMax = 4000;
inline constexpr Micros kScheduleAheadMin = 900 * kSecond;
inline constexpr Micros kScheduleAheadMax = 3'024'000 * kSecond;  // 35 days.

// What the rules ask about the rest of the world.
class Directory {
 public:
  virtual ~Directory() = default;
  // The number or short code, whoever owns it.
  virtual const Number* FindNumber(std::string_view number) const = 0;
  virtual const Service* FindService(const Account& account, std::string_view sid) const = 0;
  virtual const Content* FindContent(const Account& account, std::string_view sid) const = 0;
  virtual bool IsSandbox(std::string_view number) const = 0;
  // Whether `customer` (a phone number) stopped messages from `business`, a number.
  virtual bool IsOptedOut(std::string_view business, std::string_view customer) const = 0;
};

// A creation that passed every rule.
struct Draft {
  Address to;
  Address from;  // kInvalid where the service is to choose.
  const Number* sender = nullptr;
  std::string service_sid;
  std::string body;
  std::vector<std::string> media_urls;
  std::string content_sid;
  std::string content_variables;
  std::string status_callback;
  Micros send_at = 0;  // 0: at once.
};

Result<Draft> CheckCreation(const Directory& directory, const Account& account,
                            const Settings& settings, const Params& params, Micros now);

// The same for test credentials: the magic numbers decide.
Result<Draft> CheckTestCreation(const Params& params);

// 21609 and what else makes a StatusCallback unusable; nothing if `url` is fine.
std::optional<ApiError> CheckStatusCallback(std::string_view url, const Settings& settings);

// Puts {"1":"x"} into "Hello {{1}}".
std::string FillTemplate(std::string_view text, const Json& defaults, const Json& variables);

}  // namespace parley::simulator
