// The shipped binaries as processes of the test's own.
#pragma once

#include <string>
#include <vector>

namespace parley::sender {

// PARLEY_TEST_BIN_DIR/sender and PARLEY_TEST_SIMULATOR_BINARY.
std::string SenderBinary();
std::string SimulatorBinary();

class Process {
 public:
  // `settings` are NAME=value; nothing else of the environment is handed on. Its output is kept.
  Process(const std::string& binary, const std::vector<std::string>& arguments,
          const std::vector<std::string>& settings);
  // Stops it if it still runs.
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void Signal(int number);
  // Waits for its end; the exit code, or 128 + the signal that ended it.
  int Wait();
  // True if it ended by itself or by a signal.
  bool HasEnded();
  // Everything that it wrote up to now.
  std::string Output() const;
  int pid() const { return pid_; }

 private:
  int pid_ = -1;
  int output_fd_ = -1;  // Of an unlinked file.
};

// A port that nobody uses just now.
int FreePort();

}  // namespace parley::sender
