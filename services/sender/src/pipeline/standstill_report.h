// Tells operators what stands still at this replica because of Twilio's answers: breakers live in
// each replica's memory, and the tables show those of all.
#pragma once

#include <string>
#include <vector>

#include "domain/standstill.h"
#include "ports.h"

namespace parley::sender {

// For one thread.
class StandstillReport {
 public:
  StandstillReport(OperatorStore& store, std::string replica)
      : store_(store), replica_(std::move(replica)) {}

  // Stores them if they changed, or now and then. Errors are the store's: it is tried again.
  absl::Status Tell(std::vector<Standstill> standstills, SteadyTime now);

 private:
  OperatorStore& store_;
  const std::string replica_;
  std::vector<Standstill> told_;
  SteadyTime told_at_;
};

}  // namespace parley::sender
