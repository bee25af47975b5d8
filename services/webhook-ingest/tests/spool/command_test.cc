#include "spool/command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "libs/base/id.h"
#include "parley/events/v1/inbound.pb.h"
#include "spool/spool.h"

namespace parley::ingest {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

const std::string kSid = "AC" + std::string(32, '1');

class CommandTest : public testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove_all(root_); }

  void Append(const std::vector<std::string>& keys) {
    auto spool = Spool::Open({.folder = folder_}, SystemFiles(), SystemClock());
    ASSERT_TRUE(spool.ok()) << spool.status();
    events::v1::InboundRecord record;
    record.mutable_message()->set_body("a secret");
    for (const std::string& key : keys) {
      ASSERT_TRUE((*spool)
                      ->Append({.topic = webhooks::Topic::kInbound,
                                .key = key,
                                .value = record.SerializeAsString(),
                                .type = record.GetTypeName(),
                                .traceparent = ""},
                               std::chrono::steady_clock::now() + 30s)
                      .ok());
    }
  }
  // What it prints, a JSON value for each line.
  std::vector<json> Run(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--dir", folder_});
    testing::internal::CaptureStdout();
    EXPECT_EQ(RunSpoolCommand(arguments), 0);
    std::istringstream output(testing::internal::GetCapturedStdout());
    std::vector<json> lines;
    for (std::string line; std::getline(output, line);) lines.push_back(json::parse(line));
    return lines;
  }

  const std::string root_ = testing::TempDir() + "/parley-spool-" + NewId();
  const std::string folder_ = root_ + "/spool";
};

TEST_F(CommandTest, EveryPartOfAKeyIsMaskedButSids) {
  struct Case {
    std::string key;
    std::string shown;
  };
  const std::vector<Case> cases = {
      {kSid + "/+15005550006/+15005550010", kSid + "/+1500*****06/+1500*****10"},
      {kSid + "/whatsapp:+15005550010", kSid + "/whatsapp:+1500*****10"},
      {kSid + "/PARLEYSHOP", kSid + "/PARLE***OP"},
      {kSid + "/15005550010", kSid + "/15005****10"},
      {kSid + "/12345", kSid + "/1****"},
      {"ACsomebody@example.com", "ACsom***************om"}};
  std::vector<std::string> keys;
  for (const Case& c : cases) keys.push_back(c.key);
  Append(keys);
  const std::vector<json> masked = Run({"show"});
  const std::vector<json> revealed = Run({"show", "--reveal"});
  ASSERT_EQ(masked.size(), cases.size());
  ASSERT_EQ(revealed.size(), cases.size());
  for (std::size_t i = 0; i < cases.size(); ++i) {
    EXPECT_EQ(masked[i]["key"], cases[i].shown);
    EXPECT_THAT(masked[i].dump(), Not(HasSubstr("secret")));
    EXPECT_EQ(revealed[i]["key"], cases[i].key);
    EXPECT_EQ(revealed[i]["value"]["message"]["body"], "a secret");
  }
}

TEST_F(CommandTest, JsonTellsOfTheFolderAndItsSegments) {
  Append({kSid, kSid});
  for (const char* verb : {"list", "verify"}) {
    const std::vector<json> lines = Run({verb, "--json"});
    ASSERT_EQ(lines.size(), 1u) << verb;
    EXPECT_EQ(lines[0]["in_use"], false);
    EXPECT_EQ(lines[0]["waiting"], 2);
    EXPECT_EQ(lines[0]["damaged"], false);
    ASSERT_EQ(lines[0]["segments"].size(), 1u);
    EXPECT_EQ(lines[0]["segments"][0]["state"], "ok");
    EXPECT_EQ(lines[0]["segments"][0]["records"], 2);
  }
}

}  // namespace
}  // namespace parley::ingest
