#include "libs/postgres/listener.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <set>

#include "libs/base/shutdown.h"

namespace parley::postgres {
namespace {

// Notes what arrives, nothing else.
class Receiver final : public pqxx::notification_receiver {
 public:
  Receiver(pqxx::connection_base& connection, const std::string& channel, bool& notified,
           std::set<std::string>& payloads)
      : notification_receiver(connection, channel), notified_(notified), payloads_(payloads) {}
  void operator()(const std::string& payload, int) override {
    notified_ = true;
    // A listener that never takes them must not grow: it is told that something was said.
    payloads_.insert(payloads_.size() < kPayloadsMax ? payload : std::string());
  }

 private:
  static constexpr std::size_t kPayloadsMax = 10'000;
  bool& notified_;
  std::set<std::string>& payloads_;
};

constexpr std::chrono::milliseconds kReconnectWait{500};

}  // namespace

struct Listener::State {
  PoolOptions options;
  std::vector<std::string> channels;
  int wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  bool notified = false;
  std::set<std::string> payloads;
  std::unique_ptr<pqxx::connection> connection;
  std::vector<std::unique_ptr<Receiver>> receivers;  // Destroyed before their connection.
  std::chrono::steady_clock::time_point connect_after{};

  void Disconnect() {
    receivers.clear();
    connection.reset();
    connect_after = std::chrono::steady_clock::now() + kReconnectWait;
  }

  bool EnsureConnected() {
    if (connection != nullptr) return true;
    if (std::chrono::steady_clock::now() < connect_after) return false;
    auto fresh = Connect(options);
    if (!fresh.ok()) {
      connect_after = std::chrono::steady_clock::now() + kReconnectWait;
      return false;
    }
    connection = *std::move(fresh);
    try {
      for (const std::string& channel : channels) {
        receivers.push_back(std::make_unique<Receiver>(*connection, channel, notified, payloads));
      }
    } catch (...) {
      Disconnect();
      return false;
    }
    notified = true;  // What was said while nobody listened.
    payloads.insert("");
    return true;
  }
};

Listener::Listener(PoolOptions options, std::vector<std::string> channels)
    : state_(std::make_unique<State>()) {
  state_->options = std::move(options);
  state_->channels = std::move(channels);
}

Listener::~Listener() {
  state_->receivers.clear();
  close(state_->wake_fd);
}

void Listener::Wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(state_->wake_fd, &one, sizeof one);
}

void Listener::Wait(std::chrono::milliseconds wait_max, const std::stop_token& stop) {
  const std::stop_callback wake_on_stop(stop, [this] { Wake(); });
  if (stop.stop_requested()) return;
  const bool connected = state_->EnsureConnected();
  if (!state_->notified) {
    pollfd watched[2] = {{state_->wake_fd, POLLIN, 0}, {-1, POLLIN, 0}};
    if (connected) watched[1].fd = state_->connection->sock();
    ::poll(watched, 2, static_cast<int>(wait_max.count()));
    if (connected && watched[1].revents != 0) {
      try {
        state_->connection->get_notifs();
      } catch (...) {
        state_->Disconnect();
      }
    }
  }
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t drained = read(state_->wake_fd, &count, sizeof count);
  state_->notified = false;
}

std::vector<std::string> Listener::TakePayloads() {
  std::vector<std::string> payloads(state_->payloads.begin(), state_->payloads.end());
  state_->payloads.clear();
  return payloads;
}

}  // namespace parley::postgres
