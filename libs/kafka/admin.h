// Creates topics; used by `gateway migrate` and by tests.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace parley::kafka {

struct TopicSpec {
  std::string name;
  int partitions = 12;
  int replication = 1;
  std::map<std::string, std::string> settings;  // For example {"cleanup.policy", "compact"}.
};

// Every topic of DESIGN §3 with its dead-letter topics. `parley.directory` always has one
// partition.
std::vector<TopicSpec> ParleyTopics(int partitions, int replication);

// Creates those that do not exist; existing ones are left as they are. Waits for the brokers up to
// `deadline`. Errors: kUnavailable, kInvalidArgument (the broker refuses the settings).
absl::Status CreateTopics(const std::string& brokers, const std::vector<TopicSpec>& topics,
                          std::chrono::milliseconds deadline);

}  // namespace parley::kafka
