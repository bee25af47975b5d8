// Redis for what may be lost: fan-out between replicas, presence, short caches. Nothing waits for
// it: while it is away, publishing drops and reading answers "not there".
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace parley::redis {

struct Options {
  std::string url = "redis://127.0.0.1:16379";  // redis://[:password@]host[:port][/database]
  std::chrono::milliseconds timeout{100};       // For connecting and for each answer.
  int queued_max = 10'000;                      // Publications waiting; beyond it the oldest go.
};

// Publishes from a thread of its own. Thread-safe; never blocks.
class Publisher {
 public:
  explicit Publisher(const Options& options);
  ~Publisher();
  void Publish(std::string channel, std::string message);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Receives from channels by pattern ("parley:live:*") on a thread of its own; reconnects for ever.
// `on_connect` runs after each (re)subscription: what was said before then is lost, so catch up.
class Subscriber {
 public:
  using OnMessage = std::function<void(std::string_view channel, std::string_view message)>;
  Subscriber(const Options& options, std::string pattern, OnMessage on_message,
             std::function<void()> on_connect);
  ~Subscriber();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// One connection for commands; thread-safe, one at a time. Errors: kUnavailable at once while Redis
// is away (reconnects at most once a second), kInternal for an error reply.
class Client {
 public:
  explicit Client(const Options& options);
  ~Client();
  // The reply as text (integers in decimal); nullopt for nil.
  absl::StatusOr<std::optional<std::string>> Command(const std::vector<std::string>& arguments);
  absl::Status Ping();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace parley::redis
