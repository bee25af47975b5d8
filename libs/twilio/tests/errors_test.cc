#include "libs/twilio/errors.h"

#include <gtest/gtest.h>

namespace parley::twilio {
namespace {

TEST(FindError, KnowsWhatMattersMost) {
  const struct {
    int code;
    ErrorCategory want;
  } cases[] = {
      {20003, ErrorCategory::kFixConfiguration},
      {20429, ErrorCategory::kRetry},
      {20503, ErrorCategory::kUnknownOutcome},
      {21211, ErrorCategory::kPermanent},
      {21408, ErrorCategory::kFixConfiguration},
      {21610, ErrorCategory::kUnsubscribed},
      {21611, ErrorCategory::kLater},
      {21617, ErrorCategory::kPermanent},
      {21665, ErrorCategory::kFixConfiguration},
      {30003, ErrorCategory::kLater},
      {30005, ErrorCategory::kPermanent},
      {30022, ErrorCategory::kRetry},
      {30025, ErrorCategory::kNotice},
      {30630, ErrorCategory::kUnsubscribed},
      {35126, ErrorCategory::kPermanent},
      {63016, ErrorCategory::kPermanent},
      {63018, ErrorCategory::kRetry},
      {63053, ErrorCategory::kLater},
      {63110, ErrorCategory::kFixConfiguration},
      {92007, ErrorCategory::kPermanent},
  };
  for (const auto& c : cases) {
    const ErrorEntry* entry = FindError(c.code);
    ASSERT_NE(entry, nullptr) << c.code;
    EXPECT_EQ(CategoryName(entry->category), CategoryName(c.want)) << c.code;
  }
  for (const int unknown : {0, -1, 1, 21613, 30047, 99999}) {
    EXPECT_EQ(FindError(unknown), nullptr) << unknown;
  }
}

TEST(ErrorCatalogue, SpeaksInSentences) {
  EXPECT_GT(ErrorCatalogue().size(), 200u);
  for (const ErrorEntry& entry : ErrorCatalogue()) {
    for (const std::string_view text : {entry.meaning, entry.remedy}) {
      ASSERT_FALSE(text.empty()) << entry.code;
      EXPECT_EQ(text.back(), '.') << entry.code << " " << text;
    }
    for (int code = entry.code; code <= entry.code_last; ++code) {
      EXPECT_EQ(FindError(code), &entry) << code;
    }
  }
}

TEST(DescribeError, FallsBackToTheHttpStatus) {
  EXPECT_EQ(DescribeError(21211, 400).code, 21211);
  EXPECT_EQ(DescribeError(77777, 401).category, ErrorCategory::kFixConfiguration);
  EXPECT_EQ(DescribeError(77777, 429).category, ErrorCategory::kRetry);
  EXPECT_EQ(DescribeError(77777, 503).category, ErrorCategory::kUnknownOutcome);
  EXPECT_EQ(DescribeError(77777, 400).category, ErrorCategory::kPermanent);
  EXPECT_EQ(DescribeError(77777).category, ErrorCategory::kPermanent);
}

TEST(ClassifySendAnswer, DecidesWhatMayFollow) {
  const struct {
    const char* label;
    int http_status;
    int code;
    ErrorCategory want;
  } cases[] = {
      {"429 is never processed", 429, 20429, ErrorCategory::kRetry},
      {"429 without a code", 429, 0, ErrorCategory::kRetry},
      {"429 with a foreign code", 429, 21211, ErrorCategory::kRetry},
      {"full queue", 429, 21611, ErrorCategory::kLater},
      {"opted out", 400, 21610, ErrorCategory::kUnsubscribed},
      {"invalid number", 400, 21211, ErrorCategory::kPermanent},
      {"500 may have been taken", 500, 20500, ErrorCategory::kUnknownOutcome},
      {"503, whatever its code says", 503, 20429, ErrorCategory::kUnknownOutcome},
      {"408 may have been taken", 408, 0, ErrorCategory::kUnknownOutcome},
      {"408, whatever its code says", 408, 21211, ErrorCategory::kUnknownOutcome},
      {"a 4xx was not taken, whatever its code says", 400, 20500, ErrorCategory::kPermanent},
      {"bad credentials", 401, 20003, ErrorCategory::kFixConfiguration},
      {"bad credentials without a code", 401, 0, ErrorCategory::kFixConfiguration},
      {"unknown code", 400, 99999, ErrorCategory::kPermanent},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(CategoryName(ClassifySendAnswer(c.http_status, c.code).category),
              CategoryName(c.want))
        << c.label;
  }
}

}  // namespace
}  // namespace parley::twilio
