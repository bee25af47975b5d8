#include "outside.h"

namespace parley::sender::simulation {

void Twilio::CallBack(const Taken& request, const std::string& sid) {
  // Late, shuffled and sometimes twice; some never come.
  const int count = static_cast<int>(world_.Between(0, 2));
  for (int i = 0; i < count; ++i) {
    const Micros delay = world_.Chance(0.8) ? world_.Between(kMilli, kSecond)
                                            : world_.Between(kSecond, 30 * kSecond);
    world_.In(delay, [this, request, sid] {
      tables_.ApplyEvidence(
          {request.job.lane.account_sid, request.head.key.message_id, request.job.attempt, sid});
    });
  }
}

namespace {
// Twilio's own clock, in whole seconds, is right.
Time CreatedAt(const Taken& taken) {
  return std::chrono::floor<std::chrono::seconds>(
      FromMicros(Tables::kClockStart + taken.written_at));
}
}  // namespace

std::string Twilio::Sid(std::size_t nth) {
  return "SM" + std::string(28, 'a') + std::to_string(1'001 + nth);
}

bool Twilio::IsListed(const Taken& taken) const {
  return taken.written_at + list_lag_ <= world_.now();
}

std::vector<twilio::MessageResource> Twilio::List(const Pair& pair, Time since) const {
  std::vector<twilio::MessageResource> listed;
  for (std::size_t i = 0; i < ledger_.size(); ++i) {
    const Taken& taken = ledger_[i];
    if (!IsListed(taken) || taken.head.lane_id != pair.lane.id || CreatedAt(taken) < since ||
        taken.job.customer_number != pair.customer_number) {
      continue;
    }
    twilio::MessageResource message;
    message.sid = Sid(i);
    message.direction = "outbound-api";
    message.body = taken.job.body;
    message.created = CreatedAt(taken);
    listed.push_back(std::move(message));
  }
  return listed;
}

std::optional<Time> Twilio::Newest(const Lane& lane) const {
  std::optional<Time> newest;
  for (const Taken& taken : ledger_) {
    if (!IsListed(taken) || taken.head.lane_id != lane.id) continue;
    newest = std::max(newest.value_or(Time::min()), CreatedAt(taken));
  }
  return newest;
}

void Twilio::Arrive(const Taken& request, Micros timeout,
                    std::function<void(twilio::SendOutcome)> answer) {
  using twilio::Refused;
  using twilio::Unknown;
  const auto after = [&](Micros delay, twilio::SendOutcome outcome) {
    world_.In(delay,
              [answer = std::move(answer), outcome = std::move(outcome)] { answer(outcome); });
  };
  const Micros quick = world_.Between(kMilli, 40 * kMilli);
  const bool down = faults_.twilio_down;
  if (unsubscribed.contains(request.job.customer_number)) {
    return after(quick, Refused{400, 21610, "", {}});
  }
  if (world_.Chance(faults_.busy)) {
    std::optional<std::chrono::seconds> retry_after;
    if (world_.Chance(0.3)) retry_after = std::chrono::seconds(1);
    return after(quick, Refused{429, world_.Chance(0.2) ? 21611 : 20429, "", retry_after});
  }
  if (world_.Chance(faults_.refused)) {
    constexpr int kCodes[] = {21211, 63017, 21606, 20003};
    const int code = kCodes[world_.Between(0, 3)];
    return after(quick, Refused{code == 20003 ? 401 : 400, code, "", {}});
  }
  const bool error = world_.Chance(faults_.server_error);
  if ((error || down) && world_.Chance(0.5)) {
    ++doubtful_;
    return after(error ? quick : timeout, Unknown{error ? 503 : 0, ""});
  }
  ledger_.push_back(request);
  const std::string sid = Sid(ledger_.size() - 1);
  CallBack(request, sid);
  if (error || down || world_.Chance(faults_.answer_lost)) {
    ++doubtful_;
    const Micros delay = error || world_.Chance(0.5) ? quick : timeout;
    return after(delay, Unknown{error ? 503 : 0, ""});
  }
  after(quick, twilio::Accepted{.sid = sid, .segments = request.head.segments});
}

}  // namespace parley::sender::simulation
