#include "store/catch_up.h"

#include <charconv>

#include "libs/base/status.h"
#include "libs/postgres/array.h"
#include "store/inbox.h"

namespace parley::gateway::store {
namespace {

// PostgreSQL takes it as numeric(12, 6).
bool IsPrice(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value > -1e5 && value < 1e5;
}

}  // namespace

std::vector<std::string> AccountsDue(pqxx::work& tx, const Due& due) {
  std::vector<std::string> accounts;
  for (const pqxx::row& row : tx.exec_params(
           "SELECT c.account_sid FROM account_credentials c"
           " LEFT JOIN account_catch_ups u USING (account_sid)"
           " WHERE c.kind <> 'test'"
           " AND EXISTS (SELECT 1 FROM account_links l WHERE l.account_sid = c.account_sid)"
           " AND ($1 OR u.account_sid IS NULL OR (u.tried_at < now() - make_interval(secs => $2)"
           "  AND (u.finished_at IS NULL OR u.finished_at < u.tried_at"
           "   OR u.finished_at < now() - make_interval(secs => $3))))"
           " ORDER BY u.tried_at NULLS FIRST, c.account_sid",
           due.all, static_cast<double>(due.retry.count()),
           static_cast<double>(due.every.count()))) {
    accounts.emplace_back(row[0].c_str());
  }
  return accounts;
}

absl::StatusOr<CatchUpStart> StartCatchUp(pqxx::work& tx, const std::string& account_sid,
                                          const crypto::KeyRing& master) {
  const pqxx::result found = tx.exec_params(
      "SELECT sealed_auth_token FROM account_credentials WHERE account_sid = $1 AND kind <> 'test'",
      account_sid);
  if (found.empty()) return NotFound("ACCOUNT_NOT_FOUND", "There is no such account.");
  PARLEY_ASSIGN_OR_RETURN(Secret token, master.Open(postgres::FromBytea(found[0][0].c_str()),
                                                    {crypto::kTwilioToken, account_sid}));
  const pqxx::row progress = tx.exec_params1(
      "INSERT INTO account_catch_ups AS u (account_sid) VALUES ($1)"
      " ON CONFLICT (account_sid) DO UPDATE SET tried_at = now()"
      " RETURNING resume_uri",
      account_sid);
  return CatchUpStart{{account_sid, std::move(token)}, progress[0].c_str()};
}

void EndCatchUp(pqxx::work& tx, const std::string& account_sid, const CatchUpEnd& end) {
  tx.exec_params0(
      "UPDATE account_catch_ups SET tried_at = now(), resume_uri = $2,"
      " finished_at = CASE WHEN $3 THEN now() ELSE finished_at END WHERE account_sid = $1",
      account_sid, end.resume_uri, end.complete);
}

catchup::Known ReadKnown(pqxx::work& tx, const std::string& account_sid,
                         std::span<const twilio::MessageResource> page) {
  postgres::Array inbound_ids, inbound_sids, sent_sids;
  for (const twilio::MessageResource& message : page) {
    if (catchup::IsInbound(message)) {
      inbound_ids.Add(InboundMessageId(account_sid, message.sid));
      inbound_sids.Add(message.sid);
    } else {
      sent_sids.Add(message.sid);
    }
  }
  constexpr char kOrganizations[] =
      "WITH mine AS (SELECT organization_id FROM account_links WHERE account_sid = $1) ";
  catchup::Known known;
  for (const pqxx::row& row :
       tx.exec_params(std::string(kOrganizations) +
                          "SELECT w.sid FROM mine"
                          " CROSS JOIN unnest($2::uuid[], $3::text[]) w(id, sid)"
                          " JOIN messages m ON m.organization_id = mine.organization_id"
                          "  AND m.id = w.id",
                      account_sid, inbound_ids.str(), inbound_sids.str())) {
    known.inbound.insert(row[0].c_str());
  }
  for (const pqxx::row& row : tx.exec_params(
           std::string(kOrganizations) +
               "SELECT a.message_sid, m.status FROM mine"
               " JOIN message_attempts a ON a.organization_id = mine.organization_id"
               "  AND a.account_sid = $1 AND a.message_sid = ANY ($2::text[])"
               " JOIN messages m ON m.organization_id = a.organization_id AND m.id = a.message_id",
           account_sid, sent_sids.str())) {
    known.sent.emplace(row[0].c_str(), row[1].c_str());
  }
  return known;
}

int SetPrices(pqxx::work& tx, const std::string& account_sid,
              std::span<const twilio::MessageResource> page) {
  postgres::Array inbound_ids, sids, prices, units;
  for (const twilio::MessageResource& message : page) {
    if (!IsPrice(message.price)) continue;
    // What was sent is found by its SID; the other id then names nothing.
    inbound_ids.Add(InboundMessageId(account_sid, message.sid));
    sids.Add(message.sid);
    prices.Add(message.price);
    units.Add(message.price_unit);
  }
  return static_cast<int>(
      tx.exec_params0(
            // Locked in the order of their ids, as everywhere.
            "WITH locked AS (SELECT m.organization_id, m.id, p.price, p.unit FROM messages m"
            " JOIN (SELECT l.organization_id, coalesce(a.message_id, w.id) AS id, w.price, w.unit"
            "  FROM account_links l"
            "  CROSS JOIN unnest($2::uuid[], $3::text[], $4::numeric[], $5::text[])"
            "   w(id, sid, price, unit)"
            "  LEFT JOIN message_attempts a ON a.organization_id = l.organization_id"
            "   AND a.account_sid = $1 AND a.message_sid = w.sid"
            "  WHERE l.account_sid = $1) p"
            " ON m.organization_id = p.organization_id AND m.id = p.id"
            " WHERE m.price IS DISTINCT FROM p.price OR m.price_unit <> p.unit"
            " ORDER BY m.id FOR UPDATE OF m)"
            " UPDATE messages m SET price = l.price, price_unit = l.unit FROM locked l"
            " WHERE m.organization_id = l.organization_id AND m.id = l.id",
            account_sid, inbound_ids.str(), sids.str(), prices.str(), units.str())
          .affected_rows());
}

}  // namespace parley::gateway::store
