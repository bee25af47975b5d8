// Numbered SQL migrations, applied once and in order.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace parley::postgres {

// One file, `0007_message_status.sql`, embedded by parley_embed_migrations (CMake). Each runs in a
// transaction of its own, so it contains no BEGIN or COMMIT.
struct Migration {
  int version = 0;
  std::string_view name;
  std::string_view sql;
};

// Applies what is missing to `schema` (created if need be, and set as search_path) under an
// advisory lock, so that replicas may start together. Records version, name and checksum in
// <schema>.schema_migrations. Errors: kFailedPrecondition MIGRATION_EDITED if an applied one was
// changed since, kUnavailable, or what the SQL said.
absl::Status Migrate(const std::string& url, const std::string& schema,
                     const std::vector<Migration>& migrations);

}  // namespace parley::postgres
