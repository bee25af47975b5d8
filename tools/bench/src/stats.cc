#include "stats.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <sstream>

namespace parley::bench {
namespace {

// User and system time of a process, in seconds; 0 if it is gone.
double CpuSeconds(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(file, text);
  const std::size_t close = text.rfind(')');  // The name may hold anything.
  if (close == std::string::npos) return 0;
  std::istringstream fields(text.substr(close + 2));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  double user = 0;
  double system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

// A line of /proc/PID/status in MiB, for example "VmHWM:".
double StatusMib(pid_t pid, const std::string& name) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/status");
  std::string line;
  while (std::getline(file, line)) {
    if (line.starts_with(name)) return std::stod(line.substr(name.size())) / 1024;
  }
  return 0;
}

std::string Format(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

}  // namespace

void Samples::Merge(const Samples& other) {
  micros.insert(micros.end(), other.micros.begin(), other.micros.end());
  errors += other.errors;
  seconds = std::max(seconds, other.seconds);
}

void Samples::Append(const Samples& other) {
  const double before = seconds;
  Merge(other);
  seconds = before + other.seconds;
}

Summary Summarize(Samples samples) {
  Summary summary;
  summary.count = static_cast<std::int64_t>(samples.micros.size());
  summary.errors = samples.errors;
  if (samples.micros.empty()) return summary;
  std::sort(samples.micros.begin(), samples.micros.end());
  const auto percentile = [&](double share) {
    const double rank = std::ceil(share * static_cast<double>(samples.micros.size()));
    return static_cast<double>(samples.micros[static_cast<std::size_t>(std::max(1.0, rank)) - 1]) /
           1000;
  };
  summary.per_second =
      samples.seconds > 0 ? static_cast<double>(summary.count) / samples.seconds : 0;
  summary.p50_ms = percentile(0.50);
  summary.p99_ms = percentile(0.99);
  summary.max_ms = percentile(1.0);
  return summary;
}

ProcessWatch::ProcessWatch(std::string run_dir, std::vector<std::string> names)
    : run_dir_(std::move(run_dir)), names_(std::move(names)) {}

pid_t ProcessWatch::Pid(const std::string& name) const {
  std::ifstream file(run_dir_ + "/" + name + ".pid");
  pid_t pid = 0;
  file >> pid;
  return pid;
}

void ProcessWatch::Start() {
  for (const std::string& name : names_) {
    const pid_t pid = Pid(name);
    std::ofstream("/proc/" + std::to_string(pid) + "/clear_refs") << 5;
    cpu_at_start_[name] = CpuSeconds(pid);
  }
}

std::map<std::string, Usage> ProcessWatch::Stop() const {
  std::map<std::string, Usage> usage;
  for (const std::string& name : names_) {
    const pid_t pid = Pid(name);
    if (pid == 0) continue;
    const auto before = cpu_at_start_.find(name);
    usage[name] = {CpuSeconds(pid) - (before == cpu_at_start_.end() ? 0 : before->second),
                   StatusMib(pid, "VmHWM:")};
  }
  return usage;
}

std::map<std::string, double> ProcessWatch::Resident() const {
  std::map<std::string, double> resident;
  for (const std::string& name : names_) resident[name] = StatusMib(Pid(name), "VmRSS:");
  return resident;
}

std::string RenderTable(const std::vector<Row>& rows) {
  std::string text =
      "| what | count | per second | p50 ms | p99 ms | max ms | errors | CPU s per 1,000: gateway, "
      "ingest, ai, sender | peak MiB: gateway, ingest, ai, sender |\n"
      "|---|---|---|---|---|---|---|---|---|\n";
  for (const Row& row : rows) {
    std::string cpu;
    std::string memory;
    for (const char* name : {"gateway", "webhook-ingest", "ai-responder", "sender"}) {
      const auto used = row.usage.find(name);
      const char* const comma = cpu.empty() ? "" : ", ";
      const double thousands = static_cast<double>(row.summary.count) / 1000;
      cpu += comma + (used == row.usage.end() || thousands == 0
                          ? std::string("–")
                          : Format("%.2f", used->second.cpu_seconds / thousands));
      memory += comma + (used == row.usage.end() ? std::string("–")
                                                 : Format("%.0f", used->second.peak_mib));
    }
    text += "| " + row.name + " | " + std::to_string(row.summary.count) + " | " +
            Format("%.0f", row.summary.per_second) + " | " + Format("%.1f", row.summary.p50_ms) +
            " | " + Format("%.1f", row.summary.p99_ms) + " | " +
            Format("%.1f", row.summary.max_ms) + " | " + std::to_string(row.summary.errors) +
            " | " + cpu + " | " + memory + " |\n";
  }
  return text;
}

}  // namespace parley::bench
