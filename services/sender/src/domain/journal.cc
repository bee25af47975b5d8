#include "domain/journal.h"

namespace parley::sender {

Settled ToSettled(const SettleEntry& entry, const SettleResult& result) {
  Settled settled;
  settled.ord = entry.head.ord;
  settled.lane_id = entry.head.lane_id;
  settled.unclear = !result.applied;
  if (result.applied && entry.settlement.state == State::kQueued) {
    settled.requeue = true;
    settled.wait = entry.settlement.wait;
    settled.attempt = result.attempt;
  }
  return settled;
}

SettleEntry EntryOf(const Job& job) {
  SettleEntry entry;
  entry.head = job.head;
  entry.journal = job.journal;
  entry.account_sid = job.lane.account_sid;
  entry.sender_number = job.lane.number;
  entry.customer_number = job.customer_number;
  return entry;
}

SettleEntry Abandoned(const Job& job) {
  SettleEntry entry = EntryOf(job);
  entry.settlement =
      Settle(RetryPolicy{}, twilio::NotWritten{true, "journalled too long ago"}, AnswerContext{});
  return entry;
}

}  // namespace parley::sender
