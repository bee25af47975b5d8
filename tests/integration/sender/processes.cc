#include "tests/integration/sender/processes.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

namespace parley::sender {

std::string SenderBinary() {
  const char* folder = std::getenv("PARLEY_TEST_BIN_DIR");
  return std::string(folder == nullptr ? "." : folder) + "/sender";
}

std::string SimulatorBinary() {
  const char* binary = std::getenv("PARLEY_TEST_SIMULATOR_BINARY");
  return binary == nullptr ? "./twilio-simulator" : binary;
}

Process::Process(const std::string& binary, const std::vector<std::string>& arguments,
                 const std::vector<std::string>& settings)
    : output_fd_(memfd_create("output", 0)) {
  std::vector<char*> words{const_cast<char*>(binary.c_str())};
  for (const std::string& argument : arguments)
    words.push_back(const_cast<char*>(argument.c_str()));
  words.push_back(nullptr);
  std::vector<char*> environment;
  for (const std::string& setting : settings) {
    environment.push_back(const_cast<char*>(setting.c_str()));
  }
  environment.push_back(nullptr);
  pid_ = fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);  // A test that is ended leaves nothing behind.
    dup2(output_fd_, STDOUT_FILENO);
    dup2(output_fd_, STDERR_FILENO);
    execve(binary.c_str(), words.data(), environment.data());
    _exit(127);
  }
}

Process::~Process() {
  if (pid_ > 0) {
    Signal(SIGCONT);
    Signal(SIGTERM);
    Wait();
  }
  close(output_fd_);
}

void Process::Signal(int number) {
  if (pid_ > 0) kill(pid_, number);
}

int Process::Wait() {
  if (pid_ <= 0) return -1;
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool Process::HasEnded() {
  if (pid_ <= 0) return true;
  siginfo_t info{};
  waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT);
  return info.si_pid == pid_;
}

std::string Process::Output() const {
  std::string text;
  char buffer[4096];
  for (off_t at = 0;;) {
    const ssize_t got = pread(output_fd_, buffer, sizeof buffer, at);
    if (got <= 0) return text;
    text.append(buffer, static_cast<std::size_t>(got));
    at += got;
  }
}

int FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t bytes = sizeof address;
  bind(fd, reinterpret_cast<sockaddr*>(&address), bytes);
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &bytes);
  close(fd);
  return ntohs(address.sin_port);
}

}  // namespace parley::sender
