// Which organization and channel a number of an account belongs to. Runs as gateway_worker.
#pragma once

#include <chrono>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "domain/message.h"
#include "libs/base/clock.h"
#include "libs/postgres/pool.h"

namespace parley::gateway::store {

struct AccountNumber {
  std::string account_sid;
  std::string number;
  auto operator<=>(const AccountNumber&) const = default;
};

struct Claim {
  std::string organization_id;
  std::string channel_id;
};

// How a channel starts that nobody asked for.
struct ChannelDefaults {
  bool ai_enabled = false;
  std::chrono::milliseconds ai_delay{2000};
  std::string ai_provider;
};

// The claim of each number. One that nobody claimed, of an account that is connected, gets a
// channel, flagged `unclaimed`, in the account's first organization. Numbers of unknown accounts
// are left out.
absl::StatusOr<std::map<AccountNumber, Claim>> FindOrMakeClaims(
    pqxx::work& tx, const std::set<AccountNumber>& numbers, const ChannelDefaults& defaults);

// The organizations that a number's opt-outs hold for: whoever claims it, else the account's first.
absl::StatusOr<std::map<AccountNumber, std::string>> FindOrganizations(
    pqxx::work& tx, const std::set<AccountNumber>& numbers);

}  // namespace parley::gateway::store
