#include <nlohmann/json.hpp>

#include "api/handlers.h"
#include "api/transaction.h"
#include "domain/field_mask.h"
#include "domain/page.h"
#include "domain/validation.h"
#include "libs/base/id.h"
#include "libs/base/status.h"
#include "store/inbox.h"
#include "store/resources.h"

namespace parley::gateway::api {
namespace {

absl::Status ConversationNotFound() {
  return NotFound("CONVERSATION_NOT_FOUND", "There is no conversation with this id.");
}

// Changes one conversation by `statement` ($1: organization, $2: id, $3: `value`), says so live,
// and answers its newest state.
struct Change {
  std::string id;
  std::string statement;
  std::string value;
  bool closes_turns = false;
};

absl::StatusOr<v1::Conversation> Apply(pqxx::work& tx, const rpc::CallContext& call,
                                       const Change& change) {
  if (!IsUuid(change.id)) return ConversationNotFound();
  // A statement of its own: one that waits for the lock still sees what was there before it waited,
  // so that it would miss the message that it has waited for.
  const pqxx::result locked =
      tx.exec_params("SELECT FROM conversations WHERE organization_id = $1 AND id = $2 FOR UPDATE",
                     call.organization_id, change.id);
  if (locked.empty()) return ConversationNotFound();
  tx.exec_params0(change.statement, call.organization_id, change.id, change.value);
  if (change.closes_turns) {
    PARLEY_RETURN_IF_ERROR(store::CloseTurns(tx, call.organization_id, change.id));
  }
  PARLEY_RETURN_IF_ERROR(store::PublishConversation(tx, call.organization_id, change.id));
  return store::LoadConversation(tx, call.organization_id, change.id);
}

std::string ListScope(const v1::ListConversationsRequest& request) {
  return "conversations/" + request.channel_id();
}

}  // namespace

absl::StatusOr<v1::ListConversationsResponse> ListConversations(
    Services& services, rpc::CallContext& call, const v1::ListConversationsRequest& request) {
  PARLEY_ASSIGN_OR_RETURN(const int size, PageSize(request.page_size()));
  PARLEY_ASSIGN_OR_RETURN(const TimeAndId after,
                          ReadTimeAndId(ListScope(request), request.page_token()));
  return Read<v1::ListConversationsResponse>(
      services, call, [&](pqxx::work& tx) -> absl::StatusOr<v1::ListConversationsResponse> {
        if (!request.channel_id().empty()) {
          PARLEY_RETURN_IF_ERROR(
              store::LoadChannel(tx, call.organization_id, request.channel_id()));
        }
        std::string statement = std::string(store::kConversationSelect) +
                                " WHERE c.organization_id = $1 AND $2 = $2 AND $3 = $3";
        if (!request.channel_id().empty()) statement += " AND c.channel_id = $2::uuid";
        if (!after.first_page) {
          statement +=
              " AND (c.last_message_at, c.id) < (split_part($3, '/', 1)::timestamptz,"
              " split_part($3, '/', 2)::uuid)";
        }
        statement += " ORDER BY c.last_message_at DESC, c.id DESC LIMIT $4";
        const pqxx::result rows =
            tx.exec_params(statement, call.organization_id, request.channel_id(),
                           FormatTime(FromMicros(after.micros)) + "/" + after.id, size + 1);
        v1::ListConversationsResponse response;
        for (const pqxx::row& row : rows) {
          if (response.conversations_size() == size) {
            const v1::Conversation& last = response.conversations(size - 1);
            const std::int64_t micros =
                last.update_time().seconds() * 1'000'000 + last.update_time().nanos() / 1'000;
            response.set_next_page_token(MakeTimeAndId(ListScope(request), micros, last.id()));
            break;
          }
          *response.add_conversations() = store::ReadConversation(row);
        }
        return response;
      });
}

absl::StatusOr<v1::Conversation> GetConversation(Services& services, rpc::CallContext& call,
                                                 const v1::GetConversationRequest& request) {
  return Read<v1::Conversation>(services, call, [&](pqxx::work& tx) {
    return store::LoadConversation(tx, call.organization_id, request.conversation_id());
  });
}

absl::StatusOr<v1::Conversation> UpdateConversation(Services& services, rpc::CallContext& call,
                                                    const v1::UpdateConversationRequest& request) {
  PARLEY_RETURN_IF_ERROR(FieldsToUpdate(request.conversation(), request.update_mask()));
  // `ai_enabled` is the one field that can be changed.
  const v1::Conversation& wanted = request.conversation();
  const bool off = wanted.has_ai_enabled() && !wanted.ai_enabled();
  const Change change{.id = wanted.id(),
                      .statement =
                          "UPDATE conversations SET ai_enabled = nullif($3, '')::boolean"
                          " WHERE organization_id = $1 AND id = $2",
                      .value = !wanted.has_ai_enabled() ? "" : (off ? "false" : "true"),
                      .closes_turns = off};
  return Write<v1::Conversation>(
      services, call, request, [&](pqxx::work& tx) -> absl::StatusOr<v1::Conversation> {
        PARLEY_ASSIGN_OR_RETURN(v1::Conversation conversation, Apply(tx, call, change));
        RecordAudit(tx, call, "conversation.update", "conversation:" + conversation.id(),
                    {{"ai_enabled", change.value}});
        return conversation;
      });
}

absl::StatusOr<v1::Conversation> ReadConversation(Services& services, rpc::CallContext& call,
                                                  const v1::ReadConversationRequest& request) {
  PARLEY_RETURN_IF_ERROR(CheckRange("seq", request.seq(), 0, INT64_MAX));
  const Change change{
      .id = request.conversation_id(),
      .statement =
          "UPDATE conversations c SET (read_seq, unread_count) ="
          " (SELECT r.seq, (SELECT count(*) FROM messages m"
          "   WHERE m.organization_id = $1 AND m.conversation_id = $2 AND m.seq > r.seq"
          "   AND m.direction = 'inbound')"
          "  FROM (SELECT greatest(c.read_seq, CASE WHEN $3 = '0' THEN c.last_seq"
          "   ELSE least(c.last_seq, $3::bigint) END) AS seq) r)"
          " WHERE organization_id = $1 AND id = $2",
      .value = std::to_string(request.seq())};
  return Write<v1::Conversation>(services, call, request,
                                 [&](pqxx::work& tx) { return Apply(tx, call, change); });
}

absl::StatusOr<v1::Conversation> TakeOverConversation(
    Services& services, rpc::CallContext& call, const v1::TakeOverConversationRequest& request) {
  const Change change{.id = request.conversation_id(),
                      .statement =
                          "UPDATE conversations SET taken_over_at = coalesce(taken_over_at, now())"
                          " WHERE organization_id = $1 AND id = $2 AND $3 = $3",
                      .closes_turns = true};
  return Write<v1::Conversation>(services, call, request,
                                 [&](pqxx::work& tx) { return Apply(tx, call, change); });
}

absl::StatusOr<v1::Conversation> HandBackConversation(
    Services& services, rpc::CallContext& call, const v1::HandBackConversationRequest& request) {
  const Change change{.id = request.conversation_id(),
                      .statement =
                          "UPDATE conversations SET taken_over_at = NULL"
                          " WHERE organization_id = $1 AND id = $2 AND $3 = $3"};
  return Write<v1::Conversation>(services, call, request,
                                 [&](pqxx::work& tx) { return Apply(tx, call, change); });
}

}  // namespace parley::gateway::api
