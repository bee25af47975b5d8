// Puts the parts together: the world, its clock, its webhooks. Runs on one thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "callbacks/dispatcher.h"
#include "domain/world.h"
#include "http/server.h"

namespace parley::simulator {

class Simulator {
 public:
  Simulator(boost::asio::io_context& io, WorldOptions options);

  World& world() { return *world_; }
  Dispatcher& dispatcher() { return *dispatcher_; }
  Micros Now() const { return WallClockMicros(); }

  // Sends what the world owes and sets the timer for what comes next. Call it after each change.
  void Pump();
  // Calls `what` after `delay_ms`.
  void After(int delay_ms, std::function<void()> what);
  // Calls `done` once webhook `id` has its result.
  void WaitFor(std::uint64_t id, std::function<void(const WebhookResult&)> done);
  // Sends each change to `stream` from now on.
  void Watch(std::shared_ptr<EventStream> stream);
  void Reset();

  // From now on keeps the world's lasting state in `path`, and reads it from there if it exists.
  // Errors: a sentence. The file is replaced as a whole, so that a crash leaves the last one.
  std::string KeepState(std::string path);
  // Call it after whatever may have changed the lasting state; writes a little later.
  void StateMayHaveChanged();
  // Writes at once, if anything changed.
  void SaveState();

 private:
  void OnTimer();
  void Tell(const Json& change);
  void Beat();

  boost::asio::io_context& io_;
  std::unique_ptr<World> world_;
  std::unique_ptr<Dispatcher> dispatcher_;
  boost::asio::steady_timer timer_;
  boost::asio::steady_timer heartbeat_;
  Micros timer_due_;
  boost::asio::steady_timer save_timer_;
  bool save_pending_ = false;
  std::string state_path_;  // Empty: nothing is kept.
  std::string saved_state_;
  std::unordered_map<std::uint64_t, std::function<void(const WebhookResult&)>> waiting_;
  std::vector<std::shared_ptr<EventStream>> watchers_;
};

}  // namespace parley::simulator
