// Takes commands in: Kafka's records become rows, and only then are they committed.
#pragma once

#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "libs/kafka/record.h"
#include "pipeline/publisher.h"
#include "pipeline/pump.h"
#include "ports.h"

namespace parley::sender {

// Adds the command to `batch`. Errors: kInvalidArgument.
absl::Status ParseCommand(const kafka::Record& record, CommandBatch& batch);

class CommandHandler {
 public:
  // `on_campaign` is told when a campaign's state may have changed.
  CommandHandler(CommandStore& store, ResultSink& sink, Publisher& publisher, Pump& pump,
                 std::function<void()> on_campaign)
      : store_(store),
        sink_(sink),
        publisher_(publisher),
        pump_(pump),
        on_campaign_(std::move(on_campaign)) {}

  // As kafka::BatchHandler.
  absl::Status Handle(const std::vector<kafka::Record>& records);

 private:
  CommandStore& store_;
  ResultSink& sink_;
  Publisher& publisher_;
  Pump& pump_;
  const std::function<void()> on_campaign_;
};

}  // namespace parley::sender
