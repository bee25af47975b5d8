#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "libs/base/status.h"
#include "libs/telemetry/log.h"
#include "libs/telemetry/metrics.h"

namespace parley::telemetry {
namespace {

TEST(Log, WritesOneJsonObjectALine) {
  testing::internal::CaptureStdout();
  InitLogging("example", "info");
  Info("stored", {{"id", "m\"1\n"}, {"seq", 7}, {"late", true}, {"rate", 0.5}});
  Debug("hidden", {});
  Error("failed", NotFound("NO_SUCH", "It is not there."), {{"id", std::string("x")}});
  std::istringstream lines(testing::internal::GetCapturedStdout());
  std::string line;
  ASSERT_TRUE(std::getline(lines, line));
  const auto first = nlohmann::json::parse(line);
  EXPECT_EQ(first["event"], "stored");
  EXPECT_EQ(first["service"], "example");
  EXPECT_EQ(first["id"], "m\"1\n");
  EXPECT_EQ(first["seq"], 7);
  EXPECT_EQ(first["late"], true);
  ASSERT_TRUE(std::getline(lines, line));
  const auto second = nlohmann::json::parse(line);
  EXPECT_EQ(second["level"], "error");
  EXPECT_EQ(second["reason"], "NO_SUCH");
  EXPECT_FALSE(std::getline(lines, line));
}

TEST(Metrics, RendersWhatWasCounted) {
  Counter("parley_test_things_total", "Things.", {{"kind", "a"}}).Increment(3);
  LatencyHistogram("parley_test_wait_seconds", "Waits.").Observe(0.003);
  const std::string text = RenderMetrics();
  EXPECT_NE(text.find("parley_test_things_total{kind=\"a\"} 3"), std::string::npos) << text;
  EXPECT_NE(text.find("parley_test_wait_seconds_bucket{le=\"0.005\"} 1"), std::string::npos);
  EXPECT_NE(text.find("process_resident_memory_bytes"), std::string::npos);
}

}  // namespace
}  // namespace parley::telemetry
