#include "domain/directory.h"

#include <gtest/gtest.h>

#include "fakes/fakes.h"

namespace parley::ingest {
namespace {

TEST(DirectoryBook, OpensTokensOfAccounts) {
  const crypto::KeyRing keys = TestKeys();
  DirectoryBook book(keys);
  Put(book, AccountRecord(keys, kAccountA, kTokenA));
  const auto directory = book.Snapshot();
  const AccountEntry* account = directory->FindAccount(kAccountA);
  ASSERT_NE(account, nullptr);
  EXPECT_EQ(account->token, kTokenA);
  EXPECT_TRUE(account->secondary_token.empty());
  EXPECT_TRUE(account->readable);
  EXPECT_EQ(directory->FindAccount(kAccountB), nullptr);
}

TEST(DirectoryBook, TakesOnlyHigherVersions) {
  const crypto::KeyRing keys = TestKeys();
  DirectoryBook book(keys);
  Put(book, AccountRecord(keys, kAccountA, kTokenA, 5));
  const auto older = book.Apply(AccountRecord(keys, kAccountA, kTokenB, 4).SerializeAsString());
  EXPECT_EQ(*older, DirectoryBook::Change::kNone);
  const auto same = book.Apply(AccountRecord(keys, kAccountA, kTokenB, 5).SerializeAsString());
  EXPECT_EQ(*same, DirectoryBook::Change::kNone);
  EXPECT_EQ(book.Snapshot()->FindAccount(kAccountA)->token, kTokenA);
  Put(book, AccountRecord(keys, kAccountA, kTokenB, 6));
  EXPECT_EQ(book.Snapshot()->FindAccount(kAccountA)->token, kTokenB);
}

TEST(DirectoryBook, RemovalIsAValueThatStays) {
  const crypto::KeyRing keys = TestKeys();
  DirectoryBook book(keys);
  Put(book, AccountRecord(keys, kAccountA, kTokenA, 5));
  Put(book, NumberRecord(kAccountA, kNumberA, 5));
  auto account = AccountRecord(keys, kAccountA, kTokenA, 6);
  account.mutable_account()->set_removed(true);
  Put(book, account);
  auto number = NumberRecord(kAccountA, kNumberA, 6);
  number.mutable_number()->set_removed(true);
  Put(book, number);
  // An old record that comes again does not bring it back.
  Put(book, AccountRecord(keys, kAccountA, kTokenA, 5));
  EXPECT_EQ(book.Snapshot()->FindAccount(kAccountA), nullptr);
  EXPECT_EQ(book.Snapshot()->FindNumber(kAccountA, kNumberA), nullptr);
  EXPECT_FALSE(book.Snapshot()->IsClaimedElsewhere(kAccountB, kNumberA));
}

TEST(DirectoryBook, TellsWhoseANumberIs) {
  const auto directory = TwoAccounts();
  EXPECT_NE(directory->FindNumber(kAccountA, kNumberA), nullptr);
  EXPECT_EQ(directory->FindNumber(kAccountB, kNumberA), nullptr);
  EXPECT_FALSE(directory->IsClaimedElsewhere(kAccountA, kNumberA));
  EXPECT_TRUE(directory->IsClaimedElsewhere(kAccountB, kNumberA));
  EXPECT_FALSE(directory->IsClaimedElsewhere(kAccountA, kNobodys));
}

TEST(DirectoryBook, WhatTookItselfInClaimsNothing) {
  const crypto::KeyRing keys = TestKeys();
  DirectoryBook book(keys);
  auto taken_in = NumberRecord(kAccountA, kNumberA);
  taken_in.mutable_number()->set_unclaimed(true);
  Put(book, taken_in);
  // Neither against another account …
  EXPECT_FALSE(book.Snapshot()->IsClaimedElsewhere(kAccountB, kNumberA));
  // … nor for its own, once another account claims the number.
  Put(book, NumberRecord(kAccountB, kNumberA));
  EXPECT_TRUE(book.Snapshot()->IsClaimedElsewhere(kAccountA, kNumberA));
  EXPECT_FALSE(book.Snapshot()->IsClaimedElsewhere(kAccountB, kNumberA));
  // It is known all the same.
  EXPECT_NE(book.Snapshot()->FindNumber(kAccountA, kNumberA), nullptr);
}

TEST(DirectoryBook, KnowsTheTimeZonesOfItsNumbers) {
  const crypto::KeyRing keys = TestKeys();
  DirectoryBook book(keys);
  const std::pair<const char*, const char*> cases[] = {{"Europe/Berlin", "Europe/Berlin"},
                                                       {"", "UTC"},
                                                       {"Mars/Olympus", "UTC"},
                                                       {"../../etc/passwd", "UTC"}};
  std::int64_t version = 1;
  for (const auto& [name, want] : cases) {
    auto number = NumberRecord(kAccountA, kNumberA, version++);
    number.mutable_number()->mutable_twiml()->mutable_office_hours()->set_time_zone(name);
    Put(book, number);
    EXPECT_EQ(book.Snapshot()->FindNumber(kAccountA, kNumberA)->time_zone.name(), want) << name;
  }
  EXPECT_EQ(book.unknown_time_zones(), 1u);
}

TEST(DirectoryBook, SnapshotsDoNotChange) {
  const crypto::KeyRing keys = TestKeys();
  DirectoryBook book(keys);
  Put(book, AccountRecord(keys, kAccountA, kTokenA, 1));
  const auto before = book.Snapshot();
  Put(book, AccountRecord(keys, kAccountA, kTokenB, 2));
  Put(book, NumberRecord(kAccountA, kNumberA));
  EXPECT_EQ(before->FindAccount(kAccountA)->token, kTokenA);
  EXPECT_EQ(before->FindNumber(kAccountA, kNumberA), nullptr);
}

TEST(DirectoryBook, MarksAccountsThatItCannotOpen) {
  const crypto::KeyRing keys = TestKeys('k');
  const crypto::KeyRing others = TestKeys('x');
  DirectoryBook book(keys);
  Put(book, AccountRecord(others, kAccountA, kTokenA));
  EXPECT_EQ(book.unreadable_accounts(), 1u);
  // A token sealed for one account does not open for another.
  auto moved = AccountRecord(keys, kAccountA, kTokenA);
  moved.mutable_account()->set_account_sid(kAccountB);
  Put(book, moved);
  EXPECT_FALSE(book.Snapshot()->FindAccount(kAccountB)->readable);
}

TEST(DirectoryBook, RefusesWhatIsNoRecord) {
  const crypto::KeyRing keys = TestKeys();
  DirectoryBook book(keys);
  events::v1::DirectoryRecord nameless;
  nameless.set_version(1);
  nameless.mutable_account();
  for (const std::string& value :
       {std::string("\xff\xff\xff"), std::string(), nameless.SerializeAsString()}) {
    EXPECT_EQ(ErrorReason(book.Apply(value).status()), "RECORD_UNREADABLE");
  }
  EXPECT_EQ(book.size(), 0u);
}

TEST(DirectoryBook, KnowsWhenEverythingWasPublished) {
  const crypto::KeyRing keys = TestKeys();
  DirectoryBook book(keys);
  EXPECT_FALSE(book.seen_complete());
  Put(book, CompleteRecord(7));
  EXPECT_TRUE(book.seen_complete());
  EXPECT_EQ(book.complete_at_us(), 7);
}

TEST(DirectoryBook, IsWrittenAndReadBack) {
  const crypto::KeyRing keys = TestKeys();
  DirectoryBook book(keys);
  Put(book, AccountRecord(keys, kAccountA, kTokenA, 3));
  Put(book, NumberRecord(kAccountA, kNumberA, 4));
  Put(book, CompleteRecord(5));
  const std::string text = book.Serialize();
  DirectoryBook copy(keys);
  ASSERT_TRUE(copy.Load(text).ok());
  EXPECT_EQ(copy.size(), book.size());
  EXPECT_TRUE(copy.seen_complete());
  EXPECT_EQ(copy.Snapshot()->FindAccount(kAccountA)->token, kTokenA);
  // Versions came along.
  EXPECT_EQ(*copy.Apply(AccountRecord(keys, kAccountA, kTokenB, 3).SerializeAsString()),
            DirectoryBook::Change::kNone);
  for (const std::string& broken :
       {text.substr(0, text.size() - 1), "x" + text, std::string("999999:"), std::string("12")}) {
    DirectoryBook other(keys);
    EXPECT_FALSE(other.Load(broken).ok());
  }
}

}  // namespace
}  // namespace parley::ingest
