#include "libs/postgres/migrate.h"

#include <map>

#include "libs/base/status.h"
#include "libs/crypto/digest.h"
#include "libs/postgres/pool.h"
#include "libs/telemetry/log.h"

namespace parley::postgres {
namespace {
constexpr long kMigrationLock = 0x7061726c6579;  // "parley".
}

absl::Status Migrate(const std::string& url, const std::string& schema,
                     const std::vector<Migration>& migrations) {
  PoolOptions options;
  options.url = url;
  options.application_name = schema + "-migrate";
  options.statement_max = std::chrono::milliseconds(0);
  PARLEY_ASSIGN_OR_RETURN(const auto connection, Connect(options));
  try {
    pqxx::nontransaction session(*connection);
    const std::string quoted = session.quote_name(schema);
    session.exec("SELECT pg_advisory_lock(" + std::to_string(kMigrationLock) + ")");
    session.exec("SET client_min_messages = warning");
    session.exec("CREATE SCHEMA IF NOT EXISTS " + quoted);
    session.exec("SET search_path = " + quoted);
    session.exec(
        "CREATE TABLE IF NOT EXISTS schema_migrations ("
        "version int PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, "
        "applied_at timestamptz NOT NULL DEFAULT now())");
    std::map<int, std::string> applied;
    for (const pqxx::row& row : session.exec("SELECT version, checksum FROM schema_migrations")) {
      applied[row[0].as<int>()] = row[1].c_str();
    }
    session.commit();
    for (const Migration& migration : migrations) {
      const std::string checksum = crypto::Hex(crypto::Sha256(migration.sql));
      const auto done = applied.find(migration.version);
      if (done != applied.end()) {
        if (done->second == checksum) continue;
        return FailedPrecondition("MIGRATION_EDITED",
                                  "Migration " + std::string(migration.name) +
                                      " was changed after it was applied; put it back and write "
                                      "the change as a new migration.");
      }
      pqxx::work tx(*connection, "migration");
      tx.exec(std::string(migration.sql));
      tx.exec_params("INSERT INTO schema_migrations (version, name, checksum) VALUES ($1, $2, $3)",
                     migration.version, std::string(migration.name), checksum);
      tx.commit();
      telemetry::Info("migrated", {{"schema", schema}, {"migration", migration.name}});
    }
    return absl::OkStatus();  // The lock goes with the connection.
  } catch (...) {
    return CurrentExceptionToStatus();
  }
}

}  // namespace parley::postgres
