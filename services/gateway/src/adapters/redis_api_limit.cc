#include "adapters/redis_api_limit.h"

#include <charconv>
#include <cstdio>

#include "libs/base/status.h"
#include "libs/telemetry/log.h"
#include "libs/telemetry/metrics.h"

namespace parley::gateway {
namespace {

constexpr std::chrono::seconds kAwayFor{1};

// TakeOne in Redis, by its clock. KEYS[1]: when the bucket is full, in µs since 1970. ARGV: the
// interval and the debt of an empty bucket, in µs. Returns "<allowed> <debt>".
constexpr char kScript[] = R"(
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local interval, full = tonumber(ARGV[1]), tonumber(ARGV[2])
local debt = math.min(math.max(tonumber(redis.call('GET', KEYS[1]) or '0') - now, 0), full)
local allowed = debt + interval <= full + interval * 0.000001
if allowed then
  debt = debt + interval
  redis.call('SET', KEYS[1], string.format('%.3f', now + debt), 'PX',
             math.ceil(debt / 1000) + 1000)
end
return (allowed and '1 ' or '0 ') .. string.format('%.3f', debt)
)";

std::string InMicros(Debt debt) {
  char text[64];
  std::snprintf(text, sizeof text, "%.3f", debt.count());
  return text;
}

prometheus::Counter& Decided(const char* by) {
  return telemetry::Counter(
      "parley_gateway_api_limit_decisions_total",
      "Requests that were counted against their organization's limit; `itself`: Redis was away, so "
      "the replica counted alone.",
      {{"by", by}});
}

}  // namespace

RedisApiLimit::RedisApiLimit(RateLimit limit, std::string redis_url, const Clock& clock)
    : limit_(limit),
      interval_us_(InMicros(limit.Interval())),
      full_us_(InMicros(limit.Full())),
      clock_(clock),
      redis_({.url = std::move(redis_url), .timeout = kRedisWait}),
      own_(limit) {}

bool RedisApiLimit::MayAsk() {
  const auto now = clock_.Steady().time_since_epoch();
  auto after = ask_after_.load();
  if (after.count() == 0) return true;
  return now >= after && ask_after_.compare_exchange_strong(after, now + kAwayFor);
}

absl::StatusOr<RateVerdict> RedisApiLimit::Ask(const std::string& organization_id) {
  PARLEY_ASSIGN_OR_RETURN(const std::optional<std::string> reply,
                          redis_.Command({"EVAL", kScript, "1", "parley:api:" + organization_id,
                                          interval_us_, full_us_}));
  double debt_us = 0;
  const std::string text = reply.value_or("");
  const bool shaped =
      text.size() > 2 && text[1] == ' ' &&
      std::from_chars(text.data() + 2, text.data() + text.size(), debt_us).ec == std::errc();
  if (!shaped) return Internal("Redis answered something else than the script's result");
  return Describe(limit_, text[0] == '1', Debt(debt_us));
}

RateVerdict RedisApiLimit::Take(const std::string& organization_id) {
  static prometheus::Counter& by_redis = Decided("redis");
  static prometheus::Counter& by_itself = Decided("itself");
  if (MayAsk()) {
    const absl::StatusOr<RateVerdict> verdict = Ask(organization_id);
    if (verdict.ok()) {
      ask_after_.store({});
      by_redis.Increment();
      return *verdict;
    }
    const auto after = clock_.Steady().time_since_epoch() + kAwayFor;
    if (ask_after_.exchange(after).count() == 0) {
      telemetry::Warning("api_limit_without_redis", verdict.status());
    }
  }
  by_itself.Increment();
  const std::lock_guard lock(mutex_);
  return own_.Take(organization_id, clock_.Steady());
}

}  // namespace parley::gateway
