#include "adapters/redis_limits.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "libs/base/text.h"

namespace parley::sender {
namespace {

constexpr char kKey[] = "parley:sender:limits";
constexpr std::size_t kAccountsMax = 2'000;  // Of one replica; the others are not shared.
constexpr int kCountMax = 100'000;

// KEYS[1]: the hash. ARGV: this replica, what it tells, after how many ms one is gone. Returns a
// line for each other one: its name, and what it told.
constexpr char kScript[] = R"(
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f ', now) .. ARGV[2])
redis.call('PEXPIRE', KEYS[1], 60000)
local all = redis.call('HGETALL', KEYS[1])
local lines = {}
for i = 1, #all, 2 do
  local at, told = string.match(all[i + 1], '^(%d+) (.*)$')
  if not at or math.abs(now - tonumber(at)) > tonumber(ARGV[3]) then
    redis.call('HDEL', KEYS[1], all[i])
  elseif all[i] ~= ARGV[1] then
    lines[#lines + 1] = all[i] .. ' ' .. told
  end
end
return table.concat(lines, '\n')
)";

bool ReadCount(std::string_view text, int& count) {
  const char* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, count);
  return read.ec == std::errc() && read.ptr == end && count >= 0 && count <= kCountMax;
}

}  // namespace

std::string WriteUses(const AccountUses& uses) {
  std::string text;
  std::size_t accounts = 0;
  for (const auto& [account_sid, use] : uses) {
    const int adapted = use.alone ? 0 : use.adapted;
    if (use.peak == 0 && adapted == 0) continue;
    if (++accounts > kAccountsMax) break;
    if (!text.empty()) text += ' ';
    text += account_sid + ' ' + std::to_string(use.peak) + (use.wants_more ? " 1 " : " 0 ") +
            std::to_string(adapted);
  }
  return text;
}

AccountUses ReadUses(std::string_view text) {
  AccountUses uses;
  const auto words = Split(text, ' ');
  for (std::size_t i = 0; i + 3 < words.size() && uses.size() < kAccountsMax; i += 4) {
    AccountUse use;
    if (!ReadCount(words[i + 1], use.peak) || !ReadCount(words[i + 3], use.adapted)) continue;
    use.wants_more = words[i + 2] == "1";
    uses.emplace(words[i], use);
  }
  return uses;
}

RedisLimits::RedisLimits(const std::string& redis_url, std::string replica)
    : replica_(std::move(replica)), redis_({.url = redis_url}) {}

absl::StatusOr<std::map<std::string, AccountUses>> RedisLimits::Exchange(const AccountUses& own) {
  const auto reply = redis_.Command(
      {"EVAL", kScript, "1", kKey, replica_, WriteUses(own), std::to_string(kSilenceMax.count())});
  if (!reply.ok()) return reply.status();
  std::map<std::string, AccountUses> others;
  const std::string text = reply->value_or("");
  for (const std::string_view line : Split(text, '\n')) {
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos || space == 0) continue;
    others.emplace(line.substr(0, space), ReadUses(line.substr(space + 1)));
  }
  return others;
}

}  // namespace parley::sender
