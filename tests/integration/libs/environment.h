// Where the servers are, and waiting for what they do.
#pragma once

#include <chrono>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>

namespace parley {

inline std::string Address(const char* name, const char* by_default) {
  const char* value = std::getenv(name);
  return value == nullptr ? by_default : value;
}
inline std::string Brokers() { return Address("PARLEY_KAFKA_BROKERS", "localhost:19092"); }
inline std::string DatabaseUrl() {
  return Address("PARLEY_DATABASE_URL", "postgresql://parley@127.0.0.1:15432/parley");
}
inline std::string RedisUrl() { return Address("PARLEY_REDIS_URL", "redis://127.0.0.1:16379"); }

// Nobody listens on port 1.
inline constexpr char kAwayBrokers[] = "127.0.0.1:1";

// Asks until `condition` holds; false if it does not within 30 s.
inline bool Eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

}  // namespace parley
