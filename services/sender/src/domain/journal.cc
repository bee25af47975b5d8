#include "domain/journal.h"

#include "domain/evidence.h"

namespace parley::sender {

Settled ToSettled(const SettleEntry& entry, const SettleResult& result) {
  Settled settled;
  settled.ord = entry.head.ord;
  settled.lane_id = entry.head.lane_id;
  settled.shard = entry.shard;
  settled.unclear = !result.applied;
  if (result.applied && entry.settlement.state == State::kQueued) {
    settled.requeue = true;
    settled.wait = entry.settlement.wait;
    settled.attempt = result.attempt;
  }
  return settled;
}

Change SendingChange(const Job& job, const JournalResult& result) {
  Change change;
  change.key = job.head.key;
  change.ord = job.head.ord;
  change.version = result.version;
  change.state = State::kSending;
  change.attempt = job.attempt;
  change.account_sid = job.lane.account_sid;
  change.at = result.at;
  return change;
}

Change OutcomeChange(const SettleEntry& entry, const SettleResult& result) {
  const Settlement& settlement = entry.settlement;
  Change change;
  change.key = entry.head.key;
  change.ord = entry.head.ord;
  change.version = result.version;
  change.state = settlement.state;
  change.attempt = result.attempt;
  change.account_sid = entry.account_sid;
  change.message_sid = settlement.message_sid;
  change.error_code = settlement.error_code;
  change.reason = settlement.reason;
  change.message = settlement.message;
  change.at = result.at;
  if (change.state == State::kQueued && !change.reason.empty()) change.retry_at = result.due_at;
  if (change.state == State::kUnconfirmed) change.look_again_at = change.at + kFirstLook;
  change.segments = settlement.segments;
  return change;
}

SettleEntry EntryOf(const Job& job) {
  SettleEntry entry;
  entry.head = job.head;
  entry.shard = job.lane.shard;
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
