// Held sends: while the database may know less of who opted out than it should (it was restored, or
// an operator said so), nothing is journalled until the gateway has told every suppression again.
// The keeper of the hold carries it out; so does the simulation. Pure; not thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "domain/delivery.h"
#include "domain/republication.h"

namespace parley::sender {

// What tells a database from what it was before a restore or a failover.
struct DatabaseIdentity {
  std::int64_t system_identifier = 0;
  std::int64_t timeline_id = 0;
  std::int64_t table_oid = 0;  // Of the table that holds this.
  bool operator==(const DatabaseIdentity&) const = default;
};

enum class HeldBy { kNobody, kRestore, kOperator };

// The present hold, or the last one, as the database has it.
struct Hold {
  std::int64_t number = 0;  // Rises with each hold; 0: there was none.
  HeldBy held_by = HeldBy::kNobody;
  std::int64_t since_us = 0;
  std::string reason = {};
  // A run of republished suppressions that began then or later lifts it. None: it waits for
  // `sender release`.
  std::optional<std::int64_t> lifts_from_us = {};
  bool forced = false;  // It was lifted by hand, whatever is known.
  bool IsHeld() const { return held_by != HeldBy::kNobody; }
};

// One replica's part. It reads all of parley.consent again; once it has come to its end and has a
// whole run, it lifts the hold for all, and each goes on when it has read all again itself.
class Holding {
 public:
  static constexpr std::chrono::seconds kAskInterval{30};

  struct Steps {
    bool began = false;
    bool ended = false;
    std::optional<std::int64_t> ask;   // Request the suppressions of runs since then.
    std::optional<std::int64_t> lift;  // Lift this hold, if it still lifts from then.
  };
  // The hold as it was just read.
  Steps Look(const Hold& hold, SteadyTime now);

  // False before the first look, and while sends are held.
  bool Allows() const { return looked_ && !held_; }
  // True: all of parley.consent is to be read again, from its beginning.
  bool WantsReading() const { return held_ && !reading_; }

  // A reader begins at the beginning; what others read does not count.
  void StartedOver();
  // That reader stored a record of a run.
  void Read(const Republication::Record& record);
  // It stored all that there was.
  void AtEnd() { known_ = reading_; }

 private:
  bool looked_ = false;
  bool held_ = false;
  std::int64_t number_ = 0;
  std::int64_t since_us_ = 0;
  bool reading_ = false;  // Again, since the hold began.
  bool known_ = false;    // And came to the end.
  Republication republication_;
  std::optional<std::int64_t> asked_;
  SteadyTime ask_at_ = SteadyTime::min();
};

}  // namespace parley::sender
