// What is measured of the sender: throughput beside what the machine allows, latencies from the API
// to Twilio, and a long queue.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "sends_commands.h"
#include "sends_process.h"
#include "target.h"

namespace parley::bench {

struct SendBenchOptions {
  Target target;
  SenderFacts sender;
  std::string run_dir;
  int sends_max = 20'000;       // For each row of throughput.
  int bulk = 100'000;           // Wait while latencies are measured.
  int queued = 1'000'000;       // For the long queue.
  int latency_seconds = 15;     // How long latencies are measured.
  double posts_per_second = 8;  // To POST /v1/messages meanwhile.
};

// One figure.
struct SendRow {
  std::string what;
  double value = 0;
  std::string unit;
  std::optional<double> goal;
  bool at_most = false;  // The goal is an upper bound.
  std::string note;
};

// Runs scenarios by name, each with the senders it needs, one at a time.
class SendBench {
 public:
  // `log`: where the senders write.
  SendBench(SendBenchOptions options, std::string log);

  // The names, in the order in which they run.
  static std::vector<std::string> Names();

  // Adds rows. Errors: whatever keeps it from measuring.
  absl::Status Run(const std::string& name, std::vector<SendRow>& rows);

 private:
  absl::Status BareCalls(std::vector<SendRow>& rows);
  absl::Status BareRows(std::vector<SendRow>& rows);
  absl::Status Throughput(int workers, int latency_ms, std::vector<SendRow>& rows);
  absl::Status Idle(std::vector<SendRow>& rows);
  absl::Status Busy(double rate, std::vector<SendRow>& rows);
  absl::Status LongQueue(std::vector<SendRow>& rows);

  absl::Status Prepare(int latency_ms);
  absl::Status StartSender(int workers, double rate);
  absl::Status WarmUp();
  absl::Status WaitForLedger(std::int64_t end, const std::string& label);
  absl::Status PostPaced(const std::string& what, std::optional<double> goal,
                         std::vector<SendRow>& rows);
  absl::StatusOr<std::int64_t> Count(const std::string& sql);
  absl::Status Execute(const std::string& sql);
  std::string CpuNote(double count);

  const SendBenchOptions options_;
  const Target& target_;
  SenderProcess process_;
  std::vector<std::pair<std::string, double>> cpu_at_start_;
};

// A Markdown table.
std::string RenderSendRows(const std::vector<SendRow>& rows);

}  // namespace parley::bench
