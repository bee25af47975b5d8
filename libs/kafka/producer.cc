#include "libs/kafka/producer.h"

#include <atomic>
#include <condition_variable>
#include <list>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <vector>

#include "libs/base/status.h"
#include "libs/kafka/client.h"
#include "libs/telemetry/log.h"
#include "libs/telemetry/metrics.h"

namespace parley::kafka {
namespace {

using std::chrono::milliseconds;

absl::Status TimedOut() {
  return ErrorStatus(absl::StatusCode::kDeadlineExceeded, "KAFKA_TIMEOUT",
                     "Kafka did not acknowledge in time.");
}

void OnDelivery(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
  const std::unique_ptr<Delivered> delivered(static_cast<Delivered*>(message->_private));
  static_cast<std::atomic<int>*>(opaque)->fetch_sub(1);
  if (*delivered) (*delivered)(ToStatus(message->err));
}

struct TopicDeleter {
  void operator()(rd_kafka_topic_t* topic) const { rd_kafka_topic_destroy(topic); }
};
using Topics = std::map<std::string, std::unique_ptr<rd_kafka_topic_t, TopicDeleter>, std::less<>>;

}  // namespace

struct Producer::State {
  ProducerOptions options;
  std::atomic<int> in_flight{0};
  mutable std::shared_mutex mutex;  // Exclusive only while a client is replaced.
  Handle handle;
  Topics topics;  // Of `handle`, so they go before it; asked about once each.
  std::jthread poller;

  absl::StatusOr<Handle> MakeClient() {
    PARLEY_ASSIGN_OR_RETURN(
        Conf conf,
        MakeConf(options.brokers, options.client_id,
                 {{"enable.idempotence", "true"},
                  // No record is given up while a later one of its key goes on: callers have
                  // deadlines of their own.
                  {"message.timeout.ms", "0"},
                  {"acks", "all"},
                  {"linger.ms", std::to_string(options.linger.count())},
                  {"queue.buffering.max.messages", std::to_string(options.queued_records_max)},
                  {"queue.buffering.max.kbytes", std::to_string(options.queued_kib_max)},
                  {"partitioner", "murmur2_random"}}));
    rd_kafka_conf_set_dr_msg_cb(conf.get(), OnDelivery);
    rd_kafka_conf_set_opaque(conf.get(), &in_flight);
    return MakeHandle(RD_KAFKA_PRODUCER, std::move(conf));
  }

  // A fatal error ends an idempotent producer for good: report what it held, and build another.
  // In this order: librdkafka takes nothing after a fatal error, so no later record of a key
  // overtakes one that has not yet been reported.
  void ReplaceIfFatal() {
    char text[256];
    const rd_kafka_resp_err_t error = rd_kafka_fatal_error(handle.get(), text, sizeof text);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return;
    telemetry::Error("kafka_producer_replaced", {{"detail", text}});
    rd_kafka_purge(handle.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    // Whoever waits for a report must get it: until the last is made, the next poll tries again.
    if (rd_kafka_flush(handle.get(), 1000) != RD_KAFKA_RESP_ERR_NO_ERROR) return;
    absl::StatusOr<Handle> fresh = MakeClient();
    if (!fresh.ok()) return;  // The next poll tries again.
    Handle old;
    Topics old_topics;  // Go before `old`.
    const std::unique_lock lock(mutex);
    old_topics = std::exchange(topics, {});
    old = std::exchange(handle, *std::move(fresh));
  }

  // Producing by name alone leaves the first record of a topic waiting for a scan that runs once a
  // second; a topic that is opened is asked about at once.
  void OpenTopic(const std::string& name) {
    const std::unique_lock lock(mutex);
    auto& topic = topics[name];
    if (topic == nullptr) topic.reset(rd_kafka_topic_new(handle.get(), name.c_str(), nullptr));
  }
  bool IsOpen(const std::string& name) const {
    const std::shared_lock lock(mutex);
    return topics.find(name) != topics.end();
  }

  void Poll(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      rd_kafka_poll(handle.get(), 100);  // Only this thread replaces the handle.
      ReplaceIfFatal();
    }
  }
};

Producer::Producer(std::unique_ptr<State> state) : state_(std::move(state)) {
  state_->poller =
      std::jthread([state = state_.get()](std::stop_token stop) { state->Poll(stop); });
}

absl::StatusOr<std::unique_ptr<Producer>> Producer::Create(const ProducerOptions& options) {
  auto state = std::make_unique<State>();
  state->options = options;
  PARLEY_ASSIGN_OR_RETURN(state->handle, state->MakeClient());
  return std::unique_ptr<Producer>(new Producer(std::move(state)));
}

Producer::~Producer() {
  static_cast<void>(Flush(milliseconds(5000)));
  state_->poller.request_stop();
  state_->poller.join();
  rd_kafka_purge(state_->handle.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
  rd_kafka_flush(state_->handle.get(), 1000);
}

absl::Status Producer::Produce(const OutRecord& record, Delivered delivered) {
  rd_kafka_headers_t* headers = nullptr;
  if (!record.headers.empty()) {
    headers = rd_kafka_headers_new(record.headers.size());
    for (const auto& [name, value] : record.headers) {
      rd_kafka_header_add(headers, name.data(), static_cast<ssize_t>(name.size()), value.data(),
                          static_cast<ssize_t>(value.size()));
    }
  }
  auto opaque = std::make_unique<Delivered>(std::move(delivered));
  if (!state_->IsOpen(record.topic)) state_->OpenTopic(record.topic);
  const std::shared_lock lock(state_->mutex);
  state_->in_flight.fetch_add(1);
  const rd_kafka_resp_err_t error = rd_kafka_producev(
      state_->handle.get(), RD_KAFKA_V_TOPIC(record.topic.c_str()),
      RD_KAFKA_V_KEY(record.key.data(), record.key.size()),
      RD_KAFKA_V_VALUE(const_cast<char*>(record.value.data()), record.value.size()),
      RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_HEADERS(headers),
      RD_KAFKA_V_OPAQUE(opaque.get()), RD_KAFKA_V_END);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    state_->in_flight.fetch_sub(1);
    if (headers != nullptr) rd_kafka_headers_destroy(headers);
    return ToStatus(error);
  }
  static_cast<void>(opaque.release());  // OnDelivery owns it.
  return absl::OkStatus();
}

absl::Status Producer::ProduceAndWait(std::span<const OutRecord> records, milliseconds deadline) {
  // Shared with the callbacks, which may outlive this call.
  struct Wait {
    std::mutex mutex;
    std::condition_variable done;
    std::size_t left = 0;
    absl::Status first_error;
  };
  const auto wait = std::make_shared<Wait>();
  wait->left = records.size();
  for (const OutRecord& record : records) {
    const absl::Status queued = Produce(record, [wait](const absl::Status& status) {
      const std::lock_guard lock(wait->mutex);
      if (!status.ok() && wait->first_error.ok()) wait->first_error = status;
      if (--wait->left == 0) wait->done.notify_all();
    });
    if (!queued.ok()) {
      const std::lock_guard lock(wait->mutex);
      if (wait->first_error.ok()) wait->first_error = queued;
      --wait->left;
    }
  }
  std::unique_lock lock(wait->mutex);
  if (!wait->done.wait_for(lock, deadline, [&] { return wait->left == 0; })) {
    return TimedOut();
  }
  return wait->first_error;
}

absl::Status Producer::Flush(milliseconds deadline) {
  const std::shared_lock lock(state_->mutex);
  const rd_kafka_resp_err_t error =
      rd_kafka_flush(state_->handle.get(), static_cast<int>(deadline.count()));
  if (error == RD_KAFKA_RESP_ERR__TIMED_OUT) return TimedOut();
  return ToStatus(error);
}

absl::Status Producer::Ping(milliseconds wait) const {
  const std::shared_lock lock(state_->mutex);
  const rd_kafka_metadata_t* metadata = nullptr;
  const rd_kafka_resp_err_t error = rd_kafka_metadata(
      state_->handle.get(), /*all_topics=*/0, nullptr, &metadata, static_cast<int>(wait.count()));
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) rd_kafka_metadata_destroy(metadata);
  return ToStatus(error);
}

int Producer::InFlight() const { return state_->in_flight.load(); }

}  // namespace parley::kafka
