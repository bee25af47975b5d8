// UUIDs: version 7 for new rows (ordered by time, so that indexes grow at one end) and
// version 5 where an id must follow from what it identifies, so that repeats collide.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "libs/base/clock.h"

namespace parley {

// A new UUIDv7 in its 36-character lower-case form. Thread-safe; ids made by one process are
// strictly increasing while its clock does not step back.
std::string NewId();

// As NewId, with the caller's time: for tests and for rows that are back-dated.
std::string NewIdAt(Time now);

// UUIDv5 over `parts`, each preceded by its length, in a namespace of Parley's own. The same
// parts always give the same id; {"ab","c"} and {"a","bc"} differ.
std::string DerivedId(std::initializer_list<std::string_view> parts);

// True for the 36-character form with hexadecimal digits, any version.
bool IsUuid(std::string_view text);

}  // namespace parley
