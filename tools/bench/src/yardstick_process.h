// parley-bench-yardstick as a process of its own, so that it uses the machine as a service does.
#pragma once

#include <sys/types.h>

#include <string>

#include "absl/status/statusor.h"

namespace parley::bench {

// Runs until it is destroyed. Not thread-safe.
class YardstickProcess {
 public:
  struct Options {
    std::string program;
    std::string kafka_brokers;
    int connections = 64;
  };
  // Errors: kUnavailable, it did not say where it listens.
  static absl::StatusOr<YardstickProcess> Start(const Options& options);
  ~YardstickProcess();
  YardstickProcess(YardstickProcess&& other) noexcept;
  YardstickProcess& operator=(YardstickProcess&&) = delete;

  const std::string& url() const { return url_; }

 private:
  YardstickProcess(pid_t pid, int input, std::string url)
      : pid_(pid), input_(input), url_(std::move(url)) {}

  pid_t pid_ = -1;
  int input_ = -1;  // It ends when this is closed.
  std::string url_;
};

}  // namespace parley::bench
