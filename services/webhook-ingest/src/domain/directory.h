// What webhook-ingest knows of accounts and numbers (DESIGN §3). Pure.
//
// DirectoryBook takes the records of `parley.directory` in any order and any number of times, and
// makes immutable Directory snapshots that request threads share without locks.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/secret.h"
#include "libs/crypto/seal.h"
#include "parley/events/v1/directory.pb.h"

namespace parley::ingest {

struct AccountEntry {
  Secret token;
  Secret secondary_token;  // While a token is being rotated; else empty.
  bool readable = true;    // False: a token could not be opened with our keys.
  std::string public_url;  // Where it differs from the installation's; no trailing "/".
};

struct NumberEntry {
  std::string account_sid;
  std::string organization_id;
  std::string public_url;           // Where it differs from the account's; no trailing "/".
  events::v1::TwimlSettings twiml;  // What its webhooks are answered with.
  absl::TimeZone time_zone;         // Of its office hours; UTC if none was given or it is unknown.
  bool time_zone_known = true;
  bool unclaimed = false;  // Taken in by itself, so no proof that the account owns it.
};

// Transparent, so that look-ups by view allocate nothing.
struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>()(text);
  }
};
template <class Value>
using TextMap = std::unordered_map<std::string, Value, TextHash, std::equal_to<>>;

// Immutable. Pointers live as long as the snapshot.
class Directory {
 public:
  // Null if nobody has connected the account.
  const AccountEntry* FindAccount(std::string_view account_sid) const;
  // The number as this account has it; null if the account has not claimed it.
  const NumberEntry* FindNumber(std::string_view account_sid, std::string_view number) const;
  // True if other accounts have claimed the number and this one has not. An entry that is
  // `unclaimed` claims nothing, neither against this account nor for it.
  bool IsClaimedElsewhere(std::string_view account_sid, std::string_view number) const;

 private:
  friend class DirectoryBook;
  TextMap<std::shared_ptr<const AccountEntry>> accounts_;
  TextMap<std::vector<std::shared_ptr<const NumberEntry>>> numbers_;  // By number.
};

// Not thread-safe.
class DirectoryBook {
 public:
  explicit DirectoryBook(const crypto::KeyRing& keys) : keys_(keys) {}

  enum class Change { kNone, kChanged };

  // Takes one record's value. A version that is not higher than the known one changes nothing.
  // Errors: kInvalidArgument (RECORD_UNREADABLE): no DirectoryRecord, or one without identity.
  absl::StatusOr<Change> Apply(std::string_view record);

  // True once a marker said that everything had been published.
  bool seen_complete() const { return complete_at_us_ > 0; }
  // When the last full republication was made, µs since 1970; 0 before the first.
  std::int64_t complete_at_us() const { return complete_at_us_; }
  std::size_t size() const { return records_.size(); }
  // Accounts whose tokens our keys do not open.
  std::size_t unreadable_accounts() const;
  // Numbers whose office hours are in a time zone that this system does not know.
  std::size_t unknown_time_zones() const;

  std::shared_ptr<const Directory> Snapshot() const;

  // Every record, for the file that lets a restart do without Kafka. Load takes it back; errors:
  // kDataLoss.
  std::string Serialize() const;
  absl::Status Load(std::string_view serialized);

 private:
  struct Known {
    std::int64_t version = 0;
    std::string value;  // As received.
  };
  void Put(const events::v1::DirectoryRecord& record);
  void PutAccount(const events::v1::Account& account);
  void PutNumber(const events::v1::Number& number);

  const crypto::KeyRing& keys_;
  std::map<std::string, Known, std::less<>> records_;  // By record id.
  Directory current_;
  std::int64_t complete_at_us_ = 0;
};

}  // namespace parley::ingest
