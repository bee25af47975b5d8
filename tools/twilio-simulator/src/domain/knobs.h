// What a test can turn: faults, settings, and the dice that decide. Pure.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "domain/overrides.h"

namespace parley::simulator {

// PUT /simulator/v1/faults. Rates are probabilities from 0 to 1; times are milliseconds.
struct Faults {
  int latency_ms = 0;                    // Before each answer to a creation.
  double status_429_rate = 0;            // 429/20429; not processed.
  double status_5xx_rate = 0;            // 500/20500 or 503/20503, by turns.
  double status_5xx_processed_rate = 0;  // Share of those that were processed all the same.
  double drop_before_rate = 0;           // The connection is reset, nothing was processed.
  double accept_then_drop_rate = 0;  // Processed and in the ledger, then reset without an answer.
  double queue_full_rate = 0;        // 429/21611; not processed.
  int list_lag_ms = 0;               // A new message is missing in lists that long.
  int callback_delay_ms = 0;         // Added to each status callback.
  double callback_duplicate_rate = 0;
  double callback_drop_rate = 0;
  bool callback_shuffle = false;  // A message's callbacks come in any order.
  double undelivered_rate = 0;
  int undelivered_error_code = 30003;
  bool all_requests = false;  // latency, 429, 5xx and drops also hit every other API request.
  std::uint64_t seed = 0;     // 0: from the process's own randomness.
};

// PUT /simulator/v1/settings.
struct Settings {
  bool callbacks = true;
  int sent_delay_ms = 50;           // From queued to sent.
  int final_status_delay_ms = 150;  // From sent to delivered or undelivered.
  int price_delay_ms = 2000;        // From sent until the price is known.
  bool sending_callback = false;    // Also calls back "sending".
  double whatsapp_read_rate =
      0;                      // Share of delivered WhatsApp messages that are read by themselves.
  int read_delay_ms = 500;    // From delivered to read.
  int concurrency_limit = 0;  // Parallel API requests of an account; 0: no limit.
  bool require_public_callback_host = false;  // 21609 for localhost and private hosts.
  bool fetch_media = true;                    // Fetches MediaUrl as the carrier would.
  // What a webhook without "#rc,rp" does, and the wait before its first retry, which doubles.
  int inbound_retry_count = 1;
  std::string inbound_retry_policy = "ct";
  int inbound_retry_delay_ms = 300;
  int call_ring_ms = 300;
  int call_duration_ms = 2000;
  std::string call_outcome = "completed";         // Or busy, no-answer, failed.
  std::vector<std::string> geo_blocked_prefixes;  // "+44": 21408.
};

// Replaces all faults by those named in `json`; the others return to their defaults. On bad input
// returns a sentence that says what is wrong, and leaves `faults` alone; else "".
std::string ReadFaults(const nlohmann::ordered_json& json, Faults& faults);
nlohmann::ordered_json ToJson(const Faults& faults);

// Changes the settings that `json` names and keeps the others.
std::string ReadSettings(const nlohmann::ordered_json& json, Settings& settings);
nlohmann::ordered_json ToJson(const Settings& settings);

// The overrides that hold where a URL names none.
ConnectionOverrides DefaultOverrides(const Settings& settings);

// Deterministic for a seed.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed) {}
  std::uint64_t Next();
  // True with probability `rate`.
  bool Roll(double rate);
  // From 0 to bound - 1; 0 for a bound below 1.
  int Below(int bound);

 private:
  std::uint64_t state_;
};

}  // namespace parley::simulator
