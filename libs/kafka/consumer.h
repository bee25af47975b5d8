// A member of a consumer group whose offsets move only when the caller says so, and the loop
// that decides between commit, retry and dead letter.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/kafka/producer.h"
#include "libs/kafka/record.h"

namespace parley::kafka {

struct ConsumerOptions {
  std::string brokers;
  std::string group;
  std::string client_id;
  std::vector<std::string> topics;
  bool from_beginning = true;  // Where the group has no offset yet.
  // A member that does not poll for this long loses its partitions.
  std::chrono::milliseconds poll_interval_max{300'000};
  std::chrono::milliseconds session_timeout{10'000};
};

// Not thread-safe: one thread polls and stores. Brokers need not be reachable at construction.
class Consumer {
 public:
  static absl::StatusOr<std::unique_ptr<Consumer>> Create(const ConsumerOptions& options);
  ~Consumer();
  Consumer(const Consumer&) = delete;
  Consumer& operator=(const Consumer&) = delete;

  // Waits up to `wait` for a record, then takes what has already arrived, at most `records_max`,
  // all of it from one generation. Empty when there is none. Errors: kUnavailable (brokers away:
  // call again).
  absl::StatusOr<std::vector<Record>> Poll(std::size_t records_max, std::chrono::milliseconds wait);

  // Everything up to and including these records is done: a low-water mark, so store in order
  // for each partition. Committed within a second and on close. Partitions that were taken
  // away meanwhile are skipped.
  void StoreOffsets(const std::vector<Record>& records);

  // Commits what was stored and waits for the broker.
  absl::Status CommitNow();

  // Goes back to the first record of each partition in `records`: they are polled again.
  absl::Status Rewind(const std::vector<Record>& records);

  // Rises with each time that partitions are given or taken away, which happens inside Poll. What
  // was polled before then may be polled again.
  std::int64_t Generation() const;

  // Records not yet polled, summed over the assigned partitions; -1 while unknown.
  std::int64_t Lag() const;

 private:
  struct State;
  explicit Consumer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Handles a batch in order. OK: all of it may be committed. A retryable status (IsRetryable): the
// same batch comes again after a growing wait; after two of the reason DATABASE_TIMEOUT in a row
// its halves do, one after the other. Any other status: the loop halves the batch until single
// records remain, and moves each that still fails to the dead-letter topic.
using BatchHandler = std::function<absl::Status(const std::vector<Record>&)>;

struct LoopOptions {
  std::size_t batch_max = 500;
  std::chrono::milliseconds wait{200};
  // Behind a batch of several records the next one is let grow for this long, behind larger ones up
  // to three times as long: under load, fewer and larger transactions. A record that comes alone is
  // never delayed.
  std::chrono::milliseconds gather{0};
  std::chrono::milliseconds retry_min{100};
  std::chrono::milliseconds retry_max{5'000};
};

// Runs until `stop`. Counts and logs dead letters and retries.
void RunConsumer(Consumer& consumer, Producer& dead_letters, const LoopOptions& options,
                 const BatchHandler& handle, std::stop_token stop);

// Moves a record to its dead-letter topic, counts and logs it. One that is too large to be moved
// goes without its value. Errors are retryable.
absl::Status Bury(Producer& dead_letters, const Record& record, const absl::Status& reason);

// The same for many, in one go where they all fit.
absl::Status BuryAll(Producer& dead_letters,
                     std::span<const std::pair<const Record*, absl::Status>> bad);

// `<topic>.dead-letter`: the record as it was, with its origin and the reason in headers.
OutRecord DeadLetter(const Record& record, const absl::Status& reason);

}  // namespace parley::kafka
