#include "live/server.h"

#include <httplib.h>

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <deque>
#include <map>
#include <set>
#include <thread>
#include <utility>

#include "libs/base/status.h"
#include "libs/http/server.h"
#include "libs/telemetry/log.h"
#include "libs/telemetry/metrics.h"
#include "live/feed.h"
#include "live/sse.h"
#include "relay/relay.h"

namespace parley::gateway::live {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace bhttp = beast::http;
using asio::ip::tcp;
using std::chrono::steady_clock;

constexpr std::size_t kHeaderBytesMax = 8 << 10;
// What may be on its way to one client; more is fetched when this is written.
constexpr std::size_t kWriteBytesMax = 64 << 10;
constexpr std::size_t kWriteFramesMax = 64;
constexpr int kReadEventsMax = 500;
constexpr int kBlockingThreads = 2;
constexpr std::chrono::milliseconds kTick{1'000};

prometheus::Gauge& Connections() {
  return telemetry::Gauge("parley_gateway_live_connections",
                          "Open live connections; new ones get 503 at PARLEY_LIVE_CONNECTIONS.");
}

prometheus::Counter& CaughtUp() {
  return telemetry::Counter("parley_gateway_live_catch_ups_total",
                            "Live events read from PostgreSQL since Redis did not bring them; many "
                            "mean that Redis is away.");
}

}  // namespace

// Everything but what blocks runs on one thread, so nothing here is locked.
class Server::Impl {
 public:
  Impl(ServerOptions options, Authorize authorize, EventSource& events, const Clock& clock)
      : options_(std::move(options)),
        authorize_(std::move(authorize)),
        events_(events),
        clock_(clock),
        acceptor_(context_),
        tick_(context_),
        look_(context_),
        blocking_(kBlockingThreads) {}

  absl::Status Start();
  void Stop();
  int port() const { return port_; }

 private:
  class Session;
  // An organization that someone here watches.
  struct Topic {
    std::string organization_id;
    bool ready = false;       // Its last number is known.
    bool reading = false;     // From the store, to close a gap.
    std::int64_t wanted = 0;  // The highest number heard of.
    Feed feed{0};
    std::set<std::shared_ptr<Session>> sessions;
  };

  void Accept();
  void Tick();
  void Look();
  void OnPublished(std::string organization_id, Event event);
  void CatchUp(const std::shared_ptr<Topic>& topic);
  void Broadcast(Topic& topic);
  std::shared_ptr<Topic> TopicOf(const std::string& organization_id);
  void PrepareTopic(const std::shared_ptr<Topic>& topic);

  // Runs `work` where it may block, and `then` with its result on the thread.
  template <class Work, class Then>
  void Block(Work work, Then then) {
    asio::post(blocking_, [this, work = std::move(work), then = std::move(then)]() mutable {
      auto result = work();
      asio::post(context_, [then = std::move(then), result = std::move(result)]() mutable {
        then(std::move(result));
      });
    });
  }

  const ServerOptions options_;
  const Authorize authorize_;
  EventSource& events_;
  const Clock& clock_;
  asio::io_context context_{1};
  tcp::acceptor acceptor_;
  asio::steady_timer tick_;
  asio::steady_timer look_;
  asio::thread_pool blocking_;
  std::map<std::string, std::shared_ptr<Topic>> topics_;
  std::set<std::shared_ptr<Session>> sessions_;
  std::unique_ptr<redis::Subscriber> subscriber_;
  std::thread thread_;
  bool stopping_ = false;
  int port_ = 0;
};

// ---- One connection ----

class Server::Impl::Session : public std::enable_shared_from_this<Session> {
 public:
  Session(Impl& server, tcp::socket socket) : server_(server), stream_(std::move(socket)) {}

  void Start() {
    parser_.header_limit(kHeaderBytesMax);
    parser_.body_limit(0);
    stream_.expires_after(server_.options_.request_timeout);
    bhttp::async_read(stream_, buffer_, parser_,
                      [self = shared_from_this()](beast::error_code error, std::size_t) {
                        self->OnRequest(error);
                      });
  }

  // New events may be there.
  void Pump();
  void OnTick(steady_clock::time_point now);
  void Close();

 private:
  void OnRequest(beast::error_code error);
  void Reject(const absl::Status& status);
  void RespondPreflight();
  void Respond(int status, std::string body,
               std::vector<std::pair<std::string, std::string>> headers);
  void OnAuthorized(absl::StatusOr<Admission> admission);
  void ReadStored();
  void WatchForEnd();
  void Queue(Frame frame) {
    queued_bytes_ += frame->size();
    queue_.push_back(std::move(frame));
  }
  void WriteQueued();
  void Recheck();
  std::string Cors() const;

  Impl& server_;
  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
  bhttp::request_parser<bhttp::empty_body> parser_;
  std::string origin_;  // If its pages may read.
  Credential credential_;
  std::optional<std::int64_t> after_;
  std::shared_ptr<Topic> topic_;
  std::int64_t sent_ = 0;  // The last number that was queued.
  bool streaming_ = false;
  bool reading_ = false;  // From the store.
  bool writing_ = false;
  bool closed_ = false;
  bool rechecking_ = false;
  std::deque<Frame> queue_;
  std::size_t queued_bytes_ = 0;
  std::vector<Frame> in_write_;
  std::string chunk_head_;
  std::string response_;  // Head of the stream, or a whole response.
  char ended_[64];
  steady_clock::time_point written_at_ = steady_clock::now();
  steady_clock::time_point checked_at_ = steady_clock::now();
};

std::string Server::Impl::Session::Cors() const {
  if (origin_.empty()) return "";
  return "Access-Control-Allow-Origin: " + origin_ +
         "\r\nAccess-Control-Allow-Credentials: true\r\nVary: Origin\r\n";
}

void Server::Impl::Session::OnRequest(beast::error_code error) {
  if (error == bhttp::error::header_limit) {
    return Reject(ErrorStatus(absl::StatusCode::kOutOfRange, "HEADERS_TOO_LARGE",
                              "The request's headers are larger than 8 KiB."));
  }
  if (error == bhttp::error::end_of_stream || error == beast::error::timeout) return Close();
  if (error) {
    if (error.category() != bhttp::make_error_code(bhttp::error::end_of_stream).category()) {
      return Close();
    }
    return Reject(InvalidArgument("BAD_REQUEST", "The request is no valid HTTP."));
  }
  const auto& request = parser_.get();
  const auto text = [](beast::string_view view) {
    return std::string_view(view.data(), view.size());
  };
  const auto header = [&](bhttp::field name) { return text(request[name]); };
  const std::string_view origin = header(bhttp::field::origin);
  const bool origin_allowed =
      OriginAllowed(origin, header(bhttp::field::host), server_.options_.allowed_origins);
  if (origin_allowed) origin_ = origin;
  const LiveRequest wish = ParseTarget(text(request.target()), text(request["Last-Event-ID"]));
  if (wish.path != "/v1/live") {
    return Reject(NotFound("NO_SUCH_ROUTE", "This port serves GET /v1/live."));
  }
  if (request.method() == bhttp::verb::options) return RespondPreflight();
  if (request.method() != bhttp::verb::get) {
    return Reject(ErrorStatus(absl::StatusCode::kUnimplemented, "METHOD_NOT_ALLOWED",
                              "Only GET is served here."));
  }
  after_ = wish.after;
  constexpr std::string_view kBearer = "Bearer ";
  const std::string_view authorization = header(bhttp::field::authorization);
  if (authorization.starts_with(kBearer)) {
    credential_.token = authorization.substr(kBearer.size());
  } else if (!wish.ticket.empty()) {
    credential_.ticket = wish.ticket;
  } else if (origin_allowed) {
    credential_.token = CookieValue(header(bhttp::field::cookie), server_.options_.session_cookie);
    credential_.from_cookie = true;
  }
  if (credential_.token.empty() && credential_.ticket.empty()) {
    return Reject(ErrorStatus(absl::StatusCode::kUnauthenticated, "CREDENTIAL_MISSING",
                              "Send Authorization: Bearer, the session cookie, or ?ticket=."));
  }
  stream_.expires_never();
  server_.Block([this, credential = credential_] { return server_.authorize_(credential); },
                [self = shared_from_this()](absl::StatusOr<Admission> admission) {
                  self->OnAuthorized(std::move(admission));
                });
}

void Server::Impl::Session::Reject(const absl::Status& status) {
  httplib::Response response;
  http::RespondError(response, status);
  std::vector<std::pair<std::string, std::string>> headers{{"Content-Type", "application/json"}};
  for (const auto& [name, value] : response.headers) {
    if (name != "Content-Type" && name != "Content-Length" && name != "Connection") {
      headers.emplace_back(name, value);
    }
  }
  Respond(http::HttpStatus(status), response.body, std::move(headers));
}

void Server::Impl::Session::RespondPreflight() {
  Respond(204, "",
          {{"Access-Control-Allow-Methods", "GET"},
           {"Access-Control-Allow-Headers", "Authorization, Last-Event-ID, Cache-Control"},
           {"Access-Control-Max-Age", "600"}});
}

void Server::Impl::Session::Respond(int status, std::string body,
                                    std::vector<std::pair<std::string, std::string>> headers) {
  response_ =
      "HTTP/1.1 " + std::to_string(status) + " " +
      std::string(bhttp::obsolete_reason(bhttp::int_to_status(static_cast<unsigned>(status)))) +
      "\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + Cors();
  for (const auto& [name, value] : headers) response_ += name + ": " + value + "\r\n";
  response_ += "\r\n" + body;
  stream_.expires_after(server_.options_.request_timeout);
  asio::async_write(stream_, asio::buffer(response_),
                    [self = shared_from_this()](beast::error_code, std::size_t) { self->Close(); });
}

void Server::Impl::Session::OnAuthorized(absl::StatusOr<Admission> admission) {
  if (closed_ || server_.stopping_) return Close();
  if (!admission.ok()) return Reject(admission.status());
  if (!credential_.ticket.empty()) {
    credential_ = {.behind_ticket = std::move(admission->behind_ticket)};
  }
  checked_at_ = steady_clock::now();
  streaming_ = true;
  response_ =
      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"
      "X-Accel-Buffering: no\r\nTransfer-Encoding: chunked\r\n" +
      Cors() + "\r\n";
  writing_ = true;
  stream_.expires_after(server_.options_.write_timeout);
  asio::async_write(stream_, asio::buffer(response_),
                    [self = shared_from_this()](beast::error_code error, std::size_t) {
                      self->writing_ = false;
                      if (error) return self->Close();
                      self->WriteQueued();
                    });
  static const Frame hello = std::make_shared<const std::string>(": live\nretry: 1000\n\n");
  Queue(hello);
  WatchForEnd();
  topic_ = server_.TopicOf(admission->organization_id);
  topic_->sessions.insert(shared_from_this());
  sent_ = -1;  // Set by the first Pump, once the topic is ready.
  Pump();
}

// A client sends nothing more; reading shows when it is gone.
void Server::Impl::Session::WatchForEnd() {
  stream_.socket().async_read_some(
      asio::buffer(ended_), [self = shared_from_this()](beast::error_code error, std::size_t) {
        if (error) return self->Close();
        self->WatchForEnd();
      });
}

void Server::Impl::Session::Pump() {
  if (closed_ || !streaming_ || reading_ || !topic_->ready) return;
  Feed& feed = topic_->feed;
  if (sent_ < 0) {
    sent_ = after_.value_or(feed.last());
    if (sent_ > feed.last()) {  // Of another life of this database.
      sent_ = feed.last();
      Queue(ResetFrame(sent_, server_.clock_.Now()));
    }
  }
  while (sent_ < feed.last() && queued_bytes_ < kWriteBytesMax) {
    Frame frame = feed.At(sent_ + 1);
    if (frame == nullptr) return ReadStored();
    Queue(std::move(frame));
    ++sent_;
  }
  WriteQueued();
}

void Server::Impl::Session::ReadStored() {
  WriteQueued();
  reading_ = true;
  server_.Block(
      [this, organization_id = topic_->organization_id, after = sent_] {
        return server_.events_.ReadAfter(organization_id, after, kReadEventsMax);
      },
      [self = shared_from_this()](absl::StatusOr<std::vector<Event>> events) {
        self->reading_ = false;
        if (self->closed_) return;
        if (!events.ok()) return;  // The next look tries again.
        if (events->empty() || events->front().number != self->sent_ + 1) {
          self->sent_ = self->topic_->feed.last();
          self->Queue(ResetFrame(self->sent_, self->server_.clock_.Now()));
        }
        for (const Event& event : *events) {
          if (event.number != self->sent_ + 1) break;
          self->Queue(ToFrame(event));
          ++self->sent_;
        }
        self->WriteQueued();
        if (self->queued_bytes_ < kWriteBytesMax) self->Pump();
      });
}

void Server::Impl::Session::WriteQueued() {
  if (writing_ || closed_ || queue_.empty()) return;
  writing_ = true;
  std::size_t bytes = 0;
  in_write_.clear();
  while (!queue_.empty() && in_write_.size() < kWriteFramesMax) {
    bytes += queue_.front()->size();
    in_write_.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  char head[24];
  const int head_bytes = std::snprintf(head, sizeof head, "%zx\r\n", bytes);
  chunk_head_.assign(head, static_cast<std::size_t>(head_bytes));
  std::vector<asio::const_buffer> buffers{asio::buffer(chunk_head_)};
  for (const Frame& frame : in_write_) buffers.push_back(asio::buffer(*frame));
  buffers.push_back(asio::buffer("\r\n", 2));
  stream_.expires_after(server_.options_.write_timeout);
  asio::async_write(stream_, buffers,
                    [self = shared_from_this(), bytes](beast::error_code error, std::size_t) {
                      self->writing_ = false;
                      if (error) return self->Close();
                      self->stream_.expires_never();
                      self->queued_bytes_ -= bytes;
                      self->written_at_ = steady_clock::now();
                      self->WriteQueued();
                      self->Pump();
                    });
}

void Server::Impl::Session::OnTick(steady_clock::time_point now) {
  if (!streaming_ || closed_) return;
  if (!writing_ && queue_.empty() && now - written_at_ >= server_.options_.heartbeat) {
    static const Frame heartbeat = std::make_shared<const std::string>(":\n\n");
    Queue(heartbeat);
    WriteQueued();
  }
  if (!rechecking_ && now - checked_at_ >= server_.options_.recheck_every) Recheck();
}

// A session that was logged out and a key that was revoked end here too.
void Server::Impl::Session::Recheck() {
  rechecking_ = true;
  server_.Block([this, credential = credential_] { return server_.authorize_(credential); },
                [self = shared_from_this()](const absl::StatusOr<Admission>& admission) {
                  self->rechecking_ = false;
                  self->checked_at_ = steady_clock::now();
                  const bool revoked =
                      admission.ok() ? admission->organization_id != self->topic_->organization_id
                                     : !IsRetryable(admission.status());
                  if (revoked) self->Close();
                });
}

void Server::Impl::Session::Close() {
  if (closed_) return;
  closed_ = true;
  const std::shared_ptr<Session> self = shared_from_this();
  beast::error_code ignored;
  stream_.socket().shutdown(tcp::socket::shutdown_both, ignored);
  stream_.close();
  if (topic_ != nullptr) {
    topic_->sessions.erase(self);
    if (topic_->sessions.empty()) server_.topics_.erase(topic_->organization_id);
  }
  server_.sessions_.erase(self);
  Connections().Set(static_cast<double>(server_.sessions_.size()));
}

// ---- The hub ----

std::shared_ptr<Server::Impl::Topic> Server::Impl::TopicOf(const std::string& organization_id) {
  std::shared_ptr<Topic>& topic = topics_[organization_id];
  if (topic == nullptr) {
    topic = std::make_shared<Topic>();
    topic->organization_id = organization_id;
    PrepareTopic(topic);
  }
  return topic;
}

void Server::Impl::PrepareTopic(const std::shared_ptr<Topic>& topic) {
  topic->reading = true;
  Block([this, id = topic->organization_id] { return events_.LastNumbers({id}); },
        [this, topic](const absl::StatusOr<std::map<std::string, std::int64_t>>& numbers) {
          topic->reading = false;
          if (!numbers.ok()) return;  // The next look tries again.
          const auto at = numbers->find(topic->organization_id);
          topic->feed = Feed(at == numbers->end() ? 0 : at->second);
          topic->ready = true;
          Broadcast(*topic);
          CatchUp(topic);
        });
}

void Server::Impl::OnPublished(std::string organization_id, Event event) {
  const auto at = topics_.find(organization_id);
  if (at == topics_.end()) return;
  const std::shared_ptr<Topic> topic = at->second;
  topic->wanted = std::max(topic->wanted, event.number);
  if (!topic->ready) return;
  switch (topic->feed.Offer(event.number, ToFrame(event))) {
    case Feed::Offered::kAppended:
      Broadcast(*topic);
      break;
    case Feed::Offered::kDuplicate:
      break;
    case Feed::Offered::kGap:
      CatchUp(topic);
      break;
  }
}

void Server::Impl::CatchUp(const std::shared_ptr<Topic>& topic) {
  if (topic->reading || !topic->ready || topic->wanted <= topic->feed.last()) return;
  topic->reading = true;
  Block([this, id = topic->organization_id,
         after = topic->feed.last()] { return events_.ReadAfter(id, after, kReadEventsMax); },
        [this, topic](const absl::StatusOr<std::vector<Event>>& events) {
          topic->reading = false;
          if (!events.ok()) return;
          if (!events->empty() && events->front().number > topic->feed.last() + 1) {
            // Swept before anybody read it: start over there, which resets who was behind.
            topic->feed = Feed(events->front().number - 1);
          }
          for (const Event& event : *events) {
            if (topic->feed.Offer(event.number, ToFrame(event)) == Feed::Offered::kAppended) {
              CaughtUp().Increment();
            }
          }
          Broadcast(*topic);
          if (!events->empty()) CatchUp(topic);
        });
}

void Server::Impl::Broadcast(Topic& topic) {
  // Pump may close a session, which takes it out of the set.
  const std::vector<std::shared_ptr<Session>> sessions(topic.sessions.begin(),
                                                       topic.sessions.end());
  for (const std::shared_ptr<Session>& session : sessions) session->Pump();
}

void Server::Impl::Look() {
  look_.expires_after(options_.look_every);
  look_.async_wait([this](beast::error_code error) {
    if (error || stopping_) return;
    std::vector<std::string> ids;
    for (const auto& [id, topic] : topics_) {
      if (topic->ready) {
        ids.push_back(id);
      } else if (!topic->reading) {
        PrepareTopic(topic);
      }
    }
    if (ids.empty()) return Look();
    Block([this, ids] { return events_.LastNumbers(ids); },
          [this](const absl::StatusOr<std::map<std::string, std::int64_t>>& numbers) {
            if (numbers.ok()) {
              for (const auto& [id, number] : *numbers) {
                const auto at = topics_.find(id);
                if (at == topics_.end()) continue;
                const std::shared_ptr<Topic> topic = at->second;
                topic->wanted = std::max(topic->wanted, number);
                CatchUp(topic);
                Broadcast(*topic);  // For those whose own reading failed.
              }
            }
            Look();
          });
  });
}

void Server::Impl::Tick() {
  tick_.expires_after(kTick);
  tick_.async_wait([this](beast::error_code error) {
    if (error || stopping_) return;
    const auto now = steady_clock::now();
    const std::vector<std::shared_ptr<Session>> sessions(sessions_.begin(), sessions_.end());
    for (const std::shared_ptr<Session>& session : sessions) session->OnTick(now);
    Tick();
  });
}

void Server::Impl::Accept() {
  acceptor_.async_accept(context_, [this](beast::error_code error, tcp::socket socket) {
    if (stopping_) return;
    if (!error && static_cast<int>(sessions_.size()) < options_.connections_max) {
      beast::error_code ignored;
      socket.set_option(tcp::no_delay(true), ignored);
      const auto session = std::make_shared<Session>(*this, std::move(socket));
      sessions_.insert(session);
      Connections().Set(static_cast<double>(sessions_.size()));
      session->Start();
    } else if (!error) {
      static const std::string full =
          "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 5\r\n"
          "Content-Length: 0\r\n\r\n";
      beast::error_code ignored;
      socket.non_blocking(true, ignored);
      socket.write_some(asio::buffer(full), ignored);
    }
    Accept();
  });
}

absl::Status Server::Impl::Start() {
  beast::error_code error;
  const tcp::endpoint endpoint(asio::ip::make_address(options_.bind_address, error),
                               static_cast<unsigned short>(options_.port));
  if (!error) acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(1024, error);
  if (error) {
    return Unavailable("ADDRESS_IN_USE", "The live port " + std::to_string(options_.port) +
                                             " cannot be opened: " + error.message());
  }
  port_ = acceptor_.local_endpoint().port();
  Accept();
  Tick();
  Look();
  thread_ = std::thread([this] { context_.run(); });
  subscriber_ = std::make_unique<redis::Subscriber>(
      options_.redis, std::string(relay::kLivePrefix) + "*",
      [this](std::string_view channel, std::string_view message) {
        std::optional<Event> event = ParsePublished(message);
        if (!event || !channel.starts_with(relay::kLivePrefix)) return;
        channel.remove_prefix(std::string_view(relay::kLivePrefix).size());
        asio::post(context_, [this, id = std::string(channel), one = *std::move(event)]() mutable {
          OnPublished(std::move(id), std::move(one));
        });
      },
      [] {});  // What was missed meanwhile is found by the next look.
  return absl::OkStatus();
}

void Server::Impl::Stop() {
  if (!thread_.joinable()) return;
  subscriber_.reset();
  asio::post(context_, [this] {
    stopping_ = true;
    beast::error_code ignored;
    acceptor_.close(ignored);
    tick_.cancel();
    look_.cancel();
    const std::vector<std::shared_ptr<Session>> sessions(sessions_.begin(), sessions_.end());
    for (const std::shared_ptr<Session>& session : sessions) session->Close();
  });
  blocking_.join();
  context_.stop();
  thread_.join();
}

Server::Server(ServerOptions options, Authorize authorize, EventSource& events, const Clock& clock)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(authorize), events, clock)) {}

Server::~Server() { Stop(); }

absl::Status Server::Start() { return impl_->Start(); }

void Server::Stop() { impl_->Stop(); }

int Server::port() const { return impl_->port(); }

}  // namespace parley::gateway::live
