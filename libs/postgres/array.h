// Array parameters for `unnest`, the fast way to write many rows in one statement.
//
//   postgres::Array ids, bodies;
//   for (const Row& row : rows) { ids.Add(row.id); bodies.Add(row.body); }
//   tx.exec_params("INSERT INTO m SELECT * FROM unnest($1::uuid[], $2::text[])",
//                  ids.str(), bodies.str());
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libs/base/clock.h"

namespace parley::postgres {

// Builds the text form "{…}" of an array of any element type.
class Array {
 public:
  Array& Add(std::string_view text);  // Quoted and escaped.
  Array& Add(const char* text) { return Add(std::string_view(text)); }
  Array& Add(const std::string& text) { return Add(std::string_view(text)); }
  Array& Add(std::int64_t number);
  Array& Add(int number) { return Add(static_cast<std::int64_t>(number)); }
  Array& Add(double number);
  Array& Add(bool flag);
  Array& Add(Time time);
  Array& AddBytes(std::string_view bytes);  // For bytea[].
  Array& AddNull();
  // NULL instead of an empty text.
  Array& AddOrNull(std::string_view text) { return text.empty() ? AddNull() : Add(text); }

  // The parameter; cast it in SQL ($1::text[]).
  std::string str() const { return "{" + text_ + "}"; }

 private:
  void Separate();
  std::string text_;
};

// One bytea parameter in hexadecimal form, and back from what a bytea column reads as.
std::string Bytea(std::string_view bytes);
std::string FromBytea(std::string_view text);

// Elements of a one-dimensional array as PostgreSQL prints it; NULL elements become empty.
std::vector<std::string> ParseArray(std::string_view text);

}  // namespace parley::postgres
