#include "api/handlers.h"
#include "api/transaction.h"
#include "libs/base/status.h"
#include "libs/telemetry/log.h"
#include "store/inbox.h"
#include "store/live_json.h"
#include "store/resources.h"

namespace parley::gateway::api {
namespace {

// A busy organization has gigabytes of live events, and somebody waits for the conversation.
constexpr char kLiveEraseMax[] = "2s";
constexpr char kQueryCanceled[] = "57014";

void EraseRows(pqxx::transaction_base& tx, const std::string& table, const std::string& key,
               const std::string& condition, const v1::Message& message) {
  for (const pqxx::row& row :
       tx.exec_params("SELECT organization_id, " + key + ", data FROM " + table + " WHERE " +
                          condition + " AND strpos(data, $1) > 0 ORDER BY 2 FOR UPDATE",
                      message.id())) {
    tx.exec_params0(
        "UPDATE " + table + " SET data = $3 WHERE organization_id = $1 AND " + key + " = $2",
        row[0].c_str(), row[1].as<std::int64_t>(),
        store::EraseFromLiveLines(row[2].c_str(), message.id()));
  }
}

// Takes the text out of the live events that are kept; numbers stay as they are. Under the locks of
// the message and of its conversation: whoever showed either has committed. Where that takes too
// long, the text goes with its events, after a day.
void EraseLiveEvents(pqxx::work& tx, const rpc::CallContext& call, const v1::Message& message) {
  const std::string own = "organization_id = " + tx.quote(call.organization_id);
  const std::string since =
      " AND created_at >= " +
      tx.quote(FormatTime(FromMicros(message.create_time().seconds() * 1'000'000)));
  try {
    pqxx::subtransaction part(tx, "erase_live");
    const pqxx::row before = part.exec1(
        "SELECT current_setting('statement_timeout'), coalesce((SELECT last_number"
        " FROM live_counters WHERE " +
        own + "), 0)");
    part.exec0("SET LOCAL ROLE gateway_worker");
    part.exec0("SET LOCAL statement_timeout = '" + std::string(kLiveEraseMax) + "'");
    EraseRows(part, "live_events", "number", own + since, message);
    // The relay must not wait for long; what it numbered meanwhile is met behind the last number.
    EraseRows(part, "live_outbox", "id", own, message);
    EraseRows(part, "live_events", "number", own + " AND number > " + before[1].c_str(), message);
    part.exec0("SET LOCAL statement_timeout = " + tx.quote(std::string(before[0].c_str())));
    part.exec0("SET LOCAL ROLE gateway_api");
    part.commit();
  } catch (const pqxx::sql_error& error) {
    if (error.sqlstate() != kQueryCanceled) throw;
    telemetry::Warning("live_events_not_erased",
                       {{"organization_id", call.organization_id}, {"message_id", message.id()}});
  }
}

}  // namespace

absl::StatusOr<v1::Message> EraseMessage(Services& services, rpc::CallContext& call,
                                         const v1::EraseMessageRequest& request) {
  return Write<v1::Message>(
      services, call, request, [&](pqxx::work& tx) -> absl::StatusOr<v1::Message> {
        PARLEY_ASSIGN_OR_RETURN(const v1::Message found,
                                store::LoadMessage(tx, call.organization_id, request.message_id()));
        // Conversations before messages, as everywhere.
        tx.exec_params(
            "SELECT 1 FROM conversations WHERE organization_id = $1 AND id = $2 FOR UPDATE",
            call.organization_id, found.conversation_id());
        const bool erased =
            tx.exec_params0(
                  "UPDATE messages SET body = '', media = '[]', parameters = '{}',"
                  " erased_at = coalesce(erased_at, now()) WHERE organization_id = $1 AND id = $2"
                  " AND status NOT IN ('scheduled', 'queued', 'sending', 'unconfirmed')",
                  call.organization_id, found.id())
                .affected_rows() > 0;
        if (!erased) {
          return FailedPrecondition("MESSAGE_NOT_FINAL",
                                    "This message is still to be sent; cancel it first.");
        }
        ForgetResponses(tx, call, found.id());
        EraseLiveEvents(tx, call, found);
        PARLEY_RETURN_IF_ERROR(store::PublishMessage(tx, call.organization_id, found.id()));
        PARLEY_RETURN_IF_ERROR(
            store::PublishConversation(tx, call.organization_id, found.conversation_id()));
        RecordAudit(tx, call, "message.erase", "message:" + found.id());
        return store::LoadMessage(tx, call.organization_id, found.id());
      });
}

}  // namespace parley::gateway::api
