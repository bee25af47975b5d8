// Carries out what World owes: signs, sends, follows redirects, retries, falls back.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>

#include "callbacks/http_client.h"
#include "domain/knobs.h"
#include "domain/webhook.h"

namespace parley::simulator {

inline constexpr int kParallelWebhooksMax = 256;
inline constexpr std::size_t kWebhooksWaitingMax = 1'000'000;  // Above it they are dropped.
inline constexpr int kHttpRedirectsMax = 10;

class Dispatcher {
 public:
  using Done = std::function<void(const Webhook&, const WebhookResult&)>;

  // `settings` is read whenever a webhook starts; `done` is called once for each.
  Dispatcher(boost::asio::io_context& io, const Settings& settings, Done done);
  ~Dispatcher();
  void Send(Webhook webhook);

  std::size_t waiting() const { return waiting_.size(); }
  int running() const { return running_; }
  std::uint64_t dropped() const { return dropped_; }

 private:
  class Job;
  void StartNext();

  boost::asio::io_context& io_;
  HttpClient client_;
  const Settings& settings_;
  Done done_;
  std::deque<Webhook> waiting_;
  int running_ = 0;
  std::uint64_t dropped_ = 0;
};

// The headers of a webhook's request, signature included; sets `target` and `body`.
OutgoingRequest BuildRequest(const Webhook& webhook, const WebhookUrl& url, std::string_view method,
                             const Params& params, bool authenticate);

}  // namespace parley::simulator
