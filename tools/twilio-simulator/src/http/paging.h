// Lists as Twilio pages them: host-relative URIs in the API of 2010, absolute URLs in the newer
// ones. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "domain/api_error.h"
#include "domain/model.h"
#include "domain/world.h"

namespace parley::simulator {

inline constexpr std::size_t kPageSizeMax = 1000;
inline constexpr std::size_t kPageMax = 1'000'000;

// Reads PageSize, Page and PageToken. Errors: 20422 on anything but numbers in range.
Result<PageRequest> ReadPage(const Params& query, std::size_t default_size = 50);

// One page of a list that is all at hand: SIDs with their JSON, newest first.
struct Slice {
  std::vector<std::size_t> indexes;
  bool more_before = false;
  bool more_after = false;
};
Slice SliceOf(const std::vector<std::string>& sids, const PageRequest& page);

struct PageFrame {
  std::string path;     // "/2010-04-01/Accounts/AC…/Messages.json"
  const Params& query;  // Its filters stay in every URI.
  const PageRequest& page;
  std::size_t count = 0;  // Items on this page.
  bool more_before = false;
  bool more_after = false;
  std::string first_sid;
  std::string last_sid;
};

// The members around the list, in front of it: `"first_page_uri":…,"…":…,` without braces.
std::string Frame2010(const PageFrame& frame);
// {"page":…,…,"key":…} of the newer APIs.
Json FrameV1(const PageFrame& frame, const std::string& base_url, const std::string& key);

}  // namespace parley::simulator
