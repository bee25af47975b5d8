#include "yardstick_process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <utility>
#include <vector>

#include "libs/base/status.h"

namespace parley::bench {

absl::StatusOr<YardstickProcess> YardstickProcess::Start(const Options& options) {
  std::array<int, 2> input;
  std::array<int, 2> output;
  if (pipe2(input.data(), O_CLOEXEC) != 0 || pipe2(output.data(), O_CLOEXEC) != 0) {
    return Unavailable("YARDSTICK", "No pipe can be made.");
  }
  std::vector<std::string> words = {options.program, "--kafka", options.kafka_brokers,
                                    "--connections", std::to_string(options.connections)};
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output[1], STDOUT_FILENO);
  pid_t pid = -1;
  const int failed =
      posix_spawn(&pid, options.program.c_str(), &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(input[0]);
  close(output[1]);
  std::string url;
  char c = 0;
  while (failed == 0 && read(output[0], &c, 1) == 1 && c != '\n') url += c;
  close(output[0]);
  YardstickProcess process(failed == 0 ? pid : -1, input[1], url);
  if (failed != 0 || !url.starts_with("http")) {
    return Unavailable("YARDSTICK", options.program + " does not say where it listens.");
  }
  return process;
}

YardstickProcess::~YardstickProcess() {
  if (input_ >= 0) close(input_);
  if (pid_ > 0) waitpid(pid_, nullptr, 0);
}

YardstickProcess::YardstickProcess(YardstickProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      input_(std::exchange(other.input_, -1)),
      url_(std::move(other.url_)) {}

}  // namespace parley::bench
