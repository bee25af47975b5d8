// What the machine allows: the bare work of a sender, without a sender.
#pragma once

#include <chrono>
#include <string>

#include "absl/status/statusor.h"
#include "target.h"

namespace parley::bench {

// Message creations per second by `workers` threads, each with a cpp-httplib client of its own that
// posts to the simulator as the sender does.
absl::StatusOr<double> MeasureBareCalls(const Target& target, int workers,
                                        std::chrono::milliseconds duration);

// Messages per second through insert, claim and outcome, each a transaction of 100 rows, over
// `connections`; in a scratch table of the least columns. `url`: the sender's database.
absl::StatusOr<double> MeasureBareRows(const std::string& url, int connections, int messages);

}  // namespace parley::bench
