#include "stats.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <numeric>

namespace parley::bench {
namespace {

TEST(Summarize, TakesPercentilesByRank) {
  Samples samples;
  samples.micros.resize(100);
  std::iota(samples.micros.rbegin(), samples.micros.rend(), 1);  // 100 … 1, as 1,000 µs each.
  for (auto& micros : samples.micros) micros *= 1000;
  samples.seconds = 2;
  samples.errors = 3;
  const Summary summary = Summarize(samples);
  EXPECT_EQ(summary.count, 100);
  EXPECT_EQ(summary.errors, 3);
  EXPECT_DOUBLE_EQ(summary.per_second, 50);
  EXPECT_DOUBLE_EQ(summary.p50_ms, 50);
  EXPECT_DOUBLE_EQ(summary.p99_ms, 99);
  EXPECT_DOUBLE_EQ(summary.max_ms, 100);
}

TEST(Summarize, OfNothingIsNothing) {
  EXPECT_EQ(Summarize({}).count, 0);
  EXPECT_DOUBLE_EQ(Summarize({}).per_second, 0);
}

TEST(RenderTable, ShowsUsageForEachThousand) {
  Row row;
  row.name = "things";
  row.summary = {.count = 2000, .per_second = 100, .p50_ms = 1, .p99_ms = 2, .max_ms = 3};
  row.usage["gateway"] = {.cpu_seconds = 1, .peak_mib = 40};
  const std::string table = RenderTable({row});
  EXPECT_NE(
      table.find("| things | 2000 | 100 | 1.0 | 2.0 | 3.0 | 0 | 0.50, –, –, – | 40, –, –, – |"),
      std::string::npos)
      << table;
}

TEST(ProcessWatch, SeesThisProcess) {
  const std::string dir = ::testing::TempDir();
  std::FILE* file = std::fopen((dir + "/self.pid").c_str(), "w");
  std::fprintf(file, "%d", getpid());
  std::fclose(file);
  ProcessWatch watch(dir, {"self"});
  watch.Start();
  volatile double sink = 0;
  for (int i = 0; i < 100'000'000; ++i) sink = sink + i;
  const auto usage = watch.Stop();
  EXPECT_GT(usage.at("self").cpu_seconds, 0);
  EXPECT_GT(usage.at("self").peak_mib, 1);
}

}  // namespace
}  // namespace parley::bench
