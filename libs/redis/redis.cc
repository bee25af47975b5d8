#include "libs/redis/redis.h"

#include <hiredis/hiredis.h>
#include <sys/time.h>

#include <cerrno>
#include <charconv>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <stop_token>
#include <thread>

#include "libs/base/shutdown.h"
#include "libs/base/status.h"
#include "libs/telemetry/log.h"

namespace parley::redis {
namespace {

struct ContextDeleter {
  void operator()(redisContext* context) const { redisFree(context); }
};
struct ReplyDeleter {
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using Context = std::unique_ptr<redisContext, ContextDeleter>;
using Reply = std::unique_ptr<redisReply, ReplyDeleter>;

constexpr std::chrono::milliseconds kReconnectWait{1000};

struct Address {
  std::string host = "127.0.0.1";
  int port = 6379;
  std::string password;
  std::string database;
};

Address ParseUrl(std::string_view url) {
  Address address;
  if (url.starts_with("redis://")) url.remove_prefix(8);
  if (const std::size_t at = url.rfind('@'); at != std::string_view::npos) {
    const std::string_view login = url.substr(0, at);
    address.password = login.substr(login.find(':') + 1);
    url.remove_prefix(at + 1);
  }
  if (const std::size_t slash = url.find('/'); slash != std::string_view::npos) {
    address.database = url.substr(slash + 1);
    url = url.substr(0, slash);
  }
  if (const std::size_t colon = url.rfind(':'); colon != std::string_view::npos) {
    std::from_chars(url.data() + colon + 1, url.data() + url.size(), address.port);
    url = url.substr(0, colon);
  }
  if (!url.empty()) address.host = url;
  return address;
}

Reply Run(redisContext* context, const std::vector<std::string>& arguments) {
  std::vector<const char*> texts;
  std::vector<std::size_t> sizes;
  for (const std::string& argument : arguments) {
    texts.push_back(argument.data());
    sizes.push_back(argument.size());
  }
  return Reply(static_cast<redisReply*>(
      redisCommandArgv(context, static_cast<int>(arguments.size()), texts.data(), sizes.data())));
}

Context Open(const Options& options) {
  const Address address = ParseUrl(options.url);
  const auto ms = options.timeout.count();
  const timeval timeout{ms / 1000, ms % 1000 * 1000};
  Context context(redisConnectWithTimeout(address.host.c_str(), address.port, timeout));
  if (context == nullptr || context->err != 0) return nullptr;
  redisSetTimeout(context.get(), timeout);
  redisEnableKeepAlive(context.get());
  const auto accepted = [&](const std::vector<std::string>& command) {
    const Reply reply = Run(context.get(), command);
    return reply != nullptr && reply->type != REDIS_REPLY_ERROR;
  };
  if (!address.password.empty() && !accepted({"AUTH", address.password})) return nullptr;
  if (!address.database.empty() && !accepted({"SELECT", address.database})) return nullptr;
  return context;
}

}  // namespace

struct Publisher::State {
  Options options;
  std::mutex mutex;
  std::condition_variable_any queued;
  std::deque<std::pair<std::string, std::string>> queue;
  std::jthread thread;

  void Run(const std::stop_token& stop) {
    Context context;
    while (!stop.stop_requested()) {
      std::deque<std::pair<std::string, std::string>> batch;
      {
        std::unique_lock lock(mutex);
        if (!queued.wait(lock, stop, [&] { return !queue.empty(); })) return;
        batch.swap(queue);
      }
      if (context == nullptr) context = Open(options);
      if (context == nullptr) {
        SleepFor(stop, kReconnectWait);
        continue;  // The batch is lost; readers catch up from PostgreSQL.
      }
      // One round trip for the whole batch.
      for (const auto& [channel, message] : batch) {
        redisAppendCommand(context.get(), "PUBLISH %b %b", channel.data(), channel.size(),
                           message.data(), message.size());
      }
      for (std::size_t i = 0; i < batch.size(); ++i) {
        void* reply = nullptr;
        if (redisGetReply(context.get(), &reply) != REDIS_OK) {
          context.reset();
          break;
        }
        freeReplyObject(reply);
      }
    }
  }
};

Publisher::Publisher(const Options& options) : state_(std::make_unique<State>()) {
  state_->options = options;
  state_->thread =
      std::jthread([state = state_.get()](const std::stop_token& stop) { state->Run(stop); });
}

Publisher::~Publisher() = default;

void Publisher::Publish(std::string channel, std::string message) {
  {
    const std::lock_guard lock(state_->mutex);
    if (static_cast<int>(state_->queue.size()) >= state_->options.queued_max) {
      state_->queue.pop_front();
    }
    state_->queue.emplace_back(std::move(channel), std::move(message));
  }
  state_->queued.notify_one();
}

struct Subscriber::State {
  Options options;
  std::string pattern;
  OnMessage on_message;
  std::function<void()> on_connect;
  std::jthread thread;

  void Run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      const Context context = Open(options);
      if (context != nullptr) Receive(*context, stop);
      if (!SleepFor(stop, kReconnectWait)) return;
    }
  }

  void Receive(redisContext& context, const std::stop_token& stop) {
    const timeval slice{0, 200'000};  // How long a stop may wait.
    redisSetTimeout(&context, slice);
    const Reply subscribed = redis::Run(&context, {"PSUBSCRIBE", pattern});
    if (subscribed == nullptr || subscribed->type == REDIS_REPLY_ERROR) return;
    on_connect();
    while (!stop.stop_requested()) {
      void* raw = nullptr;
      if (redisGetReply(&context, &raw) != REDIS_OK) {
        if (context.err != REDIS_ERR_IO || (errno != EAGAIN && errno != EWOULDBLOCK)) return;
        context.err = 0;  // Only the time-out of the slice.
        context.errstr[0] = '\0';
        continue;
      }
      const Reply reply(static_cast<redisReply*>(raw));
      if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 4) continue;
      const redisReply& channel = *reply->element[2];
      const redisReply& message = *reply->element[3];
      on_message({channel.str, channel.len}, {message.str, message.len});
    }
  }
};

Subscriber::Subscriber(const Options& options, std::string pattern, OnMessage on_message,
                       std::function<void()> on_connect)
    : state_(std::make_unique<State>()) {
  state_->options = options;
  state_->pattern = std::move(pattern);
  state_->on_message = std::move(on_message);
  state_->on_connect = std::move(on_connect);
  state_->thread =
      std::jthread([state = state_.get()](const std::stop_token& stop) { state->Run(stop); });
}

Subscriber::~Subscriber() = default;

struct Client::State {
  Options options;
  std::mutex mutex;
  Context context;
  std::chrono::steady_clock::time_point connect_after{};
};

Client::Client(const Options& options) : state_(std::make_unique<State>()) {
  state_->options = options;
}
Client::~Client() = default;

absl::StatusOr<std::optional<std::string>> Client::Command(
    const std::vector<std::string>& arguments) {
  const std::lock_guard lock(state_->mutex);
  const auto now = std::chrono::steady_clock::now();
  if (state_->context == nullptr && now >= state_->connect_after) {
    state_->context = Open(state_->options);
    if (state_->context == nullptr) state_->connect_after = now + kReconnectWait;
  }
  if (state_->context == nullptr) return Unavailable("REDIS_UNAVAILABLE", "Redis does not answer.");
  const Reply reply = Run(state_->context.get(), arguments);
  if (reply == nullptr) {
    state_->context.reset();
    return Unavailable("REDIS_UNAVAILABLE", "Redis did not answer in time.");
  }
  switch (reply->type) {
    case REDIS_REPLY_NIL:
      return std::nullopt;
    case REDIS_REPLY_INTEGER:
      return std::to_string(reply->integer);
    case REDIS_REPLY_ERROR:
      return Internal(std::string(reply->str, reply->len));
    default:
      return std::string(reply->str == nullptr ? "" : reply->str, reply->len);
  }
}

absl::Status Client::Ping() { return Command({"PING"}).status(); }

}  // namespace parley::redis
