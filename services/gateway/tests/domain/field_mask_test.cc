#include "domain/field_mask.h"

#include <gtest/gtest.h>

#include "libs/base/status.h"
#include "parley/v1/channel.pb.h"

namespace parley::gateway {
namespace {

using Paths = std::set<std::string>;

google::protobuf::FieldMask Mask(const std::vector<std::string>& paths) {
  google::protobuf::FieldMask mask;
  for (const std::string& path : paths) mask.add_paths(path);
  return mask;
}

TEST(FieldsToUpdate, AreThoseOfTheMask) {
  const v1::Channel channel;
  EXPECT_EQ(*FieldsToUpdate(channel, Mask({"display_name", "ai.enabled"})),
            (Paths{"display_name", "ai.enabled"}));
}

TEST(FieldsToUpdate, ANestedMessageStandsForAllItsFields) {
  const v1::Channel channel;
  EXPECT_EQ(*FieldsToUpdate(channel, Mask({"ai"})),
            (Paths{"ai.enabled", "ai.response_delay_ms", "ai.provider", "ai.base_url", "ai.model",
                   "ai.system_prompt", "ai.api_key"}));
}

TEST(FieldsToUpdate, WithoutAMaskAreThoseThatAreSet) {
  v1::Channel channel;
  channel.set_id("an id");  // The server's.
  channel.set_display_name("Shop");
  channel.mutable_ai()->set_enabled(false);
  EXPECT_EQ(*FieldsToUpdate(channel, Mask({})), (Paths{"display_name", "ai.enabled"}));
}

TEST(FieldsToUpdate, LeaveOutWhatTheServerSets) {
  const v1::Channel channel;
  EXPECT_EQ(*FieldsToUpdate(channel, Mask({"id", "create_time", "state", "display_name"})),
            (Paths{"display_name"}));
}

TEST(FieldsToUpdate, RefuseWhatDoesNotExistOrChangesNothing) {
  const v1::Channel channel;
  EXPECT_EQ(ErrorReason(FieldsToUpdate(channel, Mask({"name"})).status()), "UNKNOWN_FIELD");
  EXPECT_EQ(ErrorReason(FieldsToUpdate(channel, Mask({"display_name.x"})).status()),
            "UNKNOWN_FIELD");
  EXPECT_EQ(ErrorReason(FieldsToUpdate(channel, Mask({"ai.x"})).status()), "UNKNOWN_FIELD");
  EXPECT_EQ(ErrorReason(FieldsToUpdate(channel, Mask({""})).status()), "UNKNOWN_FIELD");
  EXPECT_EQ(ErrorReason(FieldsToUpdate(channel, Mask({})).status()), "EMPTY_UPDATE");
  EXPECT_EQ(ErrorReason(FieldsToUpdate(channel, Mask({"id"})).status()), "EMPTY_UPDATE");
}

}  // namespace
}  // namespace parley::gateway
