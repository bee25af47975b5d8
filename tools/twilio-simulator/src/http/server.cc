#include "http/server.h"

#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <optional>

namespace parley::simulator {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::chrono::seconds kIdleTimeout{75};
constexpr std::chrono::seconds kWriteTimeout{60};

std::string_view View(beast::string_view text) { return {text.data(), text.size()}; }

}  // namespace

bool EventStream::Push(std::string text) {
  if (closed_) return false;
  if (pending_.size() >= kEventsPendingMax) {
    closed_ = true;
  } else {
    pending_.push_back(std::move(text));
  }
  if (wake_) wake_();
  return !closed_;
}

// One connection. Requests of one connection are answered in turn.
class HttpSession : public std::enable_shared_from_this<HttpSession> {
 public:
  HttpSession(tcp::socket socket, HttpHandler& handler)
      : stream_(std::move(socket)), handler_(handler) {}

  void Read() {
    parser_.emplace();
    parser_->header_limit(static_cast<std::uint32_t>(kHeaderBytesMax));
    stream_.expires_after(kIdleTimeout);
    http::async_read_header(
        stream_, buffer_, *parser_,
        [self = shared_from_this()](error_code error, std::size_t) { self->OnHeader(error); });
  }

 private:
  void OnHeader(error_code error) {
    if (error) return Refuse(error);
    const std::string_view target = View(parser_->get().target());
    parser_->body_limit(handler_.BodyBytesMax(target.substr(0, target.find('?'))));
    if (beast::iequals(parser_->get()[http::field::expect], "100-continue")) {
      output_ = "HTTP/1.1 100 Continue\r\n\r\n";
      asio::async_write(stream_, asio::buffer(output_),
                        [self = shared_from_this()](error_code write_error, std::size_t) {
                          if (!write_error) self->ReadBody();
                        });
      return;
    }
    ReadBody();
  }

  void ReadBody() {
    if (parser_->is_done()) return Handle();
    http::async_read(stream_, buffer_, *parser_,
                     [self = shared_from_this()](error_code error, std::size_t) {
                       if (error) return self->Refuse(error);
                       self->Handle();
                     });
  }

  void Handle() {
    stream_.expires_never();
    auto& message = parser_->get();
    HttpRequest request;
    request.arrived_us = WallClockMicros();
    request.method = std::string(View(message.method_string()));
    const std::string_view target = View(message.target());
    const std::size_t question = target.find('?');
    request.path = std::string(target.substr(0, question));
    if (question != std::string_view::npos)
      request.query = std::string(target.substr(question + 1));
    request.authorization = std::string(View(message[http::field::authorization]));
    request.content_type = std::string(View(message[http::field::content_type]));
    request.body = std::move(message.body());
    keep_alive_ = parser_->keep_alive();
    head_ = message.method() == http::verb::head;
    handler_.Handle(std::move(request), [self = shared_from_this()](HttpResponse response) {
      self->Respond(std::move(response));
    });
  }

  void Respond(HttpResponse response) {
    if (response.reset) return Reset();
    Format(response);
    if (response.stream) {
      events_ = response.stream;
      events_->wake_ = [weak = weak_from_this()] {
        if (auto self = weak.lock()) self->WriteEvents();
      };
    }
    Write();
  }

  void Format(const HttpResponse& response) {
    const bool has_body = response.status != 204 && response.status != 304;
    output_.clear();
    output_.reserve(response.body.size() + response.headers.size() + 256);
    output_ += "HTTP/1.1 ";
    output_ += std::to_string(response.status);
    output_ += ' ';
    output_ += View(http::obsolete_reason(static_cast<http::status>(response.status)));
    output_ += "\r\n";
    if (has_body && !response.content_type.empty()) {
      output_ += "Content-Type: ";
      output_ += response.content_type;
      output_ += "\r\n";
    }
    output_ += response.headers;
    if (response.stream) {
      keep_alive_ = false;
      output_ += "Cache-Control: no-store\r\n";
    } else if (has_body) {
      output_ += "Content-Length: ";
      output_ += std::to_string(response.body.size());
      output_ += "\r\n";
    }
    output_ += keep_alive_ ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";
    if (has_body && !head_ && !response.stream) output_ += response.body;
  }

  void Write() {
    writing_ = true;
    stream_.expires_after(kWriteTimeout);
    asio::async_write(
        stream_, asio::buffer(output_),
        [self = shared_from_this()](error_code error, std::size_t) { self->OnWritten(error); });
  }

  void OnWritten(error_code error) {
    writing_ = false;
    if (events_) {
      if (error) {
        events_->closed_ = true;
        return;
      }
      stream_.expires_never();
      if (!watching_) WatchForEnd();
      return WriteEvents();
    }
    if (error) return;
    if (!keep_alive_) {
      error_code ignored;
      stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
      return;
    }
    Read();
  }

  void WriteEvents() {
    if (writing_ || !events_) return;
    if (events_->pending_.empty()) {
      if (events_->closed_) Reset();
      return;
    }
    output_ = std::move(events_->pending_.front());
    events_->pending_.pop_front();
    Write();
  }

  // A live stream's client says nothing more: whatever arrives, it is its end.
  void WatchForEnd() {
    watching_ = true;
    stream_.socket().async_read_some(asio::buffer(scratch_),
                                     [self = shared_from_this()](error_code, std::size_t) {
                                       self->events_->closed_ = true;
                                       self->Reset();
                                     });
  }

  // A request that is not HTTP, too long or cut off.
  void Refuse(error_code error) {
    HttpResponse response;
    if (error == http::error::body_limit) {
      response.status = 413;
    } else if (error == http::error::header_limit || error == http::error::buffer_overflow) {
      response.status = 431;
    } else if (error != http::error::end_of_stream && error != http::error::partial_message &&
               error.category() == http::make_error_code(http::error::bad_method).category()) {
      response.status = 400;
    } else {
      return;
    }
    response.body = "{\"code\":20422,\"message\":\"The request could not be read\",\"status\":" +
                    std::to_string(response.status) + "}";
    keep_alive_ = false;
    head_ = false;
    Respond(std::move(response));
  }

  // The other side sees "connection reset by peer".
  void Reset() {
    error_code ignored;
    stream_.socket().set_option(asio::socket_base::linger(true, 0), ignored);
    stream_.socket().close(ignored);
  }

  beast::tcp_stream stream_;
  HttpHandler& handler_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  std::string output_;
  std::shared_ptr<EventStream> events_;
  std::array<char, 64> scratch_{};
  bool keep_alive_ = true;
  bool head_ = false;
  bool writing_ = false;
  bool watching_ = false;
};

HttpServer::HttpServer(asio::io_context& io, const std::string& address, std::uint16_t port,
                       HttpHandler& handler)
    : acceptor_(io), handler_(handler) {
  const tcp::endpoint endpoint(asio::ip::make_address(address), port);
  acceptor_.open(endpoint.protocol());
  acceptor_.set_option(asio::socket_base::reuse_address(true));
  acceptor_.bind(endpoint);
  acceptor_.listen(1024);
}

void HttpServer::Start() { Accept(); }

void HttpServer::Stop() {
  error_code ignored;
  acceptor_.close(ignored);
}

std::uint16_t HttpServer::port() const { return acceptor_.local_endpoint().port(); }

void HttpServer::Accept() {
  acceptor_.async_accept([this](error_code error, tcp::socket socket) {
    if (!acceptor_.is_open()) return;
    if (!error) {
      error_code ignored;
      socket.set_option(tcp::no_delay(true), ignored);
      std::make_shared<HttpSession>(std::move(socket), handler_)->Read();
    }
    Accept();
  });
}

std::int64_t WallClockMicros() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace parley::simulator
