// What leaves for Kafka, for the page and for other loops of the gateway, written in the
// transaction of its cause. Collect everything, then Write() once.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "libs/postgres/array.h"
#include "libs/postgres/pool.h"

namespace parley::gateway::store {

// NOTIFY channels; the payload is empty.
inline constexpr char kOutboxChannel[] = "gateway_outbox";  // Rows in outbox.
inline constexpr char kLiveChannel[] = "gateway_live";      // Rows in live_outbox.
inline constexpr char kTurnsChannel[] = "gateway_turns";    // The dispatcher has a new due time.
inline constexpr char kDirectoryChannel[] = "gateway_directory";  // Rows in directory_records.

class Outbox {
 public:
  struct KafkaRow {
    std::string_view organization_id;
    std::string_view topic;
    std::string_view key;
    std::string_view value;
    std::string_view type;  // The protobuf's full name.
    std::string_view traceparent;
  };
  void AddKafka(const KafkaRow& row);
  // `name`: "message" or "conversation"; `data` as LiveData() makes it.
  void AddLive(std::string_view organization_id, std::string_view name, std::string_view data);
  void WakeDispatcher() { wake_dispatcher_ = true; }

  // A row of live_outbox holds at most about this much.
  static constexpr std::size_t kLiveRowBytesMax = 128 << 10;

  // At most two INSERTs and one NOTIFY for each channel that has something.
  void Write(pqxx::work& tx);

 private:
  int kafka_rows_ = 0;
  postgres::Array organizations_, topics_, keys_, values_, types_, traces_;
  int live_rows_ = 0;
  // Of the organizations with events: what does not yet fill a row.
  struct Lines {
    int events = 0;
    std::string text;
  };
  void AddLiveRow(const std::string& organization_id, Lines& lines);
  std::map<std::string, Lines, std::less<>> live_lines_;
  postgres::Array live_organizations_, live_counts_, live_data_;
  bool wake_dispatcher_ = false;
};

}  // namespace parley::gateway::store
