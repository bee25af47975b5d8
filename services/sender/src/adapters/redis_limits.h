// What replicas tell each other of the accounts' parallel requests, in one hash in Redis.
#pragma once

#include <string>

#include "libs/redis/redis.h"
#include "ports.h"

namespace parley::sender {

class RedisLimits final : public LimitExchange {
 public:
  // A replica that said nothing for so long, by Redis's clock, is gone.
  static constexpr std::chrono::milliseconds kSilenceMax{2'000};

  // `replica`: this one's name; without spaces and line ends.
  RedisLimits(const std::string& redis_url, std::string replica);
  absl::StatusOr<std::map<std::string, AccountUses>> Exchange(const AccountUses& own) override;

 private:
  const std::string replica_;
  redis::Client redis_;
};

// "<account> <peak> <wants more> <adapted> …" and back; what is not understood is left out.
std::string WriteUses(const AccountUses& uses);
AccountUses ReadUses(std::string_view text);

}  // namespace parley::sender
