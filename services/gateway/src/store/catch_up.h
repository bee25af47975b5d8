// What catching up reads and writes. Works as gateway_worker.
#pragma once

#include <chrono>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "catchup/compare.h"
#include "libs/crypto/seal.h"
#include "libs/postgres/pool.h"
#include "ports.h"

namespace parley::gateway::store {

// Connected accounts that are due, those that were tried last behind the others: not compared
// within `every`, or not to the end when they were last tried, nor tried within `retry`; with
// `all`, every one. Never test credentials.
struct Due {
  std::chrono::seconds every{3600};
  std::chrono::seconds retry{300};
  bool all = false;
};
std::vector<std::string> AccountsDue(pqxx::work& tx, const Due& due);

// How to log in, and where the last run stopped ('' to begin anew). Errors: kNotFound
// ACCOUNT_NOT_FOUND; what opening the credential says.
struct CatchUpStart {
  TwilioLogin login;
  std::string resume_uri;
};
absl::StatusOr<CatchUpStart> StartCatchUp(pqxx::work& tx, const std::string& account_sid,
                                          const crypto::KeyRing& master);

struct CatchUpEnd {
  bool complete = false;
  std::string resume_uri;  // Where the next run begins; '' at the newest.
};
void EndCatchUp(pqxx::work& tx, const std::string& account_sid, const CatchUpEnd& end);

catchup::Known ReadKnown(pqxx::work& tx, const std::string& account_sid,
                         std::span<const twilio::MessageResource> page);

// Stores what Twilio charges for messages that are stored. Returns how many changed.
int SetPrices(pqxx::work& tx, const std::string& account_sid,
              std::span<const twilio::MessageResource> page);

}  // namespace parley::gateway::store
