// A sender of the bench's own: the installation's program and environment, with other settings. The
// installation's own sender stands still meanwhile.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace parley::bench {

// How the installation runs its sender.
struct SenderFacts {
  std::string program;
  std::map<std::string, std::string> environment;

  // The setting's value; empty if it is not set.
  std::string Setting(const std::string& name) const;
};

// From the running process in `run_dir`/sender.pid. Errors: kNotFound, none runs.
absl::StatusOr<SenderFacts> ReadSender(const std::string& run_dir);

// Not thread-safe.
class SenderProcess {
 public:
  // Its output goes to the file `log`, which is appended to.
  SenderProcess(SenderFacts facts, std::string log);
  ~SenderProcess();  // Stops it.
  SenderProcess(const SenderProcess&) = delete;
  SenderProcess& operator=(const SenderProcess&) = delete;

  // Starts it with `settings` over the installation's, and returns at once. The one before must
  // have been stopped.
  absl::Status Start(const std::map<std::string, std::string>& settings);
  // Until it is ready. Errors: kUnavailable, it ended or is late.
  absl::Status WaitReady();
  // In an orderly way; kills it when that takes too long.
  void Stop();

  pid_t pid() const { return pid_; }

 private:
  const SenderFacts facts_;
  const std::string log_;
  pid_t pid_ = -1;
};

// User and system time of a process and its children, ended ones included, in seconds.
double TreeCpuSeconds(pid_t pid);

// A line of /proc/PID/status in MiB, for example "VmRSS:"; 0 if there is none.
double StatusMib(pid_t pid, const std::string& name);

// The process in `run_dir`/NAME.pid; 0 if there is none.
pid_t PidOf(const std::string& run_dir, const std::string& name);

}  // namespace parley::bench
