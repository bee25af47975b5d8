#include "store/outbox.h"

#include "store/live_json.h"
#include "store/statement.h"

namespace parley::gateway::store {

void Outbox::AddKafka(const KafkaRow& row) {
  ++kafka_rows_;
  organizations_.Add(row.organization_id);
  topics_.Add(row.topic);
  keys_.Add(row.key);
  values_.AddBytes(row.value);
  types_.Add(row.type);
  traces_.Add(row.traceparent);
}

void Outbox::AddLive(std::string_view organization_id, std::string_view name,
                     std::string_view data) {
  auto at = live_lines_.find(organization_id);
  if (at == live_lines_.end()) at = live_lines_.emplace(organization_id, Lines()).first;
  Lines& lines = at->second;
  if (lines.events > 0 && lines.text.size() + data.size() > kLiveRowBytesMax) {
    AddLiveRow(at->first, lines);
  }
  ++lines.events;
  AppendLiveLine(lines.text, name, data);
}

void Outbox::AddLiveRow(const std::string& organization_id, Lines& lines) {
  ++live_rows_;
  live_organizations_.Add(organization_id);
  live_counts_.Add(lines.events);
  live_data_.Add(lines.text);
  lines = {};
}

void Outbox::Write(pqxx::work& tx) {
  // Identities are drawn in the order of the arrays, and that order is the order of publication.
  if (kafka_rows_ > 0) {
    RunPrepared(tx, "insert_outbox",
                "INSERT INTO outbox (organization_id, topic, key, value, type, traceparent) "
                "SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[], $5::text[], "
                "$6::text[])",
                organizations_.str(), topics_.str(), keys_.str(), values_.str(), types_.str(),
                traces_.str());
  }
  for (auto& [organization_id, lines] : live_lines_) {
    if (lines.events > 0) AddLiveRow(organization_id, lines);
  }
  if (live_rows_ > 0) {
    RunPrepared(tx, "insert_live_outbox",
                "INSERT INTO live_outbox (organization_id, events, data) "
                "SELECT * FROM unnest($1::uuid[], $2::int[], $3::text[])",
                live_organizations_.str(), live_counts_.str(), live_data_.str());
  }
  std::string wake;
  for (const auto& [needed, channel] :
       {std::pair{kafka_rows_ > 0, kOutboxChannel}, std::pair{live_rows_ > 0, kLiveChannel},
        std::pair{wake_dispatcher_, kTurnsChannel}}) {
    if (needed) wake += std::string("NOTIFY ") + channel + ";";
  }
  if (!wake.empty()) tx.exec(wake);
  *this = Outbox();
}

}  // namespace parley::gateway::store
