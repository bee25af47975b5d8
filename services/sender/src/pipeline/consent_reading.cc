#include "pipeline/consent_reading.h"

#include "libs/base/shutdown.h"
#include "libs/base/status.h"
#include "libs/telemetry/log.h"
#include "pipeline/log_loop.h"

namespace parley::sender {
namespace {
constexpr std::chrono::milliseconds kRetry{500};
}  // namespace

// Tells the hold, too, when all is known.
class ConsentReading::Watcher final : public LogLoop::Watcher {
 public:
  Watcher(ConsentWatcher& watcher, HoldKeeper& hold) : watcher_(watcher), hold_(hold) {}
  void AtEnd(SteadyTime asked_at) override {
    watcher_.AtEnd(asked_at);
    hold_.AtEnd();
  }
  void Heard(SteadyTime at) override { watcher_.Heard(at); }
  void Missed() override { watcher_.Missed(); }

 private:
  ConsentWatcher& watcher_;
  HoldKeeper& hold_;
};

void ConsentReading::Run(std::stop_token stop) {
  kafka::LogReaderOptions options = options_;
  while (!stop.stop_requested()) {
    const HoldKeeper::Reading reading = hold_.BeginReading();
    if (reading.from_beginning) options.start.clear();  // And so it is after an error.
    std::stop_source end;
    const std::stop_callback by_stop(stop, [&end] { end.request_stop(); });
    const std::stop_callback by_hold(reading.end, [&end] { end.request_stop(); });
    const absl::Status read = Read(options, end.get_token());
    if (read.ok()) continue;
    telemetry::Error("consent_not_read", read);
    SleepFor(stop, kRetry);
  }
}

absl::Status ConsentReading::Read(const kafka::LogReaderOptions& options, std::stop_token stop) {
  PARLEY_ASSIGN_OR_RETURN(const auto reader, kafka::LogReader::Create(options));
  LogLoop loop(*reader, dead_letters_, /*resumed=*/!options.start.empty());
  Watcher watcher(watcher_, hold_);
  loop.Run([this](const std::vector<kafka::Record>& records,
                  const LogLoop::Bury& bury) { return handler_.Handle(records, bury); },
           &watcher, stop);
  return absl::OkStatus();
}

}  // namespace parley::sender
