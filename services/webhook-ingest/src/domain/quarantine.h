// Webhooks of a known account whose signature failed: which of them are kept, and as what
// (DESIGN §7). Nothing in them is trusted. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

#include "absl/functional/function_ref.h"
#include "libs/webhooks/records.h"
#include "libs/webhooks/webhook.h"

namespace parley::ingest {

// What is known of a request beside its webhook. Views live as long as the request is handled.
struct Arrival {
  using HeaderVisitor = absl::FunctionRef<void(std::string_view name, std::string_view value)>;
  std::string remote_address;  // The peer's, or the one that a trusted proxy names; may be empty.
  std::string requested_url;   // "https://host", if a trusted proxy said so; else empty.
  std::function<void(HeaderVisitor)> each_header = nullptr;  // Null: none.
};

// Bounds what strangers can make us keep. Whoever does not hold the token may send what they want:
// so few are kept from each address, few for each account, and one for each idempotency token.
// Not thread-safe.
struct QuarantineLimits {
  double address_per_minute = 10;  // For each account and remote address.
  double address_burst = 20;
  double account_per_minute = 60;  // For each account.
  double account_burst = 120;
  std::size_t buckets_max = 10'000;  // The one used least recently is forgotten.
  std::size_t tokens_max = 10'000;   // The same.
};

class QuarantineGate {
 public:
  using Time = std::chrono::steady_clock::time_point;
  explicit QuarantineGate(const QuarantineLimits& limits = {}) : limits_(limits) {}

  struct Candidate {
    std::string_view account_sid;
    std::string_view remote_address;
    std::string_view idempotency_token;  // May be empty: then every request counts.
  };
  // True if it is to be kept; then it has been counted.
  bool Admit(const Candidate& candidate, Time now);

  std::size_t buckets() const { return buckets_.size(); }
  std::size_t tokens() const { return tokens_.size(); }

 private:
  // Keys in the order of their use, and where each stands.
  template <class Value>
  struct Recent {
    struct Entry {
      std::string key;
      Value value;
    };
    std::list<Entry> order;  // The newest first.
    std::unordered_map<std::string_view, typename std::list<Entry>::iterator> index;
    std::size_t size() const { return index.size(); }
    // The value of `key`, made anew if it is not there; `*found` says which.
    Value& Use(std::string key, std::size_t entries_max, bool* found);
  };
  struct Bucket {
    double tokens = 0;
    Time filled_at{};
  };
  struct Rate {
    double per_minute;
    double burst;
  };
  Bucket& Filled(std::string key, const Rate& rate, Time now);

  const QuarantineLimits limits_;
  Recent<Bucket> buckets_;
  Recent<bool> tokens_;
};

// True for the reasons of a refusal that corrected settings may mend.
bool IsQuarantined(std::string_view reason);

struct QuarantineInput {
  webhooks::Kind kind;
  const webhooks::Webhook& webhook;
  const Arrival& arrival;
  std::string_view reason;
  std::vector<std::string> tried_urls;
  std::string_view traceparent;
};

// `parley.quarantine`; the key is the account SID. Credentials of a proxy (Authorization, Cookie)
// are left out.
webhooks::OutgoingRecord QuarantineRecord(const QuarantineInput& input);

}  // namespace parley::ingest
