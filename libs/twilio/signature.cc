#include "libs/twilio/signature.h"

#include <algorithm>

#include "libs/base/status.h"
#include "libs/crypto/digest.h"
#include "libs/twilio/url.h"

namespace parley::twilio {
namespace {

constexpr std::size_t kSignatureChars = 28;  // Base64 of 20 bytes, padded.

// Every parameter as Twilio appends it: sorted by name, byte by byte; equal pairs once.
std::string CanonicalParams(const FormParams& params) {
  std::vector<FormParam> sorted;
  sorted.reserve(params.size());
  for (const FormParam param : params) sorted.push_back(param);
  std::sort(sorted.begin(), sorted.end(), [](const FormParam& a, const FormParam& b) {
    return a.name != b.name ? a.name < b.name : a.value < b.value;
  });
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  std::string out;
  std::size_t bytes = 0;
  for (const FormParam& param : sorted) bytes += param.name.size() + param.value.size();
  out.reserve(bytes);
  for (const FormParam& param : sorted) out.append(param.name).append(param.value);
  return out;
}

std::string Digest(std::string_view url, std::string_view canonical_params, const Secret& token) {
  std::string data;
  data.reserve(url.size() + canonical_params.size());
  data.append(url).append(canonical_params);
  return crypto::Base64(crypto::HmacSha1(token.Reveal(), data));
}

absl::Status CheckShape(std::string_view signature) {
  if (signature.empty()) {
    return InvalidArgument("SIGNATURE_MISSING",
                           "The X-Twilio-Signature header is missing: Twilio signs every webhook.");
  }
  const auto is_base64 = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/';
  };
  if (signature.size() != kSignatureChars || signature.back() != '=' ||
      !std::all_of(signature.begin(), signature.end() - 1, is_base64)) {
    return InvalidArgument("SIGNATURE_MALFORMED",
                           "The X-Twilio-Signature header is not a base64 HMAC-SHA1.");
  }
  return absl::OkStatus();
}

bool Matches(std::string_view url, std::string_view canonical_params, const Secret& token,
             std::string_view signature) {
  return crypto::ConstantTimeEquals(Digest(url, canonical_params, token), signature);
}

absl::Status VerifyCandidates(std::string_view url, std::string_view canonical_params,
                              std::string_view signature, const Secret& token) {
  PARLEY_RETURN_IF_ERROR(CheckShape(signature));
  if (token.empty()) {
    return ErrorStatus(absl::StatusCode::kUnauthenticated, "SIGNATURE_MISMATCH",
                       "No auth token is known to check the signature with.");
  }
  // Nearly always the URL as it is matches: try it before the others are even built.
  if (Matches(WithoutFragment(url), canonical_params, token, signature)) return absl::OkStatus();
  for (const std::string& candidate : SignatureCandidates(url)) {
    if (Matches(candidate, canonical_params, token, signature)) return absl::OkStatus();
  }
  return ErrorStatus(absl::StatusCode::kUnauthenticated, "SIGNATURE_MISMATCH",
                     "The signature does not match: the public URL or the auth token differs from "
                     "what Twilio used, or the request did not come from Twilio.");
}

int LenientHex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

// One name or value, decoded and written anew as browsers' URLSearchParams does.
void AppendReencoded(std::string_view text, std::string& out) {
  constexpr std::string_view kHexDigits = "0123456789ABCDEF";
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto byte = static_cast<unsigned char>(text[i]);
    if (byte == '+') {
      byte = ' ';
    } else if (byte == '%' && i + 2 < text.size() && LenientHex(text[i + 1]) >= 0 &&
               LenientHex(text[i + 2]) >= 0) {
      byte = static_cast<unsigned char>(LenientHex(text[i + 1]) * 16 + LenientHex(text[i + 2]));
      i += 2;
    }
    const char c = static_cast<char>(byte);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '*' || c == '-' || c == '.' || c == '_';
    if (plain) {
      out.push_back(c);
    } else if (c == ' ') {
      out.push_back('+');
    } else {
      out.push_back('%');
      out.push_back(kHexDigits[byte >> 4]);
      out.push_back(kHexDigits[byte & 15]);
    }
  }
}

std::string LegacyQuery(std::string_view query) {
  std::string out;
  std::size_t start = 0;
  while (start <= query.size()) {
    std::size_t end = query.find('&', start);
    if (end == std::string_view::npos) end = query.size();
    const std::string_view piece = query.substr(start, end - start);
    start = end + 1;
    if (piece.empty()) continue;
    if (!out.empty()) out.push_back('&');
    const auto equals = piece.find('=');
    AppendReencoded(piece.substr(0, equals), out);
    out.push_back('=');
    if (equals != std::string_view::npos) AppendReencoded(piece.substr(equals + 1), out);
  }
  return out;
}

std::string Compose(const UrlParts& parts, std::string_view port, std::string_view query) {
  std::string out;
  out.append(parts.scheme).append("://");
  if (parts.has_userinfo) out.append(parts.userinfo).append("@");
  out.append(parts.host);
  if (!port.empty()) out.append(":").append(port);
  out.append(parts.path);
  if (parts.has_query) out.append("?").append(query);
  return out;
}

}  // namespace

std::vector<std::string> SignatureCandidates(std::string_view url) {
  std::vector<std::string> candidates;
  const auto add = [&candidates](std::string candidate) {
    if (std::find(candidates.begin(), candidates.end(), candidate) == candidates.end()) {
      candidates.push_back(std::move(candidate));
    }
  };
  add(std::string(WithoutFragment(url)));
  const auto parts = SplitUrl(url);
  if (!parts.ok()) return candidates;
  const std::string_view with_port = parts->port.empty() ? DefaultPort(parts->scheme) : parts->port;
  add(Compose(*parts, "", parts->query));
  add(Compose(*parts, with_port, parts->query));
  if (parts->has_query) {
    const std::string legacy = LegacyQuery(parts->query);
    add(Compose(*parts, "", legacy));
    add(Compose(*parts, with_port, legacy));
  }
  return candidates;
}

absl::Status VerifySignature(const SignedRequest& request, const Secret& auth_token) {
  return VerifyCandidates(request.url, CanonicalParams(request.params), request.signature,
                          auth_token);
}

absl::Status VerifyBodySignature(const SignedBody& request, const Secret& auth_token) {
  PARLEY_RETURN_IF_ERROR(CheckShape(request.signature));
  const std::string_view url = WithoutFragment(request.url);
  const auto question = url.find('?');
  std::string_view claimed;
  if (question != std::string_view::npos) {
    constexpr std::string_view kName = "bodySHA256=";
    std::string_view rest = url.substr(question + 1);
    while (!rest.empty()) {
      const std::string_view piece = rest.substr(0, rest.find('&'));
      if (piece.substr(0, kName.size()) == kName) claimed = piece.substr(kName.size());
      rest.remove_prefix(std::min(rest.size(), piece.size() + 1));
    }
  }
  if (claimed.empty()) {
    return ErrorStatus(absl::StatusCode::kUnauthenticated, "BODY_HASH_MISSING",
                       "The body is no form and the URL carries no bodySHA256 to check it by.");
  }
  if (!crypto::ConstantTimeEquals(claimed, BodySha256(request.body))) {
    return ErrorStatus(absl::StatusCode::kUnauthenticated, "BODY_HASH_MISMATCH",
                       "The body does not match the bodySHA256 of the URL.");
  }
  return VerifyCandidates(request.url, "", request.signature, auth_token);
}

std::string Sign(std::string_view url, const FormParams& params, const Secret& auth_token) {
  return Digest(WithoutFragment(url), CanonicalParams(params), auth_token);
}

std::string BodySha256(std::string_view body) { return crypto::Hex(crypto::Sha256(body)); }

}  // namespace parley::twilio
