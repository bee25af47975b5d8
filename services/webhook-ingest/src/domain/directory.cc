#include "domain/directory.h"

#include <algorithm>
#include <charconv>

#include "libs/base/status.h"
#include "libs/twilio/number.h"
#include "libs/twilio/url.h"

namespace parley::ingest {
namespace {

using events::v1::DirectoryRecord;

// The record's id (DESIGN §3); empty if it names nothing.
std::string RecordId(const DirectoryRecord& record) {
  switch (record.record_case()) {
    case DirectoryRecord::kAccount:
      if (record.account().account_sid().empty()) return "";
      return "account/" + record.account().account_sid();
    case DirectoryRecord::kNumber:
      if (record.number().account_sid().empty() || record.number().number().empty()) return "";
      return "number/" + record.number().account_sid() + "/" + record.number().number();
    case DirectoryRecord::kComplete:
      return "complete";
    case DirectoryRecord::RECORD_NOT_SET:
      return "";
  }
  return "";
}

// An address that cannot be read is as good as none: the installation's own is tried anyway.
std::string PublicUrl(const std::string& text) {
  if (text.empty()) return "";
  auto url = twilio::OriginAndPrefix(text);
  return url.ok() ? *std::move(url) : "";
}

}  // namespace

const AccountEntry* Directory::FindAccount(std::string_view account_sid) const {
  const auto found = accounts_.find(account_sid);
  return found == accounts_.end() ? nullptr : found->second.get();
}

const NumberEntry* Directory::FindNumber(std::string_view account_sid,
                                         std::string_view number) const {
  const auto found = numbers_.find(number);
  if (found == numbers_.end()) return nullptr;
  for (const auto& entry : found->second) {
    if (entry->account_sid == account_sid) return entry.get();
  }
  return nullptr;
}

bool Directory::IsClaimedElsewhere(std::string_view account_sid, std::string_view number) const {
  if (number == twilio::kWhatsAppSandbox) return false;
  const auto found = numbers_.find(number);
  if (found == numbers_.end()) return false;
  bool elsewhere = false;
  for (const auto& entry : found->second) {
    if (entry->unclaimed) continue;
    if (entry->account_sid == account_sid) return false;
    elsewhere = true;
  }
  return elsewhere;
}

absl::StatusOr<DirectoryBook::Change> DirectoryBook::Apply(std::string_view value) {
  DirectoryRecord record;
  if (!record.ParseFromArray(value.data(), static_cast<int>(value.size()))) {
    return InvalidArgument("RECORD_UNREADABLE", "The record is no DirectoryRecord.");
  }
  const std::string id = RecordId(record);
  if (id.empty()) return InvalidArgument("RECORD_UNREADABLE", "The record names nothing.");
  Known& known = records_[id];
  if (record.version() <= known.version) return Change::kNone;
  known.version = record.version();
  known.value = std::string(value);
  Put(record);
  return Change::kChanged;
}

void DirectoryBook::Put(const DirectoryRecord& record) {
  switch (record.record_case()) {
    case DirectoryRecord::kAccount:
      PutAccount(record.account());
      break;
    case DirectoryRecord::kNumber:
      PutNumber(record.number());
      break;
    case DirectoryRecord::kComplete:
      // A marker without a time is a marker all the same.
      complete_at_us_ = std::max<std::int64_t>(record.complete().at_us(), 1);
      break;
    case DirectoryRecord::RECORD_NOT_SET:
      break;
  }
}

void DirectoryBook::PutAccount(const events::v1::Account& account) {
  if (account.removed()) {
    current_.accounts_.erase(account.account_sid());
    return;
  }
  auto entry = std::make_shared<AccountEntry>();
  const auto open = [&](const std::string& sealed, Secret& token) {
    if (sealed.empty()) return;
    auto opened = keys_.Open(sealed, {crypto::kTwilioToken, account.account_sid()});
    if (opened.ok()) {
      token = *std::move(opened);
    } else {
      entry->readable = false;
    }
  };
  open(account.sealed_auth_token(), entry->token);
  open(account.sealed_secondary_token(), entry->secondary_token);
  entry->public_url = PublicUrl(account.public_url());
  current_.accounts_[account.account_sid()] = std::move(entry);
}

void DirectoryBook::PutNumber(const events::v1::Number& number) {
  auto& claims = current_.numbers_[number.number()];
  std::erase_if(claims,
                [&](const auto& claim) { return claim->account_sid == number.account_sid(); });
  if (!number.removed()) {
    auto entry = std::make_shared<NumberEntry>();
    entry->account_sid = number.account_sid();
    entry->organization_id = number.organization_id();
    entry->public_url = PublicUrl(number.public_url());
    entry->twiml = number.twiml();
    entry->unclaimed = number.unclaimed();
    const std::string& zone = number.twiml().office_hours().time_zone();
    entry->time_zone_known = zone.empty() || absl::LoadTimeZone(zone, &entry->time_zone);
    if (!entry->time_zone_known) entry->time_zone = absl::UTCTimeZone();
    claims.push_back(std::move(entry));
  }
  if (claims.empty()) current_.numbers_.erase(number.number());
}

std::size_t DirectoryBook::unreadable_accounts() const {
  return static_cast<std::size_t>(
      std::count_if(current_.accounts_.begin(), current_.accounts_.end(),
                    [](const auto& entry) { return !entry.second->readable; }));
}

std::size_t DirectoryBook::unknown_time_zones() const {
  std::size_t unknown = 0;
  for (const auto& [number, claims] : current_.numbers_) {
    unknown += static_cast<std::size_t>(std::count_if(
        claims.begin(), claims.end(), [](const auto& entry) { return !entry->time_zone_known; }));
  }
  return unknown;
}

std::shared_ptr<const Directory> DirectoryBook::Snapshot() const {
  return std::make_shared<const Directory>(current_);
}

std::string DirectoryBook::Serialize() const {
  std::string out;
  for (const auto& [id, known] : records_) {
    out.append(std::to_string(known.value.size())).append(":").append(known.value);
  }
  return out;
}

absl::Status DirectoryBook::Load(std::string_view serialized) {
  const absl::Status broken = ErrorStatus(absl::StatusCode::kDataLoss, "SNAPSHOT_BROKEN",
                                          "The directory's snapshot is cut or changed.");
  while (!serialized.empty()) {
    const auto colon = serialized.find(':');
    if (colon == std::string_view::npos) return broken;
    std::size_t bytes = 0;
    const auto [end, error] = std::from_chars(serialized.data(), serialized.data() + colon, bytes);
    if (error != std::errc() || end != serialized.data() + colon) return broken;
    serialized.remove_prefix(colon + 1);
    if (bytes > serialized.size()) return broken;
    PARLEY_RETURN_IF_ERROR(Apply(serialized.substr(0, bytes)));
    serialized.remove_prefix(bytes);
  }
  return absl::OkStatus();
}

}  // namespace parley::ingest
