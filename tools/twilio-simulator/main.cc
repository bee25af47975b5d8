// The Twilio simulator: reads its flags, puts the parts together, serves until SIGTERM.
#include <boost/asio/signal_set.hpp>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <map>
#include <random>
#include <string>

#include "http/api.h"

namespace {

using namespace parley::simulator;

constexpr char kHelp[] =
    R"(twilio-simulator: a Twilio of your own, for trying things out and for tests.

Usage: twilio-simulator [serve] [FLAG VALUE]...

  --port N               port to listen on (8083); 0 picks a free one
  --bind ADDRESS         address to listen on (127.0.0.1)
  --public-url URL       where clients reach it (http://ADDRESS:PORT)
  --account-sid AC...    the account (AC and 32 times 1)
  --auth-token TOKEN     its token (32 times 1)
  --test-account-sid AC  test credentials, for the magic numbers (AC and 32 times 2)
  --test-auth-token T    their token (32 times 2)
  --numbers LIST         the account's numbers, with commas (+15005550006 and
                         +15550001000 to +15550001049); +1500..., 55501,
                         +1500...:toll-free, ...:mobile, ...:short-code
  --sms-url URL          their SmsUrl at the start
  --voice-url URL        their VoiceUrl at the start
  --state-file FILE      keeps accounts, numbers and their settings, services, templates
                         and opt-outs over a restart; without it nothing is kept
  --sandbox NUMBER       WhatsApp's sandbox number; none without it
  --admin-free           /simulator/v1 never asks for credentials; without it, it
                         does when it listens on more than the loopback address
  --help                 this text

Each is also read from the environment: SIMULATOR_PORT, SIMULATOR_BIND_ADDRESS,
SIMULATOR_PUBLIC_URL, SIMULATOR_ACCOUNT_SID, SIMULATOR_AUTH_TOKEN,
SIMULATOR_TEST_ACCOUNT_SID, SIMULATOR_TEST_AUTH_TOKEN, SIMULATOR_NUMBERS,
SIMULATOR_SMS_URL, SIMULATOR_VOICE_URL, SIMULATOR_STATE_FILE,
SIMULATOR_SANDBOX_NUMBER.
A flag wins over its variable. The page at / is a customer's handset. Tests find
the control endpoints under /simulator/v1; README.md lists them.
)";

// The settings, from the environment, then from the command line.
class Options {
 public:
  // Returns false, and says why, on a flag that is not known.
  bool Read(int argc, char** argv) {
    for (const auto& [flag, variable] : kFlags) {
      if (const char* value = std::getenv(variable)) values_[flag] = value;
    }
    for (int i = 1; i < argc; ++i) {
      std::string flag = argv[i];
      if (i == 1 && flag == "serve") continue;
      if (flag == "--help" || flag == "-h") {
        help = true;
        continue;
      }
      if (flag == "--admin-free") {
        admin_free = true;
        continue;
      }
      std::string value;
      const std::size_t equals = flag.find('=');
      if (equals != std::string::npos) {
        value = flag.substr(equals + 1);
        flag.resize(equals);
      }
      if (kFlags.count(flag) == 0) {
        std::cerr << "twilio-simulator: " << flag << " is not a flag; see --help\n";
        return false;
      }
      if (equals == std::string::npos) {
        if (i + 1 >= argc) {
          std::cerr << "twilio-simulator: " << flag << " needs a value\n";
          return false;
        }
        value = argv[++i];
      }
      values_[flag] = value;
    }
    return true;
  }

  std::string Get(const std::string& flag, const std::string& fallback = {}) const {
    const auto found = values_.find(flag);
    return found == values_.end() || found->second.empty() ? fallback : found->second;
  }

  bool help = false;
  bool admin_free = false;

 private:
  const std::map<std::string, const char*> kFlags = {
      {"--port", "SIMULATOR_PORT"},
      {"--bind", "SIMULATOR_BIND_ADDRESS"},
      {"--public-url", "SIMULATOR_PUBLIC_URL"},
      {"--account-sid", "SIMULATOR_ACCOUNT_SID"},
      {"--auth-token", "SIMULATOR_AUTH_TOKEN"},
      {"--test-account-sid", "SIMULATOR_TEST_ACCOUNT_SID"},
      {"--test-auth-token", "SIMULATOR_TEST_AUTH_TOKEN"},
      {"--numbers", "SIMULATOR_NUMBERS"},
      {"--sms-url", "SIMULATOR_SMS_URL"},
      {"--voice-url", "SIMULATOR_VOICE_URL"},
      {"--state-file", "SIMULATOR_STATE_FILE"},
      {"--sandbox", "SIMULATOR_SANDBOX_NUMBER"},
  };
  std::map<std::string, std::string> values_;
};

std::string DefaultNumbers() {
  std::string numbers = "+15005550006";
  for (int i = 0; i < 50; ++i) numbers += ",+1555000" + std::to_string(1000 + i);
  return numbers;
}

int Fail(const std::string& what) {
  std::cerr << "twilio-simulator: " << what << "\n";
  return 1;
}

int Serve(const Options& options) {
  const std::string bind = options.Get("--bind", "127.0.0.1");
  std::int64_t port = 0;
  if (!ParseInt(options.Get("--port", "8083"), port) || port < 0 || port > 65535) {
    return Fail("--port must be a number from 0 to 65535");
  }
  const bool loopback = bind.substr(0, 4) == "127." || bind == "::1";

  boost::asio::io_context io(1);
  std::random_device random;
  WorldOptions world_options;
  world_options.key = (static_cast<std::uint64_t>(random()) << 32) | random();
  world_options.sandbox_number = options.Get("--sandbox");

  // The server comes first: with --port 0, it alone knows the port, and with it the public URL.
  struct Late final : HttpHandler {
    HttpHandler* handler = nullptr;
    void Handle(HttpRequest request, std::function<void(HttpResponse)> respond) override {
      handler->Handle(std::move(request), std::move(respond));
    }
    std::size_t BodyBytesMax(std::string_view path) const override {
      return handler->BodyBytesMax(path);
    }
  } late;
  HttpServer server(io, bind, static_cast<std::uint16_t>(port), late);
  const std::string host = bind == "0.0.0.0"                     ? "127.0.0.1"
                           : bind.find(':') != std::string::npos ? "[" + bind + "]"
                                                                 : bind;
  world_options.public_url =
      options.Get("--public-url", "http://" + host + ":" + std::to_string(server.port()));

  Simulator simulator(io, world_options);
  World& world = simulator.world();
  const Micros now = simulator.Now();
  Account& account = world.AddAccount(options.Get("--account-sid", "AC" + std::string(32, '1')),
                                      options.Get("--auth-token", std::string(32, '1')), now);
  Account& test = world.AddAccount(options.Get("--test-account-sid", "AC" + std::string(32, '2')),
                                   options.Get("--test-auth-token", std::string(32, '2')), now);
  if (&account == &test) return Fail("the account and the test credentials need different SIDs");
  test.test = true;
  test.friendly_name = "Test credentials";
  if (!HasSidShape(account.sid, "AC") || !HasSidShape(test.sid, "AC")) {
    return Fail("an account SID is AC and 32 hexadecimal digits");
  }
  for (const std::string& number : Split(options.Get("--numbers", DefaultNumbers()), ',')) {
    std::string error;
    if (!AddNumberSpec(world, account, std::string(Trim(number)), now, error)) {
      return Fail("--numbers: " + error);
    }
  }
  for (const auto& number : world.numbers()) {
    number->settings["sms_url"] = options.Get("--sms-url");
    number->settings["voice_url"] = options.Get("--voice-url");
  }
  if (const std::string path = options.Get("--state-file"); !path.empty()) {
    const std::string error = simulator.KeepState(path);
    if (!error.empty()) return Fail(path + ": " + error);
  }

  Control control(simulator, !loopback && !options.admin_free);
  Api api(simulator, control);
  late.handler = &api;
  server.Start();
  std::cout << "twilio-simulator: " << world_options.public_url << " (handset page), account "
            << account.sid << ", " << world.numbers().size() << " numbers" << std::endl;

  boost::asio::signal_set signals(io, SIGINT, SIGTERM);
  signals.async_wait([&io](boost::system::error_code, int) { io.stop(); });
  io.run();
  simulator.SaveState();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!options.Read(argc, argv)) return 2;
  if (options.help) {
    std::cout << kHelp;
    return 0;
  }
  try {
    return Serve(options);
  } catch (const std::exception& error) {
    return Fail(error.what());
  }
}
