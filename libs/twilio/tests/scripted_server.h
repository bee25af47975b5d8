// A TCP server on a free port that does exactly what a test says, to fail in every way in which
// a network can. One thread for each connection; no sleeps.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace parley::twilio {

// What a script may do with its connection.
class Peer {
 public:
  explicit Peer(int fd) : fd_(fd) {}

  // Reads one whole request (by Content-Length); empty once the client has closed.
  std::string ReadRequest() {
    std::string text;
    std::size_t wanted = std::string::npos;
    while (text.size() < wanted) {
      char buffer[4096];
      const ssize_t got = recv(fd_, buffer, sizeof(buffer), 0);
      if (got <= 0) return "";
      text.append(buffer, static_cast<std::size_t>(got));
      const auto end = text.find("\r\n\r\n");
      if (end == std::string::npos) continue;
      const auto length = text.find("Content-Length: ");
      wanted = end + 4 + (length == std::string::npos ? 0 : std::stoul(text.substr(length + 16)));
    }
    return text;
  }
  void Write(std::string_view text) {
    while (!text.empty()) {
      const ssize_t sent = send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  // Blocks until the client closes.
  void WaitForEnd() {
    char buffer[64];
    while (recv(fd_, buffer, sizeof(buffer), 0) > 0) {
    }
  }
  // Ends with a reset instead of a regular close.
  void Reset() {
    const linger hard{1, 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
  }

 private:
  int fd_;
};

class ScriptedServer {
 public:
  // `script(peer, n)` serves the n-th connection, from 0; it is closed when the script returns.
  explicit ScriptedServer(std::function<void(Peer&, int)> script) : script_(std::move(script)) {
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t bytes = sizeof(address);
    bind(listener_, reinterpret_cast<sockaddr*>(&address), bytes);
    listen(listener_, 64);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &bytes);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { Accept(); });
  }
  ~ScriptedServer() {
    shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    {
      const std::lock_guard lock(mutex_);
      for (const int fd : fds_) shutdown(fd, SHUT_RDWR);
    }
    for (std::thread& thread : threads_) thread.join();
    for (const int fd : fds_) {
      if (fd >= 0) close(fd);
    }
    close(listener_);
  }

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  int connections() const { return connections_; }
  // Waits until `count` connections were closed. On loopback the client's side knows it then.
  void WaitForEnded(int count) const {
    for (int seen = ended_; seen < count; seen = ended_) ended_.wait(seen);
  }

 private:
  void Accept() {
    for (;;) {
      const int fd = accept(listener_, nullptr, nullptr);
      if (fd < 0) return;
      const int n = connections_++;
      const std::lock_guard lock(mutex_);
      const std::size_t slot = fds_.size();
      fds_.push_back(fd);
      threads_.emplace_back([this, fd, n, slot] {
        Peer peer(fd);
        script_(peer, n);
        const std::lock_guard close_lock(mutex_);
        close(fd);
        fds_[slot] = -1;
        ++ended_;
        ended_.notify_all();
      });
    }
  }

  std::function<void(Peer&, int)> script_;
  int listener_;
  int port_;
  std::thread acceptor_;
  std::mutex mutex_;
  std::vector<std::thread> threads_;
  std::vector<int> fds_;
  std::atomic<int> connections_{0};
  std::atomic<int> ended_{0};
};

}  // namespace parley::twilio
