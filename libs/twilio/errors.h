// Twilio's error codes (TWILIO.md 5): what each means for a message, for a person and for what
// happens next. Pure. Codes are stable; Twilio's texts are not, and are never matched on.
#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace parley::twilio {

// What may be done after an error. It is the code's meaning; how an error arrived decides too: one
// that a callback reports later is never resent automatically, for that would be a second message.
enum class ErrorCategory {
  kRetry,             // Passing: the same request may work after a short wait.
  kLater,             // Passing, but over minutes or hours.
  kPermanent,         // The same request never works.
  kFixConfiguration,  // Works once somebody changed a setting at Twilio or here.
  kUnsubscribed,      // The recipient opted out.
  kUnknownOutcome,    // Nobody knows whether the message was taken. Never just repeat it.
  kNotice,            // No failure of this message.
};

// "retry", "later", "permanent", "fix_configuration", "unsubscribed", "unknown_outcome", "notice".
std::string_view CategoryName(ErrorCategory category);

struct ErrorEntry {
  int code;       // The first code that the entry covers.
  int code_last;  // The last one; equal to `code` but for ranges of the same meaning.
  ErrorCategory category;
  std::string_view meaning;  // What happened, for a person.
  std::string_view remedy;   // What to do about it, for a person.
};

// All entries, in order of their codes.
std::span<const ErrorEntry> ErrorCatalogue();

// The entry of `code`, or none: the code is not known here.
const ErrorEntry* FindError(int code);

// The entry of `code`, or a general one by the HTTP status; `http_status` 0 if there was none (a
// code out of a callback). Never fails.
const ErrorEntry& DescribeError(int code, int http_status = 0);

// What an answer to a message creation means; `code` is 0 if its body held none. `http_status`
// must not be 2xx. 5xx and 408 are always kUnknownOutcome: the message may have been taken.
const ErrorEntry& ClassifySendAnswer(int http_status, int code);

}  // namespace parley::twilio
