// How fast a number may send (TWILIO.md §7). Pure.
#pragma once

#include <string_view>

#include "domain/delivery.h"

namespace parley::sender {

// Segments per second by the sender's type; 0 means no limit.
struct Rates {
  double long_code = 1;
  double toll_free = 3;
  double short_code = 100;
  double whatsapp = 80;
};

// The number's own rate where the directory names one (`own` > 0), else its type's.
double RateOf(const Rates& rates, Medium medium, std::string_view number, double own);

}  // namespace parley::sender
