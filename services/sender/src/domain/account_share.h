// How many requests at once one replica may make for an account, whose limit all replicas share.
// Twilio counts the requests of all of them and publishes no number (20429): what 429 taught one
// counts for all. Best effort: what others do is known a moment late. Pure; not thread-safe.
#pragma once

#include <map>
#include <string>
#include <utility>

namespace parley::sender {

// What a replica did for an account since it told last.
struct AccountUse {
  int peak = 0;             // Requests at once, at most.
  bool wants_more = false;  // It used most of its share.
  int adapted = 0;          // The account's limit as its answers taught it; 0: nothing.
  bool alone = false;       // By this replica's breaker: the others are not told.
  bool operator==(const AccountUse&) const = default;
};
using AccountUses = std::map<std::string, AccountUse>;  // By account SID.

class AccountShares {
 public:
  // `limit`: of each account, over all replicas; 0: none but what 429 teaches.
  AccountShares(std::string replica, int limit) : replica_(std::move(replica)), limit_(limit) {}

  // What the others do, by replica; those that are idle too.
  void Heard(std::map<std::string, AccountUses> others);
  // Nobody knows what the others do now: each takes an even part.
  void Lost() { shared_ = false; }

  // Requests at once; at least 1, or 0: any number.
  int ShareOf(const std::string& account_sid, const AccountUse& own) const;
  // What the others use of it, as far as it is known.
  int UseOfOthers(const std::string& account_sid) const;
  bool shared() const { return shared_; }

 private:
  int LimitOf(const std::string& account_sid, const AccountUse& own) const;

  const std::string replica_;
  const int limit_;
  bool shared_ = false;
  std::map<std::string, AccountUses> others_;  // As heard last.
};

}  // namespace parley::sender
