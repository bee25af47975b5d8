#include "callbacks/dispatcher.h"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>

#include "domain/twiml.h"
#include "domain/world.h"

namespace parley::simulator {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::size_t kMediaBytesMaxEach = 16 << 20;
constexpr int kDoublingsMax = 5;

bool IsVoice(WebhookKind kind) {
  return kind == WebhookKind::kVoice || kind == WebhookKind::kCallStatus;
}

}  // namespace

OutgoingRequest BuildRequest(const Webhook& webhook, const WebhookUrl& url, std::string_view method,
                             const Params& params, bool authenticate) {
  OutgoingRequest request;
  request.url = url;
  request.method = std::string(method);
  request.target = url.target;
  std::string to_sign = url.to_sign;
  if (method == "POST") {
    request.body = EncodeForm(params);
  } else if (!params.empty()) {
    const std::string more =
        (url.target.find('?') == std::string::npos ? "?" : "&") + EncodeForm(params);
    // A URL without a path is requested, and signed, as it would be with "/".
    request.target += more;
    to_sign += more;
  }
  request.headers = {
      {"User-Agent", "TwilioProxy/1.1"},
      {"Accept", "*/*"},
      {"X-Twilio-Signature",
       Sign(webhook.auth_token, to_sign, method == "POST" ? params : Params())},
      {"I-Twilio-Idempotency-Token", webhook.idempotency_token},
      {"X-Home-Region", "us1"},
  };
  if (authenticate) {
    request.headers.emplace_back("Authorization", "Basic " + EncodeBase64(url.userinfo));
  }
  request.response_bytes_max =
      webhook.kind == WebhookKind::kMediaFetch ? kMediaBytesMaxEach : kTwimlBytesMax + 1024;
  return request;
}

// One webhook from its first attempt to its result.
class Dispatcher::Job : public std::enable_shared_from_this<Job> {
 public:
  Job(Dispatcher& owner, Webhook webhook)
      : owner_(owner), webhook_(std::move(webhook)), timer_(owner.io_) {}

  void Start() {
    params_ = webhook_.params;
    Begin(webhook_.url, webhook_.method);
  }

 private:
  void Begin(const std::string& url, const std::string& method) {
    method_ = method == "GET" ? "GET" : "POST";
    authenticate_ = false;
    redirects_ = 0;
    if (!ParseWebhookUrl(url, IsVoice(webhook_.kind), url_)) {
      return Failed(WebhookEnd::kRefused, 0);
    }
    base_url_ = url;
    overrides_ = ParseOverrides(url_.fragment, DefaultOverrides(owner_.settings_));
    retries_left_ = overrides_.retries;
    wait_ = milliseconds(owner_.settings_.inbound_retry_delay_ms);
    deadline_ = Clock::now() + milliseconds(overrides_.total_timeout_ms);
    start_url_ = url_;
    start_method_ = method_;
    Attempt();
  }

  void Attempt() {
    if (!via_fallback_) ++result_.attempts;
    url_ = start_url_;
    method_ = start_method_;
    redirects_ = 0;
    SendOnce();
  }

  void SendOnce() {
    OutgoingRequest request = BuildRequest(webhook_, url_, method_, params_, authenticate_);
    request.connect_timeout = milliseconds(overrides_.connect_timeout_ms);
    request.read_timeout = milliseconds(overrides_.read_timeout_ms);
    request.total_timeout = std::max(
        milliseconds(1), std::chrono::duration_cast<milliseconds>(deadline_ - Clock::now()));
    request.verify_host = overrides_.verify_host;
    owner_.client_.Send(std::move(request), [self = shared_from_this()](IncomingResponse response) {
      self->OnResponse(std::move(response));
    });
  }

  void OnResponse(IncomingResponse response) {
    const bool answered = response.end == WebhookEnd::kAnswered;
    if (answered && response.status >= 200 && response.status < 300) {
      return Delivered(std::move(response));
    }
    if (answered && response.status == 401 && response.wants_authentication && !authenticate_ &&
        !url_.userinfo.empty()) {
      authenticate_ = true;
      return SendOnce();
    }
    if (answered && response.status >= 300 && response.status < 400 && !response.location.empty() &&
        redirects_ < kHttpRedirectsMax) {
      ++redirects_;
      if (response.status != 307 && response.status != 308) method_ = "GET";
      WebhookUrl next;
      base_url_ = ResolveUrl(base_url_, response.location);
      if (ParseWebhookUrl(base_url_, IsVoice(webhook_.kind), next)) {
        url_ = std::move(next);
        return SendOnce();
      }
    }
    if (retries_left_ > 0 && IsRetryable(overrides_, response.end, response.status) &&
        Clock::now() + wait_ < deadline_) {
      --retries_left_;
      timer_.expires_after(wait_);
      wait_ = std::min(
          wait_ * 2, milliseconds(owner_.settings_.inbound_retry_delay_ms) * (1 << kDoublingsMax));
      timer_.async_wait([self = shared_from_this()](boost::system::error_code error) {
        if (!error) self->Attempt();
      });
      return;
    }
    Failed(response.end, response.status);
  }

  void Delivered(IncomingResponse response) {
    result_.end = response.end;
    result_.status = response.status;
    result_.delivered = true;
    result_.via_fallback = via_fallback_;
    result_.content_type = std::move(response.content_type);
    result_.body = std::move(response.body);
    Finish();
  }

  void Failed(WebhookEnd end, int status) {
    if (!via_fallback_) {
      result_.end = end;
      result_.status = status;
      result_.error_code = WebhookErrorCode(end, status);
      if (result_.error_code == 0) result_.error_code = 11200;
      if (!webhook_.fallback_url.empty()) {
        via_fallback_ = true;
        params_.emplace_back("ErrorCode", std::to_string(result_.error_code));
        params_.emplace_back("ErrorUrl", webhook_.url.substr(0, webhook_.url.find('#')));
        return Begin(webhook_.fallback_url, webhook_.fallback_method);
      }
    }
    result_.via_fallback = via_fallback_;
    Finish();
  }

  void Finish() {
    boost::asio::post(owner_.io_, [self = shared_from_this()] {
      --self->owner_.running_;
      self->owner_.done_(self->webhook_, self->result_);
      self->owner_.StartNext();
    });
  }

  Dispatcher& owner_;
  Webhook webhook_;
  boost::asio::steady_timer timer_;
  WebhookResult result_;
  Params params_;
  WebhookUrl url_, start_url_;
  std::string base_url_;
  std::string method_, start_method_;
  ConnectionOverrides overrides_;
  Clock::time_point deadline_;
  milliseconds wait_{0};
  int retries_left_ = 0;
  int redirects_ = 0;
  bool authenticate_ = false;
  bool via_fallback_ = false;
};

Dispatcher::Dispatcher(boost::asio::io_context& io, const Settings& settings, Done done)
    : io_(io), client_(io), settings_(settings), done_(std::move(done)) {}

Dispatcher::~Dispatcher() = default;

void Dispatcher::Send(Webhook webhook) {
  if (waiting_.size() >= kWebhooksWaitingMax) {
    ++dropped_;
    return;
  }
  waiting_.push_back(std::move(webhook));
  StartNext();
}

void Dispatcher::StartNext() {
  while (running_ < kParallelWebhooksMax && !waiting_.empty()) {
    ++running_;
    auto job = std::make_shared<Job>(*this, std::move(waiting_.front()));
    waiting_.pop_front();
    job->Start();
  }
}

}  // namespace parley::simulator
