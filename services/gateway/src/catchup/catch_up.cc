#include "catchup/catch_up.h"

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "libs/base/shutdown.h"
#include "libs/base/status.h"
#include "libs/kafka/record.h"
#include "libs/telemetry/log.h"
#include "libs/telemetry/metrics.h"
#include "libs/twilio/number.h"
#include "libs/webhooks/webhook.h"
#include "parley/events/v1/delivery_status.pb.h"
#include "store/catch_up.h"
#include "store/claims.h"
#include "store/outbox.h"

namespace parley::gateway::catchup {
namespace {

// How often accounts that are due are looked for, and what a failed one waits.
constexpr std::chrono::seconds kLookEvery{60};
constexpr std::chrono::seconds kRetryAfter{300};
// What is missing is kept until the run's last page, so that the oldest goes first; more than this
// ends the run early.
constexpr std::size_t kMissingMax = 5'000;
constexpr std::size_t kChunk = 100;
constexpr std::string_view kFormType = "application/x-www-form-urlencoded";

prometheus::Counter& Found(const std::string& what) {
  return telemetry::Counter(
      "parley_gateway_caught_up_total",
      "What Twilio's list of messages told and no webhook had; many recovered messages mean that "
      "webhooks do not arrive (docs/webhooks.md). Foreign ones came in for numbers that no channel "
      "has and are left to whoever serves them, each counted by every run that meets it.",
      {{"what", what}});
}

// Holds the account's lock as long as it lives.
class AccountLock {
 public:
  // Null if another replica has it. Errors: the database's.
  static absl::StatusOr<std::unique_ptr<AccountLock>> Try(const postgres::PoolOptions& database,
                                                          const std::string& account_sid) {
    PARLEY_ASSIGN_OR_RETURN(auto connection, postgres::Connect(database));
    try {
      pqxx::nontransaction tx(*connection);
      const bool locked =
          tx.exec_params1("SELECT pg_try_advisory_lock(hashtextextended($1, 2))", account_sid)[0]
              .as<bool>();
      if (!locked) return nullptr;
    } catch (...) {
      return postgres::CurrentExceptionToStatus();
    }
    return std::unique_ptr<AccountLock>(new AccountLock(std::move(connection)));
  }

 private:
  explicit AccountLock(std::unique_ptr<pqxx::connection> connection)
      : connection_(std::move(connection)) {}
  const std::unique_ptr<pqxx::connection> connection_;
};

// A message that came in, with its media.
struct Missing {
  twilio::MessageResource message;
  std::vector<Attachment> media;
};

store::AccountNumber BusinessNumber(const std::string& account_sid,
                                    const twilio::MessageResource& message) {
  return {account_sid, std::string(twilio::WithoutChannel(message.to))};
}

class Run {
 public:
  Run(const CatchUpOptions& options, postgres::Pool& pool, MessageLists& twilio, Time now)
      : options_(options), pool_(pool), twilio_(twilio), now_(now) {}

  absl::StatusOr<CatchUpResult> Work(const store::CatchUpStart& start,
                                     const std::stop_token& stop) {
    std::string next = start.resume_uri;
    const absl::Status paged = Pages(start, next, stop);
    // What was found is taken in whatever ended it; what is taken in twice is stored once.
    may_ask_ = !absl::IsResourceExhausted(paged);
    PARLEY_ASSIGN_OR_RETURN(const bool all, TakeIn(start.login, stop));
    PARLEY_RETURN_IF_ERROR(pool_.Transact([&](pqxx::work& tx) -> absl::Status {
      // A page that Twilio refuses is asked for anew, from the top; what was not taken in is on
      // this run's pages.
      const bool may_resume = paged.ok() || IsRetryable(paged);
      if (!all) next = start.resume_uri;
      result_.complete = paged.ok() && all && next.empty();
      store::EndCatchUp(tx, start.login.account_sid,
                        {.complete = result_.complete, .resume_uri = may_resume ? next : ""});
      return absl::OkStatus();
    }));
    if (!paged.ok() && !absl::IsResourceExhausted(paged)) return paged;
    return result_;
  }

 private:
  // `next` is where to begin, and becomes where to go on; empty when there is no more.
  absl::Status Pages(const store::CatchUpStart& start, std::string& next,
                     const std::stop_token& stop) {
    bool first = next.empty();
    while (first || !next.empty()) {
      if (result_.pages == options_.pages_max || missing_.size() >= kMissingMax) break;
      if (result_.pages > 0 && !SleepFor(stop, options_.page_wait)) break;
      const auto page = first ? twilio_.First(start.login, now_ - options_.back)
                              : twilio_.Next(start.login, next);
      if (!page.ok()) return page.status();
      ++result_.pages;
      PARLEY_RETURN_IF_ERROR(ComparePage(start.login, *page));
      next = page->next_page_uri;
      first = false;
    }
    return absl::OkStatus();
  }

  absl::Status ComparePage(const TwilioLogin& login, const twilio::MessagePage& page) {
    int prices = 0;
    int statuses = 0;
    Differences differences;
    std::map<store::AccountNumber, std::string> served;
    PARLEY_RETURN_IF_ERROR(pool_.Transact([&](pqxx::work& tx) -> absl::Status {
      const Known known = store::ReadKnown(tx, login.account_sid, page.messages);
      differences = Compare(page.messages, known, now_ - options_.leave_for);
      PARLEY_ASSIGN_OR_RETURN(served, store::FindServed(tx, NumbersOf(login, differences.missing)));
      prices = store::SetPrices(tx, login.account_sid, page.messages);
      statuses = static_cast<int>(differences.advanced.size());
      return ReportStatuses(tx, login.account_sid, differences);
    }));
    result_.prices += prices;
    result_.statuses += statuses;
    for (const twilio::MessageResource* message : differences.missing) {
      if (served.contains(BusinessNumber(login.account_sid, *message))) {
        missing_.push_back({*message, {}});
      } else {
        ++result_.foreign;
      }
    }
    return absl::OkStatus();
  }

  static std::set<store::AccountNumber> NumbersOf(
      const TwilioLogin& login, const std::vector<const twilio::MessageResource*>& messages) {
    std::set<store::AccountNumber> numbers;
    for (const auto* message : messages) {
      numbers.insert(BusinessNumber(login.account_sid, *message));
    }
    return numbers;
  }

  // As Twilio's callbacks would have: the sender reads it as evidence, too.
  absl::Status ReportStatuses(pqxx::work& tx, const std::string& account_sid,
                              const Differences& differences) {
    if (differences.advanced.empty()) return absl::OkStatus();
    std::set<store::AccountNumber> numbers;
    for (const auto* message : differences.advanced) {
      numbers.insert({account_sid, std::string(twilio::WithoutChannel(message->from))});
    }
    PARLEY_ASSIGN_OR_RETURN(const auto organizations, store::FindOrganizations(tx, numbers));
    store::Outbox outbox;
    for (const auto* message : differences.advanced) {
      events::v1::DeliveryStatusRecord record;
      const std::string business(twilio::WithoutChannel(message->from));
      const bool whatsapp = twilio::ChannelOf(message->to) == twilio::Channel::kWhatsApp;
      record.set_account_sid(account_sid);
      record.set_message_sid(message->sid);
      record.set_status(std::string(twilio::StatusName(message->status)));
      record.set_error_code(message->error_code.value_or(0));
      record.set_received_at_us(ToMicros(now_));
      record.set_business_number(business);
      record.set_customer_number(std::string(twilio::WithoutChannel(message->to)));
      record.set_medium(whatsapp ? events::v1::MEDIUM_WHATSAPP : events::v1::MEDIUM_SMS);
      const auto at = organizations.find({account_sid, business});
      if (at == organizations.end()) continue;
      outbox.AddKafka({at->second, kafka::kDeliveryStatusTopic, record.message_sid(),
                       record.SerializeAsString(), record.GetTypeName(), ""});
    }
    outbox.Write(tx);
    return absl::OkStatus();
  }

  // The oldest first, as they would have come; false if it had to stop before the last one.
  absl::StatusOr<bool> TakeIn(const TwilioLogin& login, const std::stop_token& stop) {
    // Twilio's times are whole seconds; within one, its list is the order, newest first.
    std::reverse(missing_.begin(), missing_.end());
    std::stable_sort(missing_.begin(), missing_.end(), [this](const Missing& a, const Missing& b) {
      return TimeOf(a.message, now_) < TimeOf(b.message, now_);
    });
    for (std::size_t begin = 0; begin < missing_.size(); begin += kChunk) {
      const std::size_t end = std::min(begin + kChunk, missing_.size());
      std::vector<Missing> chunk;
      const bool whole = FetchChunk(login, begin, end, stop, chunk);
      int recovered = 0;
      PARLEY_RETURN_IF_ERROR(pool_.Transact([&](pqxx::work& tx) -> absl::Status {
        return Recover(tx, login.account_sid, chunk, recovered);
      }));
      result_.recovered += recovered;
      result_.unreadable += static_cast<int>(chunk.size()) - recovered;
      if (!whole) return false;
    }
    return true;
  }

  // Messages of missing_ with their media, up to the first one for which Twilio may not be asked
  // any more: then false. What Twilio no longer has comes without its media.
  bool FetchChunk(const TwilioLogin& login, std::size_t begin, std::size_t end,
                  const std::stop_token& stop, std::vector<Missing>& chunk) {
    for (std::size_t i = begin; i < end; ++i) {
      Missing& missing = missing_[i];
      if (missing.message.media > 0) {
        if (!may_ask_ || result_.media == options_.media_max) return false;
        if (!SleepFor(stop, options_.page_wait)) return false;
        ++result_.media;
        auto media = twilio_.Media(login, missing.message.sid);
        may_ask_ = !absl::IsResourceExhausted(media.status());
        if (!may_ask_) return false;
        if (IsRetryable(media.status())) continue;  // It waits for the next run alone.
        if (media.ok()) missing.media = *std::move(media);
      }
      chunk.push_back(std::move(missing));
    }
    return true;
  }

  absl::Status Recover(pqxx::work& tx, const std::string& account_sid,
                       std::span<const Missing> chunk, int& recovered) {
    recovered = 0;
    std::set<store::AccountNumber> numbers;
    for (const Missing& missing : chunk) {
      numbers.insert(BusinessNumber(account_sid, missing.message));
    }
    PARLEY_ASSIGN_OR_RETURN(const auto organizations, store::FindServed(tx, numbers));
    store::Outbox outbox;
    for (const Missing& missing : chunk) {
      const std::string form = WebhookForm(account_sid, missing.message, missing.media);
      webhooks::Webhook webhook;
      const absl::Status parsed =
          webhooks::ParseWebhook(webhooks::Kind::kMessage,
                                 {.target = "/",
                                  .content_type = kFormType,
                                  .body = form,
                                  .received_at = TimeOf(missing.message, now_)},
                                 webhook);
      const auto at = organizations.find(BusinessNumber(account_sid, missing.message));
      if (!parsed.ok() || at == organizations.end()) {
        telemetry::Warning("not_recovered", parsed, {{"message_sid", missing.message.sid}});
        continue;
      }
      for (const webhooks::OutgoingRecord& record : webhooks::MakeRecords(
               webhook, {.organization_id = at->second, .origin = events::v1::ORIGIN_RECOVERED})) {
        outbox.AddKafka({at->second,
                         record.topic == webhooks::Topic::kConsent ? kafka::kConsentTopic
                                                                   : kafka::kInboundTopic,
                         record.key, record.value, record.type, record.traceparent});
      }
      ++recovered;
    }
    outbox.Write(tx);
    return absl::OkStatus();
  }

  const CatchUpOptions& options_;
  postgres::Pool& pool_;
  MessageLists& twilio_;
  const Time now_;
  std::vector<Missing> missing_;
  bool may_ask_ = true;  // Until Twilio says that it is too much.
  CatchUpResult result_;
};

void Log(const std::string& account_sid, const absl::StatusOr<CatchUpResult>& result) {
  if (!result.ok()) {
    telemetry::Warning("catch_up_failed", result.status(), {{"account_sid", account_sid}});
    return;
  }
  if (result->busy) return;
  Found("recovered").Increment(result->recovered);
  Found("statuses").Increment(result->statuses);
  Found("prices").Increment(result->prices);
  Found("unreadable").Increment(result->unreadable);
  Found("foreign").Increment(result->foreign);
  telemetry::Info("caught_up", {{"account_sid", account_sid},
                                {"pages", result->pages},
                                {"recovered", result->recovered},
                                {"statuses", result->statuses},
                                {"prices", result->prices},
                                {"media", result->media},
                                {"foreign", result->foreign},
                                {"complete", result->complete}});
}

std::chrono::seconds Jittered(std::chrono::seconds every) {
  static std::mt19937 random{std::random_device{}()};
  return std::chrono::seconds(std::uniform_int_distribution<std::int64_t>(
      every.count() * 9 / 10, every.count() * 11 / 10)(random));
}

}  // namespace

CatchUp::CatchUp(CatchUpOptions options, postgres::Pool& pool, MessageLists& twilio,
                 const crypto::KeyRing& master, const Clock& clock)
    : options_(std::move(options)), pool_(pool), twilio_(twilio), master_(master), clock_(clock) {}

CatchUp::~CatchUp() { Stop(); }

void CatchUp::Start() {
  if (options_.every.count() == 0) return;
  thread_ = std::jthread([this](const std::stop_token& stop) { Run(stop); });
}

void CatchUp::Stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
}

absl::StatusOr<CatchUpResult> CatchUp::RunAccount(const std::string& account_sid,
                                                  const std::stop_token& stop) {
  PARLEY_ASSIGN_OR_RETURN(const auto lock, AccountLock::Try(options_.database, account_sid));
  if (lock == nullptr) return CatchUpResult{.busy = true};
  store::CatchUpStart start;
  PARLEY_RETURN_IF_ERROR(pool_.Transact([&](pqxx::work& tx) -> absl::Status {
    PARLEY_ASSIGN_OR_RETURN(start, store::StartCatchUp(tx, account_sid, master_));
    return absl::OkStatus();
  }));
  return catchup::Run(options_, pool_, twilio_, clock_.Now()).Work(start, stop);
}

void CatchUp::Run(const std::stop_token& stop) {
  store::Due due{.every = Jittered(options_.every), .retry = kRetryAfter, .all = true};
  do {
    std::vector<std::string> accounts;
    const absl::Status status = pool_.Transact([&](pqxx::work& tx) -> absl::Status {
      accounts = store::AccountsDue(tx, due);
      return absl::OkStatus();
    });
    if (!status.ok()) {
      telemetry::Warning("catch_up_failed", status);
      continue;
    }
    for (const std::string& account_sid : accounts) {
      if (stop.stop_requested()) return;
      Log(account_sid, RunAccount(account_sid, stop));
    }
    // All of them once; then each when its time has come.
    due = {.every = Jittered(options_.every), .retry = kRetryAfter};
  } while (SleepFor(stop, std::min<std::chrono::seconds>(kLookEvery, options_.every)));
}

}  // namespace parley::gateway::catchup
