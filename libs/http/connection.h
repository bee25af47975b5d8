// One accepted connection as cpp-httplib reads and writes it, with the limits that cpp-httplib
// 0.11.4 lacks: it bounds the time between two reads and one header line, but neither a request's
// whole time nor its headers together, so that a byte each second holds a thread for ever.
#pragma once

#include <httplib.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

#include "libs/http/framing.h"

namespace parley::http {

struct ConnectionLimits {
  std::chrono::milliseconds head_within{10'000};     // From a request's first byte to its body.
  std::chrono::milliseconds request_within{60'000};  // From its first byte to its last.
  std::chrono::milliseconds write_timeout{10'000};   // Until the peer takes more of an answer.
  std::size_t write_bytes_per_second_min = 8 << 10;  // Beside that: who reads slower is cut off.
  std::size_t target_bytes_max = 8'192;              // The request line.
  std::size_t header_bytes_max = 16 << 10;           // All headers together.
};

// Not thread-safe. Owns the socket. Where a limit is passed it answers 400, 408, 414 or 431 itself,
// and from then on reads and writes fail.
class Connection final : public httplib::Stream {
 public:
  Connection(int socket, const ConnectionLimits& limits);
  ~Connection() override;  // Closes without cutting off an answer that is still on its way.
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  enum class Waited { kRequest, kClosed, kNothing };
  // Waits for the next request's first byte.
  Waited WaitForRequest(std::chrono::milliseconds at_most);
  // Starts the request's clocks.
  void BeginRequest();
  // Sends what is still held back. False if the connection cannot serve another request: it failed,
  // or something of this one was not read.
  bool EndRequest();

  // Answers in place of a handler; nothing more can be read or written then.
  void Refuse(int status, std::string_view reason, std::string_view message);
  // Closes at once, whatever still comes: for those who are to hold no thread.
  void CloseAtOnce() { ended_ = true; }

  const std::string& remote_address() const { return remote_.ip; }

  bool is_readable() const override;
  bool is_writable() const override;
  ssize_t read(char* data, std::size_t size) override;
  ssize_t write(const char* data, std::size_t size) override;
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  // Not the socket: cpp-httplib refuses those from 1024 on, for the sake of select().
  socket_t socket() const override { return 0; }

 private:
  using Instant = std::chrono::steady_clock::time_point;
  struct Peer {
    std::string ip;
    int port = 0;
  };
  enum class Head { kRequestLine, kHeaders, kDone };

  bool Fill();             // More bytes into the buffer; false at the end or too late.
  bool CountHead(char c);  // False if it is too long, or the body's end would be doubtful.
  void RefuseFraming();
  bool SendHeld(std::string_view more);
  void Drain();

  const int socket_;
  const ConnectionLimits limits_;
  const Peer remote_;
  const Peer local_;
  std::array<char, 4'096> buffer_;
  std::size_t begin_ = 0;  // Of what is read but not yet taken.
  std::size_t end_ = 0;
  Head head_ = Head::kRequestLine;
  std::size_t head_bytes_ = 0;  // Of the request line, then of the headers.
  std::string line_;            // The present header line.
  Framing framing_;
  Instant head_deadline_{};
  Instant request_deadline_{};
  Instant write_deadline_{};
  std::string held_;  // An answer's head, which leaves together with its body.
  bool answered_ = false;
  bool failed_ = false;  // Nothing more can be read or written.
  bool ended_ = false;   // The peer sends nothing more.
};

}  // namespace parley::http
