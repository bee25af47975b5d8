#include "domain/role.h"

#include <iterator>

namespace parley::gateway {
namespace {
constexpr std::string_view kNames[] = {"", "owner", "admin", "agent", "viewer"};
static_assert(std::size(kNames) == v1::Role_ARRAYSIZE);
}  // namespace

std::string_view RoleName(v1::Role role) { return v1::Role_IsValid(role) ? kNames[role] : ""; }

v1::Role ParseRole(std::string_view name) {
  for (int i = 1; i < v1::Role_ARRAYSIZE; ++i) {
    if (kNames[i] == name) return static_cast<v1::Role>(i);
  }
  return v1::ROLE_UNSPECIFIED;
}

}  // namespace parley::gateway
