#include "libs/kafka/admin.h"

#include "libs/base/status.h"
#include "libs/kafka/client.h"
#include "libs/kafka/record.h"

namespace parley::kafka {

std::vector<TopicSpec> ParleyTopics(int partitions, int replication) {
  const std::string week_ms = std::to_string(7LL * 24 * 3600 * 1000);
  std::vector<TopicSpec> topics;
  for (const char* name :
       {kInboundTopic, kConsentTopic, kDeliveryStatusTopic, kConversationEventsTopic, kRepliesTopic,
        kSendCommandsTopic, kSendResultsTopic, kQuarantineTopic, kDirectoryTopic}) {
    TopicSpec topic{name, partitions, replication, {{"retention.ms", week_ms}}};
    if (topic.name == kDirectoryTopic) {
      topic.partitions = 1;
      topic.settings = {{"cleanup.policy", "compact"}};
    }
    if (replication >= 3) topic.settings["min.insync.replicas"] = "2";
    topics.push_back(topic);
    topics.push_back({topic.name + kDeadLetterSuffix, 1, replication, {{"retention.ms", "-1"}}});
  }
  return topics;
}

absl::Status CreateTopics(const std::string& brokers, const std::vector<TopicSpec>& topics,
                          std::chrono::milliseconds deadline) {
  PARLEY_ASSIGN_OR_RETURN(Conf conf, MakeConf(brokers, "parley-admin", {}));
  PARLEY_ASSIGN_OR_RETURN(const Handle handle, MakeHandle(RD_KAFKA_PRODUCER, std::move(conf)));
  std::vector<rd_kafka_NewTopic_t*> wanted;
  char error[256];
  for (const TopicSpec& topic : topics) {
    rd_kafka_NewTopic_t* one = rd_kafka_NewTopic_new(topic.name.c_str(), topic.partitions,
                                                     topic.replication, error, sizeof error);
    if (one == nullptr) return InvalidArgument("KAFKA_TOPIC", error);
    for (const auto& [name, value] : topic.settings) {
      rd_kafka_NewTopic_set_config(one, name.c_str(), value.c_str());
    }
    wanted.push_back(one);
  }
  rd_kafka_AdminOptions_t* options =
      rd_kafka_AdminOptions_new(handle.get(), RD_KAFKA_ADMIN_OP_CREATETOPICS);
  const int wait_ms = static_cast<int>(deadline.count());
  rd_kafka_AdminOptions_set_request_timeout(options, wait_ms, error, sizeof error);
  rd_kafka_AdminOptions_set_operation_timeout(options, wait_ms, error, sizeof error);
  rd_kafka_queue_t* queue = rd_kafka_queue_new(handle.get());
  rd_kafka_CreateTopics(handle.get(), wanted.data(), wanted.size(), options, queue);
  rd_kafka_event_t* event = rd_kafka_queue_poll(queue, wait_ms + 1000);

  absl::Status status =
      Unavailable("KAFKA_UNAVAILABLE", "Kafka did not answer; check PARLEY_KAFKA_BROKERS (" +
                                           brokers + ") and that the broker runs.");
  if (event != nullptr && rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    status = ToStatus(rd_kafka_event_error(event));
  } else if (event != nullptr) {
    status = absl::OkStatus();
    std::size_t count = 0;
    const rd_kafka_topic_result_t** results =
        rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
    for (std::size_t i = 0; i < count && status.ok(); ++i) {
      const rd_kafka_resp_err_t code = rd_kafka_topic_result_error(results[i]);
      if (code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
        continue;
      }
      const char* detail = rd_kafka_topic_result_error_string(results[i]);
      status =
          InvalidArgument("KAFKA_TOPIC", std::string(rd_kafka_topic_result_name(results[i])) +
                                             ": " + (detail ? detail : rd_kafka_err2str(code)));
    }
  }
  if (event != nullptr) rd_kafka_event_destroy(event);
  rd_kafka_queue_destroy(queue);
  rd_kafka_AdminOptions_destroy(options);
  rd_kafka_NewTopic_destroy_array(wanted.data(), wanted.size());
  return status;
}

}  // namespace parley::kafka
