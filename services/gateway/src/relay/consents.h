// Republishes all suppressions to parley.consent (DESIGN §4, "After a restore"): daily, and when a
// sender or an operator asks for it. Each run carries its own number and ends with a record that
// says how many there were (proto/parley/events/v1/consent.proto), so that a sender knows when it
// has all of them. Runs on the relay's leader of this lane.
#pragma once

#include <chrono>
#include <cstdint>
#include <stop_token>

#include "absl/status/statusor.h"
#include "libs/base/clock.h"
#include "libs/kafka/producer.h"
#include "libs/postgres/pool.h"

namespace parley::gateway::relay {

// NOTIFY channel: a run was asked for.
inline constexpr char kConsentsChannel[] = "gateway_consents";

// Asks for a run that begins from now on, unless one has begun at `since` or later.
void RequestConsents(pqxx::work& tx, Time since, Time now);

// True if a run is due: asked for, or the last one finished `every` ago, or there was none.
absl::StatusOr<bool> ConsentsDue(pqxx::connection& connection, std::chrono::hours every, Time now);

// One run; how many records it had, without the last. Errors: kUnavailable if Kafka did not take
// all; the next run begins anew, with another number.
absl::StatusOr<std::int64_t> RepublishConsents(pqxx::connection& connection,
                                               kafka::Producer& producer, int batch_max,
                                               const Clock& clock, const std::stop_token& stop);

}  // namespace parley::gateway::relay
