#include "store/directory.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "libs/base/clock.h"
#include "libs/base/status.h"
#include "libs/postgres/array.h"
#include "store/outbox.h"

namespace parley::gateway::store {
namespace {

using events::v1::DirectoryRecord;
using events::v1::TwimlSettings;

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

TwimlSettings::AutoReplyMode AutoReplyModeOf(std::string_view mode) {
  if (mode == "always") return TwimlSettings::AUTO_REPLY_MODE_ALWAYS;
  if (mode == "out_of_hours") return TwimlSettings::AUTO_REPLY_MODE_OUT_OF_HOURS;
  return TwimlSettings::AUTO_REPLY_MODE_NEVER;  // "first_message" goes through the sender.
}

TwimlSettings::VoiceAction VoiceActionOf(std::string_view action) {
  if (action == "voicemail") return TwimlSettings::VOICE_ACTION_VOICEMAIL;
  if (action == "forward") return TwimlSettings::VOICE_ACTION_FORWARD;
  return TwimlSettings::VOICE_ACTION_NONE;
}

// [{"weekday": 1, "from_minute": 540, "to_minute": 1020}]; what is no such list says nothing.
void FillOfficeHours(const char* json, events::v1::OfficeHours& hours) {
  const nlohmann::json parsed = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_array()) return;
  for (const nlohmann::json& one : parsed) {
    if (!one.is_object()) continue;
    const auto number = [&](const char* name) {
      const auto at = one.find(name);
      return at != one.end() && at->is_number_integer() ? at->get<std::int32_t>() : 0;
    };
    events::v1::OfficeHours::Interval& interval = *hours.add_intervals();
    interval.set_weekday(number("weekday"));
    interval.set_from_minute(number("from_minute"));
    interval.set_to_minute(number("to_minute"));
  }
}

void FillTwiml(const pqxx::row& row, TwimlSettings& twiml) {
  twiml.set_auto_reply(row["auto_reply"].c_str());
  twiml.set_auto_reply_mode(AutoReplyModeOf(row["auto_reply_mode"].c_str()));
  twiml.mutable_office_hours()->set_time_zone(row["office_time_zone"].c_str());
  FillOfficeHours(row["office_hours"].c_str(), *twiml.mutable_office_hours());
  twiml.set_ai_enabled(row["ai_enabled"].as<bool>());
  twiml.set_voice_greeting(row["voice_greeting"].c_str());
  twiml.set_voice_language(row["voice_language"].c_str());
  twiml.set_voice_name(row["voice_name"].c_str());
  twiml.set_voice_action(VoiceActionOf(row["voice_action"].c_str()));
  twiml.set_forward_number(row["forward_number"].c_str());
  twiml.set_voicemail_seconds_max(row["voicemail_seconds_max"].as<int>());
}

}  // namespace

absl::Status PutAccount(pqxx::work& tx, std::string_view account_sid, const DirectoryKeys& keys) {
  const std::string sid(account_sid);
  const pqxx::result rows = tx.exec_params(
      "SELECT a.sealed_auth_token, a.kind, a.public_url, a.sealed_secondary_token, "
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
  if (!row[3].is_null()) {
    PARLEY_ASSIGN_OR_RETURN(const Secret secondary,
                            keys.master->Open(postgres::FromBytea(row[3].c_str()), context));
    account.set_sealed_secondary_token(keys.directory->Seal(secondary, context));
  }
  for (const std::string& id : postgres::ParseArray(row[4].c_str())) {
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
      "ch.whatsapp_number, ch.unclaimed, ch.public_url, o.consent_scope, ch.ai_enabled, "
      "ch.auto_reply_mode, ch.office_time_zone, ch.office_hours, ch.voice_language, "
      "ch.voice_name, ch.voice_action, ch.forward_number, ch.voicemail_seconds_max "
      "FROM number_claims n JOIN channels ch ON ch.organization_id = n.organization_id "
      "AND ch.id = n.channel_id JOIN organizations o ON o.id = n.organization_id "
      "WHERE n.account_sid = $1 AND n.number = $2",
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
    out.set_unclaimed(row["unclaimed"].as<bool>());
    out.set_public_url(row["public_url"].c_str());
    if (std::string_view(row["consent_scope"].c_str()) == "sender") {
      out.set_consent_scope(events::v1::CONSENT_SCOPE_SENDER);
    }
    FillTwiml(row, *out.mutable_twiml());
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
