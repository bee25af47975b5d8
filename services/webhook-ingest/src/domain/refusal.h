// Why a webhook was not taken. Pure.
#pragma once

#include <string>

namespace parley::ingest {

// `reason` is stable and UPPER_SNAKE; `message` is for a person.
struct Refusal {
  int http_status = 0;
  std::string reason;
  std::string message;
  bool operator==(const Refusal&) const = default;
};

}  // namespace parley::ingest
