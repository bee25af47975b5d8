#include "libs/http/connection.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

namespace parley::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kDrainTime{300};
constexpr std::size_t kDrainBytesMax = 1 << 20;

int PollMilliseconds(steady_clock::duration left) {
  const auto count = std::chrono::ceil<milliseconds>(left).count();
  return static_cast<int>(std::clamp<long long>(count, 0, 1'000'000));
}

// False if nothing happened until then.
bool Poll(int socket, short events, steady_clock::duration left) {
  const auto deadline = steady_clock::now() + left;
  for (;;) {
    pollfd entry{.fd = socket, .events = events, .revents = 0};
    const int ready = ::poll(&entry, 1, PollMilliseconds(left));
    if (ready > 0) return true;
    if (ready == 0 || errno != EINTR) return false;
    left = deadline - steady_clock::now();
  }
}

std::pair<std::string, int> ToText(const sockaddr_storage& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.ss_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, &address, sizeof v4);
    ::inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
    return {text.data(), ntohs(v4.sin_port)};
  }
  if (address.ss_family == AF_INET6) {
    sockaddr_in6 v6;
    std::memcpy(&v6, &address, sizeof v6);
    ::inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
    return {text.data(), ntohs(v6.sin6_port)};
  }
  return {};
}

template <class Peer, class GetName>
Peer NameOf(int socket, GetName get_name) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (get_name(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  auto [ip, port] = ToText(address);
  return {std::move(ip), port};
}

const char* ReasonPhrase(int status) {
  switch (status) {
    case 400:
      return "Bad Request";
    case 408:
      return "Request Timeout";
    case 414:
      return "URI Too Long";
    case 429:
      return "Too Many Requests";
    default:
      return "Request Header Fields Too Large";
  }
}

}  // namespace

Connection::Connection(int socket, const ConnectionLimits& limits)
    : socket_(socket),
      limits_(limits),
      remote_(NameOf<Peer>(socket, ::getpeername)),
      local_(NameOf<Peer>(socket, ::getsockname)) {
  BeginRequest();
}

Connection::~Connection() {
  Drain();
  ::close(socket_);
}

// Closing a socket with unread bytes resets it, and the peer may lose the answer. Whoever still
// sends gets a moment to stop.
void Connection::Drain() {
  ::shutdown(socket_, SHUT_WR);
  if (ended_) return;
  const auto deadline = steady_clock::now() + kDrainTime;
  std::size_t drained = 0;
  bool unread = begin_ != end_ || failed_ || (answered_ && head_ != Head::kDone);
  for (;;) {
    const ssize_t got = ::recv(socket_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (got > 0) {
      unread = true;
      drained += static_cast<std::size_t>(got);
      if (drained > kDrainBytesMax) return;
      continue;
    }
    if (got == 0 || (errno != EAGAIN && errno != EINTR) || !unread) return;
    const auto left = deadline - steady_clock::now();
    if (left <= left.zero() || !Poll(socket_, POLLIN, left)) return;
  }
}

Connection::Waited Connection::WaitForRequest(milliseconds at_most) {
  if (begin_ != end_) return Waited::kRequest;
  if (failed_ || ended_) return Waited::kClosed;
  if (!Poll(socket_, POLLIN, at_most)) return Waited::kNothing;
  const ssize_t got = ::recv(socket_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
  if (got > 0) {
    begin_ = 0;
    end_ = static_cast<std::size_t>(got);
    return Waited::kRequest;
  }
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return Waited::kNothing;
  ended_ = true;
  return Waited::kClosed;
}

void Connection::BeginRequest() {
  const auto now = steady_clock::now();
  head_deadline_ = now + std::min(limits_.head_within, limits_.request_within);
  request_deadline_ = now + limits_.request_within;
  head_ = Head::kRequestLine;
  head_bytes_ = 0;
  line_.clear();
  framing_ = {};
  answered_ = false;
}

bool Connection::EndRequest() {
  const bool sent = SendHeld("");
  return sent && !failed_ && head_ == Head::kDone && framing_.done();
}

void Connection::Refuse(int status, std::string_view reason, std::string_view message) {
  if (failed_) return;
  write_deadline_ = steady_clock::now() + limits_.write_timeout;
  if (!answered_) {
    const std::string body =
        nlohmann::json{{"error",
                        {{"code", status},
                         {"message", std::string(message)},
                         {"details",
                          {{{"@type", "type.googleapis.com/google.rpc.ErrorInfo"},
                            {"reason", std::string(reason)},
                            {"domain", "parley"}}}}}}}
            .dump();
    held_ = "HTTP/1.1 " + std::to_string(status) + " " + ReasonPhrase(status) +
            "\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: " +
            std::to_string(body.size()) + "\r\n\r\n" + body;
  }
  SendHeld("");
  failed_ = true;
}

bool Connection::is_readable() const { return begin_ != end_ || Poll(socket_, POLLIN, {}); }

bool Connection::is_writable() const {
  return !failed_ && Poll(socket_, POLLOUT, limits_.write_timeout);
}

bool Connection::Fill() {
  if (failed_ || ended_ || !SendHeld("")) return false;
  for (;;) {
    const auto deadline = head_ == Head::kDone ? request_deadline_ : head_deadline_;
    const auto left = deadline - steady_clock::now();
    if (left <= left.zero() || !Poll(socket_, POLLIN, left)) {
      Refuse(408, "REQUEST_TIMEOUT", "The request did not arrive in time.");
      return false;
    }
    const ssize_t got = ::recv(socket_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (got > 0) {
      begin_ = 0;
      end_ = static_cast<std::size_t>(got);
      return true;
    }
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    ended_ = true;
    return false;
  }
}

bool Connection::CountHead(char c) {
  ++head_bytes_;
  if (head_ == Head::kRequestLine) {
    if (head_bytes_ > limits_.target_bytes_max) {
      Refuse(414, "TARGET_TOO_LONG", "The request's address is too long.");
      return false;
    }
    if (c == '\n') {
      head_ = Head::kHeaders;
      head_bytes_ = 0;
    }
    return true;
  }
  if (head_bytes_ > limits_.header_bytes_max) {
    Refuse(431, "HEADERS_TOO_LARGE", "The headers are too large.");
    return false;
  }
  if (c != '\n') {
    line_.push_back(c);
    return true;
  }
  if (!line_.empty() && line_.back() == '\r') line_.pop_back();
  bool clear = true;
  if (line_.empty()) {
    head_ = Head::kDone;
    clear = framing_.EndHead();
  } else {
    clear = framing_.TakeHeader(line_);
  }
  line_.clear();
  if (!clear) RefuseFraming();
  return clear;
}

void Connection::RefuseFraming() {
  Refuse(400, "FRAMING_INVALID",
         "Where the request's body ends is doubtful: send one Content-Length, or chunks.");
}

ssize_t Connection::read(char* data, std::size_t size) {
  if (head_ == Head::kDone && framing_.done()) return 0;  // What follows is another request's.
  if (begin_ == end_ && !Fill()) return failed_ ? -1 : 0;
  std::size_t taken = std::min(size, end_ - begin_);
  if (head_ != Head::kDone) {
    // cpp-httplib reads a head byte by byte; a body never begins within such a read.
    taken = 1;
    if (!CountHead(buffer_[begin_])) return -1;
  } else {
    taken = framing_.Allow(taken);
    if (!framing_.Take({buffer_.data() + begin_, taken})) {
      RefuseFraming();
      return -1;
    }
  }
  std::memcpy(data, buffer_.data() + begin_, taken);
  begin_ += taken;
  return static_cast<ssize_t>(taken);
}

ssize_t Connection::write(const char* data, std::size_t size) {
  if (failed_) return -1;
  // The head of an answer waits for the first of its body: one packet instead of two.
  if (!answered_) {
    answered_ = true;
    write_deadline_ = steady_clock::now() + limits_.write_timeout;
    held_.assign(data, size);
    return static_cast<ssize_t>(size);
  }
  return SendHeld({data, size}) ? static_cast<ssize_t>(size) : -1;
}

bool Connection::SendHeld(std::string_view more) {
  if (failed_) return false;
  std::string_view first = held_;
  while (!first.empty() || !more.empty()) {
    std::array<iovec, 2> parts = {iovec{const_cast<char*>(first.data()), first.size()},
                                  iovec{const_cast<char*>(more.data()), more.size()}};
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    const ssize_t sent = ::sendmsg(socket_, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      const auto bytes = static_cast<std::size_t>(sent);
      write_deadline_ += milliseconds(bytes * 1'000 / limits_.write_bytes_per_second_min);
      const std::size_t of_first = std::min(bytes, first.size());
      first.remove_prefix(of_first);
      more.remove_prefix(bytes - of_first);
      continue;
    }
    const bool full = errno == EAGAIN || errno == EINTR;
    const auto left = write_deadline_ - steady_clock::now();
    if (!full || left <= left.zero() || !Poll(socket_, POLLOUT, left)) {
      failed_ = true;
      return false;
    }
  }
  held_.clear();
  return true;
}

void Connection::get_remote_ip_and_port(std::string& ip, int& port) const {
  ip = remote_.ip;
  port = remote_.port;
}

void Connection::get_local_ip_and_port(std::string& ip, int& port) const {
  ip = local_.ip;
  port = local_.port;
}

}  // namespace parley::http
