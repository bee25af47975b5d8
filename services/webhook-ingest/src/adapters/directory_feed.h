// Keeps the directory current: from the snapshot on disk at once, then from `parley.directory`,
// read from its beginning without a group and followed for ever.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <thread>

#include "adapters/snapshot_file.h"
#include "domain/directory.h"
#include "libs/base/clock.h"
#include "libs/kafka/log_reader.h"
#include "libs/kafka/producer.h"
#include "ports.h"

namespace parley::ingest {

struct DirectoryFeedOptions {
  std::string brokers;
  std::string client_id = "webhook-ingest-directory";
  std::string topic = kafka::kDirectoryTopic;
  // Changes are gathered for this long before the snapshot is written anew.
  std::chrono::milliseconds snapshot_every{1'000};
};

class DirectoryFeed final : public DirectorySource {
 public:
  // Loads the snapshot, if there is a good one, and starts reading. All arguments outlive the feed.
  // `dead_letters` takes records that cannot be read. Errors: those of kafka::LogReader::Create.
  static absl::StatusOr<std::unique_ptr<DirectoryFeed>> Start(DirectoryFeedOptions options,
                                                              const crypto::KeyRing& keys,
                                                              const SnapshotFile& snapshot,
                                                              kafka::Producer& dead_letters,
                                                              const Clock& clock);
  // Stops reading and writes the snapshot if it lacks something.
  ~DirectoryFeed() override;

  std::shared_ptr<const Directory> Current() const override { return current_.load(); }

  // OK once the directory is complete; else what it still waits for.
  absl::Status Ready() const;
  // OK while the brokers answer the reader.
  absl::Status KafkaReachable() const;

 private:
  DirectoryFeed(DirectoryFeedOptions options, const crypto::KeyRing& keys,
                const SnapshotFile& snapshot, kafka::Producer& dead_letters, const Clock& clock,
                std::unique_ptr<kafka::LogReader> reader);
  void Run(const std::stop_token& stop);
  void LoadSnapshot();
  // What cannot be read is counted, and moved to the dead letters if it is new.
  void Apply(const std::vector<kafka::Record>& records, bool is_new);
  void PublishIfComplete();
  void MeasureAge() const;
  void WriteSnapshotIfDue(bool at_once);
  void Report(const absl::Status& polled);

  const DirectoryFeedOptions options_;
  const SnapshotFile& snapshot_;
  kafka::Producer& dead_letters_;
  const Clock& clock_;
  std::unique_ptr<kafka::LogReader> reader_;

  DirectoryBook book_;           // Only the reading thread, once it runs.
  bool complete_ = false;        // A snapshot was, or the topic is read.
  bool published_stale_ = true;  // The book holds more than `current_`.
  bool snapshot_stale_ = false;  // The book holds more than the file.
  std::chrono::steady_clock::time_point snapshot_written_{};
  std::atomic<std::shared_ptr<const Directory>> current_;

  mutable std::mutex state_mutex_;
  absl::Status kafka_state_;

  std::jthread thread_;  // Last: it uses all the above.
};

}  // namespace parley::ingest
