#include "libs/kafka/client.h"

#include "libs/base/status.h"
#include "libs/telemetry/log.h"

namespace parley::kafka {
namespace {

void Log(const rd_kafka_t*, int level, const char* facility, const char* text) {
  // Lost brokers repeat for as long as they are away: information, not an error of ours.
  if (level <= 3) {
    telemetry::Warning("kafka_client", {{"facility", facility}, {"detail", text}});
  } else if (level <= 5) {
    telemetry::Info("kafka_client", {{"facility", facility}, {"detail", text}});
  }
}

}  // namespace

std::string Record::Header(std::string_view name) const {
  for (const auto& [key_text, value_text] : headers) {
    if (key_text == name) return value_text;
  }
  return {};
}

absl::StatusOr<Conf> MakeConf(const std::string& brokers, const std::string& client_id,
                              std::initializer_list<std::pair<const char*, std::string>> settings) {
  Conf conf(rd_kafka_conf_new());
  char error[256];
  const auto set = [&](const char* name, const std::string& value) {
    return rd_kafka_conf_set(conf.get(), name, value.c_str(), error, sizeof error) ==
           RD_KAFKA_CONF_OK;
  };
  bool ok = set("bootstrap.servers", brokers) && set("client.id", client_id) &&
            set("socket.nagle.disable", "true") && set("reconnect.backoff.ms", "100") &&
            set("reconnect.backoff.max.ms", "1000") && set("socket.keepalive.enable", "true") &&
            set("log.connection.close", "false") && set("broker.address.family", "v4");
  for (const auto& [name, value] : settings) ok = ok && set(name, value);
  if (!ok) return InvalidArgument("KAFKA_SETTING", error);
  rd_kafka_conf_set_log_cb(conf.get(), Log);
  return conf;
}

absl::StatusOr<Handle> MakeHandle(rd_kafka_type_t type, Conf conf) {
  char error[256];
  Handle handle(rd_kafka_new(type, conf.get(), error, sizeof error));
  if (handle == nullptr) return InvalidArgument("KAFKA_SETTING", error);
  static_cast<void>(conf.release());  // rd_kafka_new owns it now.
  return handle;
}

absl::Status ToStatus(rd_kafka_resp_err_t error) {
  switch (error) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
      return absl::OkStatus();
    case RD_KAFKA_RESP_ERR__QUEUE_FULL:
      return ErrorStatus(absl::StatusCode::kResourceExhausted, "KAFKA_QUEUE_FULL",
                         "The producer's queue is full: Kafka takes records too slowly.");
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR__INVALID_ARG:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
      return InvalidArgument("KAFKA_RECORD", rd_kafka_err2str(error));
    default:
      return Unavailable("KAFKA_UNAVAILABLE", rd_kafka_err2str(error));
  }
}

Record ToRecord(const rd_kafka_message_t& message) {
  Record record;
  record.topic = rd_kafka_topic_name(message.rkt);
  record.partition = message.partition;
  record.offset = message.offset;
  record.key.assign(static_cast<const char*>(message.key), message.key_len);
  record.value.assign(static_cast<const char*>(message.payload), message.len);
  rd_kafka_timestamp_type_t kind{};
  record.time = FromMicros(rd_kafka_message_timestamp(&message, &kind) * 1000);
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(&message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) {
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    for (std::size_t i = 0;
         rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
         ++i) {
      record.headers.emplace_back(name, std::string(static_cast<const char*>(value), size));
    }
  }
  return record;
}

}  // namespace parley::kafka
