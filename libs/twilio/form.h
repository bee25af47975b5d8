// application/x-www-form-urlencoded, as Twilio sends webhooks and takes requests. Pure.
//
// Strict on purpose: what is stored and signed must be exactly what was sent, so a body that
// could be read in two ways is refused rather than repaired.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace parley::twilio {

inline constexpr std::size_t kWebhookBodyBytesMax = 64 << 10;  // 64 KiB.
inline constexpr std::size_t kFormParamsMax = 1000;

struct FormParam {
  std::string_view name;
  std::string_view value;
  bool operator==(const FormParam&) const = default;
};

// Decoded parameters in the order in which they were sent, repeated names included. Views that
// it returns live as long as it does and are not changed by Add... of another instance; Add
// invalidates them. Cheap to copy: two allocations.
class FormParams {
 public:
  FormParams() = default;
  FormParams(std::initializer_list<FormParam> params);

  void Add(std::string_view name, std::string_view value);
  void Reserve(std::size_t params, std::size_t bytes);
  // Adds a parameter that is still percent-encoded. False at a bad escape; then the contents are
  // of no further use.
  bool AddEncoded(std::string_view name, std::string_view value);

  std::size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }
  FormParam operator[](std::size_t index) const;

  // The first value of `name`; empty if there is none.
  std::string_view Get(std::string_view name) const;
  // The same, telling an empty value from none.
  std::optional<std::string_view> Find(std::string_view name) const;
  bool Has(std::string_view name) const { return Find(name).has_value(); }
  // Every value of `name`, in order.
  std::vector<std::string_view> All(std::string_view name) const;

  class Iterator {
   public:
    Iterator(const FormParams* params, std::size_t index) : params_(params), index_(index) {}
    FormParam operator*() const { return (*params_)[index_]; }
    Iterator& operator++() {
      ++index_;
      return *this;
    }
    bool operator!=(const Iterator& other) const { return index_ != other.index_; }

   private:
    const FormParams* params_;
    std::size_t index_;
  };
  Iterator begin() const { return {this, 0}; }
  Iterator end() const { return {this, size()}; }

 private:
  struct Entry {
    std::uint32_t offset;
    std::uint32_t name_bytes;
    std::uint32_t value_bytes;
  };
  std::string text_;  // Names and values, one after the other.
  std::vector<Entry> entries_;
};

struct FormLimits {
  std::size_t body_bytes_max = kWebhookBodyBytesMax;
  std::size_t params_max = kFormParamsMax;
};

// Reads a body, or the query string of a URL (without "?"). "+" is a space; empty pieces between
// two "&" are skipped; a name without "=" has the empty value.
// Errors, all kInvalidArgument (reason): FORM_TOO_LARGE, FORM_TOO_MANY_PARAMS, FORM_BAD_ESCAPE
// (a "%" without two hexadecimal digits), FORM_NUL, FORM_NOT_UTF8.
absl::StatusOr<FormParams> ParseForm(std::string_view body, const FormLimits& limits = {});

// Percent-encodes all but A-Z a-z 0-9 - _ . ~, so that the result may stand anywhere in a URL.
std::string EncodeComponent(std::string_view text);

// "a=1&b=2" with a space as %20; ParseForm reads back what it is given.
std::string EncodeForm(const FormParams& params);

// Appends "name=value" to `out`, preceded by "&" unless `out` is empty.
void AppendFormParam(std::string& out, std::string_view name, std::string_view value);

}  // namespace parley::twilio
