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
// are left out. Numbers of test credentials and WhatsApp's sandbox have channels, but no claim.
//
// The AI answers in a new channel only if its number can be sent from and is in `pointed_here`:
// where no webhook came for it, but only Twilio's list told of it, other software may serve it.
absl::StatusOr<std::map<AccountNumber, Claim>> FindOrMakeClaims(
    pqxx::work& tx, const std::set<AccountNumber>& numbers,
    const std::set<AccountNumber>& pointed_here, const ChannelDefaults& defaults);

// The organizations of the numbers that Parley serves: somebody claims them, a webhook has come for
// them, or a channel names them. The others are left out: they are not ours to answer.
absl::StatusOr<std::map<AccountNumber, std::string>> FindServed(
    pqxx::work& tx, const std::set<AccountNumber>& numbers);

// The organizations that a number's opt-outs hold for: whoever claims it, else the account's first.
absl::StatusOr<std::map<AccountNumber, std::string>> FindOrganizations(
    pqxx::work& tx, const std::set<AccountNumber>& numbers);

}  // namespace parley::gateway::store
