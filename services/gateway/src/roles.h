// What a replica of the gateway runs (`--roles=`).
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "libs/base/status.h"
#include "libs/base/text.h"

namespace parley::gateway {

enum class Role { kApi, kLive, kProjector, kRelay, kDispatcher };

// "api,live": in any order. Errors: kInvalidArgument UNKNOWN_ROLE; an empty list is one too.
inline absl::StatusOr<std::set<Role>> ParseRoles(std::string_view text) {
  constexpr std::pair<std::string_view, Role> kNames[] = {{"api", Role::kApi},
                                                          {"live", Role::kLive},
                                                          {"projector", Role::kProjector},
                                                          {"relay", Role::kRelay},
                                                          {"dispatcher", Role::kDispatcher}};
  std::set<Role> roles;
  for (const std::string_view part : Split(text, ',')) {
    bool known = false;
    for (const auto& [name, role] : kNames) {
      if (Trim(part) != name) continue;
      roles.insert(role);
      known = true;
    }
    if (!known) {
      return InvalidArgument("UNKNOWN_ROLE",
                             "--roles lists api, live, projector, relay and dispatcher; \"" +
                                 std::string(Trim(part)) + "\" is none.");
    }
  }
  return roles;
}

}  // namespace parley::gateway
