// A value that must not reach a log, an error or a core of text by accident.
#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace parley {

// Holds a secret; prints as "[secret]". Reveal() is the only way to its text, so that a
// search for it finds every use.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}
  std::string_view Reveal() const { return value_; }
  bool empty() const { return value_.empty(); }
  bool operator==(const Secret&) const = default;

  template <class Stream>
  friend Stream& operator<<(Stream& out, const Secret&) {
    out << "[secret]";
    return out;
  }

 private:
  std::string value_;
};

}  // namespace parley
