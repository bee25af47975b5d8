#include "libs/postgres/pool.h"

#include <algorithm>
#include <utility>

#include "libs/base/status.h"
#include "libs/telemetry/log.h"

namespace parley::postgres {
namespace {

// The quoted name in: violates unique constraint "messages_pkey".
std::string ConstraintName(std::string_view message) {
  const std::size_t at = message.find("constraint \"");
  if (at == std::string_view::npos) return "CONSTRAINT";
  const std::string_view rest = message.substr(at + 12);
  return std::string(rest.substr(0, rest.find('"')));
}

// PostgreSQL's first line: the ones after it (DETAIL, CONTEXT) quote values of rows, which no log
// may hold.
std::string Brief(const std::exception& error) {
  const std::string_view text = error.what();
  return std::string(text.substr(0, text.find('\n')));
}

// What the caller, and through it a client that nobody has authenticated, may know; addresses and
// the server's own words are for the log.
absl::Status Away(std::string_view reason, const std::exception& error) {
  telemetry::Warning("database_unavailable", {{"reason", reason}, {"error", Brief(error)}});
  return Unavailable(reason, reason == "DATABASE_TIMEOUT"
                                 ? "The database took too long; try again."
                                 : "The database cannot be reached; try again.");
}

absl::Status Refused(absl::StatusCode code, std::string_view reason, const std::exception& error,
                     std::string_view message) {
  telemetry::Warning("database_refused", {{"reason", reason}, {"error", Brief(error)}});
  return ErrorStatus(code, reason, message);
}

absl::Status Conflict(std::string_view reason, const std::exception& error) {
  return Refused(absl::StatusCode::kAborted, reason, error,
                 "Another change got in the way; try again.");
}

absl::Status Full(const std::exception& error) {
  return Refused(absl::StatusCode::kResourceExhausted, "DATABASE_FULL", error,
                 "The database has no room left; try again later.");
}

absl::Status Broken(std::string_view reason, const std::exception& error) {
  telemetry::Warning("database_failed", {{"reason", reason}, {"error", Brief(error)}});
  return Internal("The database refused a statement (" + std::string(reason) + ").");
}

// Without these a machine that vanishes is noticed only when TCP gives up, after a quarter of an
// hour or more: until then its locks hold up the others, and we wait for a server that is gone.
constexpr std::pair<const char*, const char*> kLinkOptions[] = {
    {"connect_timeout", "5"},  {"keepalives_idle", "5"},      {"keepalives_interval", "2"},
    {"keepalives_count", "3"}, {"tcp_user_timeout", "10000"},
};
constexpr char kServerLinkOptions[] =
    "SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 3; "
    "SET tcp_user_timeout = 10000; ";

// The address with those of the options that it does not name itself.
std::string WithLinkOptions(std::string address) {
  const bool is_url = address.find("://") != std::string::npos;
  for (const auto& [name, value] : kLinkOptions) {
    const std::string option = std::string(name) + "=";
    if (address.find(option) != std::string::npos) continue;
    const char* const separator =
        !is_url ? " " : (address.find('?') == std::string::npos ? "?" : "&");
    address += separator + option + value;
  }
  return address;
}

}  // namespace

absl::Status CurrentExceptionToStatus() {
  try {
    throw;
  } catch (const pqxx::broken_connection& error) {
    return Away("DATABASE_UNAVAILABLE", error);
  } catch (const pqxx::in_doubt_error& error) {
    return Away("COMMIT_IN_DOUBT", error);
  } catch (const pqxx::unique_violation& error) {
    return Refused(absl::StatusCode::kAlreadyExists, ConstraintName(error.what()), error,
                   "There is one with this value already.");
  } catch (const pqxx::integrity_constraint_violation& error) {
    return Refused(absl::StatusCode::kInvalidArgument, ConstraintName(error.what()), error,
                   "A value breaks a rule of the database.");
  } catch (const pqxx::data_exception& error) {
    // Its first line quotes the value, too.
    return InvalidArgument("INVALID_VALUE",
                           "The database refused a value (SQLSTATE " + error.sqlstate() + ").");
  } catch (const pqxx::serialization_failure& error) {
    return Conflict("CONFLICT", error);
  } catch (const pqxx::deadlock_detected& error) {
    return Conflict("DEADLOCK", error);
  } catch (const pqxx::insufficient_resources& error) {
    return Full(error);
  } catch (const pqxx::sql_error& error) {
    // 57014: a time-out; 55P03: a lock was not free; 57P0x: the server shuts down or starts, or
    // ended an idle session; 25P03: it ended one that was idle in a transaction; 53: full.
    const std::string state = error.sqlstate();
    if (state == "57014" || state == "55P03") return Away("DATABASE_TIMEOUT", error);
    if (state.starts_with("57") || state.starts_with("08") || state == "25P03") {
      return Away("DATABASE_UNAVAILABLE", error);
    }
    if (state.starts_with("40")) return Conflict("CONFLICT", error);
    if (state.starts_with("53")) return Full(error);
    return Broken(state, error);
  } catch (const std::exception& error) {
    return Broken("unexpected", error);
  }
}

absl::StatusOr<std::unique_ptr<pqxx::connection>> Connect(const PoolOptions& options) {
  try {
    auto connection = std::make_unique<pqxx::connection>(WithLinkOptions(options.url));
    pqxx::nontransaction setup(*connection);
    // In one go: a statement each would be a round trip each.
    std::string settings = "SET TIME ZONE 'UTC'; SET client_encoding = 'UTF8'; ";
    settings += kServerLinkOptions;
    const auto set = [&](const char* name, std::chrono::milliseconds value) {
      settings += std::string("SET ") + name + " = " + std::to_string(value.count()) + "; ";
    };
    set("statement_timeout", options.statement_max);
    set("idle_in_transaction_session_timeout", options.transaction_idle_max);
    set("idle_session_timeout", options.session_idle_max);
    if (!options.application_name.empty()) {
      settings += "SET application_name = " + setup.quote(options.application_name) + "; ";
    }
    if (!options.role.empty()) settings += "SET ROLE " + setup.quote_name(options.role) + "; ";
    if (!options.schema.empty()) {
      settings += "SET search_path = " + setup.quote_name(options.schema) + "; ";
    }
    setup.exec(settings);
    setup.commit();
    return connection;
  } catch (...) {
    // Whatever it is (also a role that is missing), there is no connection yet.
    CurrentExceptionToStatus().IgnoreError();  // Logged there.
    return Unavailable("DATABASE_UNAVAILABLE", "The database cannot be reached; try again.");
  }
}

// Gives its connection back, or drops it if it broke.
class Pool::Lease {
 public:
  Lease(Pool& pool, std::unique_ptr<pqxx::connection> connection)
      : pool_(pool), connection_(std::move(connection)) {}
  ~Lease() { pool_.Release(std::move(connection_)); }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  pqxx::connection& operator*() { return *connection_; }
  void Drop() { connection_.reset(); }

 private:
  Pool& pool_;
  std::unique_ptr<pqxx::connection> connection_;
};

Pool::Pool(PoolOptions options) : options_(std::move(options)) {}
Pool::~Pool() = default;

absl::StatusOr<std::unique_ptr<pqxx::connection>> Pool::Acquire(bool& reused) {
  std::unique_lock lock(mutex_);
  const bool free = freed_.wait_for(
      lock, options_.wait_max, [&] { return !idle_.empty() || open_ < options_.connections_max; });
  if (!free) {
    return Unavailable("DATABASE_BUSY", "Every connection to the database is in use.");
  }
  reused = !idle_.empty();
  if (reused) {
    std::unique_ptr<pqxx::connection> connection = std::move(idle_.back());
    idle_.pop_back();
    return connection;
  }
  ++open_;
  lock.unlock();
  absl::StatusOr<std::unique_ptr<pqxx::connection>> connection = Connect(options_);
  if (!connection.ok()) Release(nullptr);
  return connection;
}

void Pool::Release(std::unique_ptr<pqxx::connection> connection) {
  {
    const std::lock_guard lock(mutex_);
    if (connection != nullptr && connection->is_open()) {
      idle_.push_back(std::move(connection));
    } else {
      --open_;
    }
  }
  freed_.notify_one();
}

absl::Status Pool::Transact(const std::function<absl::Status(pqxx::work&)>& body) {
  while (true) {
    bool reused = false;
    PARLEY_ASSIGN_OR_RETURN(std::unique_ptr<pqxx::connection> connection, Acquire(reused));
    Lease lease(*this, std::move(connection));
    bool committing = false;
    try {
      pqxx::work tx(*lease);
      PARLEY_RETURN_IF_ERROR(body(tx));
      committing = true;
      tx.commit();
      return absl::OkStatus();
    } catch (...) {
      const absl::Status status = CurrentExceptionToStatus();
      const bool broken = absl::IsUnavailable(status) && ErrorReason(status) != "DATABASE_TIMEOUT";
      if (broken) lease.Drop();
      // An idle connection that died while nobody looked: nothing was done, so try another.
      if (broken && reused && !committing) continue;
      return status;
    }
  }
}

absl::Status Pool::Ping() {
  return Transact([](pqxx::work& tx) {
    tx.exec("SELECT 1");
    return absl::OkStatus();
  });
}

}  // namespace parley::postgres
