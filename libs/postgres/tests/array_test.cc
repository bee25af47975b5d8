#include "libs/postgres/array.h"

#include <gtest/gtest.h>

namespace parley::postgres {
namespace {

TEST(Array, QuotesWhatPostgresWouldMisread) {
  Array texts;
  texts.Add("plain").Add("with \"quotes\" and \\ and , and {}").Add("").AddNull().Add("NULL");
  EXPECT_EQ(texts.str(), R"({"plain","with \"quotes\" and \\ and , and {}","",NULL,"NULL"})");
  const std::vector<std::string> want = {"plain", "with \"quotes\" and \\ and , and {}", "", "",
                                         "NULL"};
  EXPECT_EQ(ParseArray(texts.str()), want);
}

TEST(Array, WritesNumbersTimesAndBytes) {
  EXPECT_EQ(Array().Add(1).Add(std::int64_t{-7}).str(), "{1,-7}");
  EXPECT_EQ(Array().Add(0.5).str(), "{0.5}");
  EXPECT_EQ(Array().Add(true).Add(false).str(), "{t,f}");
  EXPECT_EQ(Array().Add(FromMicros(0)).str(), "{\"1970-01-01T00:00:00.000000Z\"}");
  EXPECT_EQ(Array().AddBytes(std::string("\x00\xff", 2)).str(), "{\"\\\\x00ff\"}");
  EXPECT_EQ(FromBytea(Bytea(std::string("\x00\xff", 2))), std::string("\x00\xff", 2));
  EXPECT_TRUE(ParseArray("{}").empty());
}

}  // namespace
}  // namespace parley::postgres
