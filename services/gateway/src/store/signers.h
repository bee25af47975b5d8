// What webhooks' signatures are checked against, out of accounts, claims and channels. Works as
// gateway_worker.
#pragma once

#include <set>
#include <string_view>

#include "absl/status/statusor.h"
#include "domain/quarantine.h"
#include "libs/crypto/seal.h"
#include "libs/postgres/pool.h"
#include "store/claims.h"

namespace parley::gateway::store {

// The organization's accounts with their tokens opened, and these numbers; not `server_url`.
// Errors: what opening a stored credential says.
absl::StatusOr<Signers> LoadSigners(pqxx::work& tx, std::string_view organization_id,
                                    const std::set<AccountNumber>& numbers,
                                    const crypto::KeyRing& master);

}  // namespace parley::gateway::store
