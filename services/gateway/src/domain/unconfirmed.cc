#include "domain/unconfirmed.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace parley::gateway {
namespace {

using events::v1::Finding;

std::string Times(int looks) {
  return looks <= 1 ? "" : " It was asked " + std::to_string(looks) + " times.";
}

std::string Sentence(const Finding& finding) {
  switch (finding.kind()) {
    case Finding::KIND_LIST_WITHOUT:
      return "Twilio's list of messages does not show it; that list may lag behind." +
             Times(finding.looks());
    case Finding::KIND_LIST_SHOWS_LATER:
      return "Twilio's list shows later messages from this number, but not this one. It was "
             "probably not sent." +
             Times(finding.looks());
    case Finding::KIND_LIST_UNREADABLE:
      return "Twilio's list of messages could not be read." + Times(finding.looks());
    case Finding::KIND_FOUND:
      return "Twilio has it.";
    case Finding::KIND_AMBIGUOUS:
      return "Twilio's list shows messages like it, but not which of them it is." +
             Times(finding.looks());
    default:
      return "It was looked for." + Times(finding.looks());
  }
}

google::protobuf::Timestamp At(std::int64_t micros) {
  google::protobuf::Timestamp time;
  time.set_seconds(micros / 1'000'000);
  time.set_nanos(static_cast<std::int32_t>(micros % 1'000'000) * 1'000);
  return time;
}

}  // namespace

std::string WriteFindings(const Findings& findings) {
  if (findings.empty()) return "";
  nlohmann::json list = nlohmann::json::array();
  const std::size_t skipped = findings.size() - std::min(findings.size(), kFindingsMax);
  for (std::size_t i = skipped; i < findings.size(); ++i) {
    const Finding& finding = findings[i];
    list.push_back({{"kind", static_cast<int>(finding.kind())},
                    {"at", finding.at_us()},
                    {"looks", finding.looks()},
                    {"sid", finding.message_sid()}});
  }
  return list.dump();
}

Findings ReadFindings(std::string_view text) {
  Findings findings;
  if (text.empty()) return findings;
  const auto list = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!list.is_array()) return findings;
  for (const nlohmann::json& one : list) {
    if (!one.is_object() || findings.size() == kFindingsMax) continue;
    Finding finding;
    finding.set_kind(static_cast<Finding::Kind>(one.value("kind", 0)));
    finding.set_at_us(one.value("at", std::int64_t{0}));
    finding.set_looks(one.value("looks", 0));
    finding.set_message_sid(one.value("sid", ""));
    findings.push_back(std::move(finding));
  }
  return findings;
}

bool Refuted(const Findings& findings) {
  return std::any_of(findings.begin(), findings.end(), [](const Finding& finding) {
    return finding.kind() == Finding::KIND_LIST_SHOWS_LATER;
  });
}

v1::Unconfirmed ToUnconfirmed(const Findings& findings, std::int64_t look_again_us) {
  v1::Unconfirmed unconfirmed;
  unconfirmed.set_verdict(Refuted(findings) ? v1::Unconfirmed::VERDICT_PROBABLY_NOT_SENT
                                            : v1::Unconfirmed::VERDICT_OPEN);
  for (const Finding& finding : findings) {
    v1::UnconfirmedFinding& shown = *unconfirmed.add_findings();
    shown.set_text(Sentence(finding));
    *shown.mutable_time() = At(finding.at_us());
  }
  if (look_again_us > 0) *unconfirmed.mutable_next_look_time() = At(look_again_us);
  return unconfirmed;
}

}  // namespace parley::gateway
