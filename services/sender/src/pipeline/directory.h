// What the sender knows of accounts and numbers: its own copy in the store, and in memory with the
// tokens opened. Thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "domain/engine.h"
#include "domain/gcra.h"
#include "domain/rates.h"
#include "libs/crypto/seal.h"
#include "libs/kafka/record.h"
#include "ports.h"

namespace parley::sender {

// Errors: kInvalidArgument. Adds what the record says; "complete" adds nothing.
absl::Status ParseDirectoryRecord(const std::string& value, DirectoryRows& rows);

class Directory final : public LaneRules {
 public:
  // `on_change` is told after accounts or numbers changed, on the thread of the change.
  Directory(DirectoryStore& store, crypto::KeyRing keys, const Rates& rates, std::string server_url,
            std::function<void()> on_change);

  // Starts with what the store knew. Errors as the store's.
  absl::Status Load();
  // Stores and remembers. Errors as the store's: call again with the same rows.
  absl::Status Apply(const DirectoryRows& rows);

  // Null: not known, removed, or its token does not open.
  std::shared_ptr<const twilio::Account> FindAccount(const std::string& account_sid) const;
  // Of one segment on this lane.
  std::chrono::microseconds Interval(const Lane& lane) const override;
  bool IsOpen(const Lane& lane) const override { return FindAccount(lane.account_sid) != nullptr; }
  // Where Twilio reports about messages of this lane; empty if there is no public address.
  std::string CallbackOrigin(const Lane& lane) const;

 private:
  struct Account {
    AccountRow row;
    std::shared_ptr<const twilio::Account> credentials;
  };
  void Remember(const DirectoryRows& rows);

  DirectoryStore& store_;
  const crypto::KeyRing keys_;
  const Rates rates_;
  const std::string server_url_;
  const std::function<void()> on_change_;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, Account> accounts_;
  std::unordered_map<std::string, NumberRow> numbers_;  // By account and number.
};

}  // namespace parley::sender
