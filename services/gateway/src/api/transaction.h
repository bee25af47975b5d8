// The transactions of the API's handlers: as gateway_api, seeing one organization; and writes that
// are done once for each Idempotency-Key.
#pragma once

#include <google/protobuf/message.h>

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <pqxx/pqxx>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "api/services.h"
#include "libs/rpc/method_table.h"

namespace parley::gateway::api {

using Body = std::function<absl::Status(pqxx::work&)>;

// Runs `body` for the caller's organization; what the row policies hide does not exist there. Runs
// it again, a few times, if a deadlock or a race with another transaction undid it.
absl::Status InOrganization(Services& services, const rpc::CallContext& call, const Body& body);

// How the response of a write is kept for a repeat of its key.
enum class Keep { kPlain, kSealed };

// As InOrganization, once for each Idempotency-Key of the organization: a repeat within 24 h fills
// `response` with what was answered first, and `body` does not run. Key and response are stored in
// the transaction of `body`. Errors: kFailedPrecondition IDEMPOTENCY_KEY_REUSED for the same key
// with another method or request; kInvalidArgument INVALID_IDEMPOTENCY_KEY.
absl::Status Once(Services& services, const rpc::CallContext& call,
                  const google::protobuf::Message& request, google::protobuf::Message& response,
                  Keep keep, const Body& body);

// Removes the stored responses that show this message, whose text was erased; a repeat of their
// keys is answered with the message as it is then.
void ForgetResponses(pqxx::work& tx, const rpc::CallContext& call, const std::string& message_id);

// A read that yields a value.
template <class Response>
absl::StatusOr<Response> Read(Services& services, const rpc::CallContext& call,
                              const std::function<absl::StatusOr<Response>(pqxx::work&)>& body) {
  Response response;
  const absl::Status status = InOrganization(services, call, [&](pqxx::work& tx) -> absl::Status {
    absl::StatusOr<Response> result = body(tx);
    if (!result.ok()) return result.status();
    response = *std::move(result);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return response;
}

// A write that yields a value, once for each Idempotency-Key.
template <class Response>
absl::StatusOr<Response> Write(Services& services, const rpc::CallContext& call,
                               const google::protobuf::Message& request,
                               const std::function<absl::StatusOr<Response>(pqxx::work&)>& body,
                               Keep keep = Keep::kPlain) {
  Response response;
  const absl::Status status =
      Once(services, call, request, response, keep, [&](pqxx::work& tx) -> absl::Status {
        absl::StatusOr<Response> result = body(tx);
        if (!result.ok()) return result.status();
        response = *std::move(result);
        return absl::OkStatus();
      });
  if (!status.ok()) return status;
  return response;
}

// For the few statements on global tables (accounts, number claims, directory) that belong to a
// request's transaction: inside, the transaction is gateway_worker, sees every organization, and
// must name its own in each statement.
class AsWorker {
 public:
  explicit AsWorker(pqxx::work& tx);
  // Back to gateway_api; leave it out on errors, which end the transaction anyway.
  void Done();

 private:
  pqxx::work& tx_;
};

// One line of the audit log, in the transaction of what it tells. `action` is "channel.update";
// details hold names of fields, never secrets or message text.
void RecordAudit(pqxx::work& tx, const rpc::CallContext& call, std::string_view action,
                 std::string_view subject, const nlohmann::json& details);
void RecordAudit(pqxx::work& tx, const rpc::CallContext& call, std::string_view action,
                 std::string_view subject);

}  // namespace parley::gateway::api
