#include "api/transaction.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <nlohmann/json.hpp>

#include "libs/base/id.h"
#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/crypto/digest.h"
#include "libs/postgres/array.h"
#include "parley/v1/delivery.pb.h"
#include "store/resources.h"

namespace parley::gateway::api {
namespace {

constexpr int kTriesMax = 3;
constexpr std::size_t kKeyCharsMax = 255;
// Bound in the stored rows: never rename.
constexpr std::string_view kResponsePurpose = "idempotent-response";

// Lost to another transaction, so that the next try meets what that one wrote.
bool LostARace(const absl::Status& status) {
  return absl::IsAborted(status) ||
         (absl::IsAlreadyExists(status) && ErrorReason(status) == "messages_pkey");
}

std::string RequestHash(const rpc::CallContext& call, const google::protobuf::Message& request) {
  std::string bytes = call.method + '\0';
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    request.SerializeToCodedStream(&coded);
  }
  return crypto::Sha256(bytes);
}

// The message that a response shows; empty if it shows none. What else shows one must be added here
// and below, or an erased text would live on in the stored response.
std::string ShownMessage(const google::protobuf::Message& response) {
  using google::protobuf::DynamicCastToGenerated;
  if (const auto* message = DynamicCastToGenerated<v1::Message>(&response)) return message->id();
  if (const auto* cancel = DynamicCastToGenerated<v1::CancelMessageResponse>(&response)) {
    return cancel->message().id();
  }
  if (const auto* conversation = DynamicCastToGenerated<v1::Conversation>(&response)) {
    return conversation->last_message().id();
  }
  return {};
}

// Fills a response whose message was erased since, with what is there now.
absl::Status FillAnew(pqxx::work& tx, const std::string& organization_id,
                      const std::string& message_id, google::protobuf::Message& response) {
  using google::protobuf::DynamicCastToGenerated;
  PARLEY_ASSIGN_OR_RETURN(const v1::Message now,
                          store::LoadMessage(tx, organization_id, message_id));
  if (auto* message = DynamicCastToGenerated<v1::Message>(&response)) *message = now;
  if (auto* cancel = DynamicCastToGenerated<v1::CancelMessageResponse>(&response)) {
    const bool canceled = now.status() == v1::Message::STATUS_CANCELED;
    cancel->set_outcome(canceled ? v1::CancelMessageResponse::OUTCOME_CANCELED
                                 : v1::CancelMessageResponse::OUTCOME_CANCELING);
    *cancel->mutable_message() = now;
  }
  if (auto* conversation = DynamicCastToGenerated<v1::Conversation>(&response)) {
    PARLEY_ASSIGN_OR_RETURN(*conversation,
                            store::LoadConversation(tx, organization_id, now.conversation_id()));
  }
  return absl::OkStatus();
}

struct IdempotentWrite {
  Services& services;
  const rpc::CallContext& call;
  Keep keep;
  std::string request_hash;

  crypto::SealContext Context() const { return {kResponsePurpose, call.organization_id}; }

  // True if the key was used before; then `response` is what was answered.
  absl::StatusOr<bool> Replay(pqxx::work& tx, google::protobuf::Message& response) const {
    // Two requests with one key at the same time: the second waits here for the first's end.
    tx.exec_params("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))",
                   call.organization_id + "/" + call.idempotency_key);
    const pqxx::result found = tx.exec_params(
        "SELECT request_hash, response, message_id FROM idempotency_keys WHERE organization_id = $1"
        " AND key = $2 AND created_at > now() - interval '24 hours'",
        call.organization_id, call.idempotency_key);
    if (found.empty()) return false;
    if (postgres::FromBytea(found[0][0].c_str()) != request_hash) {
      return FailedPrecondition("IDEMPOTENCY_KEY_REUSED",
                                "This Idempotency-Key was used with another request; choose a "
                                "new key for each new request.");
    }
    std::string bytes = postgres::FromBytea(found[0][1].c_str());
    if (bytes.empty() && !found[0][2].is_null()) {
      PARLEY_RETURN_IF_ERROR(FillAnew(tx, call.organization_id, found[0][2].c_str(), response));
      return true;
    }
    if (keep == Keep::kSealed) {
      PARLEY_ASSIGN_OR_RETURN(const Secret opened, services.master_keys.Open(bytes, Context()));
      bytes = opened.Reveal();
    }
    if (!response.ParseFromString(bytes)) return Internal("a stored response cannot be read");
    return true;
  }

  void Store(pqxx::work& tx, const google::protobuf::Message& response) const {
    std::string bytes = response.SerializeAsString();
    const std::string shown = ShownMessage(response);
    if (keep == Keep::kSealed) {
      bytes = services.master_keys.Seal(Secret(std::move(bytes)), Context());
    }
    tx.exec_params0(
        "INSERT INTO idempotency_keys (organization_id, key, request_hash, response, message_id)"
        " VALUES ($1, $2, $3, $4, nullif($5, '')::uuid) ON CONFLICT (organization_id, key)"
        " DO UPDATE SET request_hash = excluded.request_hash, response = excluded.response,"
        " message_id = excluded.message_id, created_at = now()",
        call.organization_id, call.idempotency_key, postgres::Bytea(request_hash),
        postgres::Bytea(bytes), shown);
  }
};

}  // namespace

absl::Status InOrganization(Services& services, const rpc::CallContext& call, const Body& body) {
  absl::Status status;
  for (int i = 0; i < kTriesMax; ++i) {
    status = services.database.Transact([&](pqxx::work& tx) -> absl::Status {
      tx.exec_params("SELECT set_config('parley.organization_id', $1, true)", call.organization_id);
      return body(tx);
    });
    if (!LostARace(status)) break;
  }
  return status;
}

absl::Status Once(Services& services, const rpc::CallContext& call,
                  const google::protobuf::Message& request, google::protobuf::Message& response,
                  Keep keep, const Body& body) {
  if (call.idempotency_key.empty()) return InOrganization(services, call, body);
  if (!IsCleanUtf8(call.idempotency_key) || CodePoints(call.idempotency_key) > kKeyCharsMax) {
    return InvalidArgument("INVALID_IDEMPOTENCY_KEY",
                           "Idempotency-Key must be text of at most 255 characters.");
  }
  const IdempotentWrite write{services, call, keep, RequestHash(call, request)};
  return InOrganization(services, call, [&](pqxx::work& tx) -> absl::Status {
    PARLEY_ASSIGN_OR_RETURN(const bool replayed, write.Replay(tx, response));
    if (replayed) return absl::OkStatus();
    PARLEY_RETURN_IF_ERROR(body(tx));
    write.Store(tx, response);
    return absl::OkStatus();
  });
}

void ForgetResponses(pqxx::work& tx, const rpc::CallContext& call, const std::string& message_id) {
  tx.exec_params0(
      "UPDATE idempotency_keys SET response = '' WHERE organization_id = $1 AND message_id = $2",
      call.organization_id, message_id);
}

AsWorker::AsWorker(pqxx::work& tx) : tx_(tx) { tx_.exec0("SET LOCAL ROLE gateway_worker"); }
void AsWorker::Done() { tx_.exec0("SET LOCAL ROLE gateway_api"); }

void RecordAudit(pqxx::work& tx, const rpc::CallContext& call, std::string_view action,
                 std::string_view subject, const nlohmann::json& details) {
  tx.exec_params0(
      "INSERT INTO audit_events (organization_id, id, actor, action, subject, details)"
      " VALUES ($1, $2, $3, $4, $5, $6)",
      call.organization_id, NewId(), call.Actor(), std::string(action), std::string(subject),
      details.dump());
}

void RecordAudit(pqxx::work& tx, const rpc::CallContext& call, std::string_view action,
                 std::string_view subject) {
  RecordAudit(tx, call, action, subject, nlohmann::json::object());
}

}  // namespace parley::gateway::api
