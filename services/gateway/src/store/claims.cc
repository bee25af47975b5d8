#include "store/claims.h"

#include "domain/message.h"
#include "libs/base/id.h"
#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/postgres/array.h"
#include "libs/telemetry/log.h"
#include "libs/twilio/number.h"
#include "store/directory.h"
#include "store/statement.h"

namespace parley::gateway::store {
namespace {

using postgres::Array;

struct Arrays {
  std::string accounts;
  std::string numbers;
};

Arrays ToArrays(const std::set<AccountNumber>& numbers) {
  Array accounts, texts;
  for (const AccountNumber& number : numbers) {
    accounts.Add(number.account_sid);
    texts.Add(number.number);
  }
  return {accounts.str(), texts.str()};
}

void ReadClaims(pqxx::work& tx, const std::set<AccountNumber>& numbers,
                std::map<AccountNumber, Claim>& claims) {
  const Arrays arrays = ToArrays(numbers);
  for (const pqxx::row& row :
       RunPrepared(tx, "read_claims",
                   "SELECT n.account_sid, n.number, n.organization_id, n.channel_id "
                   "FROM unnest($1::text[], $2::text[]) w(account, number) "
                   "JOIN number_claims n ON n.account_sid = w.account AND n.number = w.number",
                   arrays.accounts, arrays.numbers)) {
    claims[{row[0].c_str(), row[1].c_str()}] = {row[2].c_str(), row[3].c_str()};
  }
}

// Makes the channel and its claim. The account's row lock keeps two projectors from making two.
absl::Status MakeClaim(pqxx::work& tx, const AccountNumber& number, const ChannelDefaults& defaults,
                       std::map<AccountNumber, Claim>& claims) {
  const bool is_sandbox = number.number == twilio::kWhatsAppSandbox;
  const pqxx::result owner = tx.exec_params(
      "SELECT l.organization_id, a.kind FROM account_credentials a "
      "JOIN account_links l ON l.account_sid = a.account_sid WHERE a.account_sid = $1 "
      "ORDER BY l.created_at, l.organization_id LIMIT 1 FOR UPDATE OF a",
      number.account_sid);
  if (owner.empty()) return absl::OkStatus();
  const std::string organization_id = owner[0][0].c_str();
  const bool claims_nothing = is_sandbox || std::string_view(owner[0][1].c_str()) == "test";
  ReadClaims(tx, {number}, claims);  // Whoever held the lock may have made it.
  if (claims.contains(number)) return absl::OkStatus();
  const pqxx::result existing = tx.exec_params(
      "SELECT id FROM channels WHERE organization_id = $1 AND account_sid = $2 "
      "AND deleted_at IS NULL AND (phone_number = $3 OR whatsapp_number = $3) "
      "ORDER BY created_at LIMIT 1",
      organization_id, number.account_sid, number.number);
  const bool fresh = existing.empty();
  const std::string channel_id = fresh ? NewId() : std::string(existing[0][0].c_str());
  if (fresh) {
    tx.exec_params(
        "INSERT INTO channels (organization_id, id, display_name, account_sid, phone_number, "
        "media, ai_enabled, ai_delay_ms, ai_provider, unclaimed) "
        "VALUES ($1, $2, $3, $4, $3, '{sms,whatsapp,voice}', $5, $6, $7, true)",
        organization_id, channel_id, number.number, number.account_sid,
        defaults.ai_enabled && IsSenderNumber(number.number),
        static_cast<int>(defaults.ai_delay.count()), defaults.ai_provider);
    telemetry::Warning("unclaimed_number", {{"organization_id", organization_id},
                                            {"channel_id", channel_id},
                                            {"number", MaskNumber(number.number)}});
  }
  if (!claims_nothing) {
    tx.exec_params(
        "INSERT INTO number_claims (account_sid, number, organization_id, channel_id) "
        "VALUES ($1, $2, $3, $4)",
        number.account_sid, number.number, organization_id, channel_id);
    PARLEY_RETURN_IF_ERROR(PutNumber(tx, number.account_sid, number.number));
  }
  claims[number] = {organization_id, channel_id};
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::map<AccountNumber, Claim>> FindOrMakeClaims(
    pqxx::work& tx, const std::set<AccountNumber>& numbers,
    const std::set<AccountNumber>& pointed_here, const ChannelDefaults& defaults) {
  std::map<AccountNumber, Claim> claims;
  ReadClaims(tx, numbers, claims);
  ChannelDefaults silent = defaults;
  silent.ai_enabled = false;
  for (const AccountNumber& number : numbers) {
    if (claims.contains(number)) continue;
    PARLEY_RETURN_IF_ERROR(
        MakeClaim(tx, number, pointed_here.contains(number) ? defaults : silent, claims));
  }
  return claims;
}

absl::StatusOr<std::map<AccountNumber, std::string>> FindServed(
    pqxx::work& tx, const std::set<AccountNumber>& numbers) {
  const Arrays arrays = ToArrays(numbers);
  std::map<AccountNumber, std::string> organizations;
  for (const pqxx::row& row :
       RunPrepared(tx, "find_served",
                   "SELECT w.account, w.number, coalesce(n.organization_id, f.organization_id) "
                   "FROM unnest($1::text[], $2::text[]) w(account, number) "
                   "LEFT JOIN number_claims n ON n.account_sid = w.account AND n.number = w.number "
                   "LEFT JOIN LATERAL (SELECT ch.organization_id FROM account_links l "
                   "JOIN channels ch ON ch.organization_id = l.organization_id "
                   "AND ch.account_sid = w.account AND ch.deleted_at IS NULL "
                   "AND w.number IN (ch.phone_number, ch.whatsapp_number) "
                   "WHERE l.account_sid = w.account "
                   "ORDER BY l.created_at, l.organization_id LIMIT 1) f ON true "
                   "WHERE coalesce(n.organization_id, f.organization_id) IS NOT NULL",
                   arrays.accounts, arrays.numbers)) {
    organizations[{row[0].c_str(), row[1].c_str()}] = row[2].c_str();
  }
  return organizations;
}

absl::StatusOr<std::map<AccountNumber, std::string>> FindOrganizations(
    pqxx::work& tx, const std::set<AccountNumber>& numbers) {
  const Arrays arrays = ToArrays(numbers);
  std::map<AccountNumber, std::string> organizations;
  for (const pqxx::row& row : RunPrepared(
           tx, "find_organizations",
           "SELECT w.account, w.number, coalesce(n.organization_id, f.organization_id) "
           "FROM unnest($1::text[], $2::text[]) w(account, number) "
           "LEFT JOIN number_claims n ON n.account_sid = w.account AND n.number = w.number "
           "LEFT JOIN LATERAL (SELECT l.organization_id FROM account_links l "
           "WHERE l.account_sid = w.account ORDER BY l.created_at, l.organization_id LIMIT 1) f "
           "ON true WHERE coalesce(n.organization_id, f.organization_id) IS NOT NULL",
           arrays.accounts, arrays.numbers)) {
    organizations[{row[0].c_str(), row[1].c_str()}] = row[2].c_str();
  }
  return organizations;
}

}  // namespace parley::gateway::store
