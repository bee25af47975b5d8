#include "api/static_site.h"

#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/http/server.h"

namespace parley::gateway::api {
namespace {

constexpr std::uintmax_t kFileBytesMax = 32 << 20;
// Vite puts a hash of the content into the names of what is below.
constexpr std::string_view kHashedFolder = "/assets/";

constexpr char kContentSecurityPolicy[] =
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob: http: https:; media-src 'self' blob: http: https:; "
    "font-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'none'";

constexpr char kNotBuilt[] =
    "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Parley</title>"
    "<body style=\"font-family: sans-serif; max-width: 40rem; margin: 4rem auto\">"
    "<h1>Parley is running</h1><p>Its page is not built yet. <code>./run start</code> builds it; "
    "the API is below <code>/v1</code>.</p></body></html>\n";

std::optional<std::string> ReadFile(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return std::nullopt;
  if (std::filesystem::file_size(path, error) > kFileBytesMax || error) return std::nullopt;
  const std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

// The page's own routes ("/conversations/…") look like files without an extension.
bool LooksLikeFile(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return path.find('.', slash == std::string_view::npos ? 0 : slash) != std::string_view::npos;
}

void Respond(httplib::Response& response, std::string body, std::string_view path) {
  response.set_header("Cache-Control", path.starts_with(kHashedFolder)
                                           ? "public, max-age=31536000, immutable"
                                           : "no-cache");
  response.set_header("Content-Security-Policy", kContentSecurityPolicy);
  response.set_header("X-Frame-Options", "DENY");
  response.set_header("Referrer-Policy", "same-origin");
  response.set_content(std::move(body), std::string(ContentType(path)).c_str());
}

}  // namespace

std::string_view ContentType(std::string_view path) {
  struct Type {
    std::string_view extension;
    std::string_view mime;
  };
  constexpr Type kTypes[] = {{".html", "text/html; charset=utf-8"},
                             {".js", "text/javascript; charset=utf-8"},
                             {".mjs", "text/javascript; charset=utf-8"},
                             {".css", "text/css; charset=utf-8"},
                             {".json", "application/json"},
                             {".map", "application/json"},
                             {".webmanifest", "application/manifest+json"},
                             {".svg", "image/svg+xml"},
                             {".png", "image/png"},
                             {".jpg", "image/jpeg"},
                             {".jpeg", "image/jpeg"},
                             {".webp", "image/webp"},
                             {".gif", "image/gif"},
                             {".ico", "image/x-icon"},
                             {".woff2", "font/woff2"},
                             {".woff", "font/woff"},
                             {".txt", "text/plain; charset=utf-8"}};
  const std::string lower = Lower(path);
  for (const Type& type : kTypes) {
    if (lower.ends_with(type.extension)) return type.mime;
  }
  return "application/octet-stream";
}

bool IsSafePath(std::string_view path) {
  return path.starts_with('/') && path.find("/.") == std::string_view::npos &&
         path.find("//") == std::string_view::npos && path.find('\\') == std::string_view::npos &&
         path.find('\0') == std::string_view::npos;
}

void StaticSite::Serve(std::string_view path, httplib::Response& response) const {
  if (!IsSafePath(path)) {
    return http::RespondError(response, NotFound("NO_SUCH_ROUTE", "There is nothing here."));
  }
  if (path != "/") {
    if (auto file = ReadFile(root_ + std::string(path))) {
      return Respond(response, *std::move(file), path);
    }
    if (LooksLikeFile(path)) {
      return http::RespondError(response, NotFound("NO_SUCH_ROUTE", "There is no such file."));
    }
  }
  auto index = ReadFile(root_ + "/index.html");
  Respond(response, index ? *std::move(index) : kNotBuilt, "/index.html");
}

}  // namespace parley::gateway::api
