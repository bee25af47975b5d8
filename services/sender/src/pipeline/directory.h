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

// "https://host[:port][/prefix]" of a URL that Twilio can call: empty for anything but http and
// https, for names without a dot or with "_", for `.local`, `.internal` and `localhost`, and for
// addresses that are not routed in public. With `local_too` those are taken as well: for a
// simulator in the same network.
std::string CallbackOriginOf(const std::string& url, bool local_too);

// Errors: kInvalidArgument. Adds what the record says; "complete" adds nothing.
absl::Status ParseDirectoryRecord(const std::string& value, DirectoryRows& rows);

class Directory final : public LaneRules {
 public:
  // `on_change` is told after accounts or numbers changed, on the thread of the change. Where
  // Twilio's API is a local address, it can call local addresses.
  Directory(DirectoryStore& store, crypto::KeyRing keys, const Rates& rates,
            const std::string& server_url, std::function<void()> on_change,
            const std::string& twilio_base_url = "https://api.twilio.com");

  // Starts with what the store knew. Errors as the store's.
  absl::Status Load();
  // Stores and remembers. Errors as the store's: call again with the same rows.
  absl::Status Apply(const DirectoryRows& rows);

  // Null: not known, removed, or its token does not open.
  std::shared_ptr<const twilio::Account> FindAccount(const std::string& account_sid) const;
  // Of one segment on this lane.
  std::chrono::microseconds Interval(const Lane& lane) const override;
  bool IsOpen(const Lane& lane) const override { return FindAccount(lane.account_sid) != nullptr; }
  std::int64_t AccountVersion(const std::string& account_sid) const override;
  // Where Twilio reports about messages of this lane; empty if there is no public address.
  std::string CallbackOrigin(const Lane& lane) const;

 private:
  struct Account {
    AccountRow row;
    std::shared_ptr<const twilio::Account> credentials;
    std::string callback_origin;
  };
  struct Number {
    NumberRow row;
    std::string callback_origin;
  };
  void Remember(const DirectoryRows& rows);

  DirectoryStore& store_;
  const crypto::KeyRing keys_;
  const Rates rates_;
  const bool twilio_is_local_;
  const std::string server_origin_;
  const std::function<void()> on_change_;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, Account> accounts_;
  std::unordered_map<std::string, Number> numbers_;  // By account and number.
};

}  // namespace parley::sender
