// Serves the built page: files below a folder, index.html for the page's own routes, and headers
// that keep foreign scripts out.
#pragma once

#include <httplib.h>

#include <string>
#include <string_view>

namespace parley::gateway::api {

class StaticSite {
 public:
  // The folder may appear later: it is looked at with each request.
  explicit StaticSite(std::string root) : root_(std::move(root)) {}

  // Answers GET and HEAD for `path` (decoded, beginning with "/").
  void Serve(std::string_view path, httplib::Response& response) const;

 private:
  const std::string root_;
};

// MIME type by the file's extension; "application/octet-stream" for what is unknown. Pure.
std::string_view ContentType(std::string_view path);

// True for a path that stays below its root: absolute, without "..", "//", a backslash, a NUL or a
// hidden file. Pure.
bool IsSafePath(std::string_view path);

}  // namespace parley::gateway::api
