#include "domain/quarantine.h"

#include <nlohmann/json.hpp>
#include <set>

#include "api/handlers.h"
#include "api/transaction.h"
#include "domain/page.h"
#include "domain/validation.h"
#include "libs/base/id.h"
#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/kafka/record.h"
#include "libs/postgres/array.h"
#include "libs/telemetry/log.h"
#include "store/claims.h"
#include "store/outbox.h"
#include "store/resources.h"
#include "store/signers.h"

namespace parley::gateway::api {
namespace {

using events::v1::QuarantineRecord;

constexpr char kListScope[] = "quarantinedWebhooks";
constexpr char kReleaseScope[] = "quarantinedWebhooks:release";
// One call of release; their requests are read this many at a time, since each may have 80 KiB.
constexpr int kReleaseMax = 500;
constexpr int kChunk = 50;

// A row of the table.
struct Row {
  std::string id;
  std::int64_t received_us = 0;
  QuarantineRecord record;
};

constexpr char kRowSelect[] =
    "SELECT id, (extract(epoch FROM received_at) * 1000000)::bigint, request, reason"
    " FROM quarantined_webhooks";

absl::Status WebhookNotFound() {
  return NotFound("QUARANTINED_WEBHOOK_NOT_FOUND",
                  "There is no quarantined webhook with this id; it may have been released.");
}

std::vector<Row> ReadRows(const pqxx::result& result) {
  std::vector<Row> rows(static_cast<std::size_t>(result.size()));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const pqxx::row& row = result[static_cast<pqxx::result::size_type>(i)];
    rows[i].id = row[0].c_str();
    rows[i].received_us = row[1].as<std::int64_t>();
    rows[i].record.ParseFromString(postgres::FromBytea(row[2].c_str()));
    rows[i].record.set_reason(row[3].c_str());
  }
  return rows;
}

absl::StatusOr<Signers> SignersOf(pqxx::work& tx, const Services& services,
                                  const rpc::CallContext& call, const std::vector<Row>& rows) {
  std::set<store::AccountNumber> numbers;
  for (const Row& row : rows) {
    numbers.insert({row.record.account_sid(), row.record.business_number()});
  }
  AsWorker worker(tx);
  PARLEY_ASSIGN_OR_RETURN(
      Signers signers, store::LoadSigners(tx, call.organization_id, numbers, services.master_keys));
  worker.Done();
  signers.server_url = services.options.server_url;
  return signers;
}

v1::QuarantinedWebhook ToResource(const Row& row, const Signers& signers,
                                  const rpc::CallContext& call, Detail detail) {
  v1::QuarantinedWebhook shown = Show(row.record, signers, call.organization_id, detail);
  shown.set_id(row.id);
  *shown.mutable_receive_time() = store::ToTimestamp(FromMicros(row.received_us));
  return shown;
}

const char* TopicName(webhooks::Topic topic) {
  switch (topic) {
    case webhooks::Topic::kInbound:
      return kafka::kInboundTopic;
    case webhooks::Topic::kConsent:
      return kafka::kConsentTopic;
    case webhooks::Topic::kDeliveryStatus:
      return kafka::kDeliveryStatusTopic;
    case webhooks::Topic::kQuarantine:
      return kafka::kQuarantineTopic;
  }
  return kafka::kQuarantineTopic;
}

// What a chunk of a release comes to.
class Release {
 public:
  Release(const rpc::CallContext& call, const Signers& signers) : call_(call), signers_(signers) {}

  void Judge(const Row& row) {
    const QuarantinedRequest quarantined(row.record);
    const absl::Status status = CheckQuarantined(quarantined, signers_);
    if (status.ok()) return LetGo(row, quarantined);
    QuarantineRecord kept = row.record;
    kept.clear_tried_urls();
    for (std::string& url : UrlsToTry(quarantined, signers_)) {
      kept.add_tried_urls(std::move(url));
    }
    kept_.Add(row.id);
    reasons_.Add(ErrorReason(status));
    requests_.AddBytes(kept.SerializeAsString());
    ++kept_count_;
  }

  void Write(pqxx::work& tx) {
    tx.exec_params0(
        "DELETE FROM quarantined_webhooks WHERE organization_id = $1 AND id = ANY ($2::uuid[])",
        call_.organization_id, released_.str());
    tx.exec_params0(
        "UPDATE quarantined_webhooks q SET reason = k.reason, request = k.request"
        " FROM unnest($2::uuid[], $3::text[], $4::bytea[]) k(id, reason, request)"
        " WHERE q.organization_id = $1 AND q.id = k.id",
        call_.organization_id, kept_.str(), reasons_.str(), requests_.str());
    outbox_.Write(tx);
  }

  int released_count() const { return released_count_; }
  int kept_count() const { return kept_count_; }

 private:
  void LetGo(const Row& row, const QuarantinedRequest& quarantined) {
    const webhooks::Webhook& webhook = quarantined.webhook;
    const Signers::Number* number =
        signers_.FindNumber(webhook.account_sid(), webhook.business_number());
    for (const webhooks::OutgoingRecord& record : webhooks::MakeRecords(
             webhook,
             {.organization_id = number == nullptr ? std::string_view() : number->organization_id,
             .traceparent = call_.traceparent,
             .origin = events::v1::ORIGIN_RELEASED})) {
      outbox_.AddKafka({call_.organization_id, TopicName(record.topic), record.key, record.value,
                        record.type, record.traceparent});
    }
    released_.Add(row.id);
    ++released_count_;
  }

  const rpc::CallContext& call_;
  const Signers& signers_;
  store::Outbox outbox_;
  postgres::Array released_, kept_, reasons_, requests_;
  int released_count_ = 0;
  int kept_count_ = 0;
};

// Where a release goes on.
struct Position {
  std::int64_t after_us = 0;
  std::string after_id = "00000000-0000-0000-0000-000000000000";
};

std::vector<Row> LockChunk(pqxx::work& tx, const rpc::CallContext& call,
                           const v1::ReleaseQuarantinedWebhooksRequest& request,
                           const Position& position) {
  postgres::Array ids;
  for (const std::string& id : request.webhook_ids()) {
    if (IsUuid(id)) ids.Add(id);
  }
  return ReadRows(tx.exec_params(
      std::string(kRowSelect) +
          " WHERE organization_id = $1 AND (received_at, id) > ($2::timestamptz, $3::uuid)"
          " AND ($4 OR id = ANY ($5::uuid[])) ORDER BY received_at, id LIMIT $6 FOR UPDATE",
      call.organization_id, FormatTime(FromMicros(position.after_us)), position.after_id,
      request.webhook_ids().empty(), ids.str(), kChunk));
}

}  // namespace

absl::StatusOr<v1::ListQuarantinedWebhooksResponse> ListQuarantinedWebhooks(
    Services& services, rpc::CallContext& call, const v1::ListQuarantinedWebhooksRequest& request) {
  using Response = v1::ListQuarantinedWebhooksResponse;
  PARLEY_ASSIGN_OR_RETURN(const int size, PageSize(request.page_size()));
  PARLEY_ASSIGN_OR_RETURN(const TimeAndId after, ReadTimeAndId(kListScope, request.page_token()));
  return Read<Response>(services, call, [&](pqxx::work& tx) -> absl::StatusOr<Response> {
    std::string statement = std::string(kRowSelect) + " WHERE organization_id = $1 AND $2 = $2";
    if (!after.first_page) {
      statement +=
          " AND (received_at, id) < (split_part($2, '/', 1)::timestamptz,"
          " split_part($2, '/', 2)::uuid)";
    }
    std::vector<Row> rows = ReadRows(tx.exec_params(
        statement + " ORDER BY received_at DESC, id DESC LIMIT $3", call.organization_id,
        FormatTime(FromMicros(after.micros)) + "/" + after.id, size + 1));
    Response response;
    if (static_cast<int>(rows.size()) > size) {
      rows.pop_back();
      response.set_next_page_token(
          MakeTimeAndId(kListScope, rows.back().received_us, rows.back().id));
    }
    PARLEY_ASSIGN_OR_RETURN(const Signers signers, SignersOf(tx, services, call, rows));
    for (const Row& row : rows) {
      *response.add_quarantined_webhooks() = ToResource(row, signers, call, Detail::kRow);
    }
    return response;
  });
}

absl::StatusOr<v1::QuarantinedWebhook> GetQuarantinedWebhook(
    Services& services, rpc::CallContext& call, const v1::GetQuarantinedWebhookRequest& request) {
  if (request.include_content() && call.access < rpc::Access::kAdmin) {
    return ErrorStatus(absl::StatusCode::kPermissionDenied, "ROLE_TOO_LOW",
                       "Only an admin may read what an unverified webhook says.");
  }
  if (!IsUuid(request.webhook_id())) return WebhookNotFound();
  return Read<v1::QuarantinedWebhook>(
      services, call, [&](pqxx::work& tx) -> absl::StatusOr<v1::QuarantinedWebhook> {
        const std::vector<Row> rows = ReadRows(
            tx.exec_params(std::string(kRowSelect) + " WHERE organization_id = $1 AND id = $2",
                           call.organization_id, request.webhook_id()));
        if (rows.empty()) return WebhookNotFound();
        PARLEY_ASSIGN_OR_RETURN(const Signers signers, SignersOf(tx, services, call, rows));
        if (request.include_content()) {
          RecordAudit(tx, call, "quarantined_webhook.read",
                      "quarantined_webhook:" + request.webhook_id());
        }
        return ToResource(rows.front(), signers, call,
                          request.include_content() ? Detail::kContent : Detail::kHeaders);
      });
}

absl::StatusOr<v1::ReleaseQuarantinedWebhooksResponse> ReleaseQuarantinedWebhooks(
    Services& services, rpc::CallContext& call,
    const v1::ReleaseQuarantinedWebhooksRequest& request) {
  using Response = v1::ReleaseQuarantinedWebhooksResponse;
  if (request.webhook_ids_size() > kReleaseMax) {
    return InvalidArgument("TOO_MANY_IDS", "webhookIds names more than 500; name none for all.");
  }
  for (const std::string& id : request.webhook_ids()) {
    PARLEY_RETURN_IF_ERROR(CheckChosenId("webhookIds", id));
  }
  PARLEY_ASSIGN_OR_RETURN(const TimeAndId after,
                          ReadTimeAndId(kReleaseScope, request.page_token()));
  const auto released =
      Write<Response>(services, call, request, [&](pqxx::work& tx) -> absl::StatusOr<Response> {
        Position position;
        if (!after.first_page) position = {after.micros, after.id};
        Response response;
        for (int seen = 0;; seen += kChunk) {
          if (seen == kReleaseMax) {
            response.set_next_page_token(
                MakeTimeAndId(kReleaseScope, position.after_us, position.after_id));
            break;
          }
          const std::vector<Row> rows = LockChunk(tx, call, request, position);
          if (rows.empty()) break;
          PARLEY_ASSIGN_OR_RETURN(const Signers signers, SignersOf(tx, services, call, rows));
          Release release(call, signers);
          for (const Row& row : rows) release.Judge(row);
          release.Write(tx);
          response.set_released_count(response.released_count() + release.released_count());
          response.set_kept_count(response.kept_count() + release.kept_count());
          position = {rows.back().received_us, rows.back().id};
        }
        RecordAudit(tx, call, "quarantined_webhook.release", "organization:" + call.organization_id,
                    {{"released", response.released_count()}, {"kept", response.kept_count()}});
        return response;
      });
  if (released.ok()) {
    telemetry::Info("quarantine_released", {{"organization_id", call.organization_id},
                                            {"released", released->released_count()},
                                            {"kept", released->kept_count()}});
  }
  return released;
}

absl::StatusOr<Empty> DeleteQuarantinedWebhook(Services& services, rpc::CallContext& call,
                                               const v1::DeleteQuarantinedWebhookRequest& request) {
  if (!IsUuid(request.webhook_id())) return WebhookNotFound();
  return Write<Empty>(services, call, request, [&](pqxx::work& tx) -> absl::StatusOr<Empty> {
    const bool there =
        tx.exec_params0("DELETE FROM quarantined_webhooks WHERE organization_id = $1 AND id = $2",
                        call.organization_id, request.webhook_id())
            .affected_rows() > 0;
    if (!there) return WebhookNotFound();
    RecordAudit(tx, call, "quarantined_webhook.delete",
                "quarantined_webhook:" + request.webhook_id());
    return Empty();
  });
}

}  // namespace parley::gateway::api
