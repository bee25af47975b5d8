#include "libs/telemetry/metrics.h"

#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>

namespace parley::telemetry {
namespace {

prometheus::Registry& Registry() {
  static auto* const registry = new prometheus::Registry;
  return *registry;
}

void UpdateProcessMetrics() {
  static auto& resident = Gauge("process_resident_memory_bytes", "Resident memory of the process.");
  static auto& cpu = Gauge("process_cpu_seconds_total", "User and system CPU time of the process.");
  std::ifstream statm("/proc/self/statm");
  double total = 0;
  double pages = 0;
  if (statm >> total >> pages) resident.Set(pages * static_cast<double>(sysconf(_SC_PAGESIZE)));
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    const auto seconds = [](const timeval& time) {
      return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    cpu.Set(seconds(usage.ru_utime) + seconds(usage.ru_stime));
  }
}

}  // namespace

prometheus::Counter& Counter(const std::string& name, const std::string& help,
                             const Labels& labels) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(Registry()).Add(labels);
}

prometheus::Gauge& Gauge(const std::string& name, const std::string& help, const Labels& labels) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(Registry()).Add(labels);
}

prometheus::Histogram& LatencyHistogram(const std::string& name, const std::string& help,
                                        const Labels& labels) {
  return prometheus::BuildHistogram()
      .Name(name)
      .Help(help)
      .Register(Registry())
      .Add(labels,
           prometheus::Histogram::BucketBoundaries{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                                   0.1, 0.25, 0.5, 1, 2.5, 5, 10});
}

std::string RenderMetrics() {
  UpdateProcessMetrics();
  return prometheus::TextSerializer().Serialize(Registry().Collect());
}

}  // namespace parley::telemetry
