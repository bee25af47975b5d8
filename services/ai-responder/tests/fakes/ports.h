// Fakes of the ports: a provider and a sink that say what they are told to.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "ports.h"

namespace parley::ai {

class FakeProvider final : public Provider {
 public:
  absl::StatusOr<Completion> Complete(const Turn& turn, const std::stop_token&) override {
    asked.push_back(turn.ready.turn_id());
    if (on_call) on_call();
    return answer;
  }

  absl::StatusOr<Completion> answer = Completion{"the answer", "fake"};
  std::function<void()> on_call;
  std::vector<std::string> asked;  // Turn ids.
};

class FakeSink final : public ReplySink {
 public:
  absl::Status Publish(const events::v1::ReplyRecord& reply,
                       const std::string& traceparent) override {
    published.emplace_back(reply, traceparent);  // May arrive although the sink says otherwise.
    if (results.empty()) return absl::OkStatus();
    absl::Status result = results.front();
    results.pop_front();
    return result;
  }

  std::deque<absl::Status> results;  // Of the next calls; then OK.
  std::vector<std::pair<events::v1::ReplyRecord, std::string>> published;
};

}  // namespace parley::ai
