// SIGTERM and SIGINT as a state that every loop can watch.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <stop_token>

namespace parley {

// Install once in main, before any thread starts: blocks the signals and watches them in a
// thread of its own. A second signal, or 25 s without an end, exits the process with code 1.
class Shutdown {
 public:
  Shutdown();
  ~Shutdown();
  Shutdown(const Shutdown&) = delete;
  Shutdown& operator=(const Shutdown&) = delete;

  std::stop_token token() const { return source_.get_token(); }
  // Blocks until a signal or Request().
  void Wait();
  // Asks for the end as a signal would: for fatal errors of a component.
  void Request();

 private:
  struct Watcher;
  std::stop_source source_;
  Watcher* watcher_;
};

// Sleeps for `duration`, or less if `stop` is requested. Returns false if it was.
bool SleepFor(std::stop_token stop, std::chrono::nanoseconds duration);

}  // namespace parley
