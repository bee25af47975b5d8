// /simulator/v1: what tests and the handset page turn and watch; and the page itself.
#pragma once

#include <functional>
#include <string_view>

#include "http/server.h"
#include "simulator.h"

namespace parley::simulator {

// The page at "/", built into the binary.
std::string_view HandsetPage();

// Gives `account` a number: "+1500…", a short code's digits, or either with ":toll-free",
// ":mobile", ":short-code". On bad input returns false and says why.
bool AddNumberSpec(World& world, const Account& account, std::string spec, Micros now,
                   std::string& error);

class Control {
 public:
  // `needs_credentials`: whether /simulator/v1 asks for an account's credentials, too.
  Control(Simulator& simulator, bool needs_credentials)
      : simulator_(simulator), needs_credentials_(needs_credentials) {}

  static bool Owns(std::string_view path);
  bool needs_credentials() const { return needs_credentials_; }
  void Handle(const HttpRequest& request, std::function<void(HttpResponse)> respond);

 private:
  void Inbound(const HttpRequest& request, std::function<void(HttpResponse)> respond);
  HttpResponse Ledger(const HttpRequest& request);
  HttpResponse AddAccount(const HttpRequest& request);

  Simulator& simulator_;
  bool needs_credentials_;
};

}  // namespace parley::simulator
