// One HTTP request to a webhook, without a thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ssl/context.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "domain/overrides.h"
#include "domain/signature.h"

namespace parley::simulator {

struct OutgoingRequest {
  WebhookUrl url;
  std::string method;
  std::string target;  // Path and query as sent.
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
  std::chrono::milliseconds connect_timeout{5000};
  std::chrono::milliseconds read_timeout{15000};
  std::chrono::milliseconds total_timeout{15000};  // What is left of it.
  std::size_t response_bytes_max = 0;
  bool verify_host = true;
};

struct IncomingResponse {
  WebhookEnd end = WebhookEnd::kRefused;
  int status = 0;
  std::string content_type;
  std::string location;
  bool wants_authentication = false;
  std::string body;
};

class HttpClient {
 public:
  explicit HttpClient(boost::asio::io_context& io);
  // Calls `done` once, later, on the io_context's thread.
  void Send(OutgoingRequest request, std::function<void(IncomingResponse)> done);

 private:
  boost::asio::io_context& io_;
  boost::asio::ssl::context tls_;
};

}  // namespace parley::simulator
