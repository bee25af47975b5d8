#include "relay/relay.h"

#include <iterator>
#include <map>
#include <string_view>
#include <utility>

#include "libs/base/shutdown.h"
#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/postgres/array.h"
#include "libs/telemetry/log.h"
#include "libs/telemetry/metrics.h"
#include "parley/events/v1/directory.pb.h"
#include "relay/batch.h"
#include "relay/consents.h"
#include "relay/leader.h"
#include "store/live_json.h"
#include "store/outbox.h"
#include "store/statement.h"

namespace parley::gateway::relay {
namespace {

using events::v1::DirectoryRecord;

// Advisory locks of the lanes; "parley" in ASCII and a number. Never used elsewhere.
constexpr std::int64_t kKafkaLock = 0x7061726c65790001;
constexpr std::int64_t kLiveLock = 0x7061726c65790002;
constexpr std::int64_t kDirectoryLock = 0x7061726c65790003;
constexpr std::int64_t kConsentsLock = 0x7061726c65790004;

// Rows of live_outbox in one transaction; each holds up to Outbox::kLiveRowBytesMax.
constexpr int kLiveRowsMax = 64;

// A leader of these lanes runs a statement at least every `wait_max`.
constexpr std::chrono::milliseconds kLeaderIdleMax{15'000};

// Rows that a sweep deletes at once: live updates wait for so many, and each holds up to
// Outbox::kLiveRowBytesMax.
constexpr int kSweptRowsMax = 200;
constexpr std::size_t kSweptTables = 4;

// How long reports wait for the message or call that they are about.
constexpr std::chrono::hours kEarlyKept{7 * 24};

// How long a relay that stops waits for what is on its way to Kafka.
constexpr std::chrono::milliseconds kStopWait{5'000};
// Between looks for acknowledgements while nothing new comes.
constexpr std::chrono::milliseconds kUnderWayWait{100};

// Runs `body` in a transaction of the leader's own connection.
template <class Body>
absl::Status Transact(pqxx::connection& connection, Body body) {
  try {
    pqxx::work tx(connection);
    PARLEY_RETURN_IF_ERROR(body(tx));
    tx.commit();
    return absl::OkStatus();
  } catch (...) {
    return postgres::CurrentExceptionToStatus();
  }
}

prometheus::Counter& Published(const std::string& lane) {
  return telemetry::Counter("parley_gateway_relayed_total",
                            "Rows that left the database; if it stands still while the outbox "
                            "grows, Kafka or the leader is away.",
                            {{"lane", lane}});
}

// Keys are ids, SIDs or phone numbers.
std::string LoggedKey(const std::string& key) {
  return key.starts_with('+') ? MaskNumber(key) : key;
}

kafka::Headers HeadersOf(std::string type, const char* traceparent) {
  kafka::Headers headers{{kafka::kTypeHeader, std::move(type)}};
  if (*traceparent != '\0') headers.emplace_back(kafka::kTraceHeader, traceparent);
  return headers;
}

}  // namespace

Relay::Relay(RelayOptions options, kafka::Producer& producer, PublishLive publish_live,
             const Clock& clock)
    : options_(std::move(options)),
      producer_(producer),
      publish_live_(std::move(publish_live)),
      clock_(clock) {}

Relay::~Relay() { Stop(); }

void Relay::Start() {
  StartLane({.name = "kafka", .lock = kKafkaLock, .idle_max = kLeaderIdleMax}, &Relay::LeadKafka);
  StartLane({.name = "live", .lock = kLiveLock, .idle_max = kLeaderIdleMax}, &Relay::LeadLive);
  // These wait for Kafka between their statements.
  StartLane({.name = "directory", .lock = kDirectoryLock}, &Relay::LeadDirectory);
  StartLane({.name = "consents", .lock = kConsentsLock}, &Relay::LeadConsents);
}

void Relay::Stop() {
  for (std::jthread& thread : threads_) thread.request_stop();
  threads_.clear();  // Joins.
}

void Relay::StartLane(const LeaderOptions& lane, Lead lead) {
  threads_.emplace_back([this, lane, lead](const std::stop_token& stop) {
    RunAsLeader(
        lane, options_.database,
        [&](pqxx::connection& connection, const std::stop_token& until) {
          return (this->*lead)(connection, until);
        },
        stop);
  });
}

// ---- Kafka ----

absl::Status Relay::LeadKafka(pqxx::connection& connection, const std::stop_token& stop) {
  postgres::Listener listener(options_.database, {store::kOutboxChannel});
  absl::Status status;
  while (status.ok() && !stop.stop_requested()) {
    const absl::StatusOr<bool> more = PublishOutbox(connection);
    status = more.status();
    // New rows wake it at once; what Kafka has acknowledged is deleted along with the next look.
    if (more.ok() && !*more) {
      listener.Wait(flight_->size() > 0 ? kUnderWayWait : options_.wait_max, stop);
    }
  }
  // What is on its way may still arrive; then it need not be published again.
  const auto until = std::chrono::steady_clock::now() + kStopWait;
  while (status.ok() && !flight_->AllReported() && std::chrono::steady_clock::now() < until) {
    listener.Wait(kUnderWayWait, std::stop_token());
  }
  if (status.ok()) status = DeletePublished(connection);
  return status;
}

absl::StatusOr<bool> Relay::PublishOutbox(pqxx::connection& connection) {
  if (!flight_->MayProduce() || flight_->size() >= options_.flight_max) {
    if (!std::exchange(outbox_waits_, true)) {
      telemetry::Warning("outbox_waits", flight_->last_error());
    }
    PARLEY_RETURN_IF_ERROR(DeletePublished(connection));
    return false;
  }
  outbox_waits_ = false;
  const std::vector<std::int64_t> published = flight_->Acknowledged();
  pqxx::result rows;
  PARLEY_RETURN_IF_ERROR(Transact(connection, [&](pqxx::work& tx) -> absl::Status {
    Delete(tx, published);
    // Several batches may be on their way: what comes next does not wait for Kafka.
    static const std::string sql =
        "SELECT id, topic, key, value, type, traceparent, organization_id FROM outbox "
        "WHERE id <> ALL ($1::bigint[]) ORDER BY id LIMIT $2";
    rows = store::RunPrepared(tx, "read_outbox", sql, flight_->IdArray(), options_.batch_max);
    return absl::OkStatus();
  }));
  flight_->Forget(published);
  for (const pqxx::row& row : rows) {
    const std::int64_t id = row[0].as<std::int64_t>();
    const kafka::OutRecord record{row[1].c_str(), row[2].c_str(),
                                  postgres::FromBytea(row[3].c_str()),
                                  HeadersOf(row[4].c_str(), row[5].c_str())};
    flight_->Begin(id);
    const absl::Status queued = producer_.Produce(
        record,
        [flight = flight_, id](absl::Status status) { flight->Report(id, std::move(status)); });
    if (!queued.ok()) {
      flight_->Report(id, queued);
      break;  // Nothing after it may overtake it.
    }
    telemetry::Info("published", {{"organization_id", row[6].c_str()},
                                  {"topic", record.topic},
                                  {"key", LoggedKey(record.key)},
                                  {"outbox_id", id}});
  }
  static prometheus::Gauge& under_way =
      telemetry::Gauge("parley_gateway_outbox_under_way_rows",
                       "Rows on their way to Kafka; if it stays high, Kafka is away or too slow.");
  under_way.Set(static_cast<double>(flight_->size()));
  return static_cast<int>(rows.size()) == options_.batch_max;
}

void Relay::Delete(pqxx::work& tx, const std::vector<std::int64_t>& ids) {
  if (ids.empty()) return;
  // Losing this in a crash only means to publish again, so nobody waits for the disk.
  tx.exec("SET LOCAL synchronous_commit = off");
  postgres::Array array;
  for (const std::int64_t id : ids) array.Add(id);
  static const std::string sql = "DELETE FROM outbox WHERE id = ANY ($1::bigint[])";
  store::RunPrepared(tx, "delete_outbox", sql, array.str());
  Published("kafka").Increment(static_cast<double>(ids.size()));
}

absl::Status Relay::DeletePublished(pqxx::connection& connection) {
  const std::vector<std::int64_t> published = flight_->Acknowledged();
  PARLEY_RETURN_IF_ERROR(Transact(connection, [&](pqxx::work& tx) -> absl::Status {
    Delete(tx, published);
    return absl::OkStatus();
  }));
  flight_->Forget(published);
  return absl::OkStatus();
}

// ---- Live ----

absl::Status Relay::LeadLive(pqxx::connection& connection, const std::stop_token& stop) {
  postgres::Listener listener(options_.database, {store::kLiveChannel});
  // Its one statement would be planned anew each time, which takes longer than to run it.
  PARLEY_RETURN_IF_ERROR(Transact(connection, [](pqxx::work& tx) -> absl::Status {
    tx.exec("SET plan_cache_mode = force_generic_plan");
    return absl::OkStatus();
  }));
  auto sweep_at = clock_.Steady();
  std::size_t sweeping = 0;  // The table whose turn it is.
  while (!stop.stop_requested()) {
    PARLEY_ASSIGN_OR_RETURN(const int taken, NumberLive(connection));
    if (clock_.Steady() < sweep_at) {
      if (taken < kLiveRowsMax) listener.Wait(options_.wait_max, stop);
      continue;
    }
    // A piece between two looks at what is to be numbered, and no wait until all is swept. What
    // fails is swept next time: no live update waits for that.
    const absl::StatusOr<int> deleted = SweepPiece(connection, sweeping);
    if (!deleted.ok()) telemetry::Warning("sweep_failed", deleted.status());
    if (!deleted.ok() || *deleted < kSweptRowsMax) ++sweeping;
    if (sweeping < kSweptTables) continue;
    sweep_at = clock_.Steady() + options_.sweep_every;
    sweeping = 0;
  }
  return absl::OkStatus();
}

absl::StatusOr<int> Relay::NumberLive(pqxx::connection& connection) {
  pqxx::result rows;
  // One statement: rows are taken in the order of their ids, each organization's counter rises by
  // the events in what was taken of it, and the rows' last numbers follow from both.
  static const std::string sql =
      "WITH taken AS (DELETE FROM live_outbox l WHERE l.id = ANY (ARRAY(SELECT id "
      "FROM live_outbox ORDER BY id LIMIT $1)) "
      "RETURNING l.organization_id, l.id, l.events, l.data), "
      "counted AS (INSERT INTO live_counters AS c (organization_id, last_number) "
      "SELECT organization_id, sum(events) FROM taken GROUP BY organization_id "
      "ORDER BY organization_id "
      "ON CONFLICT (organization_id) DO UPDATE SET last_number = c.last_number + "
      "excluded.last_number RETURNING c.organization_id, c.last_number), "
      "placed AS (SELECT t.*, sum(t.events) OVER (PARTITION BY t.organization_id "
      "ORDER BY t.id DESC) - t.events AS behind FROM taken t) "
      "INSERT INTO live_events (organization_id, number, events, data, created_at) "
      "SELECT p.organization_id, c.last_number - p.behind, p.events, p.data, $2::timestamptz "
      "FROM placed p JOIN counted c ON c.organization_id = p.organization_id ORDER BY p.id "
      "RETURNING organization_id, number, events, data";
  const Time now = clock_.Now();
  PARLEY_RETURN_IF_ERROR(Transact(connection, [&](pqxx::work& tx) -> absl::Status {
    rows = store::RunPrepared(tx, "number_live", sql, kLiveRowsMax, FormatTime(now));
    return absl::OkStatus();
  }));
  std::int64_t events = 0;
  for (const pqxx::row& row : rows) {
    const std::string channel = std::string(kLivePrefix) + row[0].c_str();
    std::int64_t number = row[1].as<std::int64_t>() - row[2].as<std::int64_t>();
    for (const store::LiveLine& line : store::SplitLiveLines({row[3].c_str(), row[3].size()})) {
      ++number;
      ++events;
      publish_live_(channel, std::to_string(number) + "\n" + std::string(line.name) + "\n" +
                                 store::NumberedLiveEvent(number, now, line.data));
    }
  }
  Published("live").Increment(static_cast<double>(events));
  return static_cast<int>(rows.size());
}

absl::StatusOr<int> Relay::SweepPiece(pqxx::connection& connection, std::size_t table) const {
  // What nobody asks for any more, each by an index of its time.
  struct Expiry {
    std::string table;
    std::string time;
    std::chrono::hours kept;
    const char* also;
  };
  const Expiry expiries[] = {
      {"live_events", "created_at", options_.live_kept, ""},
      {"early_statuses", "at", kEarlyKept, ""},
      {"early_recordings", "at", kEarlyKept, ""},
      {"message_attempts", "created_at", kEarlyKept, "message_id IS NULL AND "},
  };
  static_assert(std::size(expiries) == kSweptTables);
  const Expiry& expiry = expiries[table];
  int deleted = 0;
  PARLEY_RETURN_IF_ERROR(Transact(connection, [&](pqxx::work& tx) -> absl::Status {
    deleted = static_cast<int>(
        tx.exec("DELETE FROM " + expiry.table + " WHERE ctid = ANY (ARRAY(SELECT ctid FROM " +
                expiry.table + " WHERE " + expiry.also + expiry.time + " < '" +
                FormatTime(clock_.Now() - expiry.kept) + "' ORDER BY " + expiry.time + " LIMIT " +
                std::to_string(kSweptRowsMax) + " FOR UPDATE SKIP LOCKED))")
            .affected_rows());
    return absl::OkStatus();
  }));
  return deleted;
}

// ---- Directory ----

absl::Status Relay::LeadDirectory(pqxx::connection& connection, const std::stop_token& stop) {
  postgres::Listener listener(options_.database, {store::kDirectoryChannel});
  // A new leader cannot know what Kafka still has, so it says all of it.
  auto republish_at = clock_.Steady();
  while (!stop.stop_requested()) {
    if (clock_.Steady() >= republish_at) {
      PARLEY_RETURN_IF_ERROR(RepublishDirectory(connection, stop));
      republish_at = clock_.Steady() + options_.republish_every;
    }
    PARLEY_ASSIGN_OR_RETURN(const int taken, PublishChangedRecords(connection, stop));
    if (taken < options_.batch_max) listener.Wait(options_.wait_max, stop);
  }
  return absl::OkStatus();
}

namespace {

kafka::OutRecord ToRecord(std::string record_id, std::string value) {
  return {kafka::kDirectoryTopic, std::move(record_id), std::move(value),
          HeadersOf(std::string(DirectoryRecord::descriptor()->full_name()), "")};
}

}  // namespace

absl::StatusOr<int> Relay::PublishChangedRecords(pqxx::connection& connection,
                                                 const std::stop_token& stop) {
  pqxx::result rows;
  PARLEY_RETURN_IF_ERROR(Transact(connection, [&](pqxx::work& tx) -> absl::Status {
    rows = tx.exec(
        "SELECT record_id, version, value FROM directory_records "
        "WHERE version > published_version ORDER BY version LIMIT " +
        std::to_string(options_.batch_max));
    return absl::OkStatus();
  }));
  if (rows.empty()) return 0;
  std::vector<kafka::OutRecord> records;
  for (const pqxx::row& row : rows) {
    records.push_back(ToRecord(row[0].c_str(), postgres::FromBytea(row[2].c_str())));
  }
  const std::vector<bool> acknowledged = ProduceBatch(producer_, records, stop);
  postgres::Array ids, versions;
  int published = 0;
  for (std::size_t i = 0; i < records.size(); ++i) {
    if (!acknowledged[i]) continue;
    ++published;
    const pqxx::row row = rows[static_cast<pqxx::result::size_type>(i)];
    ids.Add(row[0].c_str());
    versions.Add(row[1].as<std::int64_t>());
    telemetry::Info("directory_published", {{"version", row[1].as<std::int64_t>()}});
  }
  Published("directory").Increment(published);
  PARLEY_RETURN_IF_ERROR(Transact(connection, [&](pqxx::work& tx) -> absl::Status {
    tx.exec_params(
        "UPDATE directory_records d SET published_version = w.version "
        "FROM unnest($1::text[], $2::bigint[]) w(id, version) WHERE d.record_id = w.id",
        ids.str(), versions.str());
    return absl::OkStatus();
  }));
  if (static_cast<std::size_t>(published) < records.size() && !stop.stop_requested()) {
    return Unavailable("KAFKA_UNAVAILABLE", "Kafka did not take all directory records.");
  }
  return static_cast<int>(records.size());
}

absl::Status Relay::RepublishDirectory(pqxx::connection& connection, const std::stop_token& stop) {
  std::string last_id;
  std::int64_t total = 0;
  while (!stop.stop_requested()) {
    pqxx::result rows;
    PARLEY_RETURN_IF_ERROR(Transact(connection, [&](pqxx::work& tx) -> absl::Status {
      rows = tx.exec_params(
          "SELECT record_id, value FROM directory_records WHERE record_id > $1 "
          "ORDER BY record_id LIMIT $2",
          last_id, options_.batch_max);
      return absl::OkStatus();
    }));
    std::vector<kafka::OutRecord> records;
    for (const pqxx::row& row : rows) {
      last_id = row[0].c_str();
      records.push_back(ToRecord(last_id, postgres::FromBytea(row[1].c_str())));
    }
    total += static_cast<std::int64_t>(records.size());
    const bool last_page = static_cast<int>(records.size()) < options_.batch_max;
    if (last_page) {
      DirectoryRecord marker;
      marker.set_version(ToMicros(clock_.Now()));
      marker.mutable_complete()->set_at_us(marker.version());
      marker.mutable_complete()->set_records(total);
      records.push_back(ToRecord("complete", marker.SerializeAsString()));
    }
    for (const bool acknowledged : ProduceBatch(producer_, records, stop)) {
      if (acknowledged) continue;
      return Unavailable("KAFKA_UNAVAILABLE", "Kafka did not take all directory records.");
    }
    if (last_page) break;
  }
  telemetry::Info("directory_republished", {{"records", total}});
  return absl::OkStatus();
}

// ---- Consents ----

absl::Status Relay::LeadConsents(pqxx::connection& connection, const std::stop_token& stop) {
  postgres::Listener listener(options_.database, {kConsentsChannel});
  while (!stop.stop_requested()) {
    PARLEY_ASSIGN_OR_RETURN(const bool due,
                            ConsentsDue(connection, options_.republish_every, clock_.Now()));
    if (due) {
      PARLEY_ASSIGN_OR_RETURN(
          const std::int64_t records,
          RepublishConsents(connection, producer_, options_.batch_max, clock_, stop));
      Published("consents").Increment(static_cast<double>(records));
    } else {
      listener.Wait(options_.wait_max, stop);
    }
  }
  return absl::OkStatus();
}

}  // namespace parley::gateway::relay
