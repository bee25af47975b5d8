// Wakes a loop when another session says NOTIFY, without polling hard.
#pragma once

#include <chrono>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "libs/postgres/pool.h"

namespace parley::postgres {

// Listens on one connection of its own, reconnecting as needed. One thread waits; Wake() may be
// called from any.
class Listener {
 public:
  Listener(PoolOptions options, std::vector<std::string> channels);
  ~Listener();

  // Returns after a notification on any channel, after Wake(), after `wait_max`, or when `stop` is
  // requested. Never misses one that came between two calls. While the database is away it
  // behaves as if only `wait_max` passed.
  void Wait(std::chrono::milliseconds wait_max, const std::stop_token& stop);

  void Wake();

  // What the notifications since the last call carried, each text once. An empty text stands for
  // whatever was said while nobody listened. Call from the thread that waits.
  std::vector<std::string> TakePayloads();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace parley::postgres
