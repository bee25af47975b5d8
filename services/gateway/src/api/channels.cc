#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "absl/time/time.h"
#include "api/accounts.h"
#include "api/handlers.h"
#include "api/transaction.h"
#include "domain/channel.h"
#include "domain/field_mask.h"
#include "domain/message.h"
#include "domain/page.h"
#include "domain/validation.h"
#include "libs/base/id.h"
#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/postgres/array.h"
#include "libs/telemetry/log.h"
#include "libs/twilio/number.h"
#include "libs/twilio/url.h"
#include "store/directory.h"
#include "store/inbox.h"
#include "store/resources.h"

namespace parley::gateway::api {
namespace {

constexpr char kChannelsScope[] = "channels";

ChannelDefaults Defaults(const Services& services) {
  return {services.options.ai_enabled, services.options.ai_delay_ms, services.options.ai_provider};
}

absl::Status ChannelNotFound() {
  return NotFound("CHANNEL_NOT_FOUND", "There is no channel with this id.");
}

// The account that the channel names, which must be the organization's, or its newest.
absl::Status ResolveAccount(pqxx::work& tx, const rpc::CallContext& call, v1::Channel& channel) {
  const pqxx::result found = tx.exec_params(
      "SELECT account_sid FROM account_links"
      " WHERE organization_id = $1 AND ($2 = '' OR account_sid = $2)"
      " ORDER BY created_at DESC, account_sid LIMIT 1",
      call.organization_id, channel.account_sid());
  if (!found.empty()) {
    channel.set_account_sid(found[0][0].c_str());
    return absl::OkStatus();
  }
  if (channel.account_sid().empty()) {
    return FailedPrecondition("NO_TWILIO_ACCOUNT", "Connect a Twilio account first.");
  }
  return NotFound("TWILIO_ACCOUNT_NOT_FOUND", "There is no connected account with this SID.");
}

std::string MediaArray(const v1::Channel& channel) {
  postgres::Array media;
  for (const int medium : channel.media()) media.Add(MediumName(static_cast<Medium>(medium)));
  return media.str();
}

// As the table has them, by the enums' numbers.
constexpr std::string_view kAutoReplyModes[] = {"off", "off", "always", "out_of_hours",
                                                "first_message"};
constexpr std::string_view kVoiceActions[] = {"none", "none", "voicemail", "forward"};
static_assert(v1::AutoReplyMode_ARRAYSIZE == std::size(kAutoReplyModes));
static_assert(v1::ChannelVoice::Action_ARRAYSIZE == std::size(kVoiceActions));

std::string OfficeHoursJson(const v1::OfficeHours& hours) {
  nlohmann::json intervals = nlohmann::json::array();
  for (const v1::OfficeHours::Interval& one : hours.intervals()) {
    intervals.push_back({{"weekday", one.weekday()},
                         {"from_minute", one.from_minute()},
                         {"to_minute", one.to_minute()}});
  }
  return intervals.dump();
}

absl::Status CheckTimeZone(const v1::Channel& channel) {
  absl::TimeZone zone;
  const std::string& name = channel.office_hours().time_zone();
  // "localtime" and paths would be this machine's business.
  if (name.empty() || (name != "localtime" && name.find("..") == std::string::npos &&
                       name.front() != '/' && absl::LoadTimeZone(name, &zone))) {
    return absl::OkStatus();
  }
  return InvalidArgument("UNKNOWN_TIME_ZONE",
                         "officeHours.timeZone must be an IANA name such as Europe/Berlin.");
}

// Complete, valid, and as it is stored.
absl::Status Prepare(const Services& services, v1::Channel& channel) {
  FillDefaults(channel, Defaults(services));
  PARLEY_RETURN_IF_ERROR(CheckChannel(channel, {.https_only = services.options.https_only}));
  PARLEY_RETURN_IF_ERROR(CheckTimeZone(channel));
  if (channel.public_url().empty()) return absl::OkStatus();
  PARLEY_ASSIGN_OR_RETURN(*channel.mutable_public_url(),
                          twilio::OriginAndPrefix(channel.public_url()));
  return absl::OkStatus();
}

// Asks Twilio, before any transaction, whether the account owns the channel's numbers.
// `channel.account_sid` may be empty: the organization's newest account.
absl::Status CheckNumbers(Services& services, const rpc::CallContext& call, v1::Channel channel) {
  PARLEY_RETURN_IF_ERROR(InOrganization(
      services, call, [&](pqxx::work& tx) { return ResolveAccount(tx, call, channel); }));
  PARLEY_ASSIGN_OR_RETURN(const KnownLogin known,
                          LoadKnownLogin(services, call.organization_id, channel.account_sid()));
  PARLEY_RETURN_IF_ERROR(CheckOwned(services, known, channel.phone_number()));
  const std::string& whatsapp = channel.whatsapp_number();
  if (whatsapp.empty() || whatsapp == channel.phone_number() ||
      whatsapp == twilio::kWhatsAppSandbox) {
    return absl::OkStatus();
  }
  // A WhatsApp sender need not be one of the account's numbers, and the Senders API does not know
  // trial accounts: what Twilio does not list is taken at its word.
  const absl::Status owned = CheckOwned(services, known, whatsapp);
  return ErrorReason(owned) == "NUMBER_NOT_OWNED" ? absl::OkStatus() : owned;
}

// Inserts the channel, or makes it the one that the projector made for its number while nobody
// claimed it, so that what came in meanwhile is in its conversations.
void SaveChannel(pqxx::work& tx, const rpc::CallContext& call, const v1::Channel& channel) {
  const v1::ChannelAi& ai = channel.ai();
  const v1::ChannelVoice& voice = channel.voice();
  tx.exec_params0(
      "INSERT INTO channels (organization_id, id, display_name, account_sid, phone_number,"
      " whatsapp_number, media, ai_enabled, ai_delay_ms, ai_provider, ai_base_url, ai_model,"
      " ai_system_prompt, auto_reply, voice_greeting, auto_reply_mode, office_time_zone,"
      " office_hours, voice_language, voice_name, voice_action, forward_number,"
      " voicemail_seconds_max, public_url)"
      " VALUES ($1, $2, $3, $4, $5, $6, $7::text[], $8, $9, $10, $11, $12, $13, $14, $15, $16,"
      " $17, $18::jsonb, $19, $20, $21, $22, $23, $24)"
      " ON CONFLICT (organization_id, id) DO UPDATE SET display_name = excluded.display_name,"
      " account_sid = excluded.account_sid, phone_number = excluded.phone_number,"
      " whatsapp_number = excluded.whatsapp_number, media = excluded.media,"
      " ai_enabled = excluded.ai_enabled, ai_delay_ms = excluded.ai_delay_ms,"
      " ai_provider = excluded.ai_provider, ai_base_url = excluded.ai_base_url,"
      " ai_model = excluded.ai_model, ai_system_prompt = excluded.ai_system_prompt,"
      " auto_reply = excluded.auto_reply, voice_greeting = excluded.voice_greeting,"
      " auto_reply_mode = excluded.auto_reply_mode,"
      " office_time_zone = excluded.office_time_zone, office_hours = excluded.office_hours,"
      " voice_language = excluded.voice_language, voice_name = excluded.voice_name,"
      " voice_action = excluded.voice_action, forward_number = excluded.forward_number,"
      " voicemail_seconds_max = excluded.voicemail_seconds_max,"
      " public_url = excluded.public_url, unclaimed = false",
      call.organization_id, channel.id(), channel.display_name(), channel.account_sid(),
      channel.phone_number(), channel.whatsapp_number(), MediaArray(channel), ai.enabled(),
      ai.response_delay_ms(), ai.provider(), ai.base_url(), ai.model(), ai.system_prompt(),
      channel.auto_reply(), channel.voice_greeting(),
      std::string(kAutoReplyModes[channel.auto_reply_mode()]), channel.office_hours().time_zone(),
      OfficeHoursJson(channel.office_hours()), voice.language(), voice.voice_name(),
      std::string(kVoiceActions[voice.action()]), voice.forward_number(),
      voice.voicemail_seconds_max(), channel.public_url());
}

// An empty key takes the stored one away.
void SaveAiKey(pqxx::work& tx, const Services& services, const rpc::CallContext& call,
               const v1::Channel& channel) {
  std::optional<std::string> sealed;
  if (!channel.ai().api_key().empty()) {
    sealed = postgres::Bytea(services.master_keys.Seal(Secret(channel.ai().api_key()),
                                                       {crypto::kAiKey, call.organization_id}));
  }
  tx.exec_params0(
      "UPDATE channels SET ai_sealed_key = nullif($3, '')::bytea"
      " WHERE organization_id = $1 AND id = $2",
      call.organization_id, channel.id(), sealed.value_or(""));
}

absl::Status NumberTaken(const std::string& number) {
  return ErrorStatus(absl::StatusCode::kAlreadyExists, "NUMBER_TAKEN",
                     "Another channel has the number " + number + ".");
}

// Makes the channel's claims on numbers of its account those in `numbers`, and tells the directory.
// Test credentials claim nothing.
absl::Status ClaimNumbers(pqxx::work& tx, const rpc::CallContext& call, const v1::Channel& channel,
                          const std::vector<std::string>& numbers) {
  AsWorker worker(tx);
  const pqxx::result account = tx.exec_params(
      "SELECT kind FROM account_credentials WHERE account_sid = $1", channel.account_sid());
  const bool is_test = account.empty() || account[0][0].c_str() == std::string_view("test");
  postgres::Array kept;
  for (const std::string& number : numbers) kept.Add(number);
  const pqxx::result given_up = tx.exec_params(
      "DELETE FROM number_claims WHERE organization_id = $1 AND channel_id = $2"
      " AND ($5 OR account_sid <> $3 OR number <> ALL ($4::text[]))"
      " RETURNING account_sid, number",
      call.organization_id, channel.id(), channel.account_sid(), kept.str(), is_test);
  for (const pqxx::row& row : given_up) {
    PARLEY_RETURN_IF_ERROR(store::PutNumber(tx, row[0].c_str(), row[1].c_str()));
  }
  // What TakeOverUnclaimed gave up for this channel.
  tx.exec_params0(
      "UPDATE number_claims n SET channel_id = $4 FROM channels u WHERE n.account_sid = $1"
      " AND n.number = ANY ($2::text[]) AND n.organization_id = $3"
      " AND u.organization_id = n.organization_id AND u.id = n.channel_id AND u.unclaimed"
      " AND u.deleted_at IS NOT NULL",
      channel.account_sid(), kept.str(), call.organization_id, channel.id());
  for (const std::string& number : numbers) {
    if (is_test) break;
    const pqxx::result claimed = tx.exec_params(
        "INSERT INTO number_claims (account_sid, number, organization_id, channel_id)"
        " VALUES ($1, $2, $3, $4) ON CONFLICT (account_sid, number)"
        " DO UPDATE SET channel_id = number_claims.channel_id"
        " RETURNING organization_id = $3 AND channel_id = $4",
        channel.account_sid(), number, call.organization_id, channel.id());
    if (!claimed[0][0].as<bool>()) return NumberTaken(number);
  }
  PARLEY_RETURN_IF_ERROR(store::PutChannelNumbers(tx, call.organization_id, channel.id()));
  worker.Done();
  return absl::OkStatus();
}

// The AI was switched off, or the channel deleted: its turns end, and that is shown.
absl::Status CloseChannelTurns(pqxx::work& tx, const rpc::CallContext& call,
                               const v1::Channel& channel) {
  const pqxx::result with_turns = tx.exec_params(
      "SELECT id FROM conversations WHERE organization_id = $1 AND channel_id = $2"
      " AND (pending_first_seq IS NOT NULL OR open_turn_id IS NOT NULL) ORDER BY id FOR UPDATE",
      call.organization_id, channel.id());
  for (const pqxx::row& row : with_turns) {
    PARLEY_RETURN_IF_ERROR(store::CloseTurns(tx, call.organization_id, row[0].c_str()));
    PARLEY_RETURN_IF_ERROR(store::PublishConversation(tx, call.organization_id, row[0].c_str()));
  }
  return absl::OkStatus();
}

// Loads for a change, with the row locked. A deleted channel is not there.
absl::StatusOr<v1::Channel> LockChannel(pqxx::work& tx, const rpc::CallContext& call,
                                        const std::string& id) {
  if (!IsUuid(id)) return ChannelNotFound();
  const pqxx::result locked = tx.exec_params(
      "SELECT 1 FROM channels WHERE organization_id = $1 AND id = $2 AND deleted_at IS NULL"
      " FOR UPDATE",
      call.organization_id, id);
  if (locked.empty()) return ChannelNotFound();
  return store::LoadChannel(tx, call.organization_id, id);
}

// The organization's unclaimed channels of this one's numbers, locked; that of the phone number
// first.
pqxx::result LockUnclaimed(pqxx::work& tx, const rpc::CallContext& call,
                           const v1::Channel& channel) {
  postgres::Array numbers;
  for (const std::string& number : NumbersOf(channel)) numbers.Add(number);
  return tx.exec_params(
      "SELECT id FROM channels WHERE organization_id = $1 AND unclaimed AND deleted_at IS NULL"
      " AND account_sid = $2 AND (phone_number = ANY ($3::text[])"
      " OR whatsapp_number = ANY ($3::text[]))"
      " ORDER BY phone_number <> $4, created_at, id FOR UPDATE",
      call.organization_id, channel.account_sid(), numbers.str(), channel.phone_number());
}

std::string UnclaimedOrNewId(pqxx::work& tx, const rpc::CallContext& call,
                             const v1::Channel& channel) {
  const pqxx::result found = LockUnclaimed(tx, call, channel);
  return found.empty() ? NewId() : found[0][0].c_str();
}

// A number of this channel may have come in unclaimed beside the one that it becomes, as that of
// another medium: such a channel ends, with its conversations kept, and ClaimNumbers takes its
// claim.
absl::Status TakeOverUnclaimed(pqxx::work& tx, const rpc::CallContext& call,
                               const v1::Channel& channel) {
  for (const pqxx::row& row : LockUnclaimed(tx, call, channel)) {
    v1::Channel other;
    other.set_id(row[0].c_str());
    if (other.id() == channel.id()) continue;
    PARLEY_RETURN_IF_ERROR(CloseChannelTurns(tx, call, other));
    tx.exec_params0("UPDATE channels SET deleted_at = now() WHERE organization_id = $1 AND id = $2",
                    call.organization_id, other.id());
    RecordAudit(tx, call, "channel.delete", "channel:" + other.id(),
                {{"taken_over_by", channel.id()}});
  }
  return absl::OkStatus();
}

// Best effort: a channel is a channel also while Twilio is away; ./run doctor shows what is wrong.
void PointNumbers(Services& services, const rpc::CallContext& call, const v1::Channel& channel) {
  if (!services.options.configure_webhooks || channel.phone_number().empty()) return;
  const auto known = LoadKnownLogin(services, call.organization_id, channel.account_sid());
  const absl::Status status =
      known.ok() ? PointNumberHere(services, *known, {channel.phone_number(), channel.public_url()})
                 : known.status();
  if (!status.ok()) {
    telemetry::Warning("number_not_pointed_here", {{"channel_id", channel.id()},
                                                   {"number", MaskNumber(channel.phone_number())},
                                                   {"reason", ErrorReason(status)}});
  }
}

}  // namespace

absl::StatusOr<v1::Channel> CreateChannel(Services& services, rpc::CallContext& call,
                                          const v1::CreateChannelRequest& request) {
  v1::Channel wanted = request.channel();
  PARLEY_RETURN_IF_ERROR(Prepare(services, wanted));
  PARLEY_RETURN_IF_ERROR(CheckNumbers(services, call, wanted));
  auto created = Write<v1::Channel>(
      services, call, request, [&](pqxx::work& tx) -> absl::StatusOr<v1::Channel> {
        v1::Channel channel = wanted;
        PARLEY_RETURN_IF_ERROR(ResolveAccount(tx, call, channel));
        channel.set_id(UnclaimedOrNewId(tx, call, channel));
        PARLEY_RETURN_IF_ERROR(TakeOverUnclaimed(tx, call, channel));
        SaveChannel(tx, call, channel);
        if (!channel.ai().api_key().empty()) SaveAiKey(tx, services, call, channel);
        PARLEY_RETURN_IF_ERROR(ClaimNumbers(tx, call, channel, NumbersOf(channel)));
        RecordAudit(tx, call, "channel.create", "channel:" + channel.id());
        return store::LoadChannel(tx, call.organization_id, channel.id());
      });
  if (created.ok()) PointNumbers(services, call, *created);
  return created;
}

absl::StatusOr<v1::ListChannelsResponse> ListChannels(Services& services, rpc::CallContext& call,
                                                      const v1::ListChannelsRequest& request) {
  PARLEY_ASSIGN_OR_RETURN(const int size, PageSize(request.page_size()));
  PARLEY_ASSIGN_OR_RETURN(const TimeAndId after,
                          ReadTimeAndId(kChannelsScope, request.page_token()));
  return Read<v1::ListChannelsResponse>(
      services, call, [&](pqxx::work& tx) -> absl::StatusOr<v1::ListChannelsResponse> {
        std::string statement = std::string(store::kChannelSelect) +
                                " WHERE ch.organization_id = $1 AND ch.deleted_at IS NULL"
                                " AND $2 = $2";
        if (!after.first_page) {
          statement +=
              " AND (ch.created_at, ch.id) > (split_part($2, '/', 1)::timestamptz,"
              " split_part($2, '/', 2)::uuid)";
        }
        statement += " ORDER BY ch.created_at, ch.id LIMIT $3";
        const pqxx::result rows =
            tx.exec_params(statement, call.organization_id,
                           FormatTime(FromMicros(after.micros)) + "/" + after.id, size + 1);
        v1::ListChannelsResponse response;
        for (const pqxx::row& row : rows) {
          if (response.channels_size() == size) {
            const v1::Channel& last = response.channels(size - 1);
            const std::int64_t micros =
                last.create_time().seconds() * 1'000'000 + last.create_time().nanos() / 1'000;
            response.set_next_page_token(MakeTimeAndId(kChannelsScope, micros, last.id()));
            break;
          }
          *response.add_channels() = store::ReadChannel(row);
        }
        return response;
      });
}

absl::StatusOr<v1::Channel> GetChannel(Services& services, rpc::CallContext& call,
                                       const v1::GetChannelRequest& request) {
  return Read<v1::Channel>(services, call, [&](pqxx::work& tx) {
    return store::LoadChannel(tx, call.organization_id, request.channel_id());
  });
}

absl::StatusOr<v1::Channel> UpdateChannel(Services& services, rpc::CallContext& call,
                                          const v1::UpdateChannelRequest& request) {
  PARLEY_ASSIGN_OR_RETURN(const std::set<std::string> fields,
                          FieldsToUpdate(request.channel(), request.update_mask()));
  const bool moved = fields.contains("phone_number") || fields.contains("account_sid") ||
                     fields.contains("whatsapp_number") || fields.contains("public_url");
  PARLEY_ASSIGN_OR_RETURN(
      const v1::Channel present, Read<v1::Channel>(services, call, [&](pqxx::work& tx) {
        return store::LoadChannel(tx, call.organization_id, request.channel().id());
      }));
  v1::Channel wanted = present;
  CopyFields(request.channel(), fields, wanted);
  PARLEY_RETURN_IF_ERROR(Prepare(services, wanted));
  // A change claims what came in unclaimed, which is no proof that the account owns it.
  const bool claims = present.unclaimed() || NumbersOf(wanted) != NumbersOf(present) ||
                      wanted.account_sid() != present.account_sid();
  if (claims && present.state() == v1::Channel::STATE_ACTIVE) {
    PARLEY_RETURN_IF_ERROR(CheckNumbers(services, call, wanted));
  }
  auto updated = Write<v1::Channel>(
      services, call, request, [&](pqxx::work& tx) -> absl::StatusOr<v1::Channel> {
        PARLEY_ASSIGN_OR_RETURN(v1::Channel channel, LockChannel(tx, call, request.channel().id()));
        const bool answered = channel.ai().enabled();
        CopyFields(request.channel(), fields, channel);
        SettleAutoReplyMode(fields, channel);
        PARLEY_RETURN_IF_ERROR(Prepare(services, channel));
        if (fields.contains("account_sid")) {
          PARLEY_RETURN_IF_ERROR(ResolveAccount(tx, call, channel));
        }
        PARLEY_RETURN_IF_ERROR(TakeOverUnclaimed(tx, call, channel));
        SaveChannel(tx, call, channel);
        if (fields.contains("ai.api_key")) SaveAiKey(tx, services, call, channel);
        PARLEY_RETURN_IF_ERROR(ClaimNumbers(tx, call, channel, NumbersOf(channel)));
        if (answered && !channel.ai().enabled()) {
          PARLEY_RETURN_IF_ERROR(CloseChannelTurns(tx, call, channel));
        }
        RecordAudit(tx, call, "channel.update", "channel:" + channel.id(), {{"fields", fields}});
        return store::LoadChannel(tx, call.organization_id, channel.id());
      });
  if (updated.ok() && moved) PointNumbers(services, call, *updated);
  return updated;
}

absl::StatusOr<Empty> DeleteChannel(Services& services, rpc::CallContext& call,
                                    const v1::DeleteChannelRequest& request) {
  return Write<Empty>(services, call, request, [&](pqxx::work& tx) -> absl::StatusOr<Empty> {
    PARLEY_ASSIGN_OR_RETURN(const v1::Channel channel, LockChannel(tx, call, request.channel_id()));
    PARLEY_RETURN_IF_ERROR(ClaimNumbers(tx, call, channel, {}));
    PARLEY_RETURN_IF_ERROR(CloseChannelTurns(tx, call, channel));
    tx.exec_params0("UPDATE channels SET deleted_at = now() WHERE organization_id = $1 AND id = $2",
                    call.organization_id, channel.id());
    RecordAudit(tx, call, "channel.delete", "channel:" + channel.id());
    return Empty();
  });
}

}  // namespace parley::gateway::api
