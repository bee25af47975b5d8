// What outlives a restart of the simulator.
#include "domain/world.h"

namespace parley::simulator {
namespace {

constexpr int kStateVersion = 1;

template <typename Texts>
Json TextsOf(const Texts& texts) {
  Json list = Json::array();
  for (const auto& text : texts) list.push_back(text);
  return list;
}

}  // namespace

Json World::SaveState() const {
  Json state = {{"version", kStateVersion}};
  for (const auto& account : accounts_) {
    state["accounts"].push_back({{"sid", account->sid},
                                 {"auth_token", account->auth_token},
                                 {"friendly_name", account->friendly_name},
                                 {"owner_sid", account->owner_sid},
                                 {"type", account->type},
                                 {"status", account->status},
                                 {"test", account->test},
                                 {"created_us", account->created_us},
                                 {"verified_numbers", TextsOf(account->verified_numbers)},
                                 {"keys", account->keys}});
  }
  state["numbers"] = Json::array();
  for (const auto& number : numbers_) {
    state["numbers"].push_back({{"number", number->number},
                                {"sid", number->sid},
                                {"account_sid", accounts_[number->account]->sid},
                                {"type", number->type},
                                {"friendly_name", number->friendly_name},
                                {"created_us", number->created_us},
                                {"updated_us", number->updated_us},
                                {"service_sid", number->service_sid},
                                {"settings", number->settings}});
  }
  state["services"] = Json::array();
  for (const auto& service : services) {
    state["services"].push_back({{"sid", service->sid},
                                 {"account_sid", accounts_[service->account]->sid},
                                 {"fields", service->fields},
                                 {"number_sids", TextsOf(service->number_sids)}});
  }
  state["contents"] = Json::array();
  for (const auto& content : contents) {
    state["contents"].push_back({{"sid", content->sid},
                                 {"account_sid", accounts_[content->account]->sid},
                                 {"fields", content->fields},
                                 {"approval", content->approval}});
  }
  state["opt_outs"] = TextsOf(opt_outs.pairs());
  return state;
}

std::string World::LoadState(const Json& state, Micros now) {
  if (!state.is_object() || state.value("version", Json()) != Json(kStateVersion)) {
    return "the state file is not one of this version";
  }
  // The file is our own; if it was edited into something else, the library's exception says where.
  try {
    for (const Json& saved : state.at("accounts")) {
      const std::string sid = saved.at("sid").get<std::string>();
      const bool known = FindAccount(sid) != nullptr;
      // A token given on the command line wins over the file's.
      Account& account = known ? *FindAccount(sid)
                               : AddAccount(sid, saved.at("auth_token").get<std::string>(), now);
      saved.at("friendly_name").get_to(account.friendly_name);
      saved.at("owner_sid").get_to(account.owner_sid);
      saved.at("type").get_to(account.type);
      saved.at("status").get_to(account.status);
      saved.at("test").get_to(account.test);
      saved.at("created_us").get_to(account.created_us);
      saved.at("verified_numbers").get_to(account.verified_numbers);
      saved.at("keys").get_to(account.keys);
    }
    for (const Json& saved : state.at("numbers")) {
      const Account* account = FindAccount(saved.at("account_sid").get<std::string>());
      if (account == nullptr) continue;
      Number& number = AddNumber(*account, saved.at("number").get<std::string>(),
                                 saved.at("type").get<std::string>(), now);
      number.account = account->index;
      saved.at("sid").get_to(number.sid);
      saved.at("friendly_name").get_to(number.friendly_name);
      saved.at("created_us").get_to(number.created_us);
      saved.at("updated_us").get_to(number.updated_us);
      saved.at("service_sid").get_to(number.service_sid);
      saved.at("settings").get_to(number.settings);
    }
    for (const Json& saved : state.at("services")) {
      const Account* account = FindAccount(saved.at("account_sid").get<std::string>());
      if (account == nullptr) continue;
      auto service = std::make_unique<Service>();
      service->account = account->index;
      saved.at("sid").get_to(service->sid);
      service->fields = saved.at("fields");
      saved.at("number_sids").get_to(service->number_sids);
      services.push_back(std::move(service));
    }
    for (const Json& saved : state.at("contents")) {
      const Account* account = FindAccount(saved.at("account_sid").get<std::string>());
      if (account == nullptr) continue;
      auto content = std::make_unique<Content>();
      content->account = account->index;
      saved.at("sid").get_to(content->sid);
      content->fields = saved.at("fields");
      content->approval = saved.at("approval");
      contents.push_back(std::move(content));
    }
    for (const Json& pair : state.at("opt_outs")) opt_outs.Restore(pair.get<std::string>());
  } catch (const Json::exception& error) {
    return std::string("the state file is damaged: ") + error.what();
  }
  return {};
}

}  // namespace parley::simulator
