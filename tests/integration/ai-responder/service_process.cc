#include "tests/integration/ai-responder/service_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <thread>

namespace parley::ai {
namespace {

std::string Binary() {
  const char* folder = std::getenv("PARLEY_TEST_BIN_DIR");
  return std::string(folder == nullptr ? "." : folder) + "/ai-responder";
}

}  // namespace

ServiceProcess::ServiceProcess(const std::vector<std::string>& settings)
    : output_fd_(memfd_create("output", 0)) {
  const std::string binary = Binary();
  std::vector<char*> environment;
  for (const std::string& setting : settings) {
    environment.push_back(const_cast<char*>(setting.c_str()));
  }
  environment.push_back(nullptr);
  const char* const arguments[] = {binary.c_str(), "serve", nullptr};
  pid_ = fork();
  if (pid_ == 0) {
    dup2(output_fd_, STDOUT_FILENO);
    dup2(output_fd_, STDERR_FILENO);
    execve(binary.c_str(), const_cast<char* const*>(arguments), environment.data());
    _exit(127);
  }
}

ServiceProcess::~ServiceProcess() {
  if (pid_ > 0) {
    Signal(SIGTERM);
    Wait();
  }
  close(output_fd_);
}

void ServiceProcess::Signal(int number) {
  if (pid_ > 0) kill(pid_, number);
}

int ServiceProcess::Wait() {
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::string ServiceProcess::Output() {
  std::string text;
  char buffer[4096];
  for (off_t at = 0;;) {
    const ssize_t got = pread(output_fd_, buffer, sizeof buffer, at);
    if (got <= 0) return text;
    text.append(buffer, static_cast<std::size_t>(got));
    at += got;
  }
}

int ServiceProcess::AdminPort() {
  const std::string wanted = "\"admin_port\":";
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (std::chrono::steady_clock::now() < deadline) {
    const std::string output = Output();
    const std::size_t at = output.find(wanted);
    if (at != std::string::npos) return std::atoi(output.c_str() + at + wanted.size());
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // Polls a file.
  }
  return 0;
}

}  // namespace parley::ai
