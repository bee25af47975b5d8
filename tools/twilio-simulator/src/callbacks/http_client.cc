#include "callbacks/http_client.h"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <memory>
#include <optional>

namespace parley::simulator {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

using PlainStream = beast::tcp_stream;
using TlsStream = beast::ssl_stream<beast::tcp_stream>;

template <typename Stream>
class Exchange : public std::enable_shared_from_this<Exchange<Stream>> {
 public:
  Exchange(asio::io_context& io, Stream stream, OutgoingRequest request,
           std::function<void(IncomingResponse)> done)
      : resolver_(io),
        stream_(std::move(stream)),
        request_(std::move(request)),
        done_(std::move(done)),
        deadline_(Clock::now() + request_.total_timeout) {}

  void Run() {
    error_code error;
    const auto address = asio::ip::make_address(request_.url.host, error);
    if (!error) {
      const auto port = static_cast<std::uint16_t>(std::stoi(request_.url.port));
      const tcp::endpoint endpoint(address, port);
      LimitTo(request_.connect_timeout);
      beast::get_lowest_layer(stream_).async_connect(
          endpoint, [self = this->shared_from_this()](error_code e) { self->OnConnected(e); });
      return;
    }
    resolver_.async_resolve(
        request_.url.host, request_.url.port,
        [self = this->shared_from_this()](error_code e, tcp::resolver::results_type results) {
          if (e) return self->Finish(WebhookEnd::kRefused);
          self->LimitTo(self->request_.connect_timeout);
          beast::get_lowest_layer(self->stream_)
              .async_connect(results, [self](error_code connect_error, const tcp::endpoint&) {
                self->OnConnected(connect_error);
              });
        });
  }

 private:
  // Bounds the next operations by `span` and by what is left of the total.
  void LimitTo(std::chrono::milliseconds span) {
    const auto until = std::min(Clock::now() + span, deadline_);
    by_total_ = until == deadline_;
    beast::get_lowest_layer(stream_).expires_at(until);
  }

  WebhookEnd TimeoutEnd(WebhookEnd end) const {
    return by_total_ ? WebhookEnd::kTotalTimeout : end;
  }

  void OnConnected(error_code error) {
    if (error == beast::error::timeout) return Finish(TimeoutEnd(WebhookEnd::kConnectTimeout));
    if (error) return Finish(WebhookEnd::kRefused);
    error_code ignored;
    beast::get_lowest_layer(stream_).socket().set_option(tcp::no_delay(true), ignored);
    if constexpr (std::is_same_v<Stream, TlsStream>) {
      SSL_set_tlsext_host_name(stream_.native_handle(), request_.url.host.c_str());
      if (request_.verify_host) {
        stream_.set_verify_callback(asio::ssl::host_name_verification(request_.url.host));
      }
      stream_.async_handshake(asio::ssl::stream_base::client, [self = this->shared_from_this()](
                                                                  error_code handshake_error) {
        if (handshake_error == beast::error::timeout) {
          return self->Finish(self->TimeoutEnd(WebhookEnd::kConnectTimeout));
        }
        if (handshake_error) return self->Finish(WebhookEnd::kCertificate);
        self->WriteRequest();
      });
    } else {
      WriteRequest();
    }
  }

  void WriteRequest() {
    output_ = request_.method + " " + request_.target +
              " HTTP/1.1\r\nHost: " + request_.url.host_header + "\r\n";
    for (const auto& [name, value] : request_.headers) output_ += name + ": " + value + "\r\n";
    if (request_.method == "POST") {
      output_ += "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: " +
                 std::to_string(request_.body.size()) + "\r\n";
    }
    output_ += "Connection: close\r\n\r\n" + request_.body;
    LimitTo(request_.read_timeout);
    asio::async_write(stream_, asio::buffer(output_),
                      [self = this->shared_from_this()](error_code error, std::size_t) {
                        if (error == beast::error::timeout) {
                          return self->Finish(self->TimeoutEnd(WebhookEnd::kReadTimeout));
                        }
                        // A server that answers without reading all may have closed already: its
                        // answer decides.
                        self->ReadResponse();
                      });
  }

  void ReadResponse() {
    parser_.body_limit(request_.response_bytes_max);
    parser_.skip(request_.method == "HEAD");
    http::async_read(
        stream_, buffer_, parser_,
        [self = this->shared_from_this()](error_code error, std::size_t) { self->OnRead(error); });
  }

  void OnRead(error_code error) {
    if (error == beast::error::timeout) return Finish(TimeoutEnd(WebhookEnd::kReadTimeout));
    if (error == http::error::body_limit ||
        (error && error != http::error::end_of_stream && error != http::error::partial_message &&
         error.category() == http::make_error_code(http::error::bad_method).category())) {
      return Finish(WebhookEnd::kProtocol);
    }
    if (error && !parser_.is_done()) return Finish(WebhookEnd::kBroken);
    auto& message = parser_.get();
    const auto text = [&message](http::field field) {
      const auto value = message[field];
      return std::string(value.data(), value.size());
    };
    response_.status = message.result_int();
    response_.content_type = text(http::field::content_type);
    response_.location = text(http::field::location);
    response_.wants_authentication = !message[http::field::www_authenticate].empty();
    response_.body = std::move(message.body());
    Finish(WebhookEnd::kAnswered);
  }

  void Finish(WebhookEnd end) {
    response_.end = end;
    error_code ignored;
    beast::get_lowest_layer(stream_).socket().close(ignored);
    if (auto done = std::exchange(done_, nullptr)) done(std::move(response_));
  }

  tcp::resolver resolver_;
  Stream stream_;
  OutgoingRequest request_;
  std::function<void(IncomingResponse)> done_;
  Clock::time_point deadline_;
  bool by_total_ = false;
  std::string output_;
  beast::flat_buffer buffer_;
  http::response_parser<http::string_body> parser_;
  IncomingResponse response_;
};

}  // namespace

HttpClient::HttpClient(asio::io_context& io) : io_(io), tls_(asio::ssl::context::tls_client) {
  error_code ignored;
  tls_.set_default_verify_paths(ignored);
}

void HttpClient::Send(OutgoingRequest request, std::function<void(IncomingResponse)> done) {
  if (request.url.tls) {
    TlsStream stream(io_, tls_);
    stream.set_verify_mode(asio::ssl::verify_peer);
    std::make_shared<Exchange<TlsStream>>(io_, std::move(stream), std::move(request),
                                          std::move(done))
        ->Run();
  } else {
    std::make_shared<Exchange<PlainStream>>(io_, PlainStream(io_), std::move(request),
                                            std::move(done))
        ->Run();
  }
}

}  // namespace parley::simulator
