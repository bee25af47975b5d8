#include "pipeline/publisher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "libs/base/status.h"

namespace parley::sender {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

// Wakes the test whenever something was asked of a fake.
class Signal {
 public:
  void Notify() {
    { const std::lock_guard lock(mutex_); }
    changed_.notify_all();
  }
  void WaitFor(const std::function<bool()>& done) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, 10s, done);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
};

// Only what a publisher asks of the tables.
class FakeStore final : public QueueStore {
 public:
  absl::StatusOr<std::vector<LaneRow>> QueuedLanes(const ShardSet&) override { return Unused(); }
  absl::StatusOr<std::vector<LaneRow>> FindLanes(std::span<const std::int64_t>) override {
    return Unused();
  }
  absl::StatusOr<std::vector<LoadedRows>> LoadHeads(std::span<const LoadRequest>,
                                                    std::chrono::milliseconds) override {
    return Unused();
  }
  absl::StatusOr<std::vector<JournalResult>> Journal(const JournalRequest&) override {
    return Unused();
  }
  absl::StatusOr<SettledBatch> Settle(std::span<const SettleEntry>) override { return Unused(); }
  absl::StatusOr<std::vector<Change>> ApplyEvidence(std::span<const Evidence>) override {
    return Unused();
  }
  absl::StatusOr<std::vector<Change>> SweepDeadlines(int) override { return Unused(); }
  absl::StatusOr<std::vector<Change>> SweepExpired(int) override { return Unused(); }
  absl::StatusOr<std::vector<Change>> SweepCanceledCampaigns(int) override { return Unused(); }
  absl::StatusOr<int> SweepResumedCampaigns(int) override { return Unused(); }
  absl::StatusOr<int> Prune() override { return Unused(); }
  absl::StatusOr<std::int64_t> CountUnconfirmed() override { return Unused(); }
  absl::Status WakeOwners(std::span<const std::int64_t>) override { return Unused(); }

  absl::StatusOr<std::vector<Change>> Unpublished(std::chrono::milliseconds, int) override {
    {
      const std::lock_guard lock(mutex);
      ++searches;
    }
    signal.Notify();
    return std::vector<Change>();
  }
  absl::Status MarkPublished(std::span<const Change> changes) override {
    {
      const std::lock_guard lock(mutex);
      for (const Change& change : changes) marked.push_back(change.key.message_id);
    }
    signal.Notify();
    return absl::OkStatus();
  }
  absl::StatusOr<std::vector<Publication>> OpenPublications(std::chrono::milliseconds,
                                                            int) override {
    const std::lock_guard lock(mutex);
    return std::exchange(open, {});
  }
  absl::Status ForgetPublications(std::span<const std::int64_t> ids) override {
    {
      const std::lock_guard lock(mutex);
      forgotten.insert(forgotten.end(), ids.begin(), ids.end());
    }
    signal.Notify();
    return absl::OkStatus();
  }

  Signal signal;
  std::mutex mutex;
  int searches = 0;
  std::vector<Publication> open;
  std::vector<std::string> marked;
  std::vector<std::int64_t> forgotten;

 private:
  static absl::Status Unused() { return Unavailable("UNUSED", "No publisher asks for it."); }
};

class FakeSink final : public ResultSink {
 public:
  absl::Status Publish(const Change& change, std::function<void(absl::Status)> done) override {
    {
      const std::lock_guard lock(mutex);
      published.push_back(change.key.message_id + " " + std::string(StateName(change.state)));
      if (!answers) waiting.push_back(std::move(done));
    }
    signal.Notify();
    if (!answers) return absl::OkStatus();
    done(change.key.message_id == lost ? Unavailable("KAFKA", "away") : absl::OkStatus());
    return absl::OkStatus();
  }
  void PublishAccepted(std::span<const DeliveryKey>) override {}

  Signal signal;
  std::mutex mutex;
  bool answers = true;
  std::string lost;  // The message whose record Kafka does not take.
  std::vector<std::string> published;
  std::vector<std::function<void(absl::Status)>> waiting;
};

class PublisherTest : public testing::Test {
 protected:
  static Change Of(const std::string& message_id, State state, std::int64_t ord = 1) {
    Change change;
    change.key.message_id = message_id;
    change.state = state;
    change.ord = ord;
    return change;
  }

  // Runs the publisher until `done`, and then to its end.
  void RunUntil(const std::function<bool()>& done) {
    std::jthread thread([this](std::stop_token stop) { publisher_.Run(std::move(stop)); });
    sink_.signal.WaitFor(done);
  }
  std::vector<std::string> Published() {
    const std::lock_guard lock(sink_.mutex);
    return sink_.published;
  }

  FakeStore store_;
  FakeSink sink_;
  PublisherOptions options_{.search_interval = 1h, .sending_hold = 30ms};
  Publisher publisher_{store_, sink_, options_};
};

TEST_F(PublisherTest, ARequestUnderWayIsToldOnlyIfItsOutcomeTakesLong) {
  publisher_.Enqueue({Of("quick", State::kSending, 1), Of("slow", State::kSending, 2)});
  publisher_.Enqueue(Publication{7, {Of("quick", State::kSent, 1)}});
  RunUntil([this] { return Published().size() >= 2; });
  EXPECT_THAT(Published(), ElementsAre("quick sent", "slow sending"));
  EXPECT_THAT(store_.marked, IsEmpty());
}

TEST_F(PublisherTest, ARequestThatLeavesWhileNothingElseHappensIsTold) {
  bool told = false;
  publisher_.Enqueue({Of("before", State::kExpired, 1)});
  RunUntil([&] {
    // By then it waits for its next search, which is hours away.
    if (!told && !Published().empty()) {
      told = true;
      publisher_.Enqueue({Of("slow", State::kSending, 2)});
    }
    return Published().size() == 2;
  });
  EXPECT_THAT(Published(), ElementsAre("before expired", "slow sending"));
}

TEST_F(PublisherTest, APublicationIsForgottenOnceKafkaHasAllOfIt) {
  publisher_.Enqueue(Publication{7, {Of("a", State::kSent, 1), Of("b", State::kFailed, 2)}});
  publisher_.Enqueue({Of("c", State::kExpired, 3)});
  RunUntil([this] { return Published().size() == 3; });
  EXPECT_THAT(store_.forgotten, ElementsAre(7));
  EXPECT_THAT(store_.marked, ElementsAre("c"));
}

TEST_F(PublisherTest, OneThatKafkaDidNotTakeWhollyIsLeftToTheSearch) {
  sink_.lost = "b";
  publisher_.Enqueue(Publication{
      7, {Of("a", State::kSent, 1), Of("b", State::kSent, 2), Of("c", State::kSent, 3)}});
  publisher_.Enqueue(Publication{8, {Of("d", State::kSent, 4)}});
  RunUntil([this] { return Published().size() == 4; });
  EXPECT_THAT(store_.forgotten, ElementsAre(8));
}

TEST_F(PublisherTest, WhatACrashLeftOverIsPublishedAndForgotten) {
  store_.open = {{5, {Of("a", State::kSent)}}, {6, {}}};  // The rows of 6 are long pruned.
  {
    std::jthread thread([this](std::stop_token stop) { publisher_.Run(std::move(stop)); });
    store_.signal.WaitFor([this] {
      const std::lock_guard lock(store_.mutex);
      return store_.forgotten.size() == 2;
    });
  }
  EXPECT_THAT(Published(), ElementsAre("a sent"));
  EXPECT_THAT(store_.forgotten, UnorderedElementsAre(5, 6));
}

TEST_F(PublisherTest, AnswersOfAnEarlierRoundDoNotCount) {
  sink_.answers = false;
  const Publication publication{7, {Of("a", State::kSent, 1), Of("b", State::kSent, 2)}};
  publisher_.Enqueue(publication);
  publisher_.Enqueue(publication);  // Found again, while the first round is on its way.
  RunUntil([this] {
    const std::lock_guard lock(sink_.mutex);
    if (sink_.waiting.size() < 4) return false;
    // Kafka takes "a" of both rounds; "b" is lost.
    for (const std::size_t nr : {0, 2}) sink_.waiting[nr](absl::OkStatus());
    for (const std::size_t nr : {1, 3}) sink_.waiting[nr](Unavailable("KAFKA", "away"));
    return true;
  });
  EXPECT_THAT(store_.forgotten, IsEmpty());
}

TEST_F(PublisherTest, WhatIsUnderWayAgainDoesNotKeepAPublicationOpen) {
  publisher_.Enqueue(Publication{7, {Of("a", State::kSent, 1), Of("b", State::kSending, 2)}});
  RunUntil([this] { return Published().size() == 1; });
  EXPECT_THAT(store_.forgotten, ElementsAre(7));
}

TEST_F(PublisherTest, WhileKafkaHangsWhatIsTooMuchIsLeftToTheSearch) {
  sink_.answers = false;
  Publisher small(store_, sink_, {.in_flight_max = 2});
  Publication publication{9, {}};
  for (int i = 0; i < 5; ++i) {
    publication.changes.push_back(Of("m" + std::to_string(i), State::kSent, i + 1));
  }
  small.Enqueue(std::move(publication));
  small.Enqueue(Publication{10, {Of("last", State::kSent, 9)}});
  {
    std::jthread thread([&](std::stop_token stop) { small.Run(std::move(stop)); });
    // It searches when it is done with what was queued.
    store_.signal.WaitFor([this] {
      const std::lock_guard lock(store_.mutex);
      return store_.searches > 0;
    });
    std::vector<std::function<void(absl::Status)>> waiting;
    {
      const std::lock_guard lock(sink_.mutex);
      waiting.swap(sink_.waiting);
    }
    for (const auto& done : waiting) done(absl::OkStatus());
  }
  EXPECT_THAT(Published(), ElementsAre("m0 sent", "m1 sent"));
  EXPECT_THAT(store_.forgotten, IsEmpty());
}

}  // namespace
}  // namespace parley::sender
