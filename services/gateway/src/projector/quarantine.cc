#include "projector/quarantine.h"

#include <set>

#include "domain/quarantine.h"
#include "libs/base/clock.h"
#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/postgres/array.h"
#include "libs/telemetry/log.h"
#include "libs/telemetry/metrics.h"
#include "store/claims.h"

namespace parley::gateway::projector {
namespace {

using events::v1::QuarantineRecord;

// Records are up to 80 KiB each, so a batch is smaller than elsewhere.
constexpr std::size_t kBatchMax = 100;

prometheus::Counter& Outcomes(const std::string& outcome) {
  return telemetry::Counter(
      "parley_gateway_quarantined_webhooks_total",
      "Webhooks whose signature did not verify, by what became of them: while \"stored\" rises, "
      "customers' messages do not arrive; correct the public address (docs/webhooks.md), then "
      "release them. \"evicted\" ones are lost.",
      {{"outcome", outcome}});
}

struct Stored {
  int inserted = 0;
  int evicted = 0;
};

// Whoever it belongs to, and the row.
int Insert(pqxx::work& tx, const std::vector<QuarantineRecord>& records,
           const std::map<store::AccountNumber, std::string>& organizations) {
  postgres::Array organization_ids, ids, accounts, kinds, numbers, tokens, reasons, requests, times;
  for (const QuarantineRecord& record : records) {
    const auto at = organizations.find({record.account_sid(), record.business_number()});
    if (at == organizations.end()) continue;
    organization_ids.Add(at->second);
    ids.Add(QuarantineId(record));
    accounts.Add(record.account_sid());
    kinds.Add(KindName(record.kind()));
    numbers.Add(record.business_number());
    tokens.Add(record.idempotency_token());
    reasons.Add(record.reason());
    requests.AddBytes(record.SerializeAsString());
    times.Add(FromMicros(record.received_at_us()));
  }
  return static_cast<int>(
      tx.exec_params0("INSERT INTO quarantined_webhooks (organization_id, id, account_sid, kind,"
                      " business_number, idempotency_token, reason, request, received_at)"
                      " SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[],"
                      " $5::text[], $6::text[], $7::text[], $8::bytea[], $9::timestamptz[])"
                      " ON CONFLICT DO NOTHING",
                      organization_ids.str(), ids.str(), accounts.str(), kinds.str(), numbers.str(),
                      tokens.str(), reasons.str(), requests.str(), times.str())
          .affected_rows());
}

int Evict(pqxx::work& tx, const std::set<std::string>& accounts, int webhooks_max) {
  int evicted = 0;
  for (const std::string& account_sid : accounts) {
    evicted += static_cast<int>(
        tx.exec_params0("DELETE FROM quarantined_webhooks WHERE (organization_id, id) IN"
                        " (SELECT organization_id, id FROM quarantined_webhooks"
                        "  WHERE account_sid = $1 ORDER BY received_at DESC, id DESC OFFSET $2)",
                        account_sid, webhooks_max)
            .affected_rows());
  }
  return evicted;
}

}  // namespace

Quarantine::Quarantine(QuarantineOptions options, postgres::Pool& pool,
                       kafka::Producer& dead_letters)
    : options_(std::move(options)), pool_(pool), dead_letters_(dead_letters) {}

Quarantine::~Quarantine() { Stop(); }

absl::Status Quarantine::Start() {
  PARLEY_ASSIGN_OR_RETURN(
      consumer_, kafka::Consumer::Create({.brokers = options_.brokers,
                                          .group = options_.group + "." + kafka::kQuarantineTopic,
                                          .client_id = options_.client_id,
                                          .topics = {kafka::kQuarantineTopic},
                                          .session_timeout = options_.session_timeout}));
  thread_ = std::jthread([this](std::stop_token stop) {
    kafka::RunConsumer(
        *consumer_, dead_letters_, {.batch_max = kBatchMax},
        [this](const std::vector<kafka::Record>& batch) { return Handle(batch); }, std::move(stop));
  });
  return absl::OkStatus();
}

void Quarantine::Stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
  consumer_.reset();
}

absl::Status Quarantine::Handle(const std::vector<kafka::Record>& batch) {
  std::vector<QuarantineRecord> records;
  std::set<store::AccountNumber> numbers;
  std::set<std::string> accounts;
  for (const kafka::Record& record : batch) {
    // The loop finds out which one it was, and moves it to the dead letters.
    PARLEY_ASSIGN_OR_RETURN(QuarantineRecord parsed, ParseQuarantine(record.value));
    numbers.insert({parsed.account_sid(), parsed.business_number()});
    accounts.insert(parsed.account_sid());
    records.push_back(std::move(parsed));
  }
  Stored stored;
  PARLEY_RETURN_IF_ERROR(pool_.Transact([&](pqxx::work& tx) -> absl::Status {
    PARLEY_ASSIGN_OR_RETURN(const auto organizations, store::FindOrganizations(tx, numbers));
    stored.inserted = Insert(tx, records, organizations);
    stored.evicted = Evict(tx, accounts, options_.webhooks_max);
    return absl::OkStatus();
  }));
  Outcomes("stored").Increment(stored.inserted);
  Outcomes("evicted").Increment(stored.evicted);
  // Repeats, and those of accounts that nobody connects.
  Outcomes("passed_over").Increment(static_cast<double>(records.size()) - stored.inserted);
  for (const QuarantineRecord& record : records) {
    telemetry::Warning("quarantined", {{"account_sid", record.account_sid()},
                                       {"kind", KindName(record.kind())},
                                       {"number", MaskNumber(record.business_number())},
                                       {"reason", record.reason()}});
  }
  return absl::OkStatus();
}

}  // namespace parley::gateway::projector
