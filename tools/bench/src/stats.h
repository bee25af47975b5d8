// Latencies and what the services used meanwhile. Pure but for ProcessWatch, which reads /proc.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace parley::bench {

// Microseconds of each measured operation, and what went wrong.
struct Samples {
  std::vector<std::int64_t> micros;
  std::int64_t errors = 0;
  double seconds = 0;  // From the first to the last.

  void Merge(const Samples& other);   // Of what ran at the same time.
  void Append(const Samples& other);  // Of what ran after it.
};

struct Summary {
  std::int64_t count = 0;
  std::int64_t errors = 0;
  double per_second = 0;
  double p50_ms = 0;
  double p99_ms = 0;
  double max_ms = 0;
};

// The percentile is the smallest sample that at least that share of samples does not exceed.
Summary Summarize(Samples samples);

// What one service used between two readings.
struct Usage {
  double cpu_seconds = 0;
  double peak_mib = 0;
};

// CPU time and peak resident memory of the processes whose ids are in `run_dir`/NAME.pid.
class ProcessWatch {
 public:
  ProcessWatch(std::string run_dir, std::vector<std::string> names);
  // Begins anew; the kernel's peak is reset where that is allowed.
  void Start();
  std::map<std::string, Usage> Stop() const;
  // Resident now, in MiB, by service.
  std::map<std::string, double> Resident() const;

 private:
  pid_t Pid(const std::string& name) const;

  const std::string run_dir_;
  const std::vector<std::string> names_;
  std::map<std::string, double> cpu_at_start_;
};

// One row of the report.
struct Row {
  std::string name;
  Summary summary;
  std::map<std::string, Usage> usage;
};

// A Markdown table: throughput, p50, p99, max, errors, CPU seconds per 1,000 operations and peak
// memory of each service.
std::string RenderTable(const std::vector<Row>& rows);

}  // namespace parley::bench
