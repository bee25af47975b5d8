#include "libs/twilio/http_connection.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <system_error>
#include <thread>

#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/fibers/fibers.h"
#include "libs/twilio/url.h"

namespace parley::twilio {
namespace {

using fibers::WaitFor;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::chrono::seconds kAddressCacheTime{30};
constexpr std::chrono::seconds kLookUpRetry{1};  // While an older answer is in use.
constexpr milliseconds kLookUpStep{2};
constexpr std::chrono::seconds kRetryAfterMax{300};
constexpr std::size_t kHeadBytes = 512;  // About what a request's headers take.
constexpr std::size_t kReadBytes = 8 << 10;
constexpr std::size_t kHeaderBytesMax = 32 << 10;

struct SslContextDeleter {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
struct SslDeleter {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};

struct SocketAddress {
  sockaddr_storage storage;
  socklen_t bytes;
};

std::string ErrnoText(std::string_view what) {
  return std::string(what) + ": " + std::strerror(errno);
}

// getaddrinfo knows no deadline and would hold up the fibers of its thread, so it has a thread of
// its own, which may outlive whoever asked.
struct LookUp {
  std::atomic<bool> done{false};  // What follows is written before.
  int error = 0;
  std::vector<SocketAddress> addresses;
};

void AskResolver(const std::string& host, const std::string& port, LookUp& look_up) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  look_up.error = getaddrinfo(host.c_str(), port.c_str(), &hints, &found);
  if (look_up.error == 0) {
    for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
      SocketAddress address{};
      std::memcpy(&address.storage, entry->ai_addr, entry->ai_addrlen);
      address.bytes = entry->ai_addrlen;
      look_up.addresses.push_back(address);
    }
    freeaddrinfo(found);
  }
  look_up.done = true;
}

// The addresses of a host, asked for again now and then. Thread-safe. One question at a time: while
// the resolver hangs no more threads hang with it. What was known stays in use until there is news.
class Addresses {
 public:
  // False with `reason` set if nothing is known by `deadline`.
  bool Find(const std::string& host, const std::string& port, SteadyTime deadline,
            std::vector<SocketAddress>& addresses, std::string& reason) {
    const std::shared_ptr<LookUp> asked = Ask(host, port, addresses, reason);
    if (!addresses.empty()) return true;
    if (asked == nullptr) return false;
    while (!asked->done) {
      if (steady_clock::now() >= deadline) {
        reason = "look-up of the host: time-out";
        return false;
      }
      fibers::SleepFor(kLookUpStep);
    }
    if (asked->error != 0) {
      reason = std::string("look-up of the host failed: ") + gai_strerror(asked->error);
      return false;
    }
    addresses = asked->addresses;
    return true;
  }

 private:
  // Fills `addresses` with what is known; null if the resolver could not be asked.
  std::shared_ptr<LookUp> Ask(const std::string& host, const std::string& port,
                              std::vector<SocketAddress>& addresses, std::string& reason) {
    const std::lock_guard lock(mutex_);
    if (look_up_ != nullptr && look_up_->done) {
      const bool found = look_up_->error == 0;
      if (found) known_ = look_up_->addresses;
      until_ = steady_clock::now() + (found ? kAddressCacheTime : kLookUpRetry);
      look_up_.reset();
    }
    addresses = known_;
    if (look_up_ == nullptr && (known_.empty() || steady_clock::now() >= until_)) {
      auto look_up = std::make_shared<LookUp>();
      try {
        std::thread([host, port, look_up] { AskResolver(host, port, *look_up); }).detach();
      } catch (const std::system_error& error) {
        reason = std::string("look-up of the host: ") + error.what();
        return nullptr;
      }
      look_up_ = std::move(look_up);
    }
    return look_up_;
  }

  std::mutex mutex_;
  std::vector<SocketAddress> known_;
  SteadyTime until_{};
  std::shared_ptr<LookUp> look_up_;
};

// What of an answer has arrived, read step by step.
class AnswerParser {
 public:
  explicit AnswerParser(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  enum class Progress { kMore, kDone, kBroken };

  Progress Feed(std::string_view data) {
    if (buffer_.size() + data.size() > bytes_max_) return Progress::kBroken;
    buffer_.append(data);
    return Advance();
  }

  // The other side closed: an answer without a length ends here.
  Progress Closed() {
    if (!headers_done_ || has_length_ || chunked_) return Progress::kBroken;
    answer_.body = buffer_.substr(body_start_);
    return Progress::kDone;
  }

  HttpAnswer TakeAnswer() { return std::move(answer_); }
  bool reusable() const { return reusable_ && (has_length_ || chunked_) && clean_end_; }

 private:
  Progress Advance() {
    while (!headers_done_) {
      const auto end = buffer_.find("\r\n\r\n");
      if (end == std::string::npos) {
        return buffer_.size() > kHeaderBytesMax ? Progress::kBroken : Progress::kMore;
      }
      if (!ReadHeaders(std::string_view(buffer_).substr(0, end + 2))) return Progress::kBroken;
      if (answer_.status >= 100 && answer_.status < 200) {  // Interim: the real one follows.
        buffer_.erase(0, end + 4);
        continue;
      }
      body_start_ = end + 4;
      headers_done_ = true;
    }
    if (answer_.status == 204 || answer_.status == 304) {
      has_length_ = true;
      chunked_ = false;
      length_ = 0;
    }
    if (chunked_) return AdvanceChunks();
    if (!has_length_) return Progress::kMore;
    if (length_ > bytes_max_) return Progress::kBroken;
    if (buffer_.size() - body_start_ < length_) return Progress::kMore;
    clean_end_ = buffer_.size() - body_start_ == length_;
    answer_.body = buffer_.substr(body_start_, length_);
    return Progress::kDone;
  }

  Progress AdvanceChunks() {
    for (;;) {
      const auto line_end = buffer_.find("\r\n", body_start_);
      if (line_end == std::string::npos) return Progress::kMore;
      std::size_t chunk = 0;
      const char* begin = buffer_.data() + body_start_;
      const auto [after, error] = std::from_chars(begin, buffer_.data() + line_end, chunk, 16);
      if (error != std::errc() || after == begin || chunk > bytes_max_) return Progress::kBroken;
      if (chunk == 0) {
        // Trailers, if any, end with an empty line.
        const auto end = buffer_.find("\r\n\r\n", line_end);
        if (end == std::string::npos) return Progress::kMore;
        clean_end_ = end + 4 == buffer_.size();
        return Progress::kDone;
      }
      const std::size_t data_start = line_end + 2;
      if (buffer_.size() < data_start + chunk + 2) return Progress::kMore;
      answer_.body.append(buffer_, data_start, chunk);
      body_start_ = data_start + chunk + 2;
    }
  }

  bool ReadHeaders(std::string_view text) {
    const auto line_end = text.find("\r\n");
    const std::string_view line = text.substr(0, line_end);
    // "HTTP/1.1 201 CREATED"
    if (line.size() < 12 || line.substr(0, 7) != "HTTP/1." || line[8] != ' ') return false;
    const auto [after, error] =
        std::from_chars(line.data() + 9, line.data() + 12, answer_.status, 10);
    if (error != std::errc() || after != line.data() + 12 || answer_.status < 100) return false;
    reusable_ = line[7] == '1';
    text.remove_prefix(line_end + 2);
    while (!text.empty()) {
      const auto end = text.find("\r\n");
      if (!ReadHeader(text.substr(0, end))) return false;
      text.remove_prefix(end + 2);
    }
    return true;
  }

  bool ReadHeader(std::string_view line) {
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) return false;
    const std::string_view name = line.substr(0, colon);
    const std::string_view value = Trim(line.substr(colon + 1));
    if (Is(name, "content-length")) {
      const auto [after, error] =
          std::from_chars(value.data(), value.data() + value.size(), length_);
      if (error != std::errc() || after != value.data() + value.size()) return false;
      has_length_ = true;
    } else if (Is(name, "transfer-encoding")) {
      if (!Is(value, "chunked")) return false;
      chunked_ = true;
    } else if (Is(name, "connection")) {
      if (Is(value, "close")) reusable_ = false;
    } else if (Is(name, "retry-after")) {
      int seconds = 0;
      const auto [after, error] =
          std::from_chars(value.data(), value.data() + value.size(), seconds);
      if (error == std::errc() && after == value.data() + value.size() && seconds >= 0) {
        // Whatever is said, nobody waits for hours: it is asked again.
        answer_.retry_after = std::min(std::chrono::seconds(seconds), kRetryAfterMax);
      }
    }
    return true;
  }

  static bool Is(std::string_view text, std::string_view lower) {
    return text.size() == lower.size() && Lower(text) == lower;
  }

  const std::size_t bytes_max_;
  std::string buffer_;
  HttpAnswer answer_;
  std::size_t body_start_ = 0;
  std::size_t length_ = 0;
  bool headers_done_ = false;
  bool has_length_ = false;
  bool chunked_ = false;
  bool reusable_ = false;
  bool clean_end_ = false;
};

enum class Turn { kNow, kAfterAWait, kNever };

// Asks the request's gate until it may be written.
Turn AwaitTurn(const HttpRequest& request) {
  Turn turn = Turn::kNow;
  while (request.about_to_write) {
    const auto wait = request.about_to_write(steady_clock::now());
    if (wait.count() == 0) break;
    if (wait.count() < 0) return Turn::kNever;
    fibers::SleepFor(wait);
    turn = Turn::kAfterAWait;
  }
  return turn;
}

}  // namespace

struct HttpTransport::State {
  TransportOptions options;
  std::string host;  // As in the URL; without brackets for the look-up.
  std::string port;
  std::string host_header;
  bool tls = false;
  std::unique_ptr<SSL_CTX, SslContextDeleter> tls_context;

  Addresses addresses;
  std::mutex mutex;
  std::vector<std::unique_ptr<Connection>> idle;  // Freshest last.
};

// A socket, with TLS if the scheme wants it. Used by one caller at a time.
class HttpTransport::Connection {
 public:
  explicit Connection(int fd) : fd_(fd) {}
  ~Connection() {
    ssl_.reset();
    close(fd_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  SteadyTime idle_since;

  int fd() const { return fd_; }

  bool StartTls(SSL_CTX* context, const std::string& host, SteadyTime deadline,
                std::string& reason) {
    ssl_.reset(SSL_new(context));
    SSL_set_fd(ssl_.get(), fd_);
    unsigned char literal[sizeof(in6_addr)];
    const bool is_literal = inet_pton(AF_INET, host.c_str(), literal) == 1 ||
                            inet_pton(AF_INET6, host.c_str(), literal) == 1;
    if (is_literal) {
      X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_.get()), host.c_str());
    } else {
      SSL_set_tlsext_host_name(ssl_.get(), host.c_str());
      SSL_set1_host(ssl_.get(), host.c_str());
    }
    for (;;) {
      ERR_clear_error();
      const int result = SSL_connect(ssl_.get());
      if (result == 1) return true;
      if (!WaitTls(result, deadline)) {
        const long verified = SSL_get_verify_result(ssl_.get());
        reason = verified == X509_V_OK
                     ? "TLS handshake failed or timed out"
                     : std::string("TLS: ") + X509_verify_cert_error_string(verified);
        return false;
      }
    }
  }

  // Nothing is expected on an idle connection: data or an end means that it is over.
  bool IsQuiet() const {
    char byte;
    const ssize_t got = recv(fd_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return true;
    // TLS 1.3 sends session tickets when it likes.
    return got > 0 && ssl_ != nullptr && SSL_pending(ssl_.get()) == 0 && DrainTickets();
  }

  enum class Write { kDone, kNothingWritten, kMaybeWritten };

  // The first byte must leave before `begin_by`, the last before `deadline`.
  Write WriteAll(std::string_view data, SteadyTime begin_by, SteadyTime deadline,
                 std::string& reason) {
    if (ssl_ != nullptr) return WriteTls(data, begin_by, deadline, reason);
    bool begun = false;
    while (!data.empty()) {
      const ssize_t sent = send(fd_, data.data(), data.size(), MSG_NOSIGNAL);
      if (sent > 0) {
        begun = true;
        data.remove_prefix(static_cast<std::size_t>(sent));
        continue;
      }
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) {
        reason = "write: time-out";
        if (!WaitFor(fd_, POLLOUT, begun ? deadline : begin_by)) break;
        if (begun || steady_clock::now() < begin_by) continue;
        break;  // It may be told late.
      }
      reason = ErrnoText("write");
      break;
    }
    if (data.empty()) return Write::kDone;
    return begun ? Write::kMaybeWritten : Write::kNothingWritten;
  }

  // Bytes read; 0 at the end of the stream; -1 on an error or when the deadline passed.
  ssize_t ReadSome(char* data, std::size_t bytes, SteadyTime deadline, std::string& reason) {
    for (;;) {
      if (ssl_ != nullptr) {
        ERR_clear_error();
        const int got = SSL_read(ssl_.get(), data, static_cast<int>(bytes));
        if (got > 0) return got;
        if (SSL_get_error(ssl_.get(), got) == SSL_ERROR_ZERO_RETURN) return 0;
        if (WaitTls(got, deadline)) continue;
        reason = "no answer in time, or the TLS connection broke";
        return -1;
      }
      if (!WaitFor(fd_, POLLIN, deadline)) {
        reason = "no answer in time";
        return -1;
      }
      const ssize_t got = recv(fd_, data, bytes, 0);
      if (got >= 0) return got;
      if (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK) continue;
      reason = ErrnoText("read");
      return -1;
    }
  }

 private:
  bool WaitTls(int result, SteadyTime deadline) const {
    switch (SSL_get_error(ssl_.get(), result)) {
      case SSL_ERROR_WANT_READ:
        return WaitFor(fd_, POLLIN, deadline);
      case SSL_ERROR_WANT_WRITE:
        return WaitFor(fd_, POLLOUT, deadline);
      default:
        return false;
    }
  }

  // TLS may hold a record back; what counts is what went down to the socket. A connection on which
  // nothing was written is dropped by the caller, and the record with it.
  Write WriteTls(std::string_view data, SteadyTime begin_by, SteadyTime deadline,
                 std::string& reason) {
    BIO* const socket = SSL_get_wbio(ssl_.get());
    const std::uint64_t before = BIO_number_written(socket);
    while (!data.empty()) {
      ERR_clear_error();
      const int sent = SSL_write(ssl_.get(), data.data(), static_cast<int>(data.size()));
      if (sent > 0) {
        data.remove_prefix(static_cast<std::size_t>(sent));
        continue;
      }
      const bool begun = BIO_number_written(socket) != before;
      if (WaitTls(sent, begun ? deadline : begin_by) && (begun || steady_clock::now() < begin_by)) {
        continue;
      }
      reason = "the TLS connection broke while writing, or took too long";
      return begun ? Write::kMaybeWritten : Write::kNothingWritten;
    }
    return Write::kDone;
  }

  bool DrainTickets() const {
    char byte;
    ERR_clear_error();
    const int got = SSL_peek(ssl_.get(), &byte, 1);
    return got <= 0 && SSL_get_error(ssl_.get(), got) == SSL_ERROR_WANT_READ;
  }

  const int fd_;
  std::unique_ptr<SSL, SslDeleter> ssl_;
};

HttpTransport::HttpTransport(std::unique_ptr<State> state) : state_(std::move(state)) {}
HttpTransport::~HttpTransport() = default;

absl::StatusOr<std::unique_ptr<HttpTransport>> HttpTransport::Create(TransportOptions options) {
  PARLEY_ASSIGN_OR_RETURN(const UrlParts parts, SplitUrl(options.base_url));
  if (parts.has_userinfo || parts.has_query || (!parts.path.empty() && parts.path != "/")) {
    return InvalidArgument("URL_INVALID",
                           "Twilio's base URL must be an origin such as https://api.twilio.com.");
  }
  auto state = std::make_unique<State>();
  state->tls = Lower(parts.scheme) == "https";
  std::string_view host = parts.host;
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  state->host = std::string(host);
  state->port = std::string(parts.port.empty() ? DefaultPort(parts.scheme) : parts.port);
  state->host_header = std::string(parts.host);
  if (!parts.port.empty()) state->host_header += ":" + std::string(parts.port);
  if (state->tls) {
    // OpenSSL writes without MSG_NOSIGNAL; a peer that closes must not end the process.
    std::signal(SIGPIPE, SIG_IGN);
    state->tls_context.reset(SSL_CTX_new(TLS_client_method()));
    SSL_CTX* context = state->tls_context.get();
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
    const int loaded = options.ca_file.empty() ? SSL_CTX_set_default_verify_paths(context)
                                               : SSL_CTX_load_verify_locations(
                                                     context, options.ca_file.c_str(), nullptr);
    if (loaded != 1) {
      return InvalidArgument("CA_FILE_INVALID", "The file of certificate authorities is unusable.");
    }
  }
  state->options = std::move(options);
  return std::unique_ptr<HttpTransport>(new HttpTransport(std::move(state)));
}

std::unique_ptr<HttpTransport::Connection> HttpTransport::TakeIdle() {
  const SteadyTime oldest = steady_clock::now() - state_->options.idle_max;
  std::vector<std::unique_ptr<Connection>> stale;  // Closed after the lock is given up.
  std::unique_ptr<Connection> fresh;
  const std::lock_guard lock(state_->mutex);
  auto& idle = state_->idle;
  if (!idle.empty() && idle.back()->idle_since >= oldest) {
    fresh = std::move(idle.back());
    idle.pop_back();
  }
  if (!idle.empty() && idle.front()->idle_since < oldest) {
    const auto first_fresh = std::find_if(
        idle.begin(), idle.end(), [oldest](const auto& c) { return c->idle_since >= oldest; });
    stale.assign(std::make_move_iterator(idle.begin()), std::make_move_iterator(first_fresh));
    idle.erase(idle.begin(), first_fresh);
  }
  return fresh;
}

void HttpTransport::GiveBack(std::unique_ptr<Connection> connection) {
  const std::lock_guard lock(state_->mutex);
  if (state_->idle.size() >= state_->options.idle_connections_max) return;
  // Stamped under the lock, so that the list stays in order of time.
  connection->idle_since = steady_clock::now();
  state_->idle.push_back(std::move(connection));
}

void HttpTransport::PutBack(std::unique_ptr<Connection> connection) {
  const std::lock_guard lock(state_->mutex);
  auto& idle = state_->idle;
  if (idle.size() >= state_->options.idle_connections_max) return;
  const auto after = std::upper_bound(
      idle.begin(), idle.end(), connection->idle_since,
      [](SteadyTime since, const auto& other) { return since < other->idle_since; });
  idle.insert(after, std::move(connection));
}

std::unique_ptr<HttpTransport::Connection> HttpTransport::Connect(SteadyTime deadline,
                                                                  std::string& reason) {
  std::vector<SocketAddress> addresses;
  if (!state_->addresses.Find(state_->host, state_->port, deadline, addresses, reason)) {
    return nullptr;
  }
  reason = "the host has no address";
  for (const SocketAddress& address : addresses) {
    const int fd =
        socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    if (fd < 0) {
      reason = ErrnoText("socket");
      continue;
    }
    auto connection = std::make_unique<Connection>(fd);
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(fd, reinterpret_cast<const sockaddr*>(&address.storage), address.bytes) != 0) {
      if (errno != EINPROGRESS) {
        reason = ErrnoText("connect");
        continue;
      }
      if (!WaitFor(fd, POLLOUT, deadline)) {
        reason = "connect: time-out";
        continue;
      }
      int error = 0;
      socklen_t bytes = sizeof(error);
      getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes);
      if (error != 0) {
        errno = error;
        reason = ErrnoText("connect");
        continue;
      }
    }
    if (state_->tls &&
        !connection->StartTls(state_->tls_context.get(), state_->host, deadline, reason)) {
      continue;
    }
    return connection;
  }
  return nullptr;
}

std::variant<HttpAnswer, HttpFailure> HttpTransport::Exchange(const HttpRequest& request) {
  std::string wire;
  wire.reserve(kHeadBytes + request.target.size() + request.form.size());
  wire.append(request.method).append(" ").append(request.target).append(" HTTP/1.1\r\nHost: ");
  wire.append(state_->host_header).append("\r\nAccept: application/json\r\nUser-Agent: parley\r\n");
  if (!request.authorization.empty()) {
    wire.append("Authorization: ").append(request.authorization).append("\r\n");
  }
  if (request.method != "GET") {
    wire.append("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: ");
    wire.append(std::to_string(request.form.size())).append("\r\n");
  }
  wire.append("\r\n").append(request.form);

  const auto too_late = [&request] {
    return request.write_by && steady_clock::now() >= *request.write_by;
  };
  const HttpFailure late{false, true, "too late to begin"};
  std::unique_ptr<Connection> connection;
  bool fresh = false;
  std::string reason;
  SteadyTime begun;
  for (;;) {
    if (too_late()) return late;
    connection = fresh ? nullptr : TakeIdle();
    if (connection != nullptr && !connection->IsQuiet()) continue;  // Try the next idle one.
    if (connection == nullptr) {
      fresh = true;
      // All of its time, whenever the request is to be written: on a slow link the connection would
      // never stand otherwise. If it is late, the next request has it.
      connection = Connect(steady_clock::now() + state_->options.connect_timeout, reason);
      if (connection == nullptr) return HttpFailure{false, false, reason};
      connection->idle_since = steady_clock::now();
    }
    const Turn turn = too_late() ? Turn::kNever : AwaitTurn(request);
    if (turn == Turn::kNever || too_late()) {
      PutBack(std::move(connection));
      return late;
    }
    if (turn == Turn::kAfterAWait && !connection->IsQuiet()) continue;  // It died meanwhile.
    begun = steady_clock::now();
    const SteadyTime answer_by = begun + state_->options.answer_timeout;
    const Connection::Write written = connection->WriteAll(
        wire, request.write_by ? std::min(*request.write_by, answer_by) : answer_by, answer_by,
        reason);
    if (written == Connection::Write::kDone) break;
    if (written == Connection::Write::kMaybeWritten) return HttpFailure{true, false, reason};
    if (too_late()) return late;
    // The socket took not one byte: a kept connection had died meanwhile.
    if (fresh) return HttpFailure{false, false, reason};
    fresh = true;
  }

  const SteadyTime answer_by = begun + state_->options.answer_timeout;
  AnswerParser parser(state_->options.answer_bytes_max);
  std::array<char, kReadBytes> buffer;
  for (;;) {
    const ssize_t got = connection->ReadSome(buffer.data(), buffer.size(), answer_by, reason);
    if (got < 0) return HttpFailure{true, false, reason};
    const auto progress =
        got == 0 ? parser.Closed() : parser.Feed({buffer.data(), static_cast<std::size_t>(got)});
    if (progress == AnswerParser::Progress::kMore) continue;
    if (progress == AnswerParser::Progress::kBroken) {
      return HttpFailure{true, false,
                         got == 0 ? "the connection was closed before the answer was complete"
                                  : "the answer is no valid HTTP, or too large"};
    }
    if (got > 0 && parser.reusable()) GiveBack(std::move(connection));
    return parser.TakeAnswer();
  }
}

}  // namespace parley::twilio
