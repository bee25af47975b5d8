#include "store/directory.h"

#include <algorithm>

#include "libs/base/clock.h"
#include "libs/base/status.h"
#include "libs/postgres/array.h"
#include "store/outbox.h"

namespace parley::gateway::store {
namespace {

using events::v1::DirectoryRecord;

// Stores `record` under a new version; the row's lock orders writers of one record.
void Put(pqxx::work& tx, const std::string& record_id, DirectoryRecord record) {
  const pqxx::result locked = tx.exec_params(
      "INSERT INTO directory_records AS d (record_id, version, value) VALUES ($1, 0, '') "
      "ON CONFLICT (record_id) DO UPDATE SET record_id = d.record_id RETURNING version",
      record_id);
  record.set_version(NextVersion(locked[0][0].as<std::int64_t>(), ToMicros(SystemClock().Now())));
  tx.exec_params("UPDATE directory_records SET version = $2, value = $3 WHERE record_id = $1",
                 record_id, record.version(), postgres::Bytea(record.SerializeAsString()));
  tx.exec(std::string("NOTIFY ") + kDirectoryChannel);
}

bool Has(const std::vector<std::string>& media, std::string_view medium) {
  return std::find(media.begin(), media.end(), medium) != media.end();
}

}  // namespace

absl::Status PutAccount(pqxx::work& tx, std::string_view account_sid, const DirectoryKeys& keys) {
  const std::string sid(account_sid);
  const pqxx::result rows = tx.exec_params(
      "SELECT a.sealed_auth_token, a.kind, a.public_url, "
      "(SELECT coalesce(array_agg(l.organization_id ORDER BY l.created_at, l.organization_id), "
      "'{}') FROM account_links l WHERE l.account_sid = a.account_sid) "
      "FROM account_credentials a WHERE a.account_sid = $1 FOR UPDATE",
      sid);
  if (rows.empty()) {
    return NotFound("ACCOUNT_NOT_FOUND", "There is no connected account with this SID.");
  }
  const pqxx::row& row = rows[0];
  const crypto::SealContext context{crypto::kTwilioToken, sid};
  PARLEY_ASSIGN_OR_RETURN(const Secret token,
                          keys.master->Open(postgres::FromBytea(row[0].c_str()), context));
  DirectoryRecord record;
  events::v1::Account& account = *record.mutable_account();
  account.set_account_sid(sid);
  account.set_sealed_auth_token(keys.directory->Seal(token, context));
  account.set_test_credentials(std::string_view(row[1].c_str()) == "test");
  account.set_public_url(row[2].c_str());
  for (const std::string& id : postgres::ParseArray(row[3].c_str())) {
    account.add_organization_ids(id);
  }
  account.set_removed(account.organization_ids().empty());
  Put(tx, "account/" + sid, std::move(record));
  return absl::OkStatus();
}

absl::Status PutNumber(pqxx::work& tx, std::string_view account_sid, std::string_view number) {
  const std::string sid(account_sid);
  const std::string text(number);
  const pqxx::result rows = tx.exec_params(
      "SELECT n.organization_id, n.channel_id, ch.media, ch.auto_reply, ch.voice_greeting, "
      "ch.whatsapp_number "
      "FROM number_claims n JOIN channels ch ON ch.organization_id = n.organization_id "
      "AND ch.id = n.channel_id WHERE n.account_sid = $1 AND n.number = $2",
      sid, text);
  DirectoryRecord record;
  events::v1::Number& out = *record.mutable_number();
  out.set_account_sid(sid);
  out.set_number(text);
  if (rows.empty()) {
    out.set_removed(true);
  } else {
    const pqxx::row& row = rows[0];
    const std::vector<std::string> media = postgres::ParseArray(row[2].c_str());
    const std::string_view whatsapp_number = row[5].c_str();
    out.set_organization_id(row[0].c_str());
    out.set_channel_id(row[1].c_str());
    out.set_sms_capable(Has(media, "sms"));
    out.set_mms_capable(Has(media, "sms"));
    out.set_whatsapp_capable(Has(media, "whatsapp") &&
                             (whatsapp_number.empty() || whatsapp_number == text));
    out.mutable_twiml()->set_auto_reply(row[3].c_str());
    out.mutable_twiml()->set_voice_greeting(row[4].c_str());
  }
  Put(tx, "number/" + sid + "/" + text, std::move(record));
  return absl::OkStatus();
}

absl::Status PutChannelNumbers(pqxx::work& tx, std::string_view organization_id,
                               std::string_view channel_id) {
  for (const pqxx::row& row :
       tx.exec_params("SELECT account_sid, number FROM number_claims "
                      "WHERE organization_id = $1 AND channel_id = $2 ORDER BY account_sid, number",
                      std::string(organization_id), std::string(channel_id))) {
    PARLEY_RETURN_IF_ERROR(PutNumber(tx, row[0].c_str(), row[1].c_str()));
  }
  return absl::OkStatus();
}

std::int64_t NextVersion(std::int64_t previous, std::int64_t now_us) {
  return std::max(previous + 1, now_us);
}

}  // namespace parley::gateway::store
