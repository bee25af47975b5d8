#include "pipeline/directory.h"

#include "libs/base/id.h"
#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/http/guarded_client.h"
#include "libs/telemetry/log.h"
#include "libs/twilio/url.h"
#include "libs/twilio/webhook.h"
#include "parley/events/v1/directory.pb.h"

namespace parley::sender {
namespace {

std::string NumberKey(const std::string& account_sid, const std::string& number) {
  return account_sid + "/" + number;
}

absl::Status Wrong(std::string_view what) {
  return InvalidArgument("DIRECTORY_RECORD_INVALID", what);
}

bool IsPublicHost(std::string_view host) {
  if (host.front() == '[') return http::IsPublicAddress(host.substr(1, host.size() - 2));
  std::string name = Lower(host);
  if (name.back() == '.') name.pop_back();
  // The last label of a name is never a number, so what ends in one is an address.
  const auto dot = name.rfind('.');
  if (dot == std::string::npos || dot + 1 == name.size()) return false;
  const bool is_address = name[dot + 1] >= '0' && name[dot + 1] <= '9';
  if (is_address) return http::IsPublicAddress(name);
  return !name.ends_with(".local") && !name.ends_with(".localhost") &&
         !name.ends_with(".internal") && name.find('_') == std::string::npos;
}

bool AllClean(std::initializer_list<std::string_view> texts) {
  for (const std::string_view text : texts) {
    if (!IsCleanUtf8(text)) return false;
  }
  return true;
}

}  // namespace

std::string CallbackOriginOf(const std::string& url, bool local_too) {
  if (url.empty()) return "";
  const auto parts = twilio::SplitUrl(url);
  if (!parts.ok() || !(local_too || IsPublicHost(parts->host))) return "";
  const auto origin = twilio::OriginAndPrefix(url);
  return origin.ok() ? *origin : "";
}

absl::Status ParseDirectoryRecord(const std::string& value, DirectoryRows& rows) {
  events::v1::DirectoryRecord record;
  if (!record.ParseFromString(value)) return Wrong("The record is no DirectoryRecord.");
  switch (record.record_case()) {
    case events::v1::DirectoryRecord::kAccount: {
      const events::v1::Account& account = record.account();
      if (!twilio::IsSid(account.account_sid(), "AC")) return Wrong("It names no account.");
      if (!AllClean({account.public_url()})) return Wrong("It holds unclean text.");
      AccountRow row{account.account_sid(),
                     record.version(),
                     account.removed(),
                     account.sealed_auth_token(),
                     account.test_credentials(),
                     account.public_url(),
                     {}};
      for (const std::string& id : account.organization_ids()) {
        if (!IsUuid(id)) return Wrong("It names an organization by something else than a UUID.");
        row.organization_ids.push_back(Lower(id));
      }
      rows.accounts.push_back(std::move(row));
      return absl::OkStatus();
    }
    case events::v1::DirectoryRecord::kNumber: {
      const events::v1::Number& number = record.number();
      if (!twilio::IsSid(number.account_sid(), "AC") || number.number().empty()) {
        return Wrong("It names no number of an account.");
      }
      if (!AllClean({number.number(), number.organization_id(), number.public_url()})) {
        return Wrong("It holds unclean text.");
      }
      rows.numbers.push_back({number.account_sid(), number.number(), record.version(),
                              number.removed(), Lower(number.organization_id()), number.sms_rate(),
                              number.whatsapp_rate(), number.public_url(),
                              static_cast<int>(number.consent_scope())});
      return absl::OkStatus();
    }
    case events::v1::DirectoryRecord::kComplete:
      return absl::OkStatus();
    case events::v1::DirectoryRecord::RECORD_NOT_SET:
      return Wrong("It holds neither an account nor a number.");
  }
  return Wrong("It holds something that this version does not know.");
}

Directory::Directory(DirectoryStore& store, crypto::KeyRing keys, const Rates& rates,
                     const std::string& server_url, std::function<void()> on_change,
                     const std::string& twilio_base_url)
    : store_(store),
      keys_(std::move(keys)),
      rates_(rates),
      twilio_is_local_(CallbackOriginOf(twilio_base_url, /*local_too=*/false).empty()),
      server_origin_(CallbackOriginOf(server_url, twilio_is_local_)),
      on_change_(std::move(on_change)) {}

absl::Status Directory::Load() {
  PARLEY_ASSIGN_OR_RETURN(const DirectoryRows rows, store_.Load());
  Remember(rows);
  return absl::OkStatus();
}

absl::Status Directory::Apply(const DirectoryRows& rows) {
  if (rows.accounts.empty() && rows.numbers.empty()) return absl::OkStatus();
  PARLEY_RETURN_IF_ERROR(store_.Save(rows));
  Remember(rows);
  return absl::OkStatus();
}

void Directory::Remember(const DirectoryRows& rows) {
  {
    const std::lock_guard lock(mutex_);
    for (const AccountRow& row : rows.accounts) {
      Account& account = accounts_[row.account_sid];
      if (account.row.version >= row.version) continue;
      account.row = row;
      account.callback_origin = CallbackOriginOf(row.public_url, twilio_is_local_);
      account.credentials = nullptr;
      if (row.removed || row.sealed_auth_token.empty()) continue;
      const auto token = keys_.Open(row.sealed_auth_token, {crypto::kTwilioToken, row.account_sid});
      if (!token.ok()) {
        telemetry::Error("account_token_sealed", token.status(),
                         {{"account_sid", row.account_sid}});
        continue;
      }
      account.credentials = std::make_shared<twilio::Account>(row.account_sid, *token);
    }
    for (const NumberRow& row : rows.numbers) {
      Number& number = numbers_[NumberKey(row.account_sid, row.number)];
      if (number.row.version >= row.version) continue;
      number = {row, CallbackOriginOf(row.public_url, twilio_is_local_)};
    }
  }
  on_change_();
}

std::shared_ptr<const twilio::Account> Directory::FindAccount(
    const std::string& account_sid) const {
  const std::lock_guard lock(mutex_);
  const auto found = accounts_.find(account_sid);
  return found == accounts_.end() ? nullptr : found->second.credentials;
}

std::chrono::microseconds Directory::Interval(const Lane& lane) const {
  double own = 0;
  {
    const std::lock_guard lock(mutex_);
    const auto found = numbers_.find(NumberKey(lane.account_sid, lane.number));
    if (found != numbers_.end() && !found->second.row.removed) {
      const NumberRow& row = found->second.row;
      own = lane.medium == Medium::kWhatsApp ? row.whatsapp_rate : row.sms_rate;
    }
  }
  return IntervalOf(RateOf(rates_, lane.medium, lane.number, own));
}

std::int64_t Directory::AccountVersion(const std::string& account_sid) const {
  const std::lock_guard lock(mutex_);
  const auto found = accounts_.find(account_sid);
  return found == accounts_.end() ? 0 : found->second.row.version;
}

std::string Directory::CallbackOrigin(const Lane& lane) const {
  const std::lock_guard lock(mutex_);
  const auto number = numbers_.find(NumberKey(lane.account_sid, lane.number));
  if (number != numbers_.end() && !number->second.callback_origin.empty()) {
    return number->second.callback_origin;
  }
  const auto account = accounts_.find(lane.account_sid);
  if (account != accounts_.end() && !account->second.callback_origin.empty()) {
    return account->second.callback_origin;
  }
  return server_origin_;
}

}  // namespace parley::sender
