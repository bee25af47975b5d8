// The shipped binary as a process of the test's own.
#pragma once

#include <string>
#include <vector>

namespace parley::ai {

class ServiceProcess {
 public:
  // `settings` are NAME=value; nothing else of the environment is handed on. Its output is kept.
  explicit ServiceProcess(const std::vector<std::string>& settings);
  // Stops it if it still runs.
  ~ServiceProcess();
  ServiceProcess(const ServiceProcess&) = delete;
  ServiceProcess& operator=(const ServiceProcess&) = delete;

  void Signal(int number);
  // Waits for its end; the exit code, or 128 + the signal that ended it.
  int Wait();
  // Everything that it wrote up to now.
  std::string Output();
  // The port that the log names once the service has started; 0 if it never does.
  int AdminPort();

 private:
  int pid_ = -1;
  int output_fd_ = -1;  // Of an unlinked file.
};

}  // namespace parley::ai
