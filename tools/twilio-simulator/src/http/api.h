// Twilio's REST API: who calls, what is asked, which function answers.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "http/control.h"
#include "http/paging.h"
#include "http/server.h"
#include "simulator.h"

namespace parley::simulator {

inline constexpr std::size_t kApiBodyBytesMax = 1 << 20;

// One authenticated request.
struct ApiCall {
  Simulator& simulator;
  World& world;
  Account& account;                   // Whose resources are asked for.
  Account& caller;                    // Whose credentials were given: its own, or its parent's.
  std::string path;                   // As it came.
  std::vector<std::string> segments;  // Behind the account's SID or the version; ".json" gone.
  Params query;
  Params form;
  std::string body;
  Micros arrived_us = 0;
  Micros now = 0;

  std::string_view Segment(std::size_t index) const {
    return index < segments.size() ? std::string_view(segments[index]) : std::string_view();
  }
};

HttpResponse JsonAnswer(int status, std::string body);
HttpResponse JsonAnswer(int status, const Json& body);
HttpResponse ErrorAnswer(const ApiError& error);
HttpResponse NoContent();
// A list of the API of 2010 whose items are all at hand.
HttpResponse List2010(const ApiCall& call, const std::string& key,
                      const std::vector<std::pair<std::string, Json>>& items);
HttpResponse ListV1(const ApiCall& call, const std::string& key,
                    const std::vector<std::pair<std::string, Json>>& items);

// One function for each resource; nothing if it has no such path. `method` is GET, POST, PUT or
// DELETE.
using Route = std::optional<HttpResponse> (*)(ApiCall& call, std::string_view method);
std::optional<HttpResponse> MessagesRoute(ApiCall& call, std::string_view method);
std::optional<HttpResponse> CallsRoute(ApiCall& call, std::string_view method);
std::optional<HttpResponse> NumbersRoute(ApiCall& call, std::string_view method);
std::optional<HttpResponse> AvailableNumbersRoute(ApiCall& call, std::string_view method);
std::optional<HttpResponse> AccountRoute(ApiCall& call, std::string_view method);
std::optional<HttpResponse> ServicesRoute(ApiCall& call, std::string_view method);
std::optional<HttpResponse> ContentRoute(ApiCall& call, std::string_view method);
std::optional<HttpResponse> LookupRoute(ApiCall& call, std::string_view method);

class Api final : public HttpHandler {
 public:
  Api(Simulator& simulator, Control& control) : simulator_(simulator), control_(control) {}
  void Handle(HttpRequest request, std::function<void(HttpResponse)> respond) override;
  std::size_t BodyBytesMax(std::string_view path) const override;

 private:
  // The account that the credentials belong to, or nullptr.
  Account* Authenticate(std::string_view authorization);
  HttpResponse Answer(HttpRequest& request, Account& caller);
  HttpResponse Dispatch(ApiCall& call, std::string_view method, std::string_view product);

  Simulator& simulator_;
  Control& control_;
  bool turn_ = false;  // 500 and 503 by turns.
};

}  // namespace parley::simulator
