#include "libs/kafka/log_reader.h"

#include <algorithm>
#include <map>

#include "libs/base/status.h"
#include "libs/kafka/client.h"

namespace parley::kafka {
namespace {
using std::chrono::milliseconds;
using std::chrono::steady_clock;
using Offsets = std::map<std::int32_t, std::int64_t>;  // By partition.
constexpr int kMetadataWaitMs = 2000;
// For what may as well be asked the next time.
constexpr int kRecheckWaitMs = 250;
// An answer that is not reached by then says too little: the ends are asked for anew.
constexpr milliseconds kQuestionMax{1'000};

// How many partitions the topic has.
absl::StatusOr<int> CountPartitions(rd_kafka_t* handle, const std::string& name, int wait_ms) {
  const rd_kafka_metadata_t* metadata = nullptr;
  rd_kafka_topic_t* topic = rd_kafka_topic_new(handle, name.c_str(), nullptr);
  const rd_kafka_resp_err_t error = rd_kafka_metadata(handle, 0, topic, &metadata, wait_ms);
  rd_kafka_topic_destroy(topic);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return ToStatus(error);
  const std::unique_ptr<const rd_kafka_metadata_t, decltype(&rd_kafka_metadata_destroy)> owner(
      metadata, rd_kafka_metadata_destroy);
  if (metadata->topic_cnt != 1 || metadata->topics[0].err != RD_KAFKA_RESP_ERR_NO_ERROR ||
      metadata->topics[0].partition_cnt == 0) {
    return Unavailable("TOPIC_MISSING",
                       "The topic " + name + " does not exist yet; run `gateway migrate`.");
  }
  return metadata->topics[0].partition_cnt;
}
}  // namespace

struct LogReader::State {
  LogReaderOptions options;
  Handle handle;
  // Asks for ends. The reader's own connection would not do: a broker answers the requests of one
  // connection in turn, so a question waits behind a fetch that waits for records.
  Handle asker;
  bool assigned = false;
  Offsets start_end;  // What is still to be read of the start: the end then.
  Offsets next;
  steady_clock::time_point recheck_at;
  // Ends that were asked for and are not reached yet.
  struct Question {
    steady_clock::time_point asked_at;
    Offsets ends;
  };
  std::optional<Question> question;

  // Where each partition begins to be read; it adds to `ends` those that hold something from there.
  absl::StatusOr<Offsets> Begins(int first, int count, Offsets& ends) {
    Offsets begins;
    for (std::int32_t partition = first; partition < count; ++partition) {
      std::int64_t low = 0;
      std::int64_t high = 0;
      PARLEY_RETURN_IF_ERROR(ToStatus(rd_kafka_query_watermark_offsets(
          handle.get(), options.topic.c_str(), partition, &low, &high, kMetadataWaitMs)));
      const auto start = options.start.find(partition);
      const bool usable =
          start != options.start.end() && start->second >= low && start->second <= high;
      begins[partition] = usable ? start->second : low;
      if (high > begins[partition]) ends[partition] = high;
    }
    return begins;
  }

  absl::Status AssignFrom(const Offsets& begins) {
    const PartitionList list(rd_kafka_topic_partition_list_new(static_cast<int>(begins.size())));
    for (const auto& [partition, offset] : begins) {
      rd_kafka_topic_partition_list_add(list.get(), options.topic.c_str(), partition)->offset =
          offset;
    }
    return ToStatus(rd_kafka_assign(handle.get(), list.get()));
  }

  absl::Status Assign() {
    PARLEY_ASSIGN_OR_RETURN(const int count,
                            CountPartitions(handle.get(), options.topic, kMetadataWaitMs));
    Offsets ends;
    PARLEY_ASSIGN_OR_RETURN(Offsets begins, Begins(0, count, ends));
    PARLEY_RETURN_IF_ERROR(AssignFrom(begins));
    start_end = std::move(ends);
    next = std::move(begins);
    assigned = true;
    recheck_at = steady_clock::now() + options.partitions_interval;
    return absl::OkStatus();
  }

  // Takes partitions in that were added since.
  void Recheck() {
    if (steady_clock::now() < recheck_at) return;
    recheck_at = steady_clock::now() + options.partitions_interval;
    if (!MakeAsker().ok()) return;
    const auto count = CountPartitions(asker.get(), options.topic, kRecheckWaitMs);
    const int known = static_cast<int>(next.size());
    if (!count.ok() || *count <= known) return;
    // The reader's own handle learns of them by asking, and only then can read them.
    if (!CountPartitions(handle.get(), options.topic, kMetadataWaitMs).ok()) return;
    Offsets ends;
    auto added = Begins(known, *count, ends);
    if (!added.ok()) return;
    added->insert(next.begin(), next.end());
    if (!AssignFrom(*added).ok()) return;
    next = *std::move(added);
    question.reset();  // It did not ask about them.
  }

  absl::Status MakeAsker() {
    if (asker != nullptr) return absl::OkStatus();
    PARLEY_ASSIGN_OR_RETURN(Conf conf, MakeConf(options.brokers, options.client_id, {}));
    PARLEY_ASSIGN_OR_RETURN(asker, MakeHandle(RD_KAFKA_CONSUMER, std::move(conf)));
    return absl::OkStatus();
  }

  // The end offset of each assigned partition at this moment, by one request to each broker.
  absl::StatusOr<Offsets> Ends(milliseconds wait) {
    PARLEY_RETURN_IF_ERROR(MakeAsker());
    rd_kafka_topic_partition_list_t* raw = nullptr;
    PARLEY_RETURN_IF_ERROR(ToStatus(rd_kafka_assignment(handle.get(), &raw)));
    const PartitionList list(raw);
    for (int i = 0; i < list->cnt; ++i) list->elems[i].offset = RD_KAFKA_OFFSET_END;
    PARLEY_RETURN_IF_ERROR(ToStatus(
        rd_kafka_offsets_for_times(asker.get(), list.get(), static_cast<int>(wait.count()))));
    Offsets ends;
    for (int i = 0; i < list->cnt; ++i) {
      PARLEY_RETURN_IF_ERROR(ToStatus(list->elems[i].err));
      ends[list->elems[i].partition] = list->elems[i].offset;
    }
    return ends;
  }

  bool HasReached(const Offsets& ends) const {
    return std::all_of(ends.begin(), ends.end(), [this](const auto& end) {
      const auto at = next.find(end.first);
      return end.second == 0 || (at != next.end() && at->second >= end.second);
    });
  }

  // The question's time if its answer is reached; the question is done then.
  std::optional<steady_clock::time_point> TakeReached() {
    if (!question || !HasReached(question->ends)) return std::nullopt;
    const auto asked_at = question->asked_at;
    question.reset();
    return asked_at;
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
  state_->Recheck();
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

std::optional<steady_clock::time_point> LogReader::AtEnd(milliseconds wait) {
  if (!ReachedStartEnd()) return std::nullopt;
  auto& question = state_->question;
  const auto reached = state_->TakeReached();
  const auto now = steady_clock::now();
  if (question && now < question->asked_at + kQuestionMax) return std::nullopt;
  question.reset();
  auto ends = state_->Ends(wait);
  if (!ends.ok()) return reached;
  question = {now, *std::move(ends)};
  const auto at_once = state_->TakeReached();
  return at_once ? at_once : reached;
}

}  // namespace parley::kafka
