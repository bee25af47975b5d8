// Everything behind the gateway's HTTP port: /v1 (transcoder), /api (compat) and the page, with
// CORS, security headers and errors in JSON around them.
#pragma once

#include <httplib.h>

#include <string>
#include <vector>

#include "api/static_site.h"
#include "compat/routes.h"
#include "libs/rpc/transcoder.h"

namespace parley::gateway::api {

// All must outlive `server`.
struct HttpApi {
  rpc::Transcoder& transcoder;
  compat::Routes& compat;
  const StaticSite& site;
  const std::vector<std::string>& allowed_origins;
};

void RegisterHttpApi(httplib::Server& server, const HttpApi& http_api);

}  // namespace parley::gateway::api
