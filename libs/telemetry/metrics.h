// Metrics for Prometheus, served by the admin port (libs/http/admin.h). Thread-safe.
//
//   static auto& stored = telemetry::Counter("parley_gateway_messages_stored_total",
//                                            "Messages written to the store.");
//   stored.Increment();
//
// Names are parley_<service>_<what>_<unit>[_total]; the help says what to do when it is off.
// References live as long as the process.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>

#include <map>
#include <string>

namespace parley::telemetry {

using Labels = std::map<std::string, std::string>;

prometheus::Counter& Counter(const std::string& name, const std::string& help,
                             const Labels& labels = {});
prometheus::Gauge& Gauge(const std::string& name, const std::string& help,
                         const Labels& labels = {});
// Seconds, in buckets from 0.5 ms to 10 s.
prometheus::Histogram& LatencyHistogram(const std::string& name, const std::string& help,
                                        const Labels& labels = {});

// Everything registered, and the process's memory and CPU time, in Prometheus's text format.
std::string RenderMetrics();

}  // namespace parley::telemetry
