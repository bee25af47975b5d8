#include "libs/kafka/log_reader.h"

#include <algorithm>
#include <map>

#include "libs/base/status.h"
#include "libs/kafka/client.h"

namespace parley::kafka {
namespace {
using std::chrono::milliseconds;
constexpr int kMetadataWaitMs = 2000;
}  // namespace

struct LogReader::State {
  LogReaderOptions options;
  Handle handle;
  // Asks for ends. The reader's own connection would not do: a broker answers the requests of one
  // connection in turn, so a question waits behind a fetch that waits for records.
  Handle asker;
  bool assigned = false;
  // What is still to be read of the start, by partition: the end offset then.
  std::map<std::int32_t, std::int64_t> start_end;
  std::map<std::int32_t, std::int64_t> next;

  // Asks for the partitions and their ends, then assigns all from the beginning.
  absl::Status Assign() {
    const rd_kafka_metadata_t* metadata = nullptr;
    rd_kafka_topic_t* topic = rd_kafka_topic_new(handle.get(), options.topic.c_str(), nullptr);
    const rd_kafka_resp_err_t error =
        rd_kafka_metadata(handle.get(), 0, topic, &metadata, kMetadataWaitMs);
    rd_kafka_topic_destroy(topic);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return ToStatus(error);
    const std::unique_ptr<const rd_kafka_metadata_t, decltype(&rd_kafka_metadata_destroy)> owner(
        metadata, rd_kafka_metadata_destroy);
    if (metadata->topic_cnt != 1 || metadata->topics[0].err != RD_KAFKA_RESP_ERR_NO_ERROR ||
        metadata->topics[0].partition_cnt == 0) {
      return Unavailable("TOPIC_MISSING", "The topic " + options.topic +
                                              " does not exist yet; run `gateway migrate`.");
    }
    const PartitionList list(rd_kafka_topic_partition_list_new(metadata->topics[0].partition_cnt));
    std::map<std::int32_t, std::int64_t> ends;
    for (int i = 0; i < metadata->topics[0].partition_cnt; ++i) {
      const std::int32_t partition = metadata->topics[0].partitions[i].id;
      std::int64_t low = 0;
      std::int64_t high = 0;
      PARLEY_RETURN_IF_ERROR(ToStatus(rd_kafka_query_watermark_offsets(
          handle.get(), options.topic.c_str(), partition, &low, &high, kMetadataWaitMs)));
      if (high > low) ends[partition] = high;
      rd_kafka_topic_partition_list_add(list.get(), options.topic.c_str(), partition)->offset =
          RD_KAFKA_OFFSET_BEGINNING;
    }
    PARLEY_RETURN_IF_ERROR(ToStatus(rd_kafka_assign(handle.get(), list.get())));
    start_end = std::move(ends);
    assigned = true;
    return absl::OkStatus();
  }

  // The end offset of each assigned partition at this moment, by one request to each broker.
  absl::StatusOr<std::map<std::int32_t, std::int64_t>> Ends(milliseconds wait) {
    if (asker == nullptr) {
      PARLEY_ASSIGN_OR_RETURN(Conf conf, MakeConf(options.brokers, options.client_id, {}));
      PARLEY_ASSIGN_OR_RETURN(asker, MakeHandle(RD_KAFKA_CONSUMER, std::move(conf)));
    }
    rd_kafka_topic_partition_list_t* raw = nullptr;
    PARLEY_RETURN_IF_ERROR(ToStatus(rd_kafka_assignment(handle.get(), &raw)));
    const PartitionList list(raw);
    for (int i = 0; i < list->cnt; ++i) list->elems[i].offset = RD_KAFKA_OFFSET_END;
    PARLEY_RETURN_IF_ERROR(ToStatus(
        rd_kafka_offsets_for_times(asker.get(), list.get(), static_cast<int>(wait.count()))));
    std::map<std::int32_t, std::int64_t> ends;
    for (int i = 0; i < list->cnt; ++i) {
      PARLEY_RETURN_IF_ERROR(ToStatus(list->elems[i].err));
      ends[list->elems[i].partition] = list->elems[i].offset;
    }
    return ends;
  }

  void Advance(std::int32_t partition, std::int64_t position) {
    next[partition] = position;
    const auto left = start_end.find(partition);
    if (left != start_end.end() && position >= left->second) start_end.erase(left);
  }
};

LogReader::LogReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
LogReader::~LogReader() = default;

absl::StatusOr<std::unique_ptr<LogReader>> LogReader::Create(const LogReaderOptions& options) {
  PARLEY_ASSIGN_OR_RETURN(Conf conf, MakeConf(options.brokers, options.client_id,
                                              {{"group.id", options.client_id + "-reader"},
                                               {"enable.auto.commit", "false"},
                                               {"enable.auto.offset.store", "false"},
                                               {"enable.partition.eof", "true"},
                                               {"auto.offset.reset", "earliest"},
                                               {"fetch.wait.max.ms", "500"},
                                               {"fetch.error.backoff.ms", "100"},
                                               {"queued.max.messages.kbytes", "16384"}}));
  auto state = std::make_unique<State>();
  state->options = options;
  PARLEY_ASSIGN_OR_RETURN(state->handle, MakeHandle(RD_KAFKA_CONSUMER, std::move(conf)));
  rd_kafka_poll_set_consumer(state->handle.get());
  return std::unique_ptr<LogReader>(new LogReader(std::move(state)));
}

absl::StatusOr<std::vector<Record>> LogReader::Poll(std::size_t records_max, milliseconds wait) {
  if (!state_->assigned) PARLEY_RETURN_IF_ERROR(state_->Assign());
  std::vector<Record> records;
  while (records.size() < records_max) {
    const int timeout_ms = records.empty() ? static_cast<int>(wait.count()) : 0;
    const Message message(rd_kafka_consumer_poll(state_->handle.get(), timeout_ms));
    if (message == nullptr) break;
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
      // The end may lie beyond the last record that compaction or a transaction left.
      state_->Advance(message->partition, message->offset);
      continue;
    }
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      if (!records.empty()) break;
      return Unavailable("KAFKA_UNAVAILABLE", rd_kafka_err2str(message->err));
    }
    state_->Advance(message->partition, message->offset + 1);
    records.push_back(ToRecord(*message));
  }
  return records;
}

bool LogReader::ReachedStartEnd() const { return state_->assigned && state_->start_end.empty(); }

bool LogReader::AtEnd(milliseconds wait) {
  if (!ReachedStartEnd()) return false;
  const auto ends = state_->Ends(wait);
  return ends.ok() && std::all_of(ends->begin(), ends->end(), [this](const auto& end) {
           const auto at = state_->next.find(end.first);
           return end.second == 0 || (at != state_->next.end() && at->second >= end.second);
         });
}

}  // namespace parley::kafka
