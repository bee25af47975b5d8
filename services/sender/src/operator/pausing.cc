#include "operator/pausing.h"

#include <algorithm>

#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/twilio/number.h"
#include "libs/twilio/webhook.h"

namespace parley::sender {
namespace {

constexpr std::size_t kNumberBytesMax = 32;

absl::Status Wrong(std::string_view why) { return InvalidArgument("PAUSE_INVALID", why); }

// "account AC…" or "number +1555… of account AC…".
std::string Name(const PauseOrder& order) {
  const std::string account = "account " + order.account_sid;
  return order.number.empty() ? account : "number " + order.number + " of " + account;
}

bool IsPaused(pqxx::work& tx, const std::string& account_sid, const std::string& number) {
  return !tx.exec_params("SELECT 1 FROM pauses WHERE account_sid = $1 AND sender_number = $2",
                         account_sid, number)
              .empty();
}

absl::Status CheckKnown(pqxx::work& tx, const PauseOrder& order) {
  if (tx.exec_params("SELECT 1 FROM accounts WHERE account_sid = $1 "
                     "UNION ALL SELECT 1 FROM lanes WHERE account_sid = $1 LIMIT 1",
                     order.account_sid)
          .empty()) {
    return NotFound("ACCOUNT_UNKNOWN",
                    "The sender knows no " + Name({order.account_sid, "", "", ""}) +
                        "; sender queues shows the accounts for which something waits.");
  }
  if (!order.number.empty() &&
      tx.exec_params("SELECT 1 FROM numbers WHERE account_sid = $1 AND number = $2 "
                     "UNION ALL SELECT 1 FROM lanes WHERE account_sid = $1 AND sender_number = $2 "
                     "LIMIT 1",
                     order.account_sid, order.number)
          .empty()) {
    return NotFound("NUMBER_UNKNOWN",
                    "The sender knows no " + Name(order) +
                        "; sender queues shows the numbers for which something waits.");
  }
  return absl::OkStatus();
}

// Of an account whose order found nothing to resume, or not all.
std::string StillPaused(pqxx::work& tx, const PauseOrder& order) {
  if (!order.number.empty()) {
    return IsPaused(tx, order.account_sid, "") ? " The whole account is paused: resume the account."
                                               : "";
  }
  const auto numbers =
      tx.exec_params("SELECT count(*) FROM pauses WHERE account_sid = $1 AND sender_number <> ''",
                     order.account_sid)[0][0]
          .as<std::int64_t>();
  if (numbers == 0) return "";
  return " Numbers of it that are paused one by one: " + std::to_string(numbers) +
         ". Name the number to resume one; sender breakers lists them.";
}

}  // namespace

absl::Status CheckOrder(const PauseOrder& order) {
  if (!twilio::IsSid(order.account_sid, "AC")) {
    return Wrong("The account must be an account SID: AC and 32 hexadecimal digits.");
  }
  const auto address = twilio::ParseAddress(order.number);
  const bool usable = order.number.size() <= kNumberBytesMax && address.ok() &&
                      address->channel == twilio::Channel::kSms;
  if (!order.number.empty() && !usable) {
    return Wrong(
        "The number must be one that sends: +15005550006, say, or a short code; without "
        "whatsapp:, since a number is paused for every medium.");
  }
  const bool clean = IsCleanUtf8(order.reason) &&
                     std::none_of(order.reason.begin(), order.reason.end(),
                                  [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  if (!clean || CodePoints(order.reason) > kPauseReasonCharsMax) {
    return Wrong("The reason must be one line of at most 200 characters.");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Pause(const PauseOrder& order, postgres::Pool& pool) {
  PARLEY_RETURN_IF_ERROR(CheckOrder(order));
  return pool.Read<std::string>([&](pqxx::work& tx) -> absl::StatusOr<std::string> {
    PARLEY_RETURN_IF_ERROR(CheckKnown(tx, order));
    tx.exec_params(
        "INSERT INTO pauses (account_sid, sender_number, reason, paused_by) "
        "VALUES ($1, $2, $3, $4) ON CONFLICT (account_sid, sender_number) DO UPDATE "
        "SET reason = excluded.reason, paused_by = excluded.paused_by",
        order.account_sid, order.number, order.reason, order.by);
    return "Paused " + Name(order) +
           ": within 2 s no replica begins a send of it. What waits stays queued until it is "
           "resumed or its time is over.";
  });
}

absl::StatusOr<std::string> Resume(const PauseOrder& order, postgres::Pool& pool) {
  PARLEY_RETURN_IF_ERROR(CheckOrder(order));
  return pool.Read<std::string>([&](pqxx::work& tx) -> absl::StatusOr<std::string> {
    const auto ended =
        tx.exec_params("DELETE FROM pauses WHERE account_sid = $1 AND sender_number = $2",
                       order.account_sid, order.number);
    const std::string still = StillPaused(tx, order);
    if (ended.affected_rows() == 0) {
      return NotFound("NOT_PAUSED", "There is no pause of " + Name(order) + "." + still +
                                        " What Twilio's answers stopped goes on by itself; sender "
                                        "breakers says when.");
    }
    return "Resumed " + Name(order) + ": what waits is sent again within 2 s." + still;
  });
}

}  // namespace parley::sender
