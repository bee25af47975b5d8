#include "api/static_site.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace parley::gateway::api {
namespace {

class StaticSiteTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = std::filesystem::path(testing::TempDir()) / "static_site_test";
    std::filesystem::create_directories(root_ / "assets");
    Write("index.html", "<html>the page</html>");
    Write("assets/app-1a2b.js", "let a");
    Write(".secret", "hidden");
    std::ofstream(root_.parent_path() / "outside.txt") << "outside";
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void Write(const std::string& name, const std::string& text) {
    std::ofstream(root_ / name) << text;
  }
  httplib::Response Get(const std::string& path) {
    httplib::Response response;
    response.status = 200;
    StaticSite(root_.string()).Serve(path, response);
    return response;
  }

  std::filesystem::path root_;
};

TEST_F(StaticSiteTest, ServesFilesAndThePageForItsOwnRoutes) {
  const struct {
    const char* path;
    int status;
    const char* body;
    const char* type;
    const char* cache;
  } cases[] = {
      {"/", 200, "<html>the page</html>", "text/html; charset=utf-8", "no-cache"},
      {"/index.html", 200, "<html>the page</html>", "text/html; charset=utf-8", "no-cache"},
      {"/conversations/1", 200, "<html>the page</html>", "text/html; charset=utf-8", "no-cache"},
      {"/assets/app-1a2b.js", 200, "let a", "text/javascript; charset=utf-8",
       "public, max-age=31536000, immutable"},
  };
  for (const auto& c : cases) {
    const httplib::Response response = Get(c.path);
    EXPECT_EQ(response.status, c.status) << c.path;
    EXPECT_EQ(response.body, c.body) << c.path;
    EXPECT_EQ(response.get_header_value("Content-Type"), c.type) << c.path;
    EXPECT_EQ(response.get_header_value("Cache-Control"), c.cache) << c.path;
    EXPECT_NE(response.get_header_value("Content-Security-Policy").find("script-src 'self'"),
              std::string::npos)
        << c.path;
  }
}

TEST_F(StaticSiteTest, NeverLeavesItsFolder) {
  for (const char* path :
       {"/../outside.txt", "/assets/../../outside.txt", "/.secret", "//etc/hosts",
        "/assets\\..\\index.html", "/missing.js", "outside.txt"}) {
    EXPECT_EQ(Get(path).status, 404) << path;
  }
}

TEST_F(StaticSiteTest, SaysSoIfThePageIsNotBuilt) {
  std::filesystem::remove_all(root_);
  const httplib::Response response = Get("/");
  EXPECT_EQ(response.status, 200);
  EXPECT_NE(response.body.find("not built"), std::string::npos);
}

}  // namespace
}  // namespace parley::gateway::api
