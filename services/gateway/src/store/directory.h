// What parley.directory says, derived from the gateway's own tables in the transaction that changes
// them; the relay publishes it. Call after the change. Works as gateway_worker.
//
//   tx.exec_params("INSERT INTO number_claims …");
//   PARLEY_RETURN_IF_ERROR(store::PutNumber(tx, account_sid, number));
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "libs/crypto/seal.h"
#include "libs/postgres/pool.h"
#include "parley/events/v1/directory.pb.h"

namespace parley::gateway::store {

struct DirectoryKeys {
  const crypto::KeyRing* master = nullptr;     // Opens account_credentials.
  const crypto::KeyRing* directory = nullptr;  // Seals for the other services.
};

// Record "account/<SID>" out of account_credentials and account_links: removed if no organization
// is linked. Errors: what opening the stored credential says; kNotFound if the account is unknown.
absl::Status PutAccount(pqxx::work& tx, std::string_view account_sid, const DirectoryKeys& keys);

// Record "number/<account>/<number>" out of number_claims and channels: removed if nobody claims
// the number.
absl::Status PutNumber(pqxx::work& tx, std::string_view account_sid, std::string_view number);

// PutNumber for each number that a channel claims: after a change of its settings.
absl::Status PutChannelNumbers(pqxx::work& tx, std::string_view organization_id,
                               std::string_view channel_id);

// The rule for versions: the greater of the previous one plus one and the time in µs.
std::int64_t NextVersion(std::int64_t previous, std::int64_t now_us);

}  // namespace parley::gateway::store
