// Keeps this replica's part of a hold on all sends (domain/hold.h): looks at the store every
// second, asks the gateway for its suppressions, has parley.consent read again, and lifts the hold.
// Thread- safe.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <stop_token>
#include <vector>

#include "domain/hold.h"
#include "libs/kafka/record.h"
#include "ports.h"

namespace parley::sender {

class HoldKeeper {
 public:
  // `on_change` is told when sends are held and when they go again; it must not block.
  HoldKeeper(HoldStore& store, SuppressionSource& source, std::function<void()> on_change)
      : store_(store), source_(source), on_change_(std::move(on_change)) {}

  // Looks until `stop`. One thread.
  void Run(std::stop_token stop);
  // One look, and what follows from it. Errors: the store's; then all is as it was.
  absl::Status Look(SteadyTime now);
  // Somebody held or released: look now.
  void Wake();

  // False: nothing may be journalled.
  bool Allows() const { return allows_.load(); }

  // For who reads parley.consent. The token asks for an end once all is to be read again.
  struct Reading {
    bool from_beginning = false;  // Else from where the store says.
    std::stop_token end;
  };
  Reading BeginReading();
  // What was read is stored; and all that there was.
  void Stored(const std::vector<kafka::Record>& records);
  void AtEnd();

 private:
  void Log(const Hold& hold, const Holding::Steps& steps) const;

  HoldStore& store_;
  SuppressionSource& source_;
  const std::function<void()> on_change_;
  std::atomic<bool> allows_{false};
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  bool woken_ = false;
  Holding holding_;
  std::stop_source reading_;
};

}  // namespace parley::sender
