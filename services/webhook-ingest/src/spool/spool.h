// Records on this process's own disk, for as long as Kafka does not take them.
//
// Append returns once a record would survive a power cut: many threads append, one writer thread
// writes and syncs once for all who wait. Whoever replays reads from the oldest record on and
// reports what Kafka acknowledged; a segment that is replayed is deleted.
//
// A write that fails (disk full, I/O error) is undone and nobody is told OK for it; the next one is
// tried all the same, so the spool goes on by itself once there is room. One process owns a folder.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/clock.h"
#include "libs/webhooks/records.h"
#include "spool/files.h"
#include "spool/segment.h"

namespace parley::ingest {

struct SpoolOptions {
  std::string folder;                     // Created if missing; its parent too.
  std::uint64_t bytes_max = 1 << 30;      // Of all segments together.
  std::uint64_t segment_bytes = 8 << 20;  // A new file is begun beyond it.
};

// Where a reader is: before the record at `offset` of the segment that begins with `segment`.
struct SpoolPosition {
  std::uint64_t segment = 0;
  std::uint64_t offset = 0;
  std::uint64_t after = 0;  // The sequence of the record before.
};

// A record to be replayed.
struct SpooledRecord {
  std::uint64_t sequence = 0;
  Time appended_at;
  SpoolPosition at;
  webhooks::OutgoingRecord record;
};

// Thread-safe.
class Spool {
 public:
  // Reads what a process before this one left, and cuts off a torn tail. `files` and `clock`
  // outlive it. Errors: kFailedPrecondition SPOOL_IN_USE, SPOOL_VERSION; those of Files.
  static absl::StatusOr<std::unique_ptr<Spool>> Open(const SpoolOptions& options, Files& files,
                                                     const Clock& clock);
  // Writes what is still waited for, and the position.
  ~Spool();
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;

  // OK (its sequence): durable. Errors: kResourceExhausted SPOOL_FULL (bytes_max is reached) or
  // SPOOL_DISK_FULL; kUnavailable SPOOL_IO, SPOOL_SLOW (it may be durable later all the same);
  // kInvalidArgument SPOOL_RECORD_TOO_LARGE.
  absl::StatusOr<std::uint64_t> Append(const webhooks::OutgoingRecord& record,
                                       std::chrono::steady_clock::time_point deadline);

  // True if records of this key may be here, or on their way: a later one must follow through here,
  // too. Now and then true for a key that is not: keys share 65,536 counters. Costs one load while
  // nothing is spooled.
  bool Holds(const webhooks::OutgoingRecord& record) const;
  // Waits until it does not; false after `deadline`.
  bool WaitUntilGone(const webhooks::OutgoingRecord& record,
                     std::chrono::steady_clock::time_point deadline);

  // For one replaying thread. Durable records from `position` on, at most about `bytes_max` of
  // them and at least one if there is one; moves `position` behind them. A default-made position
  // is the beginning. Errors: those of Files.
  absl::StatusOr<std::vector<SpooledRecord>> Read(SpoolPosition& position, std::size_t bytes_max);
  // Called on the writer's thread whenever there is more to read; empty takes it away.
  void OnMore(std::function<void()> listener);
  // Kafka has these: the next ones in the order of Read, none left out.
  void Replayed(std::span<const SpooledRecord> records);
  // Keeps a record that Kafka refuses for good beside the segments, for people. Then it is
  // replayed.
  absl::Status SetAside(const SpooledRecord& record);

  std::uint64_t records() const { return records_.load(); }
  std::uint64_t bytes() const;  // Of the files.
  // OK if the next record can be taken, as far as is known. While the disk fails, the writer tries
  // it each second.
  absl::Status Health() const;

 private:
  static constexpr std::size_t kSlots = 1 << 16;

  // What is written and synced together. Its waiters have a lock of their own.
  struct Batch {
    std::string bytes;
    std::vector<std::uint16_t> slots;
    std::uint64_t first_sequence = 0;
    std::uint64_t last_sequence = 0;

    std::mutex mutex;
    std::condition_variable finished;
    std::optional<absl::Status> outcome;
  };
  struct Segment {
    std::uint64_t first_sequence = 0;
    std::uint64_t last_sequence = 0;  // That it can still give: its end may be damaged.
    std::uint64_t salt = 0;
    std::uint64_t records_end = 0;  // How many were durable up to its last one, see `durable_`.
    std::uint64_t bytes = 0;        // What is durable; the file may be longer for a moment.
    bool damaged = false;
  };

  Spool(const SpoolOptions& options, Files& files, const Clock& clock,
        std::unique_ptr<FolderLock> lock);
  absl::Status Recover();
  absl::Status RecoverSegment(const std::string& name, bool is_last);
  void Run(const std::stop_token& stop);
  absl::Status WriteAndSync(const Batch& batch);
  absl::Status BeginSegment(std::uint64_t first_sequence);
  void GiveUpSegment();
  void Settle(Batch& batch, const absl::Status& outcome);
  void ProbeDisk();
  void Forget(std::uint16_t slot);
  void AddWaiting(std::uint16_t slot);
  void ForgetFirst();
  std::optional<Segment> SegmentAt(const SpoolPosition& position) const;
  absl::Status StepOverDamage(const Segment& segment, SpoolPosition& position);
  void DeleteReplayed();
  void NoteReplayed(std::uint64_t sequence);
  void SetDiskHealth(const absl::Status& health);
  std::string Path(std::uint64_t first_sequence) const;
  static std::uint16_t SlotOf(webhooks::Topic topic, std::string_view key);

  const SpoolOptions options_;
  Files& files_;
  const Clock& clock_;
  const std::uint64_t salt_;  // Of the segments that this process writes.
  const std::unique_ptr<FolderLock> lock_;

  // How many records each slot has here or on their way, and all together.
  std::array<std::atomic<std::uint32_t>, kSlots> by_slot_{};
  std::atomic<std::uint64_t> records_{0};

  mutable std::mutex mutex_;
  std::condition_variable_any work_;  // For the writer.
  std::condition_variable gone_;      // For who waits until a key is.
  std::function<void()> listener_;
  std::shared_ptr<Batch> gathering_;
  std::deque<Segment> segments_;
  // The slots of durable records that are not replayed, in order, and how many there ever were.
  // What a damaged segment cannot give is found and forgotten by it.
  std::deque<std::uint16_t> waiting_;
  std::uint64_t durable_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t next_sequence_ = 1;  // None is ever given twice.
  std::uint64_t replayed_ = 0;
  absl::Status disk_;
  bool full_ = false;
  bool writing_ = false;  // The writer uses `file_` and may do so without the lock.

  std::unique_ptr<AppendFile> file_;  // Of the last segment, if this process may go on with it.
  std::uint64_t file_first_ = 0;
  std::uint64_t file_bytes_ = 0;  // Its good ones.

  std::uint64_t noted_ = 0;  // In the file; the replaying thread's alone.
  std::chrono::steady_clock::time_point noted_at_{};

  std::jthread writer_;  // Last: it uses all the above.
};

}  // namespace parley::ingest
