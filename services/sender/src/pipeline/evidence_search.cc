#include "pipeline/evidence_search.h"

#include <algorithm>

#include "libs/base/shutdown.h"
#include "libs/base/text.h"
#include "libs/telemetry/log.h"
#include "libs/telemetry/metrics.h"

namespace parley::sender {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t kLanesMax = 100'000;

void Count(const Look& look) {
  static constexpr char kName[] = "parley_sender_evidence_looks_total";
  static constexpr char kHelp[] =
      "Looks for unconfirmed sends in Twilio's list of messages. unreadable: the list could not be "
      "read; look at the account's settings and at Twilio's status.";
  static auto& found = telemetry::Counter(kName, kHelp, {{"said", "found"}});
  static auto& without = telemetry::Counter(kName, kHelp, {{"said", "without"}});
  static auto& later = telemetry::Counter(kName, kHelp, {{"said", "shows_later"}});
  static auto& unreadable = telemetry::Counter(kName, kHelp, {{"said", "unreadable"}});
  static auto& ambiguous = telemetry::Counter(kName, kHelp, {{"said", "ambiguous"}});
  if (!look.message_sid.empty()) return found.Increment();
  switch (look.findings.back().kind) {
    case FindingKind::kListShowsLater:
      return later.Increment();
    case FindingKind::kListUnreadable:
      return unreadable.Increment();
    case FindingKind::kAmbiguous:
      return ambiguous.Increment();
    case FindingKind::kListWithout:
    case FindingKind::kFound:
      return without.Increment();
  }
}

}  // namespace

EvidenceSearch::EvidenceSearch(EvidenceStore& store, MessageList& list, const Directory& directory,
                               Publisher& publisher, std::function<ShardSet()> owned,
                               std::function<std::set<std::string>()> open,
                               const EvidenceSearchOptions& options)
    : store_(store),
      list_(list),
      directory_(directory),
      publisher_(publisher),
      owned_(std::move(owned)),
      open_(std::move(open)),
      options_(options) {}

void EvidenceSearch::Run(std::stop_token stop) {
  while (!stop.stop_requested()) {
    Search(stop);
    SleepFor(stop, options_.interval);
  }
}

// Their rows stay due. They are left out of the search, since the longest due are found first: many
// of one account would hide those of all others.
std::set<std::string> EvidenceSearch::Skipped() const {
  std::set<std::string> skipped = open_();
  const SteadyTime now = steady_clock::now();
  for (const auto& [account_sid, account] : accounts_) {
    if (account.wait.count() > 0 && now < account.ask_at) skipped.insert(account_sid);
  }
  return skipped;
}

void EvidenceSearch::Search(const std::stop_token& stop) {
  const ShardSet owned = owned_();
  if (owned.none()) return;
  const auto pairs = store_.DueLooks(owned, Skipped(), options_.pairs_max);
  if (!pairs.ok()) {
    telemetry::Warning("evidence_not_searched", pairs.status());
    return;
  }
  for (const Pair& pair : *pairs) {
    if (stop.stop_requested()) return;
    if (Skipped().contains(pair.lane.account_sid)) continue;  // Since this search began.
    LookFor(pair, stop);
  }
}

void EvidenceSearch::LookFor(const Pair& pair, const std::stop_token& stop) {
  const auto rows = store_.LoadPair(pair);
  if (!rows.ok()) {
    telemetry::Warning("evidence_not_searched", rows.status());
    return;
  }
  if (std::none_of(rows->suspects.begin(), rows->suspects.end(),
                   [](const Suspect& suspect) { return suspect.due; })) {
    return;
  }
  ListView list;
  list.readable = false;
  const auto account = directory_.FindAccount(pair.lane.account_sid);
  if (account != nullptr) list = Ask(*account, pair, *rows, stop);
  if (stop.stop_requested()) return;
  const std::vector<Look> looks = Weigh(*rows, list);
  auto changes = store_.SaveLooks(pair, looks);
  if (!changes.ok()) {  // The rows stay due.
    telemetry::Warning("evidence_not_stored", changes.status());
    return;
  }
  for (const Look& look : looks) Count(look);
  for (const Change& change : *changes) {
    telemetry::Info(change.state == State::kSent ? "sent" : "looked_for",
                    {{"organization_id", change.key.organization_id},
                     {"message_id", change.key.message_id},
                     {"generation", change.key.generation},
                     {"attempt", change.attempt},
                     {"account_sid", change.account_sid},
                     {"from", MaskNumber(pair.lane.number)},
                     {"to", MaskNumber(pair.customer_number)},
                     {"message_sid", change.message_sid},
                     {"reason", change.reason}});
  }
  publisher_.Enqueue(*std::move(changes));
}

ListView EvidenceSearch::Ask(const twilio::Account& account, const Pair& pair, const PairRows& rows,
                             const std::stop_token& stop) {
  ListView list;
  list.readable = false;
  Account& state = accounts_[pair.lane.account_sid];
  const auto may_ask = [&] {
    const auto wait = state.ask_at - steady_clock::now();
    return wait.count() <= 0 || SleepFor(stop, std::chrono::ceil<std::chrono::milliseconds>(wait));
  };
  const Time since = AskSince(rows.suspects);
  // First what was sent later: what then is not shown of the pair was not there when that was.
  if (newest_.size() > kLanesMax) newest_.clear();
  const auto known = newest_.find(pair.lane.id);
  if (known != newest_.end()) list.newest = known->second;
  if (WantsNewest(rows.suspects, rows.now, list.newest)) {
    if (!may_ask()) return list;
    const auto page = list_.Newest(account, pair.lane, "", since);
    if (!Took(pair.lane.account_sid, page.status())) return list;
    for (const twilio::MessageResource& message : page->messages) {
      if (!message.created || message.direction == "inbound") continue;
      list.newest = std::max(list.newest.value_or(Time::min()), *message.created);
    }
    if (list.newest) newest_[pair.lane.id] = *list.newest;
  }

  if (!may_ask()) return list;
  auto page = list_.Newest(account, pair.lane, pair.customer_number, since);
  for (int pages = 1; Took(pair.lane.account_sid, page.status()); ++pages) {
    std::move(page->messages.begin(), page->messages.end(), std::back_inserter(list.messages));
    if (page->next_page_uri.empty()) {
      list.readable = true;
      return list;
    }
    if (pages == options_.pages_max || !may_ask()) return list;
    const std::string next = page->next_page_uri;
    page = list_.Next(account, next);
  }
  return list;
}

bool EvidenceSearch::Took(const std::string& account_sid, const absl::Status& status) {
  Account& account = accounts_[account_sid];
  if (status.ok()) {
    account.wait = std::chrono::milliseconds(0);
    account.ask_at = steady_clock::now() + options_.account_wait;
    return true;
  }
  account.wait = std::clamp(account.wait * 2, options_.refused_wait, options_.refused_wait_max);
  account.ask_at = steady_clock::now() + account.wait;
  telemetry::Warning("message_list_unread", status,
                     {{"account_sid", account_sid}, {"wait_ms", account.wait.count()}});
  return false;
}

}  // namespace parley::sender
