// The simulated Twilio: all state and all behaviour, without I/O. Time comes in as an argument;
// webhooks go out through TakeWebhooks() and come back through OnWebhook(). Single-threaded.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "domain/api_error.h"
#include "domain/create_message.h"
#include "domain/knobs.h"
#include "domain/message_store.h"
#include "domain/model.h"
#include "domain/opt_out.h"
#include "domain/sid.h"
#include "domain/twiml.h"
#include "domain/webhook.h"

namespace parley::simulator {

inline constexpr std::size_t kCallsMax = 100'000;
inline constexpr std::size_t kMediaBytesMax = 256 << 20;  // All media; and again all uploads.
inline constexpr std::size_t kUploadBytesMax = 16 << 20;  // One picture of the handset.
inline constexpr std::size_t kUploadsMax = 1000;
inline constexpr std::size_t kResourcesMax = 100'000;  // Services, templates, numbers: each.
inline constexpr Micros kWhatsAppWindow = 24 * kHour;
inline constexpr int kTwimlRepliesMax = 10;    // Per answer: 14109.
inline constexpr int kTwimlDocumentsMax = 10;  // Redirects: 14106, 11215.

struct WorldOptions {
  std::uint64_t key = 1;  // Different in each process: SIDs and tokens derive from it.
  std::string public_url = "http://127.0.0.1:8083";  // Where clients reach the simulator.
  std::string sandbox_number;                        // "+14155238886", or "" for none.
  std::size_t messages_max = kMessagesMax;
};

// One accepted creation, in order. `index` counts from 1 since the last reset.
struct LedgerEntry {
  std::uint64_t index = 0;
  std::uint64_t message = 0;
  Micros arrived_us = 0;
};

struct Inbound {
  std::string from;
  std::string to;
  std::string body;
  std::vector<std::string> media_urls;
  Channel channel = Channel::kSms;
  std::string message_sid;   // Chosen by the test; "" makes a new one.
  std::string profile_name;  // WhatsApp.
};

struct Received {
  std::string sid;
  std::uint64_t message = 0;
  std::uint64_t webhook_id = 0;  // 0: nobody is told; `silent_reason` says why.
  std::string silent_reason;
};

struct PageRequest {
  std::size_t page_size = 50;
  std::size_t page = 0;
  std::string page_token;
};

struct MessageFilter {
  std::string to;
  std::string from;
  // Bounds of the time of sending, both included.
  Micros sent_from = std::numeric_limits<Micros>::min();
  Micros sent_to = std::numeric_limits<Micros>::max();
};

struct MessagePage {
  std::vector<std::uint64_t> messages;
  bool more_after = false;
  bool more_before = false;
};

class World final : public Directory {
 public:
  explicit World(WorldOptions options);

  const WorldOptions& options() const { return options_; }
  Faults faults;
  Settings settings;
  Dice dice;
  // Called whenever a message or call is new or changed; for the live page. May be empty.
  std::function<void(const Json&)> on_change;

  // --- Time ---
  // Carries out everything that is due by `now`.
  void Advance(Micros now);
  // When Advance has work next; the greatest Micros if never.
  Micros NextDue() const;
  std::vector<Webhook> TakeWebhooks() { return std::exchange(webhooks_, {}); }
  void OnWebhook(const Webhook& webhook, const WebhookResult& result, Micros now);
  // What outlives a restart: accounts, numbers and their settings, services, templates, opt-outs.
  Json SaveState() const;
  // Takes over what SaveState gave; what the flags set up already is kept and completed. Returns a
  // sentence if `state` is none.
  std::string LoadState(const Json& state, Micros now);
  // Forgets all traffic; keeps accounts, numbers and their settings; turns all knobs back.
  void Reset();

  // --- Accounts (world.cc) ---
  Account& AddAccount(std::string sid, std::string auth_token, Micros now);
  Account* FindAccount(std::string_view sid);
  Account& AccountAt(std::uint32_t index) { return *accounts_[index]; }
  const std::vector<std::unique_ptr<Account>>& accounts() const { return accounts_; }
  std::string NewSid(std::string_view prefix) {
    return sids_.Encode(prefix, next_sid_++ | kSidBit);
  }
  std::string NewToken();

  // --- Numbers (world.cc) ---
  Number& AddNumber(const Account& account, std::string number, std::string type, Micros now);
  const Number* FindNumber(std::string_view number) const override;
  Number* FindNumberBySid(const Account& account, std::string_view sid);
  void RemoveNumber(const Number& number);
  const std::vector<std::unique_ptr<Number>>& numbers() const { return numbers_; }

  const Service* FindService(const Account& account, std::string_view sid) const override;
  const Content* FindContent(const Account& account, std::string_view sid) const override;
  bool IsSandbox(std::string_view number) const override;
  bool IsOptedOut(std::string_view business, std::string_view customer) const override;
  std::vector<std::unique_ptr<Service>> services;
  std::vector<std::unique_ptr<Content>> contents;
  OptOuts opt_outs;

  // --- Messages (world_messages.cc) ---
  // Returns the resource's JSON, as for 201.
  Result<std::string> CreateMessage(const Account& account, const Params& params, Micros arrived_us,
                                    Micros now);
  Message* FindMessage(const Account& account, std::string_view sid, std::uint64_t* number);
  MessagePage ListMessages(const Account& account, const MessageFilter& filter,
                           const PageRequest& page, Micros now) const;
  // An empty Body redacts, Status=canceled cancels.
  std::optional<ApiError> UpdateMessage(const Account& account, std::string_view sid,
                                        const Params& params, Micros now);
  std::optional<ApiError> DeleteMessage(const Account& account, std::string_view sid, Micros now);
  // The customer has seen it: WhatsApp's "read". False if that cannot be now.
  bool MarkRead(std::string_view sid, Micros now);
  std::string MessageSid(std::uint64_t number) const;
  // `created` renders it as the answer to its creation does.
  void RenderMessage(std::string& out, std::uint64_t number, Micros now, bool created) const;
  const MessageStore& messages() const { return messages_; }

  // --- Inbound (world_inbound.cc) ---
  Result<Received> Receive(const Inbound& inbound, Micros now);

  // --- Ledger ---
  const std::deque<LedgerEntry>& ledger() const { return ledger_; }
  void RenderLedgerEntry(std::string& out, const LedgerEntry& entry, Micros now) const;

  // --- The handset (world_messages.cc) ---
  // The last `limit` messages and calls between anybody and `customer`, oldest first.
  Json Thread(std::string_view customer, std::string_view business, std::size_t limit,
              Micros now) const;
  Json HandsetMessage(std::uint64_t number, Micros now) const;

  // --- Media (world_media.cc) ---
  Media* FindMedia(std::string_view sid);
  void DeleteMedia(std::string_view sid);
  // Keeps a picture of the handset; returns its id.
  std::string AddUpload(std::string bytes, std::string content_type, Micros now);
  const Media* FindUpload(std::string_view id) const;

  // --- Calls (world_calls.cc) ---
  Result<Call*> CreateCall(const Account& account, const Params& params, Micros now);
  Result<Received> ReceiveCall(const Inbound& inbound, Micros now);
  Call* FindCall(const Account& account, std::string_view sid);
  std::optional<ApiError> UpdateCall(Call& call, const Params& params, Micros now);
  Json RenderCall(const Call& call) const;
  std::deque<Call>& calls() { return calls_; }
  Recording* FindRecording(const Account& account, std::string_view sid);
  const std::deque<Recording>& recordings() const { return recordings_; }
  Json HandsetCall(const Call& call) const;

  // Counters since the last reset, for /simulator/v1/health.
  struct Counters {
    std::uint64_t created = 0;
    std::uint64_t received = 0;
    std::uint64_t webhooks = 0;
    std::uint64_t webhooks_failed = 0;
  } counters;

 private:
  // Numbers of SIDs that are no messages carry this bit, so that both use one codec.
  static constexpr std::uint64_t kSidBit = 1ULL << 63;

  enum class EventKind : std::uint8_t { kStatus, kDispatch, kCall };
  struct Event {
    Micros due = 0;
    std::uint64_t order = 0;
    std::uint64_t ref = 0;  // The message's number; for calls see call_events_.
    EventKind kind = EventKind::kStatus;
    Status status = Status::kQueued;
    bool call_back = false;
  };
  struct Later {
    bool operator()(const Event& a, const Event& b) const {
      return a.due != b.due ? a.due > b.due : a.order > b.order;
    }
  };

  void Push(Micros due, EventKind kind, std::uint64_t ref, Status status, bool call_back);
  void PushCall(Micros due, std::string sid, std::string status);
  void Run(const Event& event, Micros now);
  Webhook& Owe(WebhookKind kind, const Account& account, std::string url, std::string method);

  // Messages.
  std::uint64_t Submit(const Account& account, Draft draft, Direction direction, Micros now);
  void PlanDelivery(Message& message, std::uint32_t start_ms);
  void ScheduleEvents(std::uint64_t number, Micros now);
  void Dispatch(std::uint64_t number, Micros now);
  void CallBack(std::uint64_t number, Status status, Micros now);
  void Changed(std::uint64_t number, Micros now);
  void CarrierReply(const Number& number, const Address& customer, std::string_view text,
                    Micros now);
  void AttachMedia(Message& message, std::uint64_t number, const std::vector<std::string>& urls,
                   bool fetch, Micros now);
  void OnMediaFetched(const Webhook& webhook, const WebhookResult& result, Micros now);
  void TrimMedia();
  void RenderFields(std::string& out, const Message& message, std::string_view sid,
                    std::string_view to, std::string_view from, Micros now, bool created) const;

  // TwiML.
  void RunMessagingTwiml(const Webhook& webhook, const XmlElement& response, Micros now);

  // Calls.
  Call& AddCall(const Account& account, Micros now);
  void AdvanceCall(Call& call, const std::string& status, Micros now);
  void AskForTwiml(Call& call, std::string url, std::string method, Params extra, Micros now);
  void RunVoiceTwiml(Call& call, const XmlElement& response, const std::string& base_url,
                     Micros now);
  void EndCall(Call& call, std::string status, Micros now);
  void CallStatusCallback(Call& call, std::string_view event, Micros now);
  Params CallParams(const Call& call) const;
  void CallChanged(const Call& call);

  WorldOptions options_;
  SidCodec sids_;
  std::uint64_t next_sid_ = 0;
  std::uint64_t next_webhook_ = 1;
  std::uint64_t next_event_ = 0;
  Dice tokens_;

  std::vector<std::unique_ptr<Account>> accounts_;
  std::unordered_map<std::string_view, Account*> accounts_by_sid_;
  std::vector<std::unique_ptr<Number>> numbers_;
  std::unordered_map<std::string_view, Number*> numbers_by_text_;

  MessageStore messages_;
  std::unordered_map<std::string, std::uint64_t> custom_sids_;
  std::deque<LedgerEntry> ledger_;
  std::uint64_t ledger_end_ = 0;
  std::unordered_map<std::string, Micros> windows_;  // "business|customer" → last inbound WhatsApp.

  std::set<std::string> sandbox_members_;  // Customers who sent "join …".

  std::unordered_map<std::string, Media> media_;
  std::deque<std::string> media_order_;  // Those whose bytes are kept, oldest first.
  std::size_t media_bytes_ = 0;
  std::map<std::string, Media, std::less<>> uploads_;
  std::deque<std::string> upload_order_;
  std::size_t upload_bytes_ = 0;

  std::deque<Call> calls_;
  std::deque<Recording> recordings_;
  struct CallEvent {
    std::string sid;
    std::string status;
  };
  std::unordered_map<std::uint64_t, CallEvent> call_events_;

  std::priority_queue<Event, std::vector<Event>, Later> events_;
  std::vector<Webhook> webhooks_;
};

// Resolves a TwiML or redirect URL against the document's own.
std::string ResolveUrl(std::string_view base, std::string_view url);

}  // namespace parley::simulator
