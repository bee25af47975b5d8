#include "libs/kafka/consumer.h"

#include <algorithm>
#include <map>
#include <utility>

#include "libs/base/shutdown.h"
#include "libs/base/status.h"
#include "libs/kafka/client.h"
#include "libs/telemetry/log.h"
#include "libs/telemetry/metrics.h"

namespace parley::kafka {
namespace {

using std::chrono::milliseconds;

// The highest (or lowest) offset of each partition in a batch.
template <class Better>
std::map<std::pair<std::string, std::int32_t>, std::int64_t> Extreme(
    const std::vector<Record>& records, Better better) {
  std::map<std::pair<std::string, std::int32_t>, std::int64_t> offsets;
  for (const Record& record : records) {
    const auto [at, fresh] = offsets.try_emplace({record.topic, record.partition}, record.offset);
    if (!fresh && better(record.offset, at->second)) at->second = record.offset;
  }
  return offsets;
}

}  // namespace

struct Consumer::State {
  std::int64_t generation = 0;  // Changed by OnRebalance, inside Poll and the destructor.
  Handle handle;
};

namespace {

void OnRebalance(rd_kafka_t* handle, rd_kafka_resp_err_t event,
                 rd_kafka_topic_partition_list_t* partitions, void* opaque) {
  const bool given = event == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
  ++*static_cast<std::int64_t*>(opaque);
  // Taking them away commits what was stored of them.
  rd_kafka_assign(handle, given ? partitions : nullptr);
  telemetry::Info(given ? "partitions_given" : "partitions_taken",
                  {{"partitions", partitions->cnt}});
}

}  // namespace

Consumer::Consumer(std::unique_ptr<State> state) : state_(std::move(state)) {}

absl::StatusOr<std::unique_ptr<Consumer>> Consumer::Create(const ConsumerOptions& options) {
  PARLEY_ASSIGN_OR_RETURN(
      Conf conf,
      MakeConf(options.brokers, options.client_id,
               {{"group.id", options.group},
                {"enable.auto.offset.store", "false"},
                {"enable.auto.commit", "true"},
                {"auto.commit.interval.ms", "1000"},
                {"auto.offset.reset", options.from_beginning ? "earliest" : "latest"},
                // The cooperative assignor of librdkafka 2.0.2 can loop.
                {"partition.assignment.strategy", "range,roundrobin"},
                {"session.timeout.ms", std::to_string(options.session_timeout.count())},
                {"heartbeat.interval.ms", std::to_string(options.session_timeout.count() / 5)},
                {"max.poll.interval.ms", std::to_string(options.poll_interval_max.count())},
                {"fetch.wait.max.ms", "500"},
                {"fetch.error.backoff.ms", "100"},
                {"topic.metadata.refresh.interval.ms", "10000"},
                {"queued.max.messages.kbytes", "32768"},
                {"fetch.message.max.bytes", "1048576"}}));
  auto state = std::make_unique<State>();
  rd_kafka_conf_set_opaque(conf.get(), &state->generation);
  rd_kafka_conf_set_rebalance_cb(conf.get(), OnRebalance);
  PARLEY_ASSIGN_OR_RETURN(state->handle, MakeHandle(RD_KAFKA_CONSUMER, std::move(conf)));
  rd_kafka_poll_set_consumer(state->handle.get());
  const PartitionList topics(
      rd_kafka_topic_partition_list_new(static_cast<int>(options.topics.size())));
  for (const std::string& topic : options.topics) {
    rd_kafka_topic_partition_list_add(topics.get(), topic.c_str(), RD_KAFKA_PARTITION_UA);
  }
  PARLEY_RETURN_IF_ERROR(ToStatus(rd_kafka_subscribe(state->handle.get(), topics.get())));
  return std::unique_ptr<Consumer>(new Consumer(std::move(state)));
}

Consumer::~Consumer() {
  // Leaves the group and commits what was stored.
  rd_kafka_consumer_close(state_->handle.get());
}

absl::StatusOr<std::vector<Record>> Consumer::Poll(std::size_t records_max, milliseconds wait) {
  std::vector<Record> records;
  std::int64_t generation = state_->generation;
  while (records.size() < records_max) {
    const int timeout_ms = records.empty() ? static_cast<int>(wait.count()) : 0;
    const Message message(rd_kafka_consumer_poll(state_->handle.get(), timeout_ms));
    if (generation != state_->generation) {
      // Partitions were given or taken meanwhile. What was polled before comes again, here or
      // elsewhere: to hand it over together with what follows would put it behind itself.
      generation = state_->generation;
      records.clear();
    }
    if (message == nullptr) break;
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) continue;
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      if (!records.empty()) break;  // Hand over what is there; the error comes again.
      return Unavailable("KAFKA_UNAVAILABLE", rd_kafka_err2str(message->err));
    }
    records.push_back(ToRecord(*message));
  }
  return records;
}

void Consumer::StoreOffsets(const std::vector<Record>& records) {
  const auto last = Extreme(records, std::greater<>());
  const PartitionList list(rd_kafka_topic_partition_list_new(static_cast<int>(last.size())));
  for (const auto& [partition, offset] : last) {
    rd_kafka_topic_partition_list_add(list.get(), partition.first.c_str(), partition.second)
        ->offset = offset + 1;
  }
  // A partition that moved to another member is refused, and rightly so.
  rd_kafka_offsets_store(state_->handle.get(), list.get());
}

absl::Status Consumer::CommitNow() {
  const rd_kafka_resp_err_t error = rd_kafka_commit(state_->handle.get(), nullptr, 0);
  if (error == RD_KAFKA_RESP_ERR__NO_OFFSET) return absl::OkStatus();
  return ToStatus(error);
}

absl::Status Consumer::Rewind(const std::vector<Record>& records) {
  const auto first = Extreme(records, std::less<>());
  const PartitionList list(rd_kafka_topic_partition_list_new(static_cast<int>(first.size())));
  for (const auto& [partition, offset] : first) {
    rd_kafka_topic_partition_list_add(list.get(), partition.first.c_str(), partition.second)
        ->offset = offset;
  }
  rd_kafka_error_t* error = rd_kafka_seek_partitions(state_->handle.get(), list.get(), 5000);
  if (error == nullptr) return absl::OkStatus();
  const absl::Status status = ToStatus(rd_kafka_error_code(error));
  rd_kafka_error_destroy(error);
  return status;
}

std::int64_t Consumer::Generation() const { return state_->generation; }

std::int64_t Consumer::Lag() const {
  if (state_->generation == 0) return -1;
  rd_kafka_topic_partition_list_t* raw = nullptr;
  if (rd_kafka_assignment(state_->handle.get(), &raw) != RD_KAFKA_RESP_ERR_NO_ERROR) return -1;
  const PartitionList assigned(raw);
  if (rd_kafka_position(state_->handle.get(), assigned.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return -1;
  }
  std::int64_t lag = 0;
  for (int i = 0; i < assigned->cnt; ++i) {
    const rd_kafka_topic_partition_t& at = assigned->elems[i];
    std::int64_t low = 0;
    std::int64_t high = 0;
    if (at.offset < 0 ||
        rd_kafka_get_watermark_offsets(state_->handle.get(), at.topic, at.partition, &low, &high) !=
            RD_KAFKA_RESP_ERR_NO_ERROR) {
      continue;
    }
    lag += std::max<std::int64_t>(0, high - at.offset);
  }
  return lag;
}

OutRecord DeadLetter(const Record& record, const absl::Status& reason) {
  OutRecord dead{record.topic + kDeadLetterSuffix, record.key, record.value, record.headers};
  dead.headers.emplace_back("parley-origin", record.topic + "/" + std::to_string(record.partition) +
                                                 "/" + std::to_string(record.offset));
  dead.headers.emplace_back("parley-reason", ErrorReason(reason));
  dead.headers.emplace_back("parley-message", std::string(reason.message()));
  return dead;
}

namespace {

constexpr milliseconds kDeadLetterWait{10'000};

void NoteBuried(const Record& record, const absl::Status& reason) {
  telemetry::Counter("parley_kafka_dead_letters_total",
                     "Records moved to a dead-letter topic; read their parley-reason header, "
                     "mend the cause and replay them.",
                     {{"topic", record.topic}})
      .Increment();
  telemetry::Error(
      "dead_letter", reason,
      {{"topic", record.topic}, {"partition", record.partition}, {"offset", record.offset}});
}

}  // namespace

absl::Status Bury(Producer& dead_letters, const Record& record, const absl::Status& reason) {
  OutRecord dead = DeadLetter(record, reason);
  absl::Status moved = dead_letters.ProduceAndWait({&dead, 1}, kDeadLetterWait);
  if (absl::IsInvalidArgument(moved)) {
    // With the headers of a dead letter it no longer fits. Its origin tells where it still is.
    dead.value.clear();
    dead.headers.emplace_back("parley-value-left-out", std::to_string(record.value.size()));
    moved = dead_letters.ProduceAndWait({&dead, 1}, kDeadLetterWait);
  }
  PARLEY_RETURN_IF_ERROR(moved);
  NoteBuried(record, reason);
  return absl::OkStatus();
}

absl::Status BuryAll(Producer& dead_letters,
                     std::span<const std::pair<const Record*, absl::Status>> bad) {
  if (bad.empty()) return absl::OkStatus();
  std::vector<OutRecord> dead;
  for (const auto& [record, reason] : bad) dead.push_back(DeadLetter(*record, reason));
  const absl::Status moved = dead_letters.ProduceAndWait(dead, kDeadLetterWait);
  if (absl::IsInvalidArgument(moved)) {
    for (const auto& [record, reason] : bad) {
      PARLEY_RETURN_IF_ERROR(Bury(dead_letters, *record, reason));
    }
    return absl::OkStatus();
  }
  PARLEY_RETURN_IF_ERROR(moved);
  for (const auto& [record, reason] : bad) NoteBuried(*record, reason);
  return absl::OkStatus();
}

namespace {

// Hands over a batch until it is done with; false if `stop` came first, and then nothing of the
// batch may be committed.
class BatchRunner {
 public:
  // As many time-outs of the database in a row, and the batch is halved.
  static constexpr int kTimeoutsMax = 2;

  BatchRunner(Producer& dead_letters, const LoopOptions& options, const BatchHandler& handle,
              std::stop_token stop)
      : dead_letters_(dead_letters), options_(options), handle_(handle), stop_(std::move(stop)) {}

  bool Run(const std::vector<Record>& batch) {
    milliseconds wait = options_.retry_min;
    int timeouts = 0;
    while (true) {
      const absl::Status status = handle_(batch);
      if (status.ok()) return true;
      if (!IsRetryable(status)) return Isolate(batch, status);
      telemetry::Warning("batch_retried", status,
                         {{"topic", batch.front().topic}, {"records", batch.size()}});
      timeouts = ErrorReason(status) == "DATABASE_TIMEOUT" ? timeouts + 1 : 0;
      // It may be more than fits into the time, or one of its rows is held by somebody else.
      if (timeouts == kTimeoutsMax && batch.size() > 1) return RunHalves(batch);
      if (!SleepFor(stop_, wait)) return false;
      wait = std::min(wait * 2, options_.retry_max);
    }
  }

 private:
  // Finds the poison by halving, so that its neighbours are not held back.
  bool Isolate(const std::vector<Record>& batch, const absl::Status& status) {
    if (batch.size() == 1) return BuryUntilDone(batch.front(), status);
    return RunHalves(batch);
  }

  // In order: the second waits until the first is done with.
  bool RunHalves(const std::vector<Record>& batch) {
    const auto middle = batch.begin() + static_cast<std::ptrdiff_t>(batch.size() / 2);
    return Run({batch.begin(), middle}) && Run({middle, batch.end()});
  }

  bool BuryUntilDone(const Record& record, const absl::Status& status) {
    while (!Bury(dead_letters_, record, status).ok()) {
      if (!SleepFor(stop_, options_.retry_min)) return false;
    }
    return true;
  }

  Producer& dead_letters_;
  const LoopOptions& options_;
  const BatchHandler& handle_;
  std::stop_token stop_;
};

}  // namespace

void RunConsumer(Consumer& consumer, Producer& dead_letters, const LoopOptions& options,
                 const BatchHandler& handle, std::stop_token stop) {
  BatchRunner runner(dead_letters, options, handle, stop);
  while (!stop.stop_requested()) {
    const auto batch = consumer.Poll(options.batch_max, options.wait);
    if (!batch.ok()) {
      telemetry::Warning("poll_failed", batch.status());
      SleepFor(stop, options.retry_min);
      continue;
    }
    if (batch->empty()) continue;
    if (!runner.Run(*batch)) return;
    consumer.StoreOffsets(*batch);
    if (batch->size() > 1 && batch->size() < options.batch_max) {
      // The more come, the more a transaction should carry.
      SleepFor(stop, options.gather * (1 + std::min<std::size_t>(batch->size() / 12, 2)));
    }
  }
}

}  // namespace parley::kafka
