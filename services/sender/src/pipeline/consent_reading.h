// Reads parley.consent: on from where the store is, and all of it again whenever a hold begins.
#pragma once

#include <functional>
#include <stop_token>

#include "libs/kafka/log_reader.h"
#include "libs/kafka/producer.h"
#include "pipeline/consent.h"
#include "pipeline/hold.h"

namespace parley::sender {

class ConsentReading {
 public:
  // `options.start`: where the store is.
  ConsentReading(kafka::LogReaderOptions options, kafka::Producer& dead_letters,
                 ConsentHandler& handler, ConsentWatcher& watcher, HoldKeeper& hold)
      : options_(std::move(options)),
        dead_letters_(dead_letters),
        handler_(handler),
        watcher_(watcher),
        hold_(hold) {}

  // Until `stop`. One thread.
  void Run(std::stop_token stop);

 private:
  class Watcher;
  absl::Status Read(const kafka::LogReaderOptions& options, std::stop_token stop);

  const kafka::LogReaderOptions options_;
  kafka::Producer& dead_letters_;
  ConsentHandler& handler_;
  ConsentWatcher& watcher_;
  HoldKeeper& hold_;
};

}  // namespace parley::sender
