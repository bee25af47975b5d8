#include "pipeline/consent.h"

#include <gtest/gtest.h>

#include "parley/events/v1/consent.pb.h"

namespace parley::sender {
namespace {

TEST(ParseConsent, RefusesWhatSaysNothing) {
  events::v1::ConsentRecord valid;
  valid.set_customer_number("+15550100001");
  valid.set_business_number("+15005550006");
  valid.set_account_sid("AC" + std::string(32, '1'));
  valid.set_given_at_us(1'800'000'000'000'000);
  valid.set_keyword(events::v1::KEYWORD_STOP);
  const auto row = ParseConsent(valid.SerializeAsString());
  ASSERT_TRUE(row.ok()) << row.status();
  EXPECT_TRUE((*row)->stopped);
  valid.set_keyword(events::v1::KEYWORD_START);
  EXPECT_FALSE((*ParseConsent(valid.SerializeAsString()))->stopped);

  const struct {
    const char* label;
    void (*change)(events::v1::ConsentRecord&);
  } cases[] = {
      {"no customer", [](auto& r) { r.clear_customer_number(); }},
      {"help is no consent", [](auto& r) { r.set_keyword(events::v1::KEYWORD_HELP); }},
      {"no time", [](auto& r) { r.clear_given_at_us(); }},
      {"time out of range", [](auto& r) { r.set_given_at_us(INT64_MAX); }},
      {"NUL", [](auto& r) { r.set_business_number(std::string("a\0", 2)); }},
  };
  for (const auto& c : cases) {
    events::v1::ConsentRecord record = valid;
    c.change(record);
    EXPECT_TRUE(absl::IsInvalidArgument(ParseConsent(record.SerializeAsString()).status()))
        << c.label;
  }
  EXPECT_TRUE(absl::IsInvalidArgument(ParseConsent("\xff\xff").status()));
}

TEST(ParseConsent, TheEndOfARepublicationNamesNobody) {
  events::v1::ConsentRecord record;
  record.set_republication_us(1);
  record.set_republication_complete(true);
  const auto row = ParseConsent(record.SerializeAsString());
  ASSERT_TRUE(row.ok()) << row.status();
  EXPECT_FALSE(row->has_value());
}

class FakeConsents final : public DirectoryStore {
 public:
  absl::StatusOr<DirectoryRows> Load() override { return DirectoryRows{}; }
  absl::Status Save(const DirectoryRows&) override { return absl::OkStatus(); }
  absl::Status SaveConsents(std::span<const ConsentRow> rows, const LogPositions& next) override {
    rows_stored = rows.size();
    positions = next;
    return absl::OkStatus();
  }
  absl::StatusOr<LogPositions> ConsentPositions() override { return positions; }

  std::size_t rows_stored = 0;
  LogPositions positions;
};

TEST(ConsentHandler, StoresHowFarItCameWithWhatItRead) {
  FakeConsents store;
  ConsentHandler handler(store);
  events::v1::ConsentRecord stop;
  stop.set_customer_number("+15550100001");
  stop.set_given_at_us(1'800'000'000'000'000);
  stop.set_keyword(events::v1::KEYWORD_STOP);
  events::v1::ConsentRecord end;
  end.set_republication_complete(true);
  const auto at = [](std::int32_t partition, std::int64_t offset, const std::string& value) {
    kafka::Record record;
    record.partition = partition;
    record.offset = offset;
    record.value = value;
    return record;
  };
  int buried = 0;
  const absl::Status handled = handler.Handle(
      {at(0, 7, stop.SerializeAsString()), at(2, 3, end.SerializeAsString()), at(0, 8, "\xff")},
      [&](const kafka::Record&, const absl::Status&) { ++buried; });
  ASSERT_TRUE(handled.ok()) << handled;
  EXPECT_EQ(store.rows_stored, 1U);
  EXPECT_EQ(store.positions, (LogPositions{{0, 9}, {2, 4}}));
  EXPECT_EQ(buried, 1) << "what cannot be read, and not the end of a republication";
}

class ConsentWatcherTest : public testing::Test {
 protected:
  SteadyTime At(std::chrono::milliseconds time) { return SteadyTime(std::chrono::hours(1)) + time; }

  SteadyTime now_ = At({});
  int wakes_ = 0;
  ConsentWatch consent_{now_};
  ConsentWatcher watcher_{consent_, [this] { ++wakes_; }, [this] { return now_; }};
};

TEST_F(ConsentWatcherTest, WakesWhatWasDeniedWhileNobodyLooked) {
  using namespace std::chrono_literals;
  watcher_.AtEnd(At(0ms));
  EXPECT_EQ(wakes_, 1);
  now_ = At(355ms);
  watcher_.Missed();  // It is still fresh.
  now_ = At(430ms);
  EXPECT_FALSE(consent_.Allowed(now_).interactive) << "a message is denied here";
  now_ = At(460ms);
  watcher_.AtEnd(At(458ms));
  EXPECT_EQ(wakes_, 2);
  now_ = At(560ms);
  watcher_.AtEnd(At(558ms));
  EXPECT_EQ(wakes_, 2) << "nothing was denied meanwhile";
}

TEST_F(ConsentWatcherTest, WakesInteractiveSendsWhenKafkaIsAway) {
  using namespace std::chrono_literals;
  watcher_.AtEnd(At(0ms));
  now_ = At(4'999ms);
  watcher_.Missed();
  EXPECT_EQ(wakes_, 1);
  now_ = At(5'100ms);
  watcher_.Missed();
  EXPECT_EQ(wakes_, 2);
}

}  // namespace
}  // namespace parley::sender
