// Some of the shards. Pure.
#pragma once

#include <bitset>

#include "domain/shard.h"

namespace parley::sender {

using ShardSet = std::bitset<kShards>;

}  // namespace parley::sender
