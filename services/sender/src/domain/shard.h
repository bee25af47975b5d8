// Which of the 256 shards a sender number belongs to. Pure, and part of the stored contract: it
// must never change, or two replicas would send for one number.
#pragma once

#include <string_view>

namespace parley::sender {

inline constexpr int kShards = 256;

// 0 to 255, from account SID and number (all media of a number share a shard).
int ShardOf(std::string_view account_sid, std::string_view sender_number);

}  // namespace parley::sender
