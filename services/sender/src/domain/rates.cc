#include "domain/rates.h"

#include "libs/twilio/number.h"

namespace parley::sender {

double RateOf(const Rates& rates, Medium medium, std::string_view number, double own) {
  if (own > 0) return own;
  if (medium == Medium::kWhatsApp) return rates.whatsapp;
  switch (twilio::GuessNumberType(number)) {
    case twilio::NumberType::kTollFree:
      return rates.toll_free;
    case twilio::NumberType::kShortCode:
      return rates.short_code;
    case twilio::NumberType::kWhatsApp:
      return rates.whatsapp;
    case twilio::NumberType::kLongCode:
    case twilio::NumberType::kAlphanumeric:
      return rates.long_code;
  }
  return rates.long_code;
}

}  // namespace parley::sender
