#include "spool/command.h"

#include <google/protobuf/message.h>
#include <google/protobuf/util/json_util.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>

#include "config.h"
#include "libs/base/text.h"
#include "parley/events/v1/consent.pb.h"
#include "parley/events/v1/delivery_status.pb.h"
#include "parley/events/v1/inbound.pb.h"
#include "parley/events/v1/quarantine.pb.h"
#include "spool/inspect.h"

namespace parley::ingest {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::string verb = "list";
  std::string folder;
  bool json = false;
  bool reveal = false;
};

std::string DefaultFolder() {
  const char* data_dir = std::getenv("PARLEY_DATA_DIR");
  return (data_dir == nullptr ? Config().data_dir : std::string(data_dir)) + "/spool";
}

void Print(const Json& json) {
  std::printf("%s\n", json.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
}

// "AC" or the like and 32 hexadecimal digits.
bool IsSid(std::string_view text) {
  return text.size() == 34 && std::isupper(static_cast<unsigned char>(text[0])) != 0 &&
         std::isupper(static_cast<unsigned char>(text[1])) != 0 &&
         text.find_first_not_of("0123456789abcdef", 2) == std::string_view::npos;
}

// Keys are SIDs, numbers and other addresses ("whatsapp:+1…", a name) with "/" between them.
std::string MaskKey(std::string_view key) {
  std::string masked;
  for (const std::string_view part : Split(key, '/')) {
    if (!masked.empty()) masked += '/';
    masked += IsSid(part) ? std::string(part) : MaskNumber(part);
  }
  return masked;
}

// The record's value, if it is one that this version knows.
Json Reveal(const SpoolRecord& record) {
  const std::initializer_list<const google::protobuf::Message*> known_types = {
      &events::v1::InboundRecord::default_instance(),
      &events::v1::ConsentRecord::default_instance(),
      &events::v1::DeliveryStatusRecord::default_instance(),
      &events::v1::QuarantineRecord::default_instance()};
  const auto known = std::find_if(known_types.begin(), known_types.end(), [&](const auto* type) {
    return type->GetTypeName() == record.type;
  });
  if (known == known_types.end()) return nullptr;
  const std::unique_ptr<google::protobuf::Message> message((*known)->New());
  std::string text;
  if (!message->ParseFromString(std::string(record.value)) ||
      !google::protobuf::util::MessageToJsonString(*message, &text).ok()) {
    return nullptr;
  }
  return Json::parse(text, nullptr, /*allow_exceptions=*/false);
}

Json Show(const SegmentFacts& segment, const SpoolRecord& record, bool reveal) {
  Json shown = {{"sequence", record.sequence},
                {"appended_at", FormatTime(record.appended_at)},
                {"type", record.type},
                {"key", reveal ? std::string(record.key) : MaskKey(record.key)},
                {"bytes", record.value.size()},
                {"segment", segment.name}};
  if (reveal) shown["value"] = Reveal(record);
  return shown;
}

std::string StateOf(const SegmentFacts& segment) {
  if (segment.is_growing) return "being written";
  if (!segment.scan.header.ok()) return "unreadable";
  if (segment.scan.damaged_bytes > 0) return "damaged";
  if (segment.scan.torn_bytes > 0) return "torn tail";
  return segment.is_aside ? "kept aside" : "ok";
}

Json ToJson(const SpoolFacts& facts) {
  Json segments = Json::array();
  for (const SegmentFacts& segment : facts.segments) {
    Json shown = {{"name", segment.name},
                  {"state", StateOf(segment)},
                  {"bytes", segment.bytes},
                  {"records", segment.scan.records},
                  {"waiting", segment.waiting},
                  {"first_sequence", segment.scan.first_sequence},
                  {"last_sequence", segment.scan.last_sequence},
                  {"damaged_bytes", segment.scan.damaged_bytes},
                  {"torn_bytes", segment.scan.torn_bytes}};
    if (segment.waiting > 0) shown["oldest_at"] = FormatTime(segment.oldest);
    segments.push_back(std::move(shown));
  }
  return {{"in_use", facts.in_use},
          {"replayed_sequence", facts.replayed},
          {"waiting", facts.waiting()},
          {"damaged", facts.IsDamaged()},
          {"segments", std::move(segments)}};
}

void PrintTable(const SpoolFacts& facts) {
  std::printf("%-36s %10s %9s %9s  %-28s %s\n", "segment", "bytes", "records", "waiting", "oldest",
              "state");
  for (const SegmentFacts& segment : facts.segments) {
    std::printf("%-36s %10llu %9llu %9llu  %-28s %s\n", segment.name.c_str(),
                static_cast<unsigned long long>(segment.bytes),
                static_cast<unsigned long long>(segment.scan.records),
                static_cast<unsigned long long>(segment.waiting),
                segment.waiting > 0 ? FormatTime(segment.oldest).c_str() : "-",
                StateOf(segment).c_str());
  }
  std::printf("%llu records wait; all up to sequence %llu are in Kafka; %s.\n",
              static_cast<unsigned long long>(facts.waiting()),
              static_cast<unsigned long long>(facts.replayed),
              facts.in_use ? "a process uses the folder" : "no process uses the folder");
}

int Run(const Options& options) {
  std::function<void(const SegmentFacts&, const SpoolRecord&)> visit;
  if (options.verb == "show") {
    visit = [&](const SegmentFacts& segment, const SpoolRecord& record) {
      Print(Show(segment, record, options.reveal));
    };
  }
  const auto facts =
      InspectSpool(options.folder, SystemFiles(), IsFolderLocked(options.folder), visit);
  if (!facts.ok()) {
    std::fprintf(stderr, "webhook-ingest spool: %s: %s\n", options.folder.c_str(),
                 std::string(facts.status().message()).c_str());
    return EXIT_FAILURE;
  }
  if (options.verb != "show") {
    if (options.json) {
      Print(ToJson(*facts));
    } else {
      PrintTable(*facts);
    }
  }
  return options.verb == "verify" && facts->IsDamaged() ? EXIT_FAILURE : EXIT_SUCCESS;
}

}  // namespace

int RunSpoolCommand(std::vector<std::string> arguments) {
  Options options{.folder = DefaultFolder()};
  CLI::App app("Shows the webhooks that wait on this machine's disk for Kafka. Changes nothing.",
               "webhook-ingest spool");
  app.add_option("verb", options.verb,
                 "list: the segments; show: each record that waits, a JSON line each; verify: as "
                 "list, and exit code 1 if something is damaged")
      ->check(CLI::IsMember({"list", "show", "verify"}))
      ->capture_default_str();
  app.add_option("--dir", options.folder, "the spool's folder; default: PARLEY_DATA_DIR/spool")
      ->capture_default_str();
  app.add_flag("--json", options.json, "one JSON object instead of a table");
  app.add_flag("--reveal", options.reveal, "show prints whole numbers and the messages' text");
  std::reverse(arguments.begin(), arguments.end());  // As CLI11 takes them.
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  }
  return Run(options);
}

}  // namespace parley::ingest
