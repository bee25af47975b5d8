// X-Twilio-Signature, made from TWILIO.md §1 on its own: the simulator is an independent witness
// of the code under test and shares nothing with libs/twilio.
#pragma once

#include <string>
#include <string_view>

#include "domain/text.h"

namespace parley::simulator {

// base64(HMAC-SHA1(token, url + every parameter sorted by name)). Values of one name are
// de-duplicated and sorted. `url` is used byte for byte, without its fragment.
std::string Sign(std::string_view auth_token, std::string_view url, const Params& post_params);

// A webhook's URL, taken apart.
struct WebhookUrl {
  bool tls = false;
  std::string host;      // Without port; an IPv6 address without its brackets.
  std::string port;      // "80" and "443" where the URL names none.
  std::string target;    // Path and query, at least "/".
  std::string userinfo;  // "user:password", decoded; may be empty.
  std::string fragment;  // Twilio's connection overrides.
  // What is signed: without user and fragment; with the port as written, except that a call's
  // https URL loses it.
  std::string to_sign;
  std::string host_header;  // Host and, where the URL names it, port.
};

// Returns false if `url` is not an absolute http or https URL.
bool ParseWebhookUrl(std::string_view url, bool voice, WebhookUrl& out);

}  // namespace parley::simulator
