#include "domain/page.h"

#include <algorithm>
#include <charconv>

#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/crypto/digest.h"

namespace parley::gateway {
namespace {

constexpr std::size_t kTagBytes = 8;
constexpr std::size_t kTokenBytesMax = 1'000;
constexpr char kSeparator = '\n';

// Binds a token to its list. The prefix keeps other digests of ours apart.
std::string Tag(std::string_view scope, std::string_view position) {
  std::string bound("parley page token 1\n");
  bound.append(scope).append(1, '\0').append(position);
  return crypto::Sha256(bound).substr(0, kTagBytes);
}

std::string ToUrlSafe(std::string base64) {
  std::replace(base64.begin(), base64.end(), '+', '-');
  std::replace(base64.begin(), base64.end(), '/', '_');
  while (base64.ends_with('=')) base64.pop_back();
  return base64;
}

std::string FromUrlSafe(std::string_view text) {
  std::string base64(text);
  std::replace(base64.begin(), base64.end(), '-', '+');
  std::replace(base64.begin(), base64.end(), '_', '/');
  while (base64.size() % 4 != 0) base64.push_back('=');
  return base64;
}

absl::Status BadToken() {
  return InvalidArgument("INVALID_PAGE_TOKEN",
                         "pageToken was not issued for this list with these arguments; leave it "
                         "out to begin at the first page.");
}

}  // namespace

absl::StatusOr<int> PageSize(std::int32_t wanted) {
  if (wanted < 0) return InvalidArgument("INVALID_PAGE_SIZE", "pageSize must not be negative.");
  if (wanted == 0) return kPageSizeDefault;
  return std::min(wanted, kPageSizeMax);
}

std::string MakePageToken(std::string_view scope, const std::vector<std::string>& position) {
  std::string joined;
  for (const std::string& part : position) {
    if (!joined.empty()) joined.push_back(kSeparator);
    joined.append(part);
  }
  return ToUrlSafe(crypto::Base64(Tag(scope, joined) + joined));
}

absl::StatusOr<std::vector<std::string>> ReadPageToken(std::string_view scope,
                                                       std::string_view token,
                                                       std::size_t position_size) {
  std::vector<std::string> position;
  if (token.empty()) return position;
  if (token.size() > kTokenBytesMax) return BadToken();
  const auto bytes = crypto::Base64Decode(FromUrlSafe(token));
  if (!bytes.ok() || bytes->size() <= kTagBytes) return BadToken();
  const std::string_view joined = std::string_view(*bytes).substr(kTagBytes);
  if (Tag(scope, joined) != bytes->substr(0, kTagBytes)) return BadToken();
  for (const std::string_view part : Split(joined, kSeparator)) position.emplace_back(part);
  if (position.size() != position_size) return BadToken();
  return position;
}

absl::StatusOr<TimeAndId> ReadTimeAndId(std::string_view scope, std::string_view token) {
  PARLEY_ASSIGN_OR_RETURN(const std::vector<std::string> position, ReadPageToken(scope, token, 2));
  TimeAndId result;
  if (position.empty()) return result;
  const std::string& micros = position[0];
  const auto [end, error] =
      std::from_chars(micros.data(), micros.data() + micros.size(), result.micros);
  if (error != std::errc() || end != micros.data() + micros.size()) return BadToken();
  result.id = position[1];
  result.first_page = false;
  return result;
}

std::string MakeTimeAndId(std::string_view scope, std::int64_t micros, std::string_view id) {
  return MakePageToken(scope, {std::to_string(micros), std::string(id)});
}

}  // namespace parley::gateway
