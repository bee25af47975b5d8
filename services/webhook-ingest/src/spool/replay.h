// Brings what is in the spool to Kafka: in order, many records in flight, each counted as replayed
// only when Kafka acknowledged it and all before it.
//
// While Kafka is away the first records wait in the producer, which keeps trying: the first
// acknowledgement closes the circuit. If the producer gives one up, all that it has are waited for
// and the replay begins again at the first one that is not acknowledged.
#pragma once

#include <deque>
#include <memory>
#include <thread>

#include "libs/base/clock.h"
#include "ports.h"
#include "spool/circuit.h"
#include "spool/spool.h"

namespace parley::ingest {

struct ReplayOptions {
  std::size_t records_max = 2'000;       // In flight.
  std::size_t bytes_max = 4 << 20;       // The same, about.
  std::chrono::milliseconds retry{500};  // Waited after a failure.
};

class Replay {
 public:
  // Starts at once. All outlive it; callbacks of `kafka` may come after its end.
  Replay(ReplayOptions options, Spool& spool, RecordProducer& kafka, Circuit& circuit,
         const Clock& clock);
  ~Replay();
  Replay(const Replay&) = delete;
  Replay& operator=(const Replay&) = delete;

 private:
  struct Signal;
  struct InFlight;

  void Run(const std::stop_token& stop);
  bool Fill();
  bool Produce(SpooledRecord record);
  void TakeAcknowledged();
  bool StartAgain();
  void Report();

  const ReplayOptions options_;
  Spool& spool_;
  RecordProducer& kafka_;
  Circuit& circuit_;
  const Clock& clock_;
  const std::shared_ptr<Signal> signal_;  // Shared with callbacks.

  // The thread's alone.
  SpoolPosition position_;
  std::deque<std::shared_ptr<InFlight>> in_flight_;
  std::size_t in_flight_bytes_ = 0;
  std::uint64_t replayed_ = 0;  // Since the last report.
  std::chrono::steady_clock::time_point reported_at_{};

  std::jthread thread_;  // Last: it uses all the above.
};

}  // namespace parley::ingest
