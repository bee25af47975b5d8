#include "domain/weights.h"

#include <charconv>

#include "libs/base/id.h"
#include "libs/base/status.h"
#include "libs/base/text.h"

namespace parley::sender {

absl::StatusOr<std::map<std::string, int>> ParseWeights(std::string_view text) {
  std::map<std::string, int> weights;
  if (text.empty()) return weights;
  for (std::string_view item : Split(text, ',')) {
    while (item.starts_with(' ')) item.remove_prefix(1);
    while (item.ends_with(' ')) item.remove_suffix(1);
    const std::size_t sign = item.find('=');
    const std::string id = Lower(std::string(item.substr(0, sign)));
    const std::string_view number = sign == item.npos ? "" : item.substr(sign + 1);
    int weight = 0;
    const char* end = number.data() + number.size();
    const auto read = std::from_chars(number.data(), end, weight);
    if (!IsUuid(id) || read.ec != std::errc() || read.ptr != end || weight < 1 ||
        weight > kWeightMax || !weights.emplace(id, weight).second) {
      return InvalidArgument("WEIGHT_INVALID",
                             "PARLEY_SEND_WEIGHTS wants <organization id>=<1 to 100>, each once, "
                             "comma separated; this is not so: " +
                                 std::string(item));
    }
  }
  return weights;
}

}  // namespace parley::sender
