// parley-bench-yardstick: what cpp-httplib and Kafka allow for a webhook. A bare handler that reads
// the body, produces it with acks=all and answers: no signature, no parsing, no spool. Prints its
// address; ends when standard input does.
#include <httplib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <thread>

#include "libs/kafka/admin.h"
#include "libs/kafka/producer.h"

namespace parley::bench {
namespace {

constexpr char kTopic[] = "parley.bench";
constexpr int kPartitions = 12;  // As the real topic has by default.
constexpr std::chrono::seconds kAcknowledgeWithin{2};

// cpp-httplib's own backlog of 5 would make clients wait seconds for their connections.
class Server : public httplib::Server {
 public:
  void WidenBacklog() { ::listen(svr_sock_, 1024); }
};

int Main(int argc, char** argv) {
  std::string brokers;
  int connections = 64;
  bool keyed = true;
  CLI::App app("A bare handler that only produces a request's body, as a yardstick");
  app.add_option("--kafka", brokers, "host:port list")->required();
  app.add_option("--connections", connections, "a thread each")->capture_default_str();
  app.add_flag("--keyed,!--keyless", keyed, "spread over the partitions, as customers are");
  CLI11_PARSE(app, argc, argv);

  const absl::Status created = kafka::CreateTopics(
      brokers,
      {{.name = kTopic, .partitions = kPartitions, .settings = {{"retention.ms", "60000"}}}},
      std::chrono::seconds(30));
  auto producer = kafka::Producer::Create({.brokers = brokers,
                                           .client_id = "parley-bench-yardstick",
                                           .linger = std::chrono::milliseconds(1)});
  for (const absl::Status& status : {created, producer.status()}) {
    if (status.ok()) continue;
    std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
    return 1;
  }
  Server server;
  server.new_task_queue = [&] {
    // Twice as many: the connections of one round end while those of the next begin.
    return new httplib::ThreadPool(static_cast<std::size_t>(2 * connections));
  };
  server.set_tcp_nodelay(true);
  server.set_keep_alive_max_count(1'000'000'000);
  server.Post(".*", [&](const httplib::Request& request, httplib::Response& response,
                        const httplib::ContentReader& reader) {
    // Spread over the partitions as customers are: without a key all of a moment goes into one
    // batch, which costs the broker half.
    kafka::OutRecord record{.topic = kTopic,
                            .key = keyed ? std::to_string(request.remote_port) : std::string(),
                            .value = {},
                            .headers = {}};
    reader([&](const char* data, std::size_t size) {
      record.value.append(data, size);
      return true;
    });
    const absl::Status durable = (*producer)->ProduceAndWait({&record, 1}, kAcknowledgeWithin);
    response.status = durable.ok() ? 200 : 503;
  });
  const int port = server.bind_to_any_port("127.0.0.1");
  server.WidenBacklog();
  std::thread watcher([&] {
    char ignored = 0;
    while (read(STDIN_FILENO, &ignored, 1) > 0) {
    }
    server.stop();
  });
  std::printf("http://127.0.0.1:%d\n", port);
  std::fflush(stdout);
  server.listen_after_bind();
  watcher.join();
  return 0;
}

}  // namespace
}  // namespace parley::bench

int main(int argc, char** argv) { return parley::bench::Main(argc, argv); }
