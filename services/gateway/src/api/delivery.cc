#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "api/handlers.h"
#include "api/transaction.h"
#include "domain/message.h"
#include "domain/page.h"
#include "domain/validation.h"
#include "libs/base/id.h"
#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/postgres/array.h"
#include "libs/twilio/errors.h"
#include "store/decisions.h"
#include "store/resources.h"

namespace parley::gateway::api {
namespace {

constexpr int kResolveDefault = 200;
constexpr int kResolveMax = 500;
constexpr int kCountMax = 10'000;
constexpr int kAttemptsMax = 50;

absl::StatusOr<store::Decision> ReadResolution(v1::Resolution resolution) {
  switch (resolution) {
    case v1::RESOLUTION_SEND_AGAIN:
      return store::Decision::kSendAgain;
    case v1::RESOLUTION_MARK_FAILED:
      return store::Decision::kMarkFailed;
    default:
      return InvalidArgument("FIELD_REQUIRED",
                             "resolution must be RESOLUTION_SEND_AGAIN or RESOLUTION_MARK_FAILED.");
  }
}

const char* NameOf(store::Decision decision) {
  return decision == store::Decision::kSendAgain ? "send_again" : "mark_failed";
}

// Which unconfirmed messages: parameters $1 to $5 of a statement.
struct Filter {
  std::string organization_id;
  std::string channel_id;  // Empty: all.
  std::string start, end;  // Empty: no bound.
  bool only_refuted = false;
};

constexpr char kFilterSql[] =
    " m.organization_id = $1 AND m.unconfirmed_at IS NOT NULL"
    " AND ($2 = '' OR m.channel_id = nullif($2, '')::uuid)"
    " AND ($3 = '' OR m.unconfirmed_at >= nullif($3, '')::timestamptz)"
    " AND ($4 = '' OR m.unconfirmed_at < nullif($4, '')::timestamptz)"
    " AND (NOT $5::boolean OR m.refuted)";

int CountOf(pqxx::work& tx, const Filter& filter) {
  return tx
      .exec_params1(std::string("SELECT count(*) FROM (SELECT FROM messages m WHERE") + kFilterSql +
                        " LIMIT " + std::to_string(kCountMax) + ") bounded",
                    filter.organization_id, filter.channel_id, filter.start, filter.end,
                    filter.only_refuted)[0]
      .as<int>();
}

std::string TimeParameter(bool given, const google::protobuf::Timestamp& time) {
  if (!given) return "";
  return FormatTime(FromMicros(time.seconds() * 1'000'000 + time.nanos() / 1'000));
}

v1::MessageChange::Source ReadSource(std::string_view source) {
  if (source == "twilio") return v1::MessageChange::SOURCE_TWILIO;
  if (source == "sender") return v1::MessageChange::SOURCE_SENDER;
  if (source == "api") return v1::MessageChange::SOURCE_PERSON;
  return v1::MessageChange::SOURCE_POLICY;
}

// Names of users and API keys, by actor ("user:<id>").
std::map<std::string, std::string> NamesOf(pqxx::work& tx, const std::string& organization_id,
                                           const pqxx::result& rows, int column) {
  postgres::Array actors;
  for (const pqxx::row& row : rows) {
    if (row[column].c_str()[0] != '\0') actors.Add(row[column].c_str());
  }
  std::map<std::string, std::string> names;
  AsWorker worker(tx);
  for (const pqxx::row& row : tx.exec_params(
           "SELECT 'user:' || u.id, coalesce(nullif(u.display_name, ''), u.email) FROM users u"
           " JOIN memberships m ON m.user_id = u.id AND m.organization_id = $1"
           " WHERE 'user:' || u.id = ANY ($2::text[])"
           " UNION ALL SELECT 'api_key:' || k.id, k.display_name FROM api_keys k"
           " WHERE k.organization_id = $1 AND 'api_key:' || k.id = ANY ($2::text[])",
           organization_id, actors.str())) {
    names[row[0].c_str()] = row[1].c_str();
  }
  worker.Done();
  return names;
}

std::string Explain(int error_code) {
  if (error_code == 0) return "";
  const twilio::ErrorEntry& entry = twilio::DescribeError(error_code);
  std::string text(entry.meaning);
  if (!entry.remedy.empty()) text += " " + std::string(entry.remedy);
  return text;
}

void AddAttempts(pqxx::work& tx, const std::string& organization_id, const std::string& message_id,
                 v1::ListMessageChangesResponse& response) {
  for (const pqxx::row& row : tx.exec_params(
           "SELECT attempt, message_sid, status, (extract(epoch FROM status_at) * 1000000)::bigint,"
           " error_code FROM message_attempts WHERE organization_id = $1 AND message_id = $2"
           " ORDER BY attempt, created_at, message_sid LIMIT $3",
           organization_id, message_id, kAttemptsMax)) {
    v1::MessageAttempt& attempt = *response.add_attempts();
    attempt.set_attempt(row[0].as<int>());
    attempt.set_message_sid(row[1].c_str());
    attempt.set_status(ParseStatus(row[2].c_str()));
    if (!row[3].is_null()) {
      *attempt.mutable_status_time() = store::ToTimestamp(FromMicros(row[3].as<std::int64_t>()));
    }
    attempt.set_error_code(row[4].as<int>());
  }
}

}  // namespace

absl::StatusOr<v1::Message> ResolveMessage(Services& services, rpc::CallContext& call,
                                           const v1::ResolveMessageRequest& request) {
  PARLEY_ASSIGN_OR_RETURN(const store::Decision decision, ReadResolution(request.resolution()));
  const std::string id = Lower(request.message_id());
  return Write<
      v1::Message>(services, call, request, [&](pqxx::work& tx) -> absl::StatusOr<v1::Message> {
    PARLEY_RETURN_IF_ERROR(store::LoadMessage(tx, call.organization_id, id));
    PARLEY_ASSIGN_OR_RETURN(const auto answers,
                            store::Decide(tx, call.organization_id, {id}, decision,
                                          {.source = "api", .actor = call.Actor()},
                                          {.now = services.clock.Now(), .failed_too = true}));
    if (answers.empty()) {
      return FailedPrecondition("NOT_UNCONFIRMED", "This message came from the customer.");
    }
    PARLEY_RETURN_IF_ERROR(answers.begin()->second);
    RecordAudit(tx, call, "message.resolve", "message:" + id, {{"resolution", NameOf(decision)}});
    return store::LoadMessage(tx, call.organization_id, id);
  });
}

absl::StatusOr<v1::ResolveUnconfirmedMessagesResponse> ResolveUnconfirmedMessages(
    Services& services, rpc::CallContext& call,
    const v1::ResolveUnconfirmedMessagesRequest& request) {
  PARLEY_ASSIGN_OR_RETURN(const store::Decision decision, ReadResolution(request.resolution()));
  PARLEY_RETURN_IF_ERROR(FirstProblem({CheckChosenId("channelId", request.channel_id()),
                                       CheckTime("startTime", request.start_time()),
                                       CheckTime("endTime", request.end_time()),
                                       CheckRange("limit", request.limit(), 0, INT32_MAX)}));
  const bool filtered = !request.channel_id().empty() || request.has_start_time() ||
                        request.has_end_time() || request.only_probably_not_sent();
  if (!filtered && !request.all()) {
    return InvalidArgument("FILTER_MISSING", "Name a filter, or set all to decide about all.");
  }
  const Filter filter{call.organization_id, request.channel_id(),
                      TimeParameter(request.has_start_time(), request.start_time()),
                      TimeParameter(request.has_end_time(), request.end_time()),
                      request.only_probably_not_sent()};
  const int limit = request.limit() == 0 ? kResolveDefault : std::min(request.limit(), kResolveMax);
  using Response = v1::ResolveUnconfirmedMessagesResponse;
  // What would be refused is left out, or the oldest of those would be met again and again.
  const std::string may =
      decision == store::Decision::kSendAgain ? store::kMaySendAgainSql : std::string();
  return Write<Response>(services, call, request, [&](pqxx::work& tx) -> absl::StatusOr<Response> {
    std::vector<std::string> ids;
    for (const pqxx::row& row :
         tx.exec_params("SELECT m.id FROM messages m WHERE" + std::string(kFilterSql) + may +
                            " ORDER BY m.unconfirmed_at, m.id LIMIT $6",
                        filter.organization_id, filter.channel_id, filter.start, filter.end,
                        filter.only_refuted, limit)) {
      ids.emplace_back(row[0].c_str());
    }
    PARLEY_ASSIGN_OR_RETURN(
        const auto answers,
        store::Decide(tx, call.organization_id, ids, decision,
                      {.source = "api", .actor = call.Actor()}, {.now = services.clock.Now()}));
    Response response;
    for (const auto& [id, answer] : answers) {
      if (answer.ok()) response.set_resolved_count(response.resolved_count() + 1);
    }
    // Where there was room for more, what is left could not be decided.
    const bool came_to_the_end = static_cast<int>(ids.size()) < limit;
    const int left = CountOf(tx, filter);
    response.set_skipped_count(came_to_the_end ? left : 0);
    response.set_remaining_count(came_to_the_end ? 0 : left);
    RecordAudit(tx, call, "message.resolve_unconfirmed", "organization:" + call.organization_id,
                {{"resolution", NameOf(decision)},
                 {"channel_id", filter.channel_id},
                 {"start_time", filter.start},
                 {"end_time", filter.end},
                 {"only_probably_not_sent", filter.only_refuted},
                 {"resolved", response.resolved_count()},
                 {"skipped", response.skipped_count()}});
    return response;
  });
}

absl::StatusOr<v1::ListUnconfirmedMessagesResponse> ListUnconfirmedMessages(
    Services& services, rpc::CallContext& call, const v1::ListUnconfirmedMessagesRequest& request) {
  PARLEY_RETURN_IF_ERROR(CheckChosenId("channelId", request.channel_id()));
  const std::string scope = "unconfirmedMessages/" + request.channel_id();
  PARLEY_ASSIGN_OR_RETURN(const int size, PageSize(request.page_size()));
  PARLEY_ASSIGN_OR_RETURN(const TimeAndId before, ReadTimeAndId(scope, request.page_token()));
  const std::string before_time =
      before.first_page ? "infinity" : FormatTime(FromMicros(before.micros));
  const std::string before_id =
      before.first_page ? "ffffffff-ffff-ffff-ffff-ffffffffffff" : before.id;
  using Response = v1::ListUnconfirmedMessagesResponse;
  return Read<Response>(services, call, [&](pqxx::work& tx) -> absl::StatusOr<Response> {
    const std::string sql =
        std::string(store::kMessageSelect)
            .insert(sizeof("SELECT ") - 1, store::MicrosOf("m.unconfirmed_at") + ", ") +
        " WHERE m.organization_id = $1 AND m.unconfirmed_at IS NOT NULL"
        " AND ($2 = '' OR m.channel_id = nullif($2, '')::uuid)"
        " AND (m.unconfirmed_at, m.id) < ($3::timestamptz, $4::uuid)"
        " ORDER BY m.unconfirmed_at DESC, m.id DESC LIMIT $5";
    Response response;
    std::int64_t last_micros = 0;
    for (const pqxx::row& row : tx.exec_params(sql, call.organization_id, request.channel_id(),
                                               before_time, before_id, size + 1)) {
      if (response.messages_size() == size) {
        response.set_next_page_token(
            MakeTimeAndId(scope, last_micros, response.messages(size - 1).id()));
        break;
      }
      last_micros = row[0].as<std::int64_t>();
      *response.add_messages() = store::ReadMessage(row, 1);
    }
    response.set_total_count(CountOf(tx, {call.organization_id, request.channel_id(), "", ""}));
    return response;
  });
}

absl::StatusOr<v1::CancelMessageResponse> CancelMessage(Services& services, rpc::CallContext& call,
                                                        const v1::CancelMessageRequest& request) {
  const std::string id = Lower(request.message_id());
  return Write<v1::CancelMessageResponse>(
      services, call, request, [&](pqxx::work& tx) -> absl::StatusOr<v1::CancelMessageResponse> {
        PARLEY_ASSIGN_OR_RETURN(
            const bool canceled,
            store::Cancel(tx, call.organization_id, id, {.source = "api", .actor = call.Actor()},
                          services.clock.Now()));
        RecordAudit(tx, call, "message.cancel", "message:" + id);
        v1::CancelMessageResponse response;
        response.set_outcome(canceled ? v1::CancelMessageResponse::OUTCOME_CANCELED
                                      : v1::CancelMessageResponse::OUTCOME_CANCELING);
        PARLEY_ASSIGN_OR_RETURN(*response.mutable_message(),
                                store::LoadMessage(tx, call.organization_id, id));
        return response;
      });
}

absl::StatusOr<v1::ListMessageChangesResponse> ListMessageChanges(
    Services& services, rpc::CallContext& call, const v1::ListMessageChangesRequest& request) {
  const std::string scope = "messageChanges/" + request.message_id();
  PARLEY_ASSIGN_OR_RETURN(const int size, PageSize(request.page_size()));
  PARLEY_ASSIGN_OR_RETURN(const auto position, ReadPageToken(scope, request.page_token(), 1));
  const std::string after = position.empty() ? "00000000-0000-0000-0000-000000000000" : position[0];
  if (!IsUuid(after)) {
    return InvalidArgument("INVALID_PAGE_TOKEN", "pageToken was not issued for this list.");
  }
  using Response = v1::ListMessageChangesResponse;
  return Read<Response>(services, call, [&](pqxx::work& tx) -> absl::StatusOr<Response> {
    PARLEY_RETURN_IF_ERROR(store::LoadMessage(tx, call.organization_id, request.message_id()));
    // Ids are UUIDv7, so their order is that in which changes became known.
    const pqxx::result rows = tx.exec_params(
        "SELECT id, status, (extract(epoch FROM at) * 1000000)::bigint, source, actor, attempt,"
        " message_sid, error_code, reason, message FROM message_status_changes"
        " WHERE organization_id = $1 AND message_id = $2 AND id > $3::uuid ORDER BY id LIMIT $4",
        call.organization_id, request.message_id(), after, size + 1);
    const auto names = NamesOf(tx, call.organization_id, rows, 4);
    Response response;
    std::string last_id;
    for (const pqxx::row& row : rows) {
      if (response.changes_size() == size) {
        response.set_next_page_token(MakePageToken(scope, {last_id}));
        break;
      }
      last_id = row[0].c_str();
      v1::MessageChange& change = *response.add_changes();
      change.set_status(ParseStatus(row[1].c_str()));
      *change.mutable_time() = store::ToTimestamp(FromMicros(row[2].as<std::int64_t>()));
      change.set_source(ReadSource(row[3].c_str()));
      const auto name = names.find(row[4].c_str());
      if (name != names.end()) change.set_actor(name->second);
      change.set_attempt(row[5].as<int>());
      change.set_message_sid(row[6].c_str());
      change.set_error_code(row[7].as<int>());
      change.set_reason(row[8].c_str());
      change.set_message(row[9].c_str());
      if (change.message().empty()) change.set_message(Explain(change.error_code()));
    }
    if (request.page_token().empty()) {
      AddAttempts(tx, call.organization_id, request.message_id(), response);
    }
    return response;
  });
}

}  // namespace parley::gateway::api
