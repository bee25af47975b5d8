// Roles as the store writes them and as the API shows them. Pure.
#pragma once

#include <string_view>

#include "parley/v1/session.pb.h"

namespace parley::gateway {

// "owner", "admin", "agent", "viewer".
std::string_view RoleName(v1::Role role);
// ROLE_UNSPECIFIED for anything else.
v1::Role ParseRole(std::string_view name);

}  // namespace parley::gateway
