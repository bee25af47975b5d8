#include "sends_yardstick.h"

#include <httplib.h>

#include <atomic>
#include <mutex>
#include <pqxx/pqxx>
#include <thread>
#include <vector>

#include "libs/base/id.h"
#include "libs/base/status.h"
#include "libs/postgres/array.h"
#include "libs/postgres/pool.h"

namespace parley::bench {
namespace {

using postgres::Array;
using std::chrono::steady_clock;

constexpr int kBatch = 100;
constexpr char kScratch[] = "bench_scratch";

struct Keys {
  Array messages;
  Array bodies;
  Array lanes;
};

absl::Status OneBatch(postgres::Pool& pool, const std::string& organization_id, int lane) {
  Keys keys;
  for (int i = 0; i < kBatch; ++i) {
    keys.messages.Add(NewId());
    keys.bodies.Add("parley-send-bench, a text of a usual length, " + std::to_string(i));
    keys.lanes.Add(1 + (lane + i) % 50);
  }
  const std::string messages = keys.messages.str();
  PARLEY_RETURN_IF_ERROR(pool.Transact([&](pqxx::work& tx) {
    tx.exec_params(
        "INSERT INTO deliveries (organization_id, message_id, generation, lane_id, "
        "customer_number, body, media_urls, content_sid, content_variables, "
        "messaging_service_sid, segments, conversation_id, conversation_seq, priority, "
        "created_at, not_before, not_after, due_at) "
        "SELECT $1::uuid, b.msg, 0, b.lane, '+15550000000', b.body, '{}', '', '', '', 1, b.msg, 1, "
        "1, now(), now(), now() + interval '1 hour', now() "
        "FROM unnest($2::uuid[], $3::text[], $4::bigint[]) b(msg, body, lane) "
        "ON CONFLICT DO NOTHING",
        organization_id, messages, keys.bodies.str(), keys.lanes.str());
    return absl::OkStatus();
  }));
  PARLEY_RETURN_IF_ERROR(pool.Transact([&](pqxx::work& tx) {
    tx.exec_params(
        "UPDATE deliveries d SET state = 'sending', attempt = d.attempt + 1, journal = 1, "
        "requested_at = clock_timestamp(), deadline = clock_timestamp() + interval '16 s', "
        "version = d.version + 1, changed_at = clock_timestamp() "
        "FROM unnest($2::uuid[]) b(msg) WHERE d.organization_id = $1::uuid "
        "AND d.message_id = b.msg AND d.generation = 0 AND d.state = 'queued' "
        "RETURNING d.message_id, d.body, d.customer_number",
        organization_id, messages);
    return absl::OkStatus();
  }));
  return pool.Transact([&](pqxx::work& tx) {
    tx.exec_params(
        "UPDATE deliveries d SET state = 'sent', message_sid = 'SM0', body = '', "
        "version = d.version + 1, changed_at = clock_timestamp() "
        "FROM unnest($2::uuid[]) b(msg) WHERE d.organization_id = $1::uuid "
        "AND d.message_id = b.msg AND d.generation = 0 AND d.journal = 1 RETURNING d.version",
        organization_id, messages);
    return absl::OkStatus();
  });
}

absl::Status Execute(postgres::Pool& pool, const std::string& statement) {
  return pool.Transact([&](pqxx::work& tx) {
    tx.exec(statement);
    return absl::OkStatus();
  });
}

}  // namespace

absl::StatusOr<double> MeasureBareCalls(const Target& target, int workers,
                                        std::chrono::milliseconds duration) {
  std::atomic<std::int64_t> done{0};
  std::atomic<std::int64_t> refused{0};
  const auto begin = steady_clock::now();
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < workers; ++i) {
      threads.emplace_back([&, i] {
        httplib::Client client(target.twilio_url);
        client.set_keep_alive(true);
        client.set_tcp_nodelay(true);
        client.set_basic_auth(target.account_sid, std::string(target.auth_token.Reveal()));
        const std::string path = "/2010-04-01/Accounts/" + target.account_sid + "/Messages.json";
        const httplib::Params form = {
            {"To", CustomerNumber(i)},
            {"From", target.phone_number},
            {"Body", "parley-send-bench"},
            {"StatusCallback", target.public_url + "/webhooks/twilio/status?message_id=0#rc=5"}};
        while (steady_clock::now() - begin < duration) {
          const auto answer = client.Post(path, form);
          ++(answer && answer->status == 201 ? done : refused);
        }
      });
    }
  }
  const double seconds = std::chrono::duration<double>(steady_clock::now() - begin).count();
  if (refused > 0) {
    return Unavailable("CALLS_REFUSED", std::to_string(refused) + " calls were not answered 201.");
  }
  return static_cast<double>(done) / seconds;
}

absl::StatusOr<double> MeasureBareRows(const std::string& url, int connections, int messages) {
  postgres::PoolOptions options;
  options.url = url;
  options.application_name = "parley-send-bench";
  postgres::Pool pool(options);
  const std::string schema(kScratch);
  PARLEY_RETURN_IF_ERROR(Execute(
      pool, "DROP SCHEMA IF EXISTS " + schema + " CASCADE; CREATE SCHEMA " + schema +
                "; CREATE TABLE " + schema + ".deliveries (LIKE sender.deliveries INCLUDING ALL)"));
  options.schema = kScratch;
  options.connections_max = connections;
  std::mutex mutex;
  absl::Status status;
  const auto begin = steady_clock::now();
  {
    postgres::Pool scratch(options);
    const std::string organization_id = NewId();
    std::atomic<int> next{0};
    std::vector<std::jthread> threads;
    for (int i = 0; i < connections; ++i) {
      threads.emplace_back([&] {
        for (int n = next += kBatch; n <= messages; n = next += kBatch) {
          const absl::Status done = OneBatch(scratch, organization_id, n);
          if (done.ok()) continue;
          const std::lock_guard lock(mutex);
          status.Update(done);
          return;
        }
      });
    }
  }
  const double seconds = std::chrono::duration<double>(steady_clock::now() - begin).count();
  PARLEY_RETURN_IF_ERROR(Execute(pool, "DROP SCHEMA " + schema + " CASCADE"));
  PARLEY_RETURN_IF_ERROR(status);
  return messages / kBatch * kBatch / seconds;
}

}  // namespace parley::bench
