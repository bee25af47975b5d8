#include "api/handlers.h"
#include "api/transaction.h"
#include "libs/base/status.h"
#include "store/inbox.h"
#include "store/resources.h"

namespace parley::gateway::api {

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
        PARLEY_RETURN_IF_ERROR(store::PublishMessage(tx, call.organization_id, found.id()));
        PARLEY_RETURN_IF_ERROR(
            store::PublishConversation(tx, call.organization_id, found.conversation_id()));
        RecordAudit(tx, call, "message.erase", "message:" + found.id());
        return store::LoadMessage(tx, call.organization_id, found.id());
      });
}

}  // namespace parley::gateway::api
