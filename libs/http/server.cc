#include "libs/http/server.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <atomic>
#include <mutex>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "absl/strings/cord.h"
#include "libs/base/status.h"
#include "libs/telemetry/log.h"

namespace parley::http {
namespace {
constexpr int kBacklog = 1024;
constexpr std::size_t kDrainBytesMax = 1 << 20;
// Marks an error after which the rest of the request cannot be told from the next one.
constexpr char kCloseUrl[] = "parley/close-connection";

constexpr std::chrono::milliseconds kIdleStep{100};
// What a new connection has, when others wait, to begin its first request.
constexpr std::chrono::milliseconds kFirstByteWait{1'000};
}  // namespace

// Counts what waits for a thread.
class Server::Pool final : public httplib::ThreadPool {
 public:
  Pool(int threads, std::atomic<int>& waiting)
      : httplib::ThreadPool(static_cast<std::size_t>(threads)), waiting_(waiting) {}

  void enqueue(std::function<void()> work) override {
    waiting_.fetch_add(1, std::memory_order_relaxed);
    httplib::ThreadPool::enqueue([this, work = std::move(work)] {
      waiting_.fetch_sub(1, std::memory_order_relaxed);
      work();
    });
  }

 private:
  std::atomic<int>& waiting_;
};

// Only a subclass reaches the socket that a longer backlog has to be set on, and the loop over a
// connection's requests.
class Server::Listening final : public httplib::Server {
 public:
  explicit Listening(const ServerOptions& options) : options_(options) {
    new_task_queue = [this] { return new Pool(options_.connections_max, waiting_); };
  }

  void WidenBacklog() { ::listen(svr_sock_, kBacklog); }

 private:
  bool process_and_close_socket(socket_t socket) override {
    Connection connection(socket, options_.limits);
    if (!Enter(connection.remote_address())) {
      connection.Refuse(429, "TOO_MANY_CONNECTIONS", "This address has too many connections open.");
      connection.CloseAtOnce();
      return false;
    }
    for (bool first = true; WaitForRequest(connection, first); first = false) {
      connection.BeginRequest();
      bool closed = false;
      const bool served = process_request(connection, /*close_connection=*/false, closed, nullptr);
      if (!connection.EndRequest() || !served || closed) break;
    }
    Leave(connection.remote_address());
    return true;
  }

  // False once nothing came for long, the server stops, or the connection is closed or must make
  // room.
  bool WaitForRequest(Connection& connection, bool first) const {
    const auto begun = std::chrono::steady_clock::now();
    const auto deadline = begun + options_.keep_alive;
    const auto makes_room = begun + (first ? kFirstByteWait : kIdleStep);
    while (svr_sock_ != INVALID_SOCKET) {
      switch (connection.WaitForRequest(kIdleStep)) {
        case Connection::Waited::kRequest:
          return true;
        case Connection::Waited::kClosed:
          return false;
        case Connection::Waited::kNothing:
          break;
      }
      const auto now = std::chrono::steady_clock::now();
      const bool others_wait = waiting_.load(std::memory_order_relaxed) > 0;
      if (now >= (others_wait ? std::min(makes_room, deadline) : deadline)) return false;
    }
    return false;
  }

  bool IsCounted(const std::string& address) const {
    return options_.connections_per_address > 0 && !options_.proxies.Contain(address);
  }

  bool Enter(const std::string& address) {
    if (!IsCounted(address)) return true;
    const std::lock_guard lock(open_mutex_);
    int& open = open_[address];
    if (open >= options_.connections_per_address) return false;
    ++open;
    return true;
  }

  void Leave(const std::string& address) {
    if (!IsCounted(address)) return;
    const std::lock_guard lock(open_mutex_);
    const auto found = open_.find(address);
    if (--found->second == 0) open_.erase(found);
  }

  const ServerOptions& options_;
  std::atomic<int> waiting_{0};
  std::mutex open_mutex_;
  std::unordered_map<std::string, int> open_;  // By address; at most as many as threads.
};

Server::Server(ServerOptions options)
    : options_(std::move(options)), server_(std::make_unique<Listening>(options_)) {
  // Only for the header that it writes; the loop above keeps the time.
  server_->set_keep_alive_timeout(std::max<time_t>(1, options_.keep_alive.count() / 1000));
  server_->set_keep_alive_max_count(1'000'000'000);
  server_->set_payload_max_length(options_.body_bytes_max);
  server_->set_tcp_nodelay(true);
  // SO_REUSEPORT, cpp-httplib's default, would let two processes share a port by mistake.
  server_->set_socket_options([](socket_t socket) {
    const int on = 1;
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  });
  server_->set_exception_handler(
      [](const httplib::Request& request, httplib::Response& response, std::exception_ptr error) {
        std::string what = "unknown";
        try {
          std::rethrow_exception(std::move(error));
        } catch (const std::exception& exception) {
          what = exception.what();
        } catch (...) {
        }
        telemetry::Error("handler_threw", {{"path", request.path}, {"error", what}});
        RespondError(response, Internal("Something went wrong here; it was logged."));
      });
}

Server::~Server() { Stop(); }

httplib::Server& Server::routes() { return *server_; }

absl::Status Server::Start() {
  const std::string where = options_.bind_address + ":" + std::to_string(options_.port);
  if (options_.port == 0) {
    port_ = server_->bind_to_any_port(options_.bind_address);
  } else {
    port_ = server_->bind_to_port(options_.bind_address, options_.port) ? options_.port : -1;
  }
  if (port_ <= 0) {
    return Unavailable("ADDRESS_IN_USE", "The " + options_.name + " port " + where +
                                             " cannot be opened; another process has it, or the "
                                             "address is not this machine's.");
  }
  server_->WidenBacklog();
  thread_ = std::thread([this] { server_->listen_after_bind(); });
  // stop() does nothing before the loop runs, so wait for it: microseconds.
  while (!server_->is_running()) std::this_thread::yield();
  telemetry::Info("listening", {{"name", options_.name}, {"port", port_}});
  return absl::OkStatus();
}

void Server::Stop() {
  if (!thread_.joinable()) return;
  server_->stop();
  thread_.join();
}

absl::StatusOr<std::string> ReadBody(const httplib::Request& request,
                                     const httplib::ContentReader& reader, std::size_t bytes_max) {
  std::string body;
  // Without either header there is no body (RFC 9112 §6.3); cpp-httplib would wait for the end of
  // the connection.
  if (!request.has_header("Content-Length") && !request.has_header("Transfer-Encoding")) {
    return body;
  }
  std::size_t seen = 0;
  const bool announced_huge =
      request.has_header("Content-Length") &&
      request.get_header_value<std::uint64_t>("Content-Length") > bytes_max + kDrainBytesMax;
  // What is too large is read to its end all the same, within reason: then the connection goes on,
  // and the client reads its answer instead of a reset.
  const bool complete = !announced_huge && reader([&](const char* data, std::size_t size) {
    seen += size;
    if (seen <= bytes_max) body.append(data, size);
    return seen <= bytes_max + kDrainBytesMax;
  });
  if (complete && seen <= bytes_max) return body;
  absl::Status status =
      announced_huge || seen > bytes_max
          ? ErrorStatus(absl::StatusCode::kOutOfRange, "BODY_TOO_LARGE",
                        "The body is larger than " + std::to_string(bytes_max) + " bytes.")
          : InvalidArgument("BODY_INCOMPLETE", "The body ended before its Content-Length.");
  if (!complete) status.SetPayload(kCloseUrl, absl::Cord());
  return status;
}

int HttpStatus(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return 200;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
      return 400;
    case absl::StatusCode::kOutOfRange:
      return 413;
    case absl::StatusCode::kUnauthenticated:
      return 401;
    case absl::StatusCode::kPermissionDenied:
      return 403;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kAborted:
      return 409;
    case absl::StatusCode::kResourceExhausted:
      return 429;
    case absl::StatusCode::kCancelled:
      return 499;
    case absl::StatusCode::kUnimplemented:
      return ErrorReason(status) == "METHOD_NOT_ALLOWED" ? 405 : 501;
    case absl::StatusCode::kUnavailable:
      return 503;
    case absl::StatusCode::kDeadlineExceeded:
      return 504;
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kDataLoss:
      return 500;
    default:
      return 500;
  }
}

void RespondError(httplib::Response& response, const absl::Status& status) {
  const int http_status = HttpStatus(status);
  const nlohmann::json body = {{"error",
                                {{"code", http_status},
                                 {"status", absl::StatusCodeToString(status.code())},
                                 {"message", std::string(status.message())},
                                 {"details",
                                  {{{"@type", "type.googleapis.com/google.rpc.ErrorInfo"},
                                    {"reason", ErrorReason(status)},
                                    {"domain", "parley"}}}}}}};
  response.status = http_status;
  std::string text = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  if (!status.GetPayload(kCloseUrl)) {
    response.set_content(text, "application/json");
    return;
  }
  RespondAndClose(response, http_status, std::move(text), "application/json");
}

void RespondAndClose(httplib::Response& response, int http_status, std::string body,
                     const char* content_type) {
  response.status = http_status;
  // cpp-httplib closes a connection only when writing fails: write all, then say that it failed.
  response.set_header("Connection", "close");
  const std::size_t size = body.size();
  response.set_content_provider(
      size, content_type,
      [body = std::move(body)](std::size_t offset, std::size_t, httplib::DataSink& sink) {
        sink.write(body.data() + offset, body.size() - offset);
        return false;
      });
}

}  // namespace parley::http
