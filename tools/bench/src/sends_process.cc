#include "sends_process.h"

#include <fcntl.h>
#include <httplib.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "libs/base/status.h"

namespace parley::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr seconds kReadyMax{60};
constexpr seconds kStopMax{30};

struct Times {
  pid_t parent = 0;
  double own_s = 0;
  double ended_children_s = 0;
};

Times ReadTimes(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(file, text);
  const std::size_t close = text.rfind(')');  // The name may hold anything.
  if (close == std::string::npos) return {};
  std::istringstream fields(text.substr(close + 2));
  std::string skipped;
  Times times;
  double ticks[4] = {};
  fields >> skipped >> times.parent;
  for (int i = 0; i < 9; ++i) fields >> skipped;
  for (double& tick : ticks) fields >> tick;
  const auto per_second = static_cast<double>(sysconf(_SC_CLK_TCK));
  times.own_s = (ticks[0] + ticks[1]) / per_second;
  times.ended_children_s = (ticks[2] + ticks[3]) / per_second;
  return times;
}

}  // namespace

std::string SenderFacts::Setting(const std::string& name) const {
  const auto found = environment.find(name);
  return found == environment.end() ? "" : found->second;
}

pid_t PidOf(const std::string& run_dir, const std::string& name) {
  std::ifstream file(run_dir + "/" + name + ".pid");
  pid_t pid = 0;
  file >> pid;
  return pid;
}

double TreeCpuSeconds(pid_t pid) {
  const Times root = ReadTimes(pid);
  double sum = root.own_s + root.ended_children_s;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
    const std::string name = entry.path().filename();
    pid_t child = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), child).ec != std::errc()) continue;
    const Times times = ReadTimes(child);
    if (times.parent == pid) sum += times.own_s + times.ended_children_s;
  }
  return sum;
}

double StatusMib(pid_t pid, const std::string& name) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/status");
  std::string line;
  while (std::getline(file, line)) {
    if (line.starts_with(name)) return std::stod(line.substr(name.size())) / 1024;
  }
  return 0;
}

absl::StatusOr<SenderFacts> ReadSender(const std::string& run_dir) {
  const pid_t pid = PidOf(run_dir, "sender");
  const std::string folder = "/proc/" + std::to_string(pid);
  std::error_code error;
  SenderFacts facts;
  if (pid > 0) facts.program = std::filesystem::read_symlink(folder + "/exe", error);
  if (pid <= 0 || error) {
    return NotFound("NO_SENDER", "No sender runs; start an installation with ./run start.");
  }
  constexpr std::string_view kDeleted = " (deleted)";  // It was built anew since.
  if (facts.program.ends_with(kDeleted)) {
    facts.program.resize(facts.program.size() - kDeleted.size());
  }
  std::ifstream file(folder + "/environ", std::ios::binary);
  std::string variable;
  while (std::getline(file, variable, '\0')) {
    const std::size_t equals = variable.find('=');
    if (equals != std::string::npos) {
      facts.environment[variable.substr(0, equals)] = variable.substr(equals + 1);
    }
  }
  return facts;
}

SenderProcess::SenderProcess(SenderFacts facts, std::string log)
    : facts_(std::move(facts)), log_(std::move(log)) {}

SenderProcess::~SenderProcess() { Stop(); }

absl::Status SenderProcess::Start(const std::map<std::string, std::string>& settings) {
  std::map<std::string, std::string> merged = facts_.environment;
  for (const auto& [name, value] : settings) merged[name] = value;
  std::vector<std::string> texts;
  for (const auto& [name, value] : merged) texts.push_back(name + "=" + value);
  std::vector<char*> environment;
  for (std::string& text : texts) environment.push_back(text.data());
  environment.push_back(nullptr);
  std::string program = facts_.program;
  std::string command = "serve";
  char* const arguments[] = {program.data(), command.data(), nullptr};
  const int log = open(log_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (log < 0) return Unavailable("NO_LOG", log_ + " cannot be written.");
  pid_ = fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    execve(program.c_str(), arguments, environment.data());
    _exit(127);
  }
  close(log);
  return pid_ > 0 ? absl::OkStatus() : Unavailable("NO_PROCESS", "fork failed.");
}

absl::Status SenderProcess::WaitReady() {
  httplib::Client client("127.0.0.1", std::stoi(facts_.Setting("PARLEY_ADMIN_PORT")));
  const auto deadline = steady_clock::now() + kReadyMax;
  while (steady_clock::now() < deadline) {
    const auto answer = client.Get("/readyz");
    if (answer && answer->status == 200) return absl::OkStatus();
    if (waitpid(pid_, nullptr, WNOHANG) == pid_) {
      pid_ = -1;
      return Unavailable("SENDER_ENDED", "The sender ended; its log is " + log_);
    }
    std::this_thread::sleep_for(milliseconds(5));
  }
  return Unavailable("SENDER_NOT_READY", "The sender is not ready; its log is " + log_);
}

void SenderProcess::Stop() {
  if (pid_ <= 0) return;
  kill(pid_, SIGTERM);
  const auto deadline = steady_clock::now() + kStopMax;
  while (waitpid(pid_, nullptr, WNOHANG) == 0) {
    if (steady_clock::now() > deadline) kill(pid_, SIGKILL);
    std::this_thread::sleep_for(milliseconds(5));
  }
  pid_ = -1;
}

}  // namespace parley::bench
