#include "pipeline/sweeper.h"

#include "libs/telemetry/log.h"
#include "libs/telemetry/metrics.h"

namespace parley::sender {

using std::chrono::steady_clock;

void Sweeper::Wake() {
  {
    const std::lock_guard lock(mutex_);
    woken_ = true;
  }
  changed_.notify_one();
}

void Sweeper::Run(std::stop_token stop) {
  static auto& unconfirmed = telemetry::Gauge(
      "parley_sender_unconfirmed",
      "Sends whose outcome nobody knows. They are shown in the inbox and wait for evidence or a "
      "person; if they grow, look at Twilio's status and the network.");
  steady_clock::time_point prune_at = steady_clock::now();
  while (!stop.stop_requested()) {
    while (SweepOnce() && !stop.stop_requested()) {
    }
    if (steady_clock::now() >= prune_at) {
      prune_at = steady_clock::now() + options_.prune_interval;
      const auto pruned = store_.Prune();
      if (!pruned.ok()) telemetry::Warning("prune_failed", pruned.status());
      const auto count = store_.CountUnconfirmed();
      if (count.ok()) unconfirmed.Set(static_cast<double>(*count));
    }
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, stop, options_.interval, [this] { return woken_; });
    woken_ = false;
  }
}

bool Sweeper::SweepOnce() {
  bool more = Publish(store_.SweepDeadlines(options_.rows_max), "unconfirmed");
  more |= Publish(store_.SweepExpired(options_.rows_max), "expired");
  more |= Publish(store_.SweepCanceledCampaigns(options_.rows_max), "canceled");
  const auto resumed = store_.SweepResumedCampaigns(options_.rows_max);
  if (!resumed.ok()) telemetry::Warning("sweep_failed", resumed.status());
  return more || (resumed.ok() && *resumed >= options_.rows_max);
}

bool Sweeper::Publish(absl::StatusOr<std::vector<Change>> changes, const char* event) {
  if (!changes.ok()) {
    telemetry::Warning("sweep_failed", changes.status());
    return false;
  }
  for (const Change& change : *changes) {
    telemetry::Info(event, {{"organization_id", change.key.organization_id},
                            {"message_id", change.key.message_id},
                            {"generation", change.key.generation},
                            {"attempt", change.attempt},
                            {"account_sid", change.account_sid},
                            {"reason", change.reason}});
  }
  const bool more = static_cast<int>(changes->size()) >= options_.rows_max;
  publisher_.Enqueue(*std::move(changes));
  return more;
}

}  // namespace parley::sender
