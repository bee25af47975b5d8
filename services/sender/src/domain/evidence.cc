#include "domain/evidence.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>

#include "libs/base/text.h"

namespace parley::sender {
namespace {

using std::chrono::milliseconds;
using twilio::MessageResource;

constexpr std::size_t kFindingsMax = 20;
// After the first look, the second, and so on; the last one repeats.
constexpr std::array<std::chrono::seconds, 6> kWaits = {
    std::chrono::seconds(10),  std::chrono::seconds(30),  std::chrono::seconds(120),
    std::chrono::seconds(300), std::chrono::seconds(900), std::chrono::seconds(1'800)};
// How far before a request the list is asked for: what is older than the slack is not settled by,
// but forbids to say that it is missing.
constexpr std::chrono::minutes kAskBack{5};
// Looks before fewer messages than there are suspects alike settle some of them.
constexpr int kCountingLooks = 1;
// What Twilio puts before the texts of trial accounts.
constexpr std::string_view kTrialPrefix = "Sent from your Twilio trial account - ";

bool HasText(const Suspect& suspect, const MessageResource& message) {
  if (suspect.is_template) return false;
  if (suspect.body.empty()) return message.body.empty() && message.media == suspect.media;
  std::string_view text = message.body;
  if (text == suspect.body) return true;
  if (!text.starts_with(kTrialPrefix)) return false;
  text.remove_prefix(kTrialPrefix.size());
  return text == suspect.body;
}

bool AreAlike(const Suspect& a, const Suspect& b) {
  return a.is_template == b.is_template && a.body == b.body &&
         (!a.body.empty() || a.media == b.media);
}

// What was created after this was created later, whatever the clocks say.
Time LaterThan(const Suspect& suspect) { return suspect.deadline + kClockSlack; }

bool IsOfItsTime(const Suspect& suspect, const MessageResource& message) {
  return *message.created >= suspect.requested_at - kClockSlack &&
         *message.created <= LaterThan(suspect);
}

// Messages that nobody claimed, oldest first.
std::vector<const MessageResource*> Unclaimed(const PairRows& rows, const ListView& list) {
  std::vector<const MessageResource*> free;
  std::set<std::string_view> seen;  // A page may repeat what the one before it showed.
  for (const MessageResource& message : list.messages) {
    if (message.direction != "outbound-api" || !message.created) continue;
    if (rows.claimed.contains(message.sid) || !seen.insert(message.sid).second) continue;
    free.push_back(&message);
  }
  std::stable_sort(free.begin(), free.end(),
                   [](const auto* a, const auto* b) { return *a->created < *b->created; });
  return free;
}

class Matching {
 public:
  Matching(const PairRows& rows, const ListView& list)
      : suspects_(rows.suspects), free_(Unclaimed(rows, list)), found_(suspects_.size(), nullptr) {
    for (const MessageResource* message : free_) Match(*message);
    for (std::size_t i = 0; i < suspects_.size(); ++i) {
      if (suspects_[i].is_template) MatchTemplate(i);
    }
    for (std::size_t i = 0; i < suspects_.size(); ++i) Doubt(i);
  }

  const MessageResource* Found(std::size_t i) const { return found_[i]; }

  // True if a message may be this one, but nobody can say.
  bool MayBeShown(const Suspect& suspect) const {
    return std::any_of(free_.begin(), free_.end(), [&](const MessageResource* message) {
      return !IsTaken(*message) && (IsOfItsTime(suspect, *message) || HasText(suspect, *message));
    });
  }

 private:
  bool IsTaken(const MessageResource& message) const {
    return std::find(found_.begin(), found_.end(), &message) != found_.end();
  }

  void Match(const MessageResource& message) {
    std::optional<std::size_t> first;
    for (std::size_t i = 0; i < suspects_.size(); ++i) {
      const Suspect& suspect = suspects_[i];
      if (!HasText(suspect, message) || !IsOfItsTime(suspect, message)) continue;
      // It may be the one whose answer is still to come; that answer will say.
      if (suspect.state != State::kUnconfirmed) return;
      if (!first && found_[i] == nullptr) first = i;
    }
    if (first) found_[*first] = &message;
  }

  // Of a template only a message that can be nothing else.
  void MatchTemplate(std::size_t i) {
    const MessageResource* only = nullptr;
    for (const MessageResource* message : free_) {
      if (IsTaken(*message) || !IsOfItsTime(suspects_[i], *message)) continue;
      if (only != nullptr) return;
      only = message;
    }
    if (only == nullptr || suspects_[i].state != State::kUnconfirmed) return;
    for (std::size_t j = 0; j < suspects_.size(); ++j) {
      if (j != i && found_[j] == nullptr && IsOfItsTime(suspects_[j], *only)) return;
    }
    found_[i] = only;
  }

  // While others alike are not shown it may be too early to say which of them these are: a callback
  // still could, and it knows.
  void Doubt(std::size_t i) {
    if (found_[i] == nullptr || suspects_[i].looks >= kCountingLooks) return;
    for (std::size_t j = 0; j < suspects_.size(); ++j) {
      if (found_[j] == nullptr && AreAlike(suspects_[i], suspects_[j]) &&
          IsOfItsTime(suspects_[j], *found_[i])) {
        found_[i] = nullptr;
        return;
      }
    }
  }

  const std::vector<Suspect>& suspects_;
  const std::vector<const MessageResource*> free_;
  std::vector<const MessageResource*> found_;  // By suspect; null: none.
};

FindingKind KindOf(const Suspect& suspect, const ListView& list, const Matching& matching) {
  if (!list.readable) return FindingKind::kListUnreadable;
  if (matching.MayBeShown(suspect)) return FindingKind::kAmbiguous;
  if (list.newest && *list.newest > LaterThan(suspect)) return FindingKind::kListShowsLater;
  return FindingKind::kListWithout;
}

void Note(std::vector<Finding>& findings, FindingKind kind, Time now) {
  if (!findings.empty() && findings.back().kind == kind) {
    findings.back().at = now;
    ++findings.back().looks;
    return;
  }
  findings.push_back({kind, now, 1});
  if (findings.size() > kFindingsMax) findings.erase(findings.begin());
}

std::optional<milliseconds> NextWait(const Suspect& suspect, int looks, Time now) {
  const Time end = std::max(suspect.not_after, suspect.deadline) + kSearchAfter;
  if (now >= end) return std::nullopt;
  const auto step =
      std::min<std::size_t>(static_cast<std::size_t>(std::max(looks, 1)) - 1, kWaits.size() - 1);
  // One last look is at the very end.
  return std::min<milliseconds>(kWaits[step], std::chrono::ceil<milliseconds>(end - now));
}

}  // namespace

std::vector<Look> Weigh(const PairRows& rows, const ListView& list) {
  const Matching matching(rows, list);
  std::vector<Look> looks;
  for (std::size_t i = 0; i < rows.suspects.size(); ++i) {
    const Suspect& suspect = rows.suspects[i];
    const MessageResource* found = matching.Found(i);
    if (found == nullptr && (!suspect.due || suspect.state != State::kUnconfirmed)) continue;
    Look look{.key = suspect.key,
              .journal = suspect.journal,
              .looks = suspect.looks + 1,
              .requested_at = suspect.requested_at};
    if (found != nullptr) {
      look.message_sid = found->sid;
    } else {
      look.findings = suspect.findings;
      Note(look.findings, KindOf(suspect, list, matching), rows.now);
      look.wait = NextWait(suspect, look.looks, rows.now);
    }
    looks.push_back(std::move(look));
  }
  return looks;
}

Time AskSince(std::span<const Suspect> suspects) {
  Time since = Time::max();
  for (const Suspect& suspect : suspects) {
    if (suspect.due) since = std::min(since, suspect.requested_at);
  }
  return since == Time::max() ? since : since - kAskBack;
}

bool WantsNewest(std::span<const Suspect> suspects, Time now, std::optional<Time> known) {
  return std::any_of(suspects.begin(), suspects.end(), [&](const Suspect& suspect) {
    return suspect.due && LaterThan(suspect) < now && (!known || *known <= LaterThan(suspect));
  });
}

std::string WriteFindings(std::span<const Finding> findings) {
  std::string text;
  for (const Finding& finding : findings) {
    if (!text.empty()) text += ';';
    text += std::to_string(static_cast<int>(finding.kind)) + ":" +
            std::to_string(ToMicros(finding.at)) + ":" + std::to_string(finding.looks);
  }
  return text;
}

std::vector<Finding> ReadFindings(std::string_view text) {
  std::vector<Finding> findings;
  if (text.empty()) return findings;
  for (const std::string_view one : Split(text, ';')) {
    std::array<std::int64_t, 3> numbers{};
    std::size_t count = 0;
    bool valid = true;
    for (const std::string_view part : Split(one, ':')) {
      if (count == numbers.size()) {
        valid = false;
        break;
      }
      const auto [end, error] =
          std::from_chars(part.data(), part.data() + part.size(), numbers[count++]);
      valid &= error == std::errc() && end == part.data() + part.size();
    }
    if (!valid || count != numbers.size() || numbers[0] < 1 || numbers[0] > 5) continue;
    if (findings.size() == kFindingsMax) break;
    findings.push_back({static_cast<FindingKind>(numbers[0]), FromMicros(numbers[1]),
                        static_cast<int>(numbers[2])});
  }
  return findings;
}

}  // namespace parley::sender
