// librdkafka handles with owners, shared by the producer and the readers. Internal to libs/kafka.
#pragma once

#include <librdkafka/rdkafka.h>

#include <initializer_list>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/kafka/record.h"

namespace parley::kafka {

struct HandleDeleter {
  void operator()(rd_kafka_t* handle) const { rd_kafka_destroy(handle); }
};
struct ListDeleter {
  void operator()(rd_kafka_topic_partition_list_t* list) const {
    rd_kafka_topic_partition_list_destroy(list);
  }
};
struct ConfDeleter {
  void operator()(rd_kafka_conf_t* conf) const { rd_kafka_conf_destroy(conf); }
};
struct MessageDeleter {
  void operator()(rd_kafka_message_t* message) const { rd_kafka_message_destroy(message); }
};
using Handle = std::unique_ptr<rd_kafka_t, HandleDeleter>;
using PartitionList = std::unique_ptr<rd_kafka_topic_partition_list_t, ListDeleter>;
using Conf = std::unique_ptr<rd_kafka_conf_t, ConfDeleter>;
using Message = std::unique_ptr<rd_kafka_message_t, MessageDeleter>;

// Settings that every client shares (brokers, quick reconnects, logs to ours) and then `settings`.
absl::StatusOr<Conf> MakeConf(const std::string& brokers, const std::string& client_id,
                              std::initializer_list<std::pair<const char*, std::string>> settings);

// Takes the conf over, also on failure.
absl::StatusOr<Handle> MakeHandle(rd_kafka_type_t type, Conf conf);

// Our code for librdkafka's; infrastructure is retryable.
absl::Status ToStatus(rd_kafka_resp_err_t error);

Record ToRecord(const rd_kafka_message_t& message);

}  // namespace parley::kafka
