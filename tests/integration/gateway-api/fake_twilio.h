// A Twilio for connecting accounts: it knows the accounts that a test gives it.
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "libs/base/status.h"
#include "ports.h"

namespace parley::gateway {

// Thread-safe.
class FakeTwilio final : public TwilioAccounts {
 public:
  struct Account {
    std::string auth_token;
    TwilioAccountFacts facts;
    std::set<std::string> numbers;
    bool owns_every_number = false;
    std::string secondary_token = {};  // Accepted beside the other.
  };

  void Put(const std::string& account_sid, Account account) {
    const std::lock_guard lock(mutex_);
    accounts_[account_sid] = std::move(account);
  }
  void SetAway(bool away) {
    const std::lock_guard lock(mutex_);
    away_ = away;
  }
  // Numbers that were pointed at us, with the address for messages.
  std::map<std::string, std::string> pointed() const {
    const std::lock_guard lock(mutex_);
    return pointed_;
  }

  absl::StatusOr<TwilioAccountFacts> Check(const TwilioLogin& login) override {
    const std::lock_guard lock(mutex_);
    if (away_) return Away();
    const auto found = accounts_.find(login.account_sid);
    if (found == accounts_.end() || !Accepts(found->second, login)) {
      return InvalidArgument("TWILIO_REFUSED", "The account SID or the token is wrong. (20003)");
    }
    return found->second.facts;
  }

  absl::StatusOr<std::optional<std::string>> FindNumber(const TwilioLogin& login,
                                                        std::string_view number) override {
    const std::lock_guard lock(mutex_);
    if (away_) return Away();
    const Account& account = accounts_[login.account_sid];
    if (!account.owns_every_number && !account.numbers.contains(std::string(number))) {
      return std::nullopt;
    }
    return "PN of " + std::string(number);
  }

  absl::Status PointNumber(const TwilioLogin&, std::string_view number_sid,
                           const NumberAddresses& addresses) override {
    const std::lock_guard lock(mutex_);
    if (away_) return Away();
    pointed_[std::string(number_sid)] = addresses.message_url;
    return absl::OkStatus();
  }

 private:
  static bool Accepts(const Account& account, const TwilioLogin& login) {
    return login.auth_token.Reveal() == account.auth_token ||
           (!account.secondary_token.empty() &&
            login.auth_token.Reveal() == account.secondary_token);
  }
  static absl::Status Away() {
    return Unavailable("TWILIO_UNREACHABLE", "Twilio could not be reached.");
  }

  mutable std::mutex mutex_;
  std::map<std::string, Account> accounts_;
  std::map<std::string, std::string> pointed_;
  bool away_ = false;
};

}  // namespace parley::gateway
