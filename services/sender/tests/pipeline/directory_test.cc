#include "pipeline/directory.h"

#include <gtest/gtest.h>

#include "libs/base/status.h"
#include "libs/crypto/digest.h"
#include "parley/events/v1/directory.pb.h"
#include "pipeline/dispatch.h"

namespace parley::sender {
namespace {

using namespace std::chrono_literals;

const std::string kAccount = "AC" + std::string(32, '1');
constexpr char kNumber[] = "+15005550006";

class FakeDirectoryStore final : public DirectoryStore {
 public:
  absl::StatusOr<DirectoryRows> Load() override { return stored; }
  absl::Status Save(const DirectoryRows& rows) override {
    if (away) return Unavailable("DATABASE_UNAVAILABLE", "away");
    stored.accounts.insert(stored.accounts.end(), rows.accounts.begin(), rows.accounts.end());
    return absl::OkStatus();
  }
  absl::Status SaveConsents(std::span<const ConsentRow>, const LogPositions&) override {
    return absl::OkStatus();
  }
  absl::StatusOr<LogPositions> ConsentPositions() override { return LogPositions{}; }

  DirectoryRows stored;
  bool away = false;
};

class DirectoryTest : public testing::Test {
 protected:
  static crypto::KeyRing Keys(char byte) {
    return *crypto::KeyRing::Parse("k:" + crypto::Base64(std::string(32, byte)));
  }
  AccountRow Account(std::int64_t version) {
    AccountRow row;
    row.account_sid = kAccount;
    row.version = version;
    row.sealed_auth_token = Keys('k').Seal(Secret("token"), {crypto::kTwilioToken, kAccount});
    return row;
  }
  static NumberRow Number(std::int64_t version, double rate) {
    NumberRow row;
    row.account_sid = kAccount;
    row.number = kNumber;
    row.version = version;
    row.sms_rate = rate;
    return row;
  }

  FakeDirectoryStore store_;
  int changes_ = 0;
  Directory directory_{store_, Keys('k'), Rates{}, "https://example.com/", [this] { ++changes_; }};
  const Lane lane_{1, 1, kAccount, Medium::kSms, kNumber};
};

TEST_F(DirectoryTest, OpensTokensAndIgnoresOlderVersions) {
  EXPECT_EQ(directory_.FindAccount(kAccount), nullptr);
  ASSERT_TRUE(directory_.Apply({{Account(5)}, {}}).ok());
  ASSERT_NE(directory_.FindAccount(kAccount), nullptr);
  EXPECT_EQ(changes_, 1);
  AccountRow removed = Account(4);
  removed.removed = true;
  ASSERT_TRUE(directory_.Apply({{removed}, {}}).ok());
  EXPECT_NE(directory_.FindAccount(kAccount), nullptr) << "an older record";
  removed.version = 6;
  ASSERT_TRUE(directory_.Apply({{removed}, {}}).ok());
  EXPECT_EQ(directory_.FindAccount(kAccount), nullptr);
}

TEST_F(DirectoryTest, AnAccountWhoseTokenDoesNotOpenIsNotKnown) {
  Directory other(store_, Keys('x'), Rates{}, "", [] {});
  ASSERT_TRUE(other.Apply({{Account(1)}, {}}).ok());
  EXPECT_EQ(other.FindAccount(kAccount), nullptr);
}

TEST_F(DirectoryTest, WhatCouldNotBeStoredIsNotRemembered) {
  store_.away = true;
  EXPECT_FALSE(directory_.Apply({{Account(1)}, {}}).ok());
  EXPECT_EQ(directory_.FindAccount(kAccount), nullptr);
}

TEST_F(DirectoryTest, StartsWithWhatTheStoreKnew) {
  store_.stored.accounts = {Account(1)};
  ASSERT_TRUE(directory_.Load().ok());
  EXPECT_NE(directory_.FindAccount(kAccount), nullptr);
}

TEST_F(DirectoryTest, ANumbersOwnRateWins) {
  EXPECT_EQ(directory_.Interval(lane_), 1s);
  ASSERT_TRUE(directory_.Apply({{}, {Number(1, 10)}}).ok());
  EXPECT_EQ(directory_.Interval(lane_), 100ms);
  EXPECT_EQ(directory_.Interval({1, 1, kAccount, Medium::kWhatsApp, kNumber}), 12'500us);
}

TEST_F(DirectoryTest, CallbacksGoToTheNearestPublicAddress) {
  EXPECT_EQ(directory_.CallbackOrigin(lane_), "https://example.com");
  AccountRow account = Account(1);
  account.public_url = "https://account.example.com";
  ASSERT_TRUE(directory_.Apply({{account}, {}}).ok());
  EXPECT_EQ(directory_.CallbackOrigin(lane_), "https://account.example.com");
  NumberRow number = Number(1, 0);
  number.public_url = "https://number.example.com/base/";
  ASSERT_TRUE(directory_.Apply({{}, {number}}).ok());
  EXPECT_EQ(directory_.CallbackOrigin(lane_), "https://number.example.com/base");
  Directory hidden(store_, Keys('k'), Rates{}, "ftp://example.com", [] {});
  EXPECT_EQ(hidden.CallbackOrigin(lane_), "") << "no http address, no callbacks";
}

TEST(CallbackOriginOf, IsEmptyForWhatTwilioCannotCall) {
  const struct {
    const char* url;
    const char* want;
  } cases[] = {
      {"https://example.com/base/", "https://example.com/base"},
      {"http://8.8.8.8:8080", "http://8.8.8.8:8080"},
      {"https://[2606:4700::1111]", "https://[2606:4700::1111]"},
      {"", ""},
      {"ftp://example.com", ""},
      {"http://localhost:8080", ""},
      {"http://gateway", ""},
      {"http://printer.local", ""},
      {"http://PRINTER.LOCAL.", ""},
      {"http://api.internal", ""},
      {"http://a_b.example.com", ""},
      {"http://127.0.0.1:8080", ""},
      {"http://10.1.2.3", ""},
      {"http://192.168.0.9", ""},
      {"http://172.20.1.1", ""},
      {"http://[::1]", ""},
      {"http://[fd00::1]", ""},
      {"http://0x7f.1", ""},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(CallbackOriginOf(c.url, /*local_too=*/false), c.want) << c.url;
  }
  EXPECT_EQ(CallbackOriginOf("http://127.0.0.1:8080", /*local_too=*/true), "http://127.0.0.1:8080");
  EXPECT_EQ(CallbackOriginOf("ftp://example.com", /*local_too=*/true), "");
}

TEST_F(DirectoryTest, OnlyALocalSimulatorCallsLocalAddresses) {
  Directory real(store_, Keys('k'), Rates{}, "http://127.0.0.1:8080", [] {});
  EXPECT_EQ(real.CallbackOrigin(lane_), "") << "Twilio would refuse every message with it";
  Directory simulated(
      store_, Keys('k'), Rates{}, "http://127.0.0.1:8080", [] {}, "http://127.0.0.1:8083");
  EXPECT_EQ(simulated.CallbackOrigin(lane_), "http://127.0.0.1:8080");
}

TEST(StatusCallback, NamesMessageAndAttempt) {
  Job job;
  job.head.key.message_id = "m";
  job.attempt = 2;
  EXPECT_EQ(StatusCallback("https://example.com", job),
            "https://example.com/webhooks/twilio/status?message_id=m&attempt=2#rc=5&rp=all");
  EXPECT_EQ(StatusCallback("", job), "");
}

TEST(ParseDirectoryRecord, RefusesWhatItCannotUse) {
  events::v1::DirectoryRecord record;
  DirectoryRows rows;
  EXPECT_TRUE(absl::IsInvalidArgument(ParseDirectoryRecord("\xff", rows)));
  EXPECT_TRUE(absl::IsInvalidArgument(ParseDirectoryRecord(record.SerializeAsString(), rows)));
  record.mutable_account()->set_account_sid("AC1");
  EXPECT_TRUE(absl::IsInvalidArgument(ParseDirectoryRecord(record.SerializeAsString(), rows)));
  record.mutable_account()->set_account_sid(kAccount);
  record.mutable_account()->add_organization_ids("none");
  EXPECT_TRUE(absl::IsInvalidArgument(ParseDirectoryRecord(record.SerializeAsString(), rows)));
  record.mutable_number()->set_account_sid(kAccount);
  EXPECT_TRUE(absl::IsInvalidArgument(ParseDirectoryRecord(record.SerializeAsString(), rows)));
  EXPECT_TRUE(rows.accounts.empty());
  record.mutable_number()->set_number(kNumber);
  EXPECT_TRUE(ParseDirectoryRecord(record.SerializeAsString(), rows).ok());
  EXPECT_EQ(rows.numbers.size(), 1U);
  record.mutable_complete();
  EXPECT_TRUE(ParseDirectoryRecord(record.SerializeAsString(), rows).ok());
}

}  // namespace
}  // namespace parley::sender
