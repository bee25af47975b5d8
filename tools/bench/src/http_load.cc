#include "http_load.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <deque>
#include <vector>

#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/twilio/url.h"

namespace parley::bench {
namespace {

constexpr std::int64_t kMillisecond = 1'000;
// How often a connection that has nothing to send, or cannot connect, is asked again.
constexpr std::int64_t kAskAgain = 2 * kMillisecond;
constexpr std::int64_t kTickMax = 50 * kMillisecond;

// The answer's length once its head is there: -1 if it is not, -2 if it cannot be read.
std::int64_t AnswerBytes(std::string_view buffer) {
  const std::size_t end = buffer.find("\r\n\r\n");
  if (end == std::string_view::npos) return -1;
  std::size_t body_bytes = 0;
  for (const std::string_view line : Split(buffer.substr(0, end), '\n')) {
    constexpr std::string_view kName = "content-length:";
    if (line.size() < kName.size() || Lower(line.substr(0, kName.size())) != kName) continue;
    const std::string_view value = Trim(line.substr(kName.size()));
    const auto read = std::from_chars(value.data(), value.data() + value.size(), body_bytes);
    if (read.ec != std::errc()) return -2;
  }
  return static_cast<std::int64_t>(end + 4 + body_bytes);
}

bool Closes(std::string_view head) {
  return Lower(head).find("\r\nconnection: close") != std::string::npos;
}

int StatusOf(std::string_view buffer) {
  int status = 0;
  if (buffer.size() < 12 || !buffer.starts_with("HTTP/1.")) return 0;
  std::from_chars(buffer.data() + 9, buffer.data() + 12, status);
  return status;
}

}  // namespace

std::int64_t SteadyMicros() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

struct HttpLoad::Connection {
  enum class State { kIdle, kConnecting, kWriting, kReading, kEnded };
  int index = 0;
  int socket = -1;
  State state = State::kIdle;
  std::string request;
  std::size_t written = 0;
  std::string answer;
  std::int64_t due_us = 0;
  std::int64_t deadline_us = 0;
  std::int64_t ask_at_us = 0;  // While idle.
};

class HttpLoad::Loop {
 public:
  Loop(const HttpLoadOptions& options, const Next& next, const Done& done, sockaddr_in address)
      : options_(options), next_(next), done_(done), address_(address) {
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    connections_.resize(static_cast<std::size_t>(options.connections));
    for (int i = 0; i < options.connections; ++i) {
      connections_[static_cast<std::size_t>(i)].index = i;
    }
  }
  ~Loop() {
    for (Connection& connection : connections_) Close(connection);
    close(epoll_);
  }
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  void Run(const std::stop_token& stop) {
    begin_us_ = SteadyMicros();
    std::array<epoll_event, 256> events;
    while (true) {
      const std::int64_t now = SteadyMicros();
      const std::int64_t wake = Start(now, stop.stop_requested());
      if (busy_ == 0 && (stop.stop_requested() || ended_ == connections_.size())) return;
      const std::int64_t wait =
          std::clamp<std::int64_t>(wake - SteadyMicros(), 0, kTickMax) * kMillisecond;
      const timespec timeout{.tv_sec = wait / 1'000'000'000, .tv_nsec = wait % 1'000'000'000};
      const int count =
          epoll_pwait2(epoll_, events.data(), static_cast<int>(events.size()), &timeout, nullptr);
      for (int i = 0; i < count; ++i) {
        const epoll_event& event = events[static_cast<std::size_t>(i)];
        Handle(connections_[event.data.u32], event.events);
      }
      EndLate();
    }
  }

 private:
  using State = Connection::State;

  // Gives idle connections what is due. Returns when to look again.
  std::int64_t Start(std::int64_t now, bool stopping) {
    std::int64_t wake = now + kTickMax;
    if (stopping) return wake;
    for (std::size_t tried = 0; tried < connections_.size(); ++tried) {
      // The next request's turn; connections take turns too.
      std::int64_t due = now;
      if (options_.per_second > 0) {
        due = begin_us_ +
              static_cast<std::int64_t>(static_cast<double>(started_) * 1e6 / options_.per_second);
        if (due > now) return std::min(wake, due);
      }
      Connection& connection = connections_[turn_];
      turn_ = (turn_ + 1) % connections_.size();
      if (connection.state != State::kIdle) continue;
      if (connection.ask_at_us > now) {
        wake = std::min(wake, connection.ask_at_us);
        continue;
      }
      switch (next_(connection.index, connection.request)) {
        case HttpNext::kEnd:
          connection.state = State::kEnded;
          Close(connection);
          ++ended_;
          break;
        case HttpNext::kWait:
          connection.ask_at_us = now + kAskAgain;
          wake = std::min(wake, connection.ask_at_us);
          break;
        case HttpNext::kSend:
          ++started_;
          ++busy_;
          connection.due_us = options_.per_second > 0 ? due : SteadyMicros();
          connection.deadline_us = now + options_.answer_timeout.count() * kMillisecond;
          connection.written = 0;
          connection.answer.clear();
          if (connection.socket < 0) {
            Connect(connection);
          } else {
            connection.state = State::kWriting;
            Write(connection);
          }
          break;
      }
    }
    return wake;
  }

  void Connect(Connection& connection) {
    connection.socket = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int on = 1;
    setsockopt(connection.socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    connection.state = State::kConnecting;
    epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                      .data = {.u32 = static_cast<std::uint32_t>(connection.index)}};
    epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.socket, &event);
    if (::connect(connection.socket, reinterpret_cast<const sockaddr*>(&address_),
                  sizeof address_) != 0 &&
        errno != EINPROGRESS) {
      Finish(connection, 0);
    }
  }

  void Handle(Connection& connection, std::uint32_t events) {
    if (connection.state == State::kIdle || connection.state == State::kEnded) {
      // The server closed a connection that nobody uses.
      if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) Close(connection);
      return;
    }
    if (connection.state == State::kConnecting) {
      int error = 0;
      socklen_t size = sizeof error;
      getsockopt(connection.socket, SOL_SOCKET, SO_ERROR, &error, &size);
      if (error != 0) {
        Finish(connection, 0);
        return;
      }
      if ((events & EPOLLOUT) == 0) return;
      connection.state = State::kWriting;
    }
    if (connection.state == State::kWriting) Write(connection);
    if (connection.state == State::kReading) Read(connection);
  }

  void Write(Connection& connection) {
    while (connection.written < connection.request.size()) {
      const ssize_t sent = send(connection.socket, connection.request.data() + connection.written,
                                connection.request.size() - connection.written, MSG_NOSIGNAL);
      if (sent < 0) {
        if (errno != EAGAIN) Finish(connection, 0);
        return;
      }
      connection.written += static_cast<std::size_t>(sent);
    }
    connection.state = State::kReading;
  }

  void Read(Connection& connection) {
    std::array<char, 8192> buffer;
    while (true) {
      const ssize_t got = recv(connection.socket, buffer.data(), buffer.size(), 0);
      if (got < 0 && errno == EAGAIN) return;
      if (got <= 0) {
        Finish(connection, 0);
        return;
      }
      connection.answer.append(buffer.data(), static_cast<std::size_t>(got));
      const std::int64_t bytes = AnswerBytes(connection.answer);
      if (bytes == -2) {
        Finish(connection, 0);
        return;
      }
      if (bytes >= 0 && static_cast<std::int64_t>(connection.answer.size()) >= bytes) {
        Finish(connection, StatusOf(connection.answer));
        return;
      }
    }
  }

  void Finish(Connection& connection, int status) {
    const std::size_t head = std::min(connection.answer.find("\r\n\r\n"), connection.answer.size());
    if (status == 0 || Closes(std::string_view(connection.answer).substr(0, head))) {
      Close(connection);
    }
    connection.state = State::kIdle;
    connection.ask_at_us = 0;
    --busy_;
    const std::int64_t now = SteadyMicros();
    // A server that is down refuses at once: the next try waits a little.
    if (status == 0) connection.ask_at_us = now + kAskAgain;
    std::string_view body;
    if (status != 0) body = std::string_view(connection.answer).substr(head + 4);
    done_({.connection = connection.index,
           .status = status,
           .body = body,
           .due_us = connection.due_us,
           .answered_us = now});
  }

  void EndLate() {
    const std::int64_t now = SteadyMicros();
    if (now < next_sweep_us_) return;
    next_sweep_us_ = now + kTickMax;
    for (Connection& connection : connections_) {
      const bool busy = connection.state != State::kIdle && connection.state != State::kEnded;
      if (busy && now > connection.deadline_us) Finish(connection, 0);
    }
  }

  static void Close(Connection& connection) {
    if (connection.socket >= 0) close(connection.socket);
    connection.socket = -1;
  }

  const HttpLoadOptions& options_;
  const Next& next_;
  const Done& done_;
  const sockaddr_in address_;
  int epoll_ = -1;
  std::vector<Connection> connections_;
  std::size_t turn_ = 0;
  std::size_t busy_ = 0;
  std::size_t ended_ = 0;
  std::int64_t started_ = 0;
  std::int64_t begin_us_ = 0;
  std::int64_t next_sweep_us_ = 0;
};

HttpLoad::HttpLoad(HttpLoadOptions options, Next next, Done done)
    : options_(std::move(options)), next_(std::move(next)), done_(std::move(done)) {}

absl::Status HttpLoad::Run(const std::stop_token& stop) {
  PARLEY_ASSIGN_OR_RETURN(const twilio::UrlParts parts, twilio::SplitUrl(options_.url));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  const std::string host(parts.host == "localhost" ? "127.0.0.1" : parts.host);
  const std::string port(parts.port.empty() ? "80" : parts.port);
  if (inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1) {
    return InvalidArgument("URL_INVALID", options_.url + " names no IPv4 address.");
  }
  address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(port)));
  Loop(options_, next_, done_, address).Run(stop);
  return absl::OkStatus();
}

}  // namespace parley::bench
