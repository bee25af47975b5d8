#include "auth/authenticator.h"

#include <gtest/gtest.h>

#include "libs/base/id.h"

namespace parley::gateway {
namespace {

using std::chrono::seconds;

TEST(SetCookieHeader, KeepsTheTokenFromScriptsAndOtherSites) {
  EXPECT_EQ(SetCookieHeader({.token = "t", .valid = seconds(60), .secure = true}),
            "parley_session=t; Path=/; HttpOnly; SameSite=Lax; Max-Age=60; Secure");
  EXPECT_EQ(SetCookieHeader({.token = "t", .valid = seconds(60)}),
            "parley_session=t; Path=/; HttpOnly; SameSite=Lax; Max-Age=60");
}

TEST(SetCookieHeader, WithoutATokenClears) {
  EXPECT_EQ(SetCookieHeader({}), "parley_session=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0");
}

TEST(AccessOf, FollowsTheRole) {
  EXPECT_EQ(AccessOf("owner"), rpc::Access::kOwner);
  EXPECT_EQ(AccessOf("admin"), rpc::Access::kAdmin);
  EXPECT_EQ(AccessOf("agent"), rpc::Access::kAgent);
  EXPECT_EQ(AccessOf("viewer"), rpc::Access::kViewer);
  EXPECT_EQ(AccessOf("root"), rpc::Access::kPublic) << "an unknown role may do nothing";
}

TEST(NewLiveTicket, NamesItsOrganizationAndIsNeverTheSame) {
  const std::string organization_id = NewId();
  const std::string ticket = NewLiveTicket(organization_id);
  EXPECT_TRUE(ticket.starts_with(organization_id));
  EXPECT_NE(ticket, NewLiveTicket(organization_id));
}

}  // namespace
}  // namespace parley::gateway
