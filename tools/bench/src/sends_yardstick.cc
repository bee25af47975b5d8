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

// The least that a queue does: a row, its claim and its outcome, in a table of five columns.
absl::Status OneBatch(postgres::Pool& pool, int lane) {
  Keys keys;
  for (int i = 0; i < kBatch; ++i) {
    keys.messages.Add(NewId());
    keys.bodies.Add("parley-send-bench, a text of a usual length, " + std::to_string(i));
    keys.lanes.Add(1 + (lane + i) % 50);
  }
  const std::string messages = keys.messages.str();
  PARLEY_RETURN_IF_ERROR(pool.Transact([&](pqxx::work& tx) {
    tx.exec_params(
        "INSERT INTO deliveries (message_id, lane, body) "
        "SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::text[]) ON CONFLICT DO NOTHING",
        messages, keys.lanes.str(), keys.bodies.str());
    return absl::OkStatus();
  }));
  PARLEY_RETURN_IF_ERROR(pool.Transact([&](pqxx::work& tx) {
    tx.exec_params(
        "UPDATE deliveries d SET state = 1 FROM unnest($1::uuid[]) b(msg) "
        "WHERE d.message_id = b.msg AND d.state = 0 RETURNING d.message_id, d.body",
        messages);
    return absl::OkStatus();
  }));
  return pool.Transact([&](pqxx::work& tx) {
    tx.exec_params(
        "UPDATE deliveries d SET state = 2, sid = 'SM0', body = '' FROM unnest($1::uuid[]) b(msg) "
        "WHERE d.message_id = b.msg AND d.state = 1 RETURNING d.message_id",
        messages);
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
  PARLEY_RETURN_IF_ERROR(
      Execute(pool, "DROP SCHEMA IF EXISTS " + schema + " CASCADE; CREATE SCHEMA " + schema +
                        "; CREATE TABLE " + schema +
                        ".deliveries (message_id uuid PRIMARY KEY, lane bigint NOT NULL, "
                        "body text NOT NULL, state smallint NOT NULL DEFAULT 0, "
                        "sid text NOT NULL DEFAULT '') WITH (fillfactor = 50)"));
  options.schema = kScratch;
  options.connections_max = connections;
  std::mutex mutex;
  absl::Status status;
  const auto begin = steady_clock::now();
  {
    postgres::Pool scratch(options);
    std::atomic<int> next{0};
    std::vector<std::jthread> threads;
    for (int i = 0; i < connections; ++i) {
      threads.emplace_back([&] {
        for (int n = next += kBatch; n <= messages; n = next += kBatch) {
          const absl::Status done = OneBatch(scratch, n);
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
