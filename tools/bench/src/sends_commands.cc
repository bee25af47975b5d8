#include "sends_commands.h"

#include <chrono>
#include <thread>

#include "libs/base/clock.h"
#include "libs/base/id.h"
#include "libs/base/status.h"
#include "libs/kafka/record.h"
#include "parley/events/v1/send_command.pb.h"

namespace parley::bench {
namespace {

using std::chrono::milliseconds;

std::string Command(const Target& target, const CommandOptions& options, int n,
                    const std::string& number) {
  events::v1::SendCommand command;
  command.set_organization_id(target.organization_id);
  events::v1::Send& send = *command.mutable_send();
  const std::string id = NewId();
  send.set_message_id(id);
  send.set_account_sid(target.account_sid);
  send.set_sender_number(number);
  send.set_customer_number(CustomerNumber(n));
  send.set_medium(events::v1::MEDIUM_SMS);
  send.set_body(options.body_prefix + id);
  if (!options.bulk) {
    send.set_conversation_id(NewId());
    send.set_conversation_seq(1);
  }
  send.set_priority(options.bulk ? events::v1::PRIORITY_BULK : events::v1::PRIORITY_INTERACTIVE);
  const std::int64_t now_us = ToMicros(SystemClock().Now());
  send.set_created_at_us(now_us);
  send.set_not_after_us(now_us + 3'600'000'000);
  return command.SerializeAsString();
}

}  // namespace

std::string SenderNumber(int n) { return "+1" + std::to_string(5'550'001'000 + n); }

absl::StatusOr<CommandProducer> CommandProducer::Create(const std::string& brokers) {
  PARLEY_ASSIGN_OR_RETURN(auto producer, kafka::Producer::Create({.brokers = brokers,
                                                                  .client_id = "parley-send-bench",
                                                                  .linger = milliseconds(5)}));
  return CommandProducer(std::move(producer));
}

absl::Status CommandProducer::Produce(const Target& target, const CommandOptions& options) {
  const int numbers = kSenderNumbers - options.first_number;
  for (int i = 0; i < options.count; ++i) {
    const std::string number = SenderNumber(options.first_number + i % numbers);
    const kafka::OutRecord record{
        kafka::kSendCommandsTopic, number, Command(target, options, i, number), {}};
    absl::Status queued;
    while (absl::IsResourceExhausted(queued = producer_->Produce(record, {}))) {
      std::this_thread::sleep_for(milliseconds(5));
    }
    PARLEY_RETURN_IF_ERROR(queued);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::int64_t> LedgerEnd(const Target& target) {
  PARLEY_ASSIGN_OR_RETURN(const auto health,
                          CallSimulator(target, "GET", "/simulator/v1/health", {}));
  return health.at("ledger").get<std::int64_t>();
}

absl::StatusOr<std::unordered_map<std::string, std::int64_t>> ArrivalsAfter(
    const Target& target, std::int64_t after, const std::string& prefix) {
  std::unordered_map<std::string, std::int64_t> arrivals;
  while (true) {
    PARLEY_ASSIGN_OR_RETURN(
        const auto page,
        CallSimulator(target, "GET", "/simulator/v1/ledger?after=" + std::to_string(after), {}));
    if (page.at("entries").empty()) return arrivals;
    for (const auto& entry : page.at("entries")) {
      const std::string body = entry.at("body");
      if (body.starts_with(prefix)) arrivals.emplace(body, entry.at("arrived_at_us"));
    }
    after = page.at("next").get<std::int64_t>();
  }
}

}  // namespace parley::bench
