#include "store/signers.h"

#include "libs/base/status.h"
#include "libs/postgres/array.h"
#include "libs/twilio/number.h"

namespace parley::gateway::store {
namespace {

absl::StatusOr<Secret> Open(const crypto::KeyRing& master, const pqxx::field& sealed,
                            std::string_view account_sid) {
  if (sealed.is_null()) return Secret();
  return master.Open(postgres::FromBytea(sealed.c_str()), {crypto::kTwilioToken, account_sid});
}

absl::Status LoadAccounts(pqxx::work& tx, std::string_view organization_id,
                          const crypto::KeyRing& master, Signers& signers) {
  for (const pqxx::row& row : tx.exec_params(
           "SELECT c.account_sid, c.sealed_auth_token, c.sealed_secondary_token, c.public_url"
           " FROM account_links l JOIN account_credentials c USING (account_sid)"
           " WHERE l.organization_id = $1",
           std::string(organization_id))) {
    const std::string sid = row[0].c_str();
    PARLEY_ASSIGN_OR_RETURN(Secret token, Open(master, row[1], sid));
    PARLEY_ASSIGN_OR_RETURN(Secret secondary, Open(master, row[2], sid));
    signers.accounts.insert({sid, {std::move(token), std::move(secondary), row[3].c_str()}});
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Signers> LoadSigners(pqxx::work& tx, std::string_view organization_id,
                                    const std::set<AccountNumber>& numbers,
                                    const crypto::KeyRing& master) {
  Signers signers;
  PARLEY_RETURN_IF_ERROR(LoadAccounts(tx, organization_id, master, signers));
  postgres::Array accounts, texts;
  for (const AccountNumber& number : numbers) {
    accounts.Add(number.account_sid);
    texts.Add(number.number);
  }
  // A claim that the projector made for a number that nobody claimed proves nothing, nor does any
  // of the number that all accounts share.
  for (const pqxx::row& row : tx.exec_params(
           "SELECT w.account, w.number, n.organization_id, n.channel_id, ch.public_url,"
           " n.account_sid IS NULL AND w.number <> $3 AND EXISTS (SELECT 1 FROM number_claims e"
           "  JOIN channels ech ON ech.organization_id = e.organization_id AND ech.id = "
           "e.channel_id"
           "  WHERE e.number = w.number AND e.account_sid <> w.account AND NOT ech.unclaimed)"
           " FROM unnest($1::text[], $2::text[]) w(account, number)"
           " LEFT JOIN number_claims n ON n.account_sid = w.account AND n.number = w.number"
           " LEFT JOIN channels ch ON ch.organization_id = n.organization_id"
           "  AND ch.id = n.channel_id",
           accounts.str(), texts.str(), std::string(twilio::kWhatsAppSandbox))) {
    signers.numbers[{row[0].c_str(), row[1].c_str()}] = {row[2].c_str(), row[3].c_str(),
                                                         row[4].c_str(), row[5].as<bool>()};
  }
  return signers;
}

}  // namespace parley::gateway::store
