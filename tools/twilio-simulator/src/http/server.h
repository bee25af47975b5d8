// An event-driven HTTP/1.1 server: one thread, any number of connections, answers whenever they
// are ready, and connections that can be reset on purpose.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace parley::simulator {

inline constexpr std::size_t kHeaderBytesMax = 16 << 10;
inline constexpr std::size_t kEventsPendingMax = 10'000;  // Of one live stream; then it is closed.

// Server-sent events: what is pushed goes out as soon as the connection takes it.
class EventStream {
 public:
  // False once the client is gone or too slow.
  bool Push(std::string text);
  bool closed() const { return closed_; }

 private:
  friend class HttpSession;
  std::deque<std::string> pending_;
  bool closed_ = false;
  std::function<void()> wake_;
};

struct HttpRequest {
  std::string method;
  std::string path;   // As it came, not decoded.
  std::string query;  // Behind the "?".
  std::string authorization;
  std::string content_type;
  std::string body;
  std::int64_t arrived_us = 0;  // Unix time at which the whole request had been read.
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::string headers;                  // More header lines, each with its CRLF.
  bool reset = false;                   // Resets the connection instead of answering.
  std::shared_ptr<EventStream> stream;  // Answers with events instead of `body`.
};

class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  // Calls `respond` exactly once, now or later, on the server's thread.
  virtual void Handle(HttpRequest request, std::function<void(HttpResponse)> respond) = 0;
  // The longest body that `path` takes; a longer one gets 413.
  virtual std::size_t BodyBytesMax(std::string_view path) const = 0;
};

class HttpServer {
 public:
  // Binds at once; throws boost::system::system_error if the address is taken.
  HttpServer(boost::asio::io_context& io, const std::string& address, std::uint16_t port,
             HttpHandler& handler);
  void Start();
  // Takes no more connections.
  void Stop();
  std::uint16_t port() const;

 private:
  void Accept();

  boost::asio::ip::tcp::acceptor acceptor_;
  HttpHandler& handler_;
};

// Unix time in microseconds.
std::int64_t WallClockMicros();

}  // namespace parley::simulator
