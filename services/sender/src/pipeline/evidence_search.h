// Looks for unconfirmed sends in Twilio's list of messages, again and again with growing waits
// (domain/evidence.h), as long as they may be settled. What is known of each lives in the table, so
// that it goes on after a restart, and wherever the shard goes.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "domain/evidence.h"
#include "pipeline/directory.h"
#include "pipeline/publisher.h"
#include "ports.h"

namespace parley::sender {

struct EvidenceSearchOptions {
  std::chrono::milliseconds interval{1'000};            // Between searches of the table.
  std::chrono::milliseconds account_wait{250};          // Between two questions about one account.
  std::chrono::milliseconds refused_wait{10'000};       // After an error of the list; it doubles…
  std::chrono::milliseconds refused_wait_max{300'000};  // …up to this.
  int pairs_max = 200;                                  // Of one search.
  int pages_max = 5;                                    // Of one question, 100 messages each.
};

// One thread, so one question at a time.
class EvidenceSearch {
 public:
  // `owned`: the shards of this replica. `open`: accounts of which nothing is to be asked now,
  // because their breaker is open.
  EvidenceSearch(EvidenceStore& store, MessageList& list, const Directory& directory,
                 Publisher& publisher, std::function<ShardSet()> owned,
                 std::function<std::set<std::string>()> open, const EvidenceSearchOptions& options);

  void Run(std::stop_token stop);

  // One search: asks about every pair that is due and whose account may be asked.
  void Search(const std::stop_token& stop);

 private:
  struct Account {
    SteadyTime ask_at = SteadyTime::min();
    std::chrono::milliseconds wait{0};  // After the last error; zero: the last answer was good.
  };

  // Accounts of which nothing is to be asked now.
  std::set<std::string> Skipped() const;
  void LookFor(const Pair& pair, const std::stop_token& stop);
  ListView Ask(const twilio::Account& account, const Pair& pair, const PairRows& rows,
               const std::stop_token& stop);
  // Notes what came of a question; false: an error.
  bool Took(const std::string& account_sid, const absl::Status& status);

  EvidenceStore& store_;
  MessageList& list_;
  const Directory& directory_;
  Publisher& publisher_;
  const std::function<ShardSet()> owned_;
  const std::function<std::set<std::string>()> open_;
  const EvidenceSearchOptions options_;
  std::map<std::string, Account> accounts_;
  // When the newest message of a lane that was ever shown was created. It stays true.
  std::map<std::int64_t, Time> newest_;
};

}  // namespace parley::sender
