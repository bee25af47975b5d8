#include "compat/routes.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "api/handlers.h"
#include "api/messages.h"
#include "api/methods.h"
#include "compat/mapping.h"
#include "libs/base/id.h"
#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/http/server.h"
#include "libs/rpc/transcoder.h"

namespace parley::gateway::compat {
namespace {

constexpr int kLimitDefault = 50;
constexpr int kLimitMax = 200;
constexpr int kChannelPagesMax = 50;  // Of 200 channels.

// True if `path` fits `pattern`; the segment at ":id" goes to `id`.
bool Fits(std::string_view pattern, std::string_view path, std::string& id) {
  const auto wanted = Split(pattern, '/');
  const auto given = Split(path, '/');
  if (wanted.size() != given.size()) return false;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i] == ":id" && !given[i].empty()) {
      id = given[i];
    } else if (wanted[i] != given[i]) {
      return false;
    }
  }
  return true;
}

absl::StatusOr<int> ReadLimit(const std::string& text) {
  if (text.empty()) return kLimitDefault;
  int limit = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), limit);
  if (error != std::errc() || end != text.data() + text.size() || limit < 1) {
    return InvalidArgument("INVALID_FIELD", "limit must be a whole number from 1.");
  }
  return std::min(limit, kLimitMax);
}

nlohmann::json Success(nlohmann::json data) {
  return {{"success", true}, {"data", std::move(data)}};
}

}  // namespace

struct Routes::Request {
  const httplib::Request& http;
  std::string body;
  std::string id;
  rpc::CallContext call;

  std::string Parameter(const char* name) const { return http.get_param_value(name); }
};

struct Routes::Answer {
  int status = 200;
  nlohmann::json body;
};

Routes::Routes(api::Services& services, rpc::Authenticate authenticate, RoutesOptions options)
    : services_(services), options_(std::move(options)) {
  table_.SetAuthenticate(std::move(authenticate));
  api::AddInterceptors(table_, services.clock, options_.api_limit);
  api::AddMethods(table_, services);
  // The one method that does more here: a message without a recipient is kept and shown.
  table_.Add<v1::SendMessageRequest, v1::Message>(
      "parley.v1.MessageService.SendMessage", rpc::Access::kAgent,
      [&services](rpc::CallContext& call, const v1::SendMessageRequest& request) {
        return api::SendOrKeepMessage(services, call, request);
      });
}

const std::vector<Routes::Route>& Routes::AllRoutes() {
  static const std::vector<Route> routes = {
      {"GET", "/api/health", &Routes::Health, /*is_public=*/true},
      {"POST", "/api/messages", &Routes::PostMessage},
      {"GET", "/api/messages", &Routes::ListMessages},
      {"GET", "/api/sessions", &Routes::ListSessions},
      {"GET", "/api/channels", &Routes::ListChannels},
      {"POST", "/api/channels", &Routes::CreateChannel},
      {"GET", "/api/channels/:id", &Routes::GetChannel},
      {"PATCH", "/api/channels/:id", &Routes::UpdateChannel},
      {"DELETE", "/api/channels/:id", &Routes::DeleteChannel},
  };
  return routes;
}

template <class Response, class MethodRequest>
absl::StatusOr<Response> Routes::Call(Request& request, std::string_view method,
                                      const MethodRequest& method_request) {
  const auto found = table_.methods().find("parley.v1." + std::string(method));
  if (found == table_.methods().end()) return Internal("no method " + std::string(method));
  const rpc::MessageResult result = table_.Call(request.call, found->second, method_request);
  if (!result.ok()) return result.status();
  return static_cast<const Response&>(**result);
}

// What was deleted is not there for these clients.
absl::StatusOr<v1::Channel> Routes::LiveChannel(Request& request, const std::string& id) {
  v1::GetChannelRequest get;
  get.set_channel_id(id);
  PARLEY_ASSIGN_OR_RETURN(v1::Channel channel,
                          Call<v1::Channel>(request, "ChannelService.GetChannel", get));
  if (channel.state() == v1::Channel::STATE_DELETED) {
    return NotFound("CHANNEL_NOT_FOUND", "There is no channel with this id.");
  }
  return channel;
}

absl::StatusOr<std::string> Routes::ChannelIdOf(Request& request, const std::string& number) {
  v1::ListChannelsRequest list;
  list.set_page_size(kLimitMax);
  for (int i = 0; i < kChannelPagesMax; ++i) {
    PARLEY_ASSIGN_OR_RETURN(
        const v1::ListChannelsResponse page,
        Call<v1::ListChannelsResponse>(request, "ChannelService.ListChannels", list));
    for (const v1::Channel& channel : page.channels()) {
      if (channel.phone_number() == number || channel.whatsapp_number() == number) {
        return channel.id();
      }
    }
    if (page.next_page_token().empty()) break;
    list.set_page_token(page.next_page_token());
  }
  return NotFound("CHANNEL_NOT_FOUND", "No channel has this twilio_number.");
}

absl::StatusOr<Routes::Answer> Routes::PostMessage(Request& request) {
  PARLEY_ASSIGN_OR_RETURN(const PostedMessage posted, ReadPostedMessage(request.body));
  std::string channel_id = posted.channel_id;
  if (channel_id.empty()) {
    PARLEY_ASSIGN_OR_RETURN(channel_id, ChannelIdOf(request, posted.twilio_number));
  }
  if (posted.from_customer) {
    v1::SimulateInboundMessageRequest simulate;
    simulate.set_channel_id(channel_id);
    simulate.set_from(posted.user_phone_number);
    simulate.set_medium(posted.medium);
    simulate.set_body(posted.content);
    PARLEY_ASSIGN_OR_RETURN(
        const v1::Message message,
        Call<v1::Message>(request, "MessageService.SimulateInboundMessage", simulate));
    return Answer{201, Success(ToJson(message))};
  }
  v1::SendMessageRequest send;
  send.set_channel_id(channel_id);
  send.set_to(posted.user_phone_number);
  send.set_medium(posted.medium);
  send.set_body(posted.content);
  PARLEY_ASSIGN_OR_RETURN(const v1::Message message,
                          Call<v1::Message>(request, "MessageService.SendMessage", send));
  return Answer{201, Success(ToJson(message))};
}

absl::StatusOr<Routes::Answer> Routes::ListMessages(Request& request) {
  api::MessageWindow window{.channel_id = request.Parameter("channel_id"),
                            .conversation_id = request.Parameter("session_id")};
  PARLEY_ASSIGN_OR_RETURN(window.size, ReadLimit(request.Parameter("limit")));
  const std::string before = request.Parameter("before");
  if (IsUuid(before)) {
    window.before_message_id = before;
  } else if (!before.empty()) {
    const auto time = ParseTime(before);
    if (!time.ok()) {
      return InvalidArgument("INVALID_FIELD", "before must be a message's _id or a time.");
    }
    window.before_time = *time;
  }
  if (!window.conversation_id.empty()) {
    v1::GetConversationRequest get;
    get.set_conversation_id(window.conversation_id);
    PARLEY_RETURN_IF_ERROR(
        Call<v1::Conversation>(request, "ConversationService.GetConversation", get));
  } else if (!window.channel_id.empty()) {
    PARLEY_RETURN_IF_ERROR(LiveChannel(request, window.channel_id));
  } else {
    return InvalidArgument("CHANNEL_MISSING", "channel_id or session_id is required.");
  }
  PARLEY_ASSIGN_OR_RETURN(const std::vector<v1::Message> newest,
                          api::ListNewestMessages(services_, request.call, window));
  nlohmann::json oldest_first = nlohmann::json::array();
  for (auto message = newest.rbegin(); message != newest.rend(); ++message) {
    oldest_first.push_back(ToJson(*message));
  }
  return Answer{200, Success(std::move(oldest_first))};
}

absl::StatusOr<Routes::Answer> Routes::ListSessions(Request& request) {
  v1::ListConversationsRequest list;
  list.set_channel_id(request.Parameter("channel_id"));
  PARLEY_ASSIGN_OR_RETURN(const int limit, ReadLimit(request.Parameter("limit")));
  list.set_page_size(request.Parameter("limit").empty() ? kLimitMax : limit);
  PARLEY_ASSIGN_OR_RETURN(
      const auto page,
      Call<v1::ListConversationsResponse>(request, "ConversationService.ListConversations", list));
  nlohmann::json sessions = nlohmann::json::array();
  for (const v1::Conversation& one : page.conversations()) sessions.push_back(ToJson(one));
  return Answer{200, Success(std::move(sessions))};
}

absl::StatusOr<Routes::Answer> Routes::CreateChannel(Request& request) {
  PARLEY_ASSIGN_OR_RETURN(const v1::UpdateChannelRequest read, ReadChannel(request.body));
  v1::CreateChannelRequest create;
  *create.mutable_channel() = read.channel();
  if (create.channel().media().empty()) create.mutable_channel()->add_media(v1::MEDIUM_SMS);
  PARLEY_ASSIGN_OR_RETURN(const v1::Channel channel,
                          Call<v1::Channel>(request, "ChannelService.CreateChannel", create));
  return Answer{201, Success(ToJson(channel))};
}

absl::StatusOr<Routes::Answer> Routes::ListChannels(Request& request) {
  v1::ListChannelsRequest list;
  list.set_page_size(kLimitMax);
  nlohmann::json channels = nlohmann::json::array();
  for (int i = 0; i < kChannelPagesMax; ++i) {
    PARLEY_ASSIGN_OR_RETURN(
        const v1::ListChannelsResponse page,
        Call<v1::ListChannelsResponse>(request, "ChannelService.ListChannels", list));
    for (const v1::Channel& channel : page.channels()) channels.push_back(ToJson(channel));
    if (page.next_page_token().empty()) break;
    list.set_page_token(page.next_page_token());
  }
  return Answer{200, Success(std::move(channels))};
}

absl::StatusOr<Routes::Answer> Routes::GetChannel(Request& request) {
  PARLEY_ASSIGN_OR_RETURN(const v1::Channel channel, LiveChannel(request, request.id));
  return Answer{200, Success(ToJson(channel))};
}

absl::StatusOr<Routes::Answer> Routes::UpdateChannel(Request& request) {
  PARLEY_ASSIGN_OR_RETURN(v1::UpdateChannelRequest update, ReadChannel(request.body));
  update.mutable_channel()->set_id(request.id);
  PARLEY_ASSIGN_OR_RETURN(const v1::Channel channel,
                          Call<v1::Channel>(request, "ChannelService.UpdateChannel", update));
  return Answer{200, Success(ToJson(channel))};
}

absl::StatusOr<Routes::Answer> Routes::DeleteChannel(Request& request) {
  v1::DeleteChannelRequest remove;
  remove.set_channel_id(request.id);
  PARLEY_RETURN_IF_ERROR(Call<api::Empty>(request, "ChannelService.DeleteChannel", remove));
  return Answer{200, Success({{"id", request.id}, {"_id", request.id}})};
}

absl::StatusOr<Routes::Answer> Routes::Health(Request&) {
  Answer answer{200, {{"status", "ok"}, {"checks", nlohmann::json::object()}}};
  for (const http::ReadyCheck& check : options_.health) {
    const absl::Status status = check.check();
    answer.body["checks"][check.name] = status.ok() ? "ok" : ErrorReason(status);
    if (status.ok()) continue;
    answer.status = 503;
    answer.body["status"] = "unavailable";
  }
  return answer;
}

absl::StatusOr<Routes::Answer> Routes::Dispatch(const httplib::Request& http_request,
                                                Request& request) {
  bool path_known = false;
  for (const Route& route : AllRoutes()) {
    if (!Fits(route.path, http_request.path, request.id)) continue;
    path_known = true;
    const bool is_get = http_request.method == "HEAD" && route.method == "GET";
    if (route.method != http_request.method && !is_get) continue;
    if (!route.is_public && request.call.credential.empty()) {
      return ErrorStatus(absl::StatusCode::kUnauthenticated, "CREDENTIAL_MISSING",
                         "Log in, or send \"Authorization: Bearer\" with an API key.");
    }
    return (this->*route.handle)(request);
  }
  if (path_known) {
    return ErrorStatus(absl::StatusCode::kUnimplemented, "METHOD_NOT_ALLOWED",
                       "This address does not take " + http_request.method + ".");
  }
  return NotFound("NO_SUCH_ROUTE", "There is nothing at this address.");
}

void Routes::Serve(const httplib::Request& http_request, httplib::Response& response,
                   const httplib::ContentReader* reader) {
  Request request{http_request, "", "",
                  rpc::ContextFromHttp(http_request, rpc::TranscoderOptions().session_cookie,
                                       options_.allowed_origins)};
  if (reader != nullptr) {
    auto body = http::ReadBody(http_request, *reader, options_.body_bytes_max);
    if (!body.ok()) return RespondError(response, body.status());
    request.body = *std::move(body);
  }
  const absl::StatusOr<Answer> answer = Dispatch(http_request, request);
  for (const auto& [name, value] : request.call.response_headers) response.set_header(name, value);
  if (!answer.ok()) return RespondError(response, answer.status());
  response.status = answer->status;
  response.set_content(Dump(answer->body), "application/json");
}

void Routes::Register(httplib::Server& server) {
  const char* const pattern = "/api/.*";
  const auto plain = [this](const httplib::Request& request, httplib::Response& response) {
    Serve(request, response, nullptr);
  };
  const auto with_body = [this](const httplib::Request& request, httplib::Response& response,
                                const httplib::ContentReader& reader) {
    Serve(request, response, &reader);
  };
  server.Get(pattern, plain);
  server.Delete(pattern, with_body);
  server.Post(pattern, with_body);
  server.Put(pattern, with_body);
  server.Patch(pattern, with_body);
}

void RespondError(httplib::Response& response, const absl::Status& status) {
  http::RespondError(response, status);
  if (ErrorReason(status) == "METHOD_NOT_ALLOWED") response.status = 405;
  // An error that also ends the connection has its own writer, which stays.
  if (!response.has_header("Connection")) {
    response.set_content(Dump(ErrorJson(status)), "application/json");
  }
}

}  // namespace parley::gateway::compat
