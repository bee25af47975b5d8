#include "domain/knobs.h"

#include <set>

#include "domain/sid.h"
#include "domain/text.h"

namespace parley::simulator {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kDelayMsMax = 3'600'000;

// Visits every knob with its name; reading and writing walk the same list.
template <typename Visitor>
void VisitFaults(Visitor& v, Faults& f) {
  v.Int("latency_ms", f.latency_ms, 0, kDelayMsMax);
  v.Rate("status_429_rate", f.status_429_rate);
  v.Rate("status_5xx_rate", f.status_5xx_rate);
  v.Rate("status_5xx_processed_rate", f.status_5xx_processed_rate);
  v.Rate("drop_before_rate", f.drop_before_rate);
  v.Rate("accept_then_drop_rate", f.accept_then_drop_rate);
  v.Rate("queue_full_rate", f.queue_full_rate);
  v.Int("list_lag_ms", f.list_lag_ms, 0, kDelayMsMax);
  v.Int("callback_delay_ms", f.callback_delay_ms, 0, kDelayMsMax);
  v.Rate("callback_duplicate_rate", f.callback_duplicate_rate);
  v.Rate("callback_drop_rate", f.callback_drop_rate);
  v.Bool("callback_shuffle", f.callback_shuffle);
  v.Rate("undelivered_rate", f.undelivered_rate);
  v.Int("undelivered_error_code", f.undelivered_error_code, 1, 99999);
  v.Bool("all_requests", f.all_requests);
  v.Word("seed", f.seed);
}

template <typename Visitor>
void VisitSettings(Visitor& v, Settings& s) {
  v.Bool("callbacks", s.callbacks);
  v.Int("sent_delay_ms", s.sent_delay_ms, 0, kDelayMsMax);
  v.Int("final_status_delay_ms", s.final_status_delay_ms, 0, kDelayMsMax);
  v.Int("price_delay_ms", s.price_delay_ms, 0, kDelayMsMax);
  v.Bool("sending_callback", s.sending_callback);
  v.Rate("whatsapp_read_rate", s.whatsapp_read_rate);
  v.Int("read_delay_ms", s.read_delay_ms, 0, kDelayMsMax);
  v.Int("concurrency_limit", s.concurrency_limit, 0, 1'000'000);
  v.Bool("require_public_callback_host", s.require_public_callback_host);
  v.Bool("fetch_media", s.fetch_media);
  v.Int("inbound_retry_count", s.inbound_retry_count, 0, 5);
  v.Text("inbound_retry_policy", s.inbound_retry_policy);
  v.Int("inbound_retry_delay_ms", s.inbound_retry_delay_ms, 0, 10'000);
  v.Int("call_ring_ms", s.call_ring_ms, 0, kDelayMsMax);
  v.Int("call_duration_ms", s.call_duration_ms, 0, kDelayMsMax);
  v.Text("call_outcome", s.call_outcome);
  v.List("geo_blocked_prefixes", s.geo_blocked_prefixes);
}

class Reader {
 public:
  explicit Reader(const Json& json) : json_(json) {}

  void Int(const char* name, int& out, int low, int high) {
    const Json* value = Take(name);
    if (value == nullptr) return;
    if (!value->is_number_integer() || *value < low || *value > high) {
      return Fail(name, "must be a whole number from " + std::to_string(low) + " to " +
                            std::to_string(high));
    }
    out = value->get<int>();
  }
  void Rate(const char* name, double& out) {
    const Json* value = Take(name);
    if (value == nullptr) return;
    if (!value->is_number() || *value < 0.0 || *value > 1.0) {
      return Fail(name, "must be a number from 0 to 1");
    }
    out = value->get<double>();
  }
  void Bool(const char* name, bool& out) {
    const Json* value = Take(name);
    if (value == nullptr) return;
    if (!value->is_boolean()) return Fail(name, "must be true or false");
    out = value->get<bool>();
  }
  void Word(const char* name, std::uint64_t& out) {
    const Json* value = Take(name);
    if (value == nullptr) return;
    if (!value->is_number_unsigned()) return Fail(name, "must be a whole number of at least 0");
    out = value->get<std::uint64_t>();
  }
  void Text(const char* name, std::string& out) {
    const Json* value = Take(name);
    if (value == nullptr) return;
    if (!value->is_string()) return Fail(name, "must be a text");
    out = value->get<std::string>();
  }
  void List(const char* name, std::vector<std::string>& out) {
    const Json* value = Take(name);
    if (value == nullptr) return;
    std::vector<std::string> items;
    if (!value->is_array() || value->size() > 1000) return Fail(name, "must be a list of texts");
    for (const Json& item : *value) {
      if (!item.is_string()) return Fail(name, "must be a list of texts");
      items.push_back(item.get<std::string>());
    }
    out = std::move(items);
  }

  std::string Finish() {
    if (!error_.empty()) return error_;
    for (const auto& [key, value] : json_.items()) {
      if (known_.count(key) == 0) return "\"" + key + "\" is not known";
    }
    return {};
  }

 private:
  const Json* Take(const char* name) {
    known_.insert(name);
    const auto found = json_.find(name);
    return found == json_.end() ? nullptr : &*found;
  }
  void Fail(const char* name, const std::string& what) {
    if (error_.empty()) error_ = "\"" + std::string(name) + "\" " + what;
  }

  const Json& json_;
  std::set<std::string> known_;
  std::string error_;
};

struct Writer {
  Json json = Json::object();
  void Int(const char* name, int value, int, int) { json[name] = value; }
  void Rate(const char* name, double value) { json[name] = value; }
  void Bool(const char* name, bool value) { json[name] = value; }
  void Word(const char* name, std::uint64_t value) { json[name] = value; }
  void Text(const char* name, const std::string& value) { json[name] = value; }
  void List(const char* name, const std::vector<std::string>& value) { json[name] = value; }
};

}  // namespace

std::string ReadFaults(const Json& json, Faults& faults) {
  if (!json.is_object()) return "the body must be a JSON object";
  Faults parsed;
  Reader reader(json);
  VisitFaults(reader, parsed);
  std::string error = reader.Finish();
  if (error.empty()) faults = parsed;
  return error;
}

Json ToJson(const Faults& faults) {
  Faults copy = faults;
  Writer writer;
  VisitFaults(writer, copy);
  return writer.json;
}

std::string ReadSettings(const Json& json, Settings& settings) {
  if (!json.is_object()) return "the body must be a JSON object";
  Settings parsed = settings;
  Reader reader(json);
  VisitSettings(reader, parsed);
  std::string error = reader.Finish();
  ConnectionOverrides ignored;
  if (error.empty() && !ParseRetryPolicy(parsed.inbound_retry_policy, ignored)) {
    error = "\"inbound_retry_policy\" must list some of 4xx, 5xx, ct, rt, all";
  }
  static const std::set<std::string> kOutcomes = {"completed", "busy", "no-answer", "failed"};
  if (error.empty() && kOutcomes.count(parsed.call_outcome) == 0) {
    error = "\"call_outcome\" must be completed, busy, no-answer or failed";
  }
  if (error.empty()) settings = std::move(parsed);
  return error;
}

Json ToJson(const Settings& settings) {
  Settings copy = settings;
  Writer writer;
  VisitSettings(writer, copy);
  return writer.json;
}

ConnectionOverrides DefaultOverrides(const Settings& settings) {
  ConnectionOverrides overrides;
  overrides.retries = settings.inbound_retry_count;
  ParseRetryPolicy(settings.inbound_retry_policy, overrides);
  return overrides;
}

std::uint64_t Dice::Next() { return Scatter(state_++); }

bool Dice::Roll(double rate) {
  if (rate <= 0) return false;
  return static_cast<double>(Next() >> 11) * 0x1.0p-53 < rate;
}

int Dice::Below(int bound) {
  return bound < 1 ? 0 : static_cast<int>(Next() % static_cast<std::uint64_t>(bound));
}

}  // namespace parley::simulator
