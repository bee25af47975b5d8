#include "relay/consents.h"

#include <string>
#include <vector>

#include "libs/base/status.h"
#include "libs/telemetry/log.h"
#include "libs/telemetry/metrics.h"
#include "parley/events/v1/consent.pb.h"
#include "relay/batch.h"
#include "store/resources.h"

namespace parley::gateway::relay {
namespace {

using events::v1::ConsentRecord;

// Where a page begins: the primary key of `suppressions`.
struct Position {
  std::string organization = "00000000-0000-0000-0000-000000000000";
  std::string customer, number, service;
};

kafka::OutRecord ToRecord(const ConsentRecord& record) {
  return {kafka::kConsentTopic,
          record.customer_number(),
          record.SerializeAsString(),
          {{kafka::kTypeHeader, std::string(ConsentRecord::descriptor()->full_name())}}};
}

// The next page; `position` moves behind it.
std::vector<kafka::OutRecord> ReadPage(pqxx::work& tx, std::int64_t run, int batch_max,
                                       Position& position) {
  std::vector<kafka::OutRecord> records;
  for (const pqxx::row& row : tx.exec_params(
           "SELECT s.organization_id, s.customer_number, s.business_number, "
           "s.messaging_service_sid, s.opted_out, " +
               store::MicrosOf("s.given_at") +
               ", coalesce((SELECT n.account_sid FROM number_claims n "
               "WHERE n.organization_id = s.organization_id AND n.number = s.business_number "
               "ORDER BY n.account_sid LIMIT 1), '') FROM suppressions s "
               "WHERE (s.organization_id, s.customer_number, s.business_number, "
               "s.messaging_service_sid) > ($1::uuid, $2, $3, $4) "
               "ORDER BY s.organization_id, s.customer_number, s.business_number, "
               "s.messaging_service_sid LIMIT $5",
           position.organization, position.customer, position.number, position.service,
           batch_max)) {
    position = {row[0].c_str(), row[1].c_str(), row[2].c_str(), row[3].c_str()};
    ConsentRecord record;
    record.set_organization_id(position.organization);
    record.set_customer_number(position.customer);
    record.set_business_number(position.number);
    record.set_messaging_service_sid(position.service);
    record.set_keyword(row[4].as<bool>() ? events::v1::KEYWORD_STOP : events::v1::KEYWORD_START);
    record.set_given_at_us(row[5].as<std::int64_t>());
    record.set_account_sid(row[6].c_str());
    record.set_republication_us(run);
    records.push_back(ToRecord(record));
  }
  return records;
}

absl::Status Publish(kafka::Producer& producer, const std::vector<kafka::OutRecord>& records,
                     const std::stop_token& stop) {
  for (const bool acknowledged : ProduceBatch(producer, records, stop)) {
    if (!acknowledged) {
      return Unavailable("KAFKA_UNAVAILABLE", "Kafka did not take all suppressions.");
    }
  }
  return absl::OkStatus();
}

}  // namespace

void RequestConsents(pqxx::work& tx, Time since, Time now) {
  tx.exec_params0(
      "UPDATE consent_republication SET requested_at = $2 "
      "WHERE coalesce(started_at, '-infinity') < $1::timestamptz",
      FormatTime(since), FormatTime(now));
  tx.exec0(std::string("NOTIFY ") + kConsentsChannel);
}

absl::StatusOr<bool> ConsentsDue(pqxx::connection& connection, std::chrono::hours every, Time now) {
  try {
    pqxx::work tx(connection);
    return tx
        .exec_params1(
            "SELECT finished_at IS NULL OR finished_at <= $1 "
            "OR coalesce(requested_at > started_at, false) FROM consent_republication",
            FormatTime(now - every))[0]
        .as<bool>();
  } catch (...) {
    return postgres::CurrentExceptionToStatus();
  }
}

absl::StatusOr<std::int64_t> RepublishConsents(pqxx::connection& connection,
                                               kafka::Producer& producer, int batch_max,
                                               const Clock& clock, const std::stop_token& stop) {
  const Time started = clock.Now();
  const std::int64_t run = ToMicros(started);
  Position position;
  std::int64_t total = 0;
  try {
    for (bool more = true; more;) {
      pqxx::work tx(connection);
      const std::vector<kafka::OutRecord> records = ReadPage(tx, run, batch_max, position);
      tx.commit();
      more = static_cast<int>(records.size()) == batch_max;
      PARLEY_RETURN_IF_ERROR(Publish(producer, records, stop));
      total += static_cast<std::int64_t>(records.size());
      if (stop.stop_requested()) return Unavailable("STOPPING", "The relay is stopping.");
    }
    ConsentRecord last;
    last.set_republication_us(run);
    last.set_republication_complete(true);
    last.set_republication_records(total);
    PARLEY_RETURN_IF_ERROR(Publish(producer, {ToRecord(last)}, stop));
    pqxx::work tx(connection);
    tx.exec_params0(
        "UPDATE consent_republication SET started_at = $1, finished_at = $2, records = $3",
        FormatTime(started), FormatTime(clock.Now()), total);
    tx.commit();
  } catch (...) {
    return postgres::CurrentExceptionToStatus();
  }
  static prometheus::Gauge& finished = telemetry::Gauge(
      "parley_gateway_consents_republished_seconds",
      "When all suppressions were last republished, seconds since 1970; a sender that was restored "
      "waits for it. Older than a day: look at the relay's log.");
  finished.Set(static_cast<double>(ToMicros(clock.Now())) / 1e6);
  telemetry::Info("consents_republished", {{"records", total}});
  return total;
}

}  // namespace parley::gateway::relay
