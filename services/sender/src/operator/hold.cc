#include "operator/hold.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

namespace parley::sender {
namespace {

constexpr std::size_t kReasonMax = 500;

int Failed(const absl::Status& status) {
  std::fprintf(stderr, "sender: %s\n", std::string(status.message()).c_str());
  return 1;
}

int HoldAll(HoldStore& store, const std::string& reason) {
  const absl::Status held = store.HoldAll(reason);
  if (!held.ok()) return Failed(held);
  std::printf(
      "All sends are held; what is on its way ends within a second. They go again after "
      "`sender release`.\n");
  return 0;
}

int Release(HoldStore& store, bool at_once) {
  const absl::StatusOr<Hold> hold = store.Release(at_once);
  if (!hold.ok()) return Failed(hold.status());
  std::printf("%s\n", hold->IsHeld()
                          ? "Sends go again once the gateway has republished all suppressions."
                          : "Sends are not held.");
  return 0;
}

}  // namespace

bool IsHoldCommand(std::string_view command) { return command == "hold" || command == "release"; }

int RunHoldCommand(int argc, char** argv, HoldStore& store) {
  const bool is_hold = std::string_view(argv[0]) == "hold";
  CLI::App app(is_hold ? "sender hold: no message is sent any more, by any replica, until `release`"
                       : "sender release: messages are sent again once the gateway has told all "
                         "suppressions again");
  std::string reason = "An operator holds all sends.";
  bool at_once = false;
  if (is_hold) {
    app.add_option("--reason", reason, "why, for the log")->check([](const std::string& text) {
      return text.size() <= kReasonMax ? "" : "It is longer than 500 bytes.";
    });
  } else {
    app.add_flag("--now", at_once,
                 "do not wait for the suppressions: whoever opted out may be sent to");
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return is_hold ? HoldAll(store, reason) : Release(store, at_once);
}

}  // namespace parley::sender
