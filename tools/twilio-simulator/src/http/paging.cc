#include "http/paging.h"

#include <algorithm>

namespace parley::simulator {
namespace {

bool IsPaging(std::string_view name) {
  return name == "PageSize" || name == "Page" || name == "PageToken";
}

std::string PageUri(const PageFrame& frame, std::size_t page, const std::string& token) {
  Params params;
  for (const auto& param : frame.query) {
    if (!IsPaging(param.first)) params.push_back(param);
  }
  params.emplace_back("PageSize", std::to_string(frame.page.page_size));
  params.emplace_back("Page", std::to_string(page));
  if (!token.empty()) params.emplace_back("PageToken", token);
  return frame.path + "?" + EncodeForm(params);
}

struct Uris {
  std::string first, own;
  Json next, previous;
};

Uris UrisOf(const PageFrame& frame) {
  Uris uris;
  uris.first = PageUri(frame, 0, "");
  uris.own = PageUri(frame, frame.page.page, frame.page.page_token);
  if (frame.more_after && !frame.last_sid.empty()) {
    uris.next = PageUri(frame, frame.page.page + 1, "PA" + frame.last_sid);
  }
  if (frame.more_before && frame.page.page > 0 && !frame.first_sid.empty()) {
    uris.previous = PageUri(frame, frame.page.page - 1, "PB" + frame.first_sid);
  }
  return uris;
}

}  // namespace

Result<PageRequest> ReadPage(const Params& query, std::size_t default_size) {
  PageRequest page;
  page.page_size = default_size;
  std::int64_t number = 0;
  if (const std::string* text = Find(query, "PageSize")) {
    if (!ParseInt(*text, number) || number < 1) {
      return ApiError{20422, 400, "PageSize must be a number of at least 1", {}};
    }
    page.page_size = std::min(static_cast<std::size_t>(number), kPageSizeMax);
  }
  if (const std::string* text = Find(query, "Page")) {
    if (!ParseInt(*text, number) || number < 0 || number > static_cast<std::int64_t>(kPageMax)) {
      return ApiError{20422, 400, "Page must be a number of at least 0", {}};
    }
    page.page = static_cast<std::size_t>(number);
  }
  page.page_token = std::string(Get(query, "PageToken"));
  const bool usable = page.page_token.empty() ||
                      (page.page_token.size() == 36 && (page.page_token.substr(0, 2) == "PA" ||
                                                        page.page_token.substr(0, 2) == "PB"));
  if (!usable) return ApiError{20422, 400, "PageToken is not valid", {}};
  return page;
}

Slice SliceOf(const std::vector<std::string>& sids, const PageRequest& page) {
  Slice slice;
  std::size_t begin = std::min(page.page * page.page_size, sids.size());
  if (!page.page_token.empty()) {
    const auto anchor = std::find(sids.begin(), sids.end(), page.page_token.substr(2));
    const auto at = static_cast<std::size_t>(anchor - sids.begin());
    if (page.page_token[1] == 'A') {
      begin = std::min(at + 1, sids.size());
    } else {
      begin = at > page.page_size ? at - page.page_size : 0;
    }
  }
  const std::size_t end = std::min(begin + page.page_size, sids.size());
  for (std::size_t i = begin; i < end; ++i) slice.indexes.push_back(i);
  slice.more_before = begin > 0;
  slice.more_after = end < sids.size();
  return slice;
}

std::string Frame2010(const PageFrame& frame) {
  const Uris uris = UrisOf(frame);
  const std::size_t start = frame.page.page * frame.page.page_size;
  const auto nullable = [](const Json& value) { return value.dump(); };
  std::string out = "\"first_page_uri\":";
  AppendJson(out, uris.first);
  out += ",\"end\":" + std::to_string(frame.count == 0 ? start : start + frame.count - 1);
  out += ",\"previous_page_uri\":" + nullable(uris.previous);
  out += ",\"uri\":";
  AppendJson(out, uris.own);
  out += ",\"page_size\":" + std::to_string(frame.page.page_size);
  out += ",\"start\":" + std::to_string(start);
  out += ",\"next_page_uri\":" + nullable(uris.next);
  out += ",\"page\":" + std::to_string(frame.page.page) + ",";
  return out;
}

Json FrameV1(const PageFrame& frame, const std::string& base_url, const std::string& key) {
  const Uris uris = UrisOf(frame);
  const auto absolute = [&](const Json& uri) {
    return uri.is_null() ? uri : Json(base_url + uri.get<std::string>());
  };
  return {{"page", frame.page.page},
          {"page_size", frame.page.page_size},
          {"first_page_url", base_url + uris.first},
          {"previous_page_url", absolute(uris.previous)},
          {"next_page_url", absolute(uris.next)},
          {"url", base_url + uris.own},
          {"key", key}};
}

}  // namespace parley::simulator
