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
  const std::string sid = "SM" + std::string(28, 'a') + std::to_string(1'000 + ledger_.size());
  CallBack(request, sid);
  if (error || down || world_.Chance(faults_.answer_lost)) {
    ++doubtful_;
    const Micros delay = error || world_.Chance(0.5) ? quick : timeout;
    return after(delay, Unknown{error ? 503 : 0, ""});
  }
  after(quick, twilio::Accepted{.sid = sid, .segments = request.head.segments});
}

}  // namespace parley::sender::simulation
