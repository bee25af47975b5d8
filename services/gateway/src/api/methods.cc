#include "api/methods.h"

#include <algorithm>
#include <cctype>
#include <string>
#include <string_view>

#include "api/handlers.h"
#include "libs/base/status.h"
#include "libs/telemetry/log.h"
#include "libs/telemetry/metrics.h"

namespace parley::gateway::api {
namespace {

using rpc::Access;

class Adder {
 public:
  Adder(rpc::MethodTable& table, Services& services) : table_(table), services_(services) {}

  template <class Request, class Response>
  void operator()(std::string_view name, Access access, Handler<Request, Response>& handler) {
    table_.Add<Request, Response>(
        "parley.v1." + std::string(name), access,
        [&services = services_, &handler](rpc::CallContext& call, const Request& request) {
          return handler(services, call, request);
        });
  }

 private:
  rpc::MethodTable& table_;
  Services& services_;
};

// Constraint names and the like stand in lower case; reasons of the API in upper case.
bool IsDatabaseWording(const absl::Status& status) {
  const std::string reason = ErrorReason(status);
  const bool constraint = std::any_of(reason.begin(), reason.end(),
                                      [](unsigned char c) { return std::islower(c) != 0; });
  return constraint || reason == "INVALID_VALUE" || reason.starts_with("DATABASE_") ||
         reason == "COMMIT_IN_DOUBT" || reason == "CONFLICT" || reason == "DEADLOCK";
}

// What a client is told of an error whose words are the database's or ours alone.
absl::Status ForClients(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kDataLoss:
      return ErrorStatus(absl::StatusCode::kInternal, "INTERNAL",
                         "Something went wrong here; it was logged. Try again later.");
    default:
      break;
  }
  if (!IsDatabaseWording(status)) return status;
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
      return InvalidArgument("INVALID_VALUE", "A value is not one that can be stored.");
    case absl::StatusCode::kAlreadyExists:
      return ErrorStatus(absl::StatusCode::kAlreadyExists, "ALREADY_EXISTS",
                         "There is already one like this.");
    case absl::StatusCode::kAborted:
      return ErrorStatus(absl::StatusCode::kAborted, "CONFLICT",
                         "Somebody changed this at the same time; try again.");
    default:
      return Unavailable("DATABASE_UNAVAILABLE",
                         "The database does not take requests right now; try again in a moment.");
  }
}

rpc::MessageResult Observe(const Clock& clock, rpc::CallContext& call, const rpc::Next& next) {
  const auto begin = clock.Steady();
  rpc::MessageResult result = next();
  const std::chrono::duration<double> took = clock.Steady() - begin;
  static auto& latency = telemetry::LatencyHistogram(
      "parley_gateway_api_request_seconds",
      "Time in an API method; when it rises, look at the database's load first.");
  latency.Observe(took.count());
  telemetry::Counter(
      "parley_gateway_api_requests_total",
      "Calls of API methods; codes INTERNAL and UNAVAILABLE want a look at the log.",
      {{"method", call.method}, {"code", absl::StatusCodeToString(result.status().code())}})
      .Increment();
  if (result.ok()) return result;
  const absl::Status shown = ForClients(result.status());
  if (absl::IsInternal(shown)) {
    telemetry::Error("request_failed", result.status(),
                     {{"method", call.method}, {"organization_id", call.organization_id}});
  } else if (absl::IsUnavailable(shown)) {
    telemetry::Warning("request_failed", result.status(), {{"method", call.method}});
  }
  return shown;
}

}  // namespace

void AddMethods(rpc::MethodTable& table, Services& services) {
  Adder add(table, services);
  add("SessionService.CreateSession", Access::kPublic, CreateSession);
  add("SessionService.GetCurrentSession", Access::kViewer, GetCurrentSession);
  add("SessionService.DeleteCurrentSession", Access::kViewer, DeleteCurrentSession);
  add("SessionService.CreateLiveTicket", Access::kViewer, CreateLiveTicket);

  add("OrganizationService.GetOrganization", Access::kViewer, GetOrganization);
  add("OrganizationService.UpdateOrganization", Access::kAdmin, UpdateOrganization);
  add("OrganizationService.CreateApiKey", Access::kAdmin, CreateApiKey);
  add("OrganizationService.ListApiKeys", Access::kAdmin, ListApiKeys);
  add("OrganizationService.DeleteApiKey", Access::kAdmin, DeleteApiKey);

  add("TwilioAccountService.ConnectTwilioAccount", Access::kAdmin, ConnectTwilioAccount);
  add("TwilioAccountService.ListTwilioAccounts", Access::kViewer, ListTwilioAccounts);
  add("TwilioAccountService.GetTwilioAccount", Access::kViewer, GetTwilioAccount);
  add("TwilioAccountService.UpdateTwilioAccount", Access::kAdmin, UpdateTwilioAccount);
  add("TwilioAccountService.SetSecondaryAuthToken", Access::kAdmin, SetSecondaryAuthToken);
  add("TwilioAccountService.PromoteSecondaryAuthToken", Access::kAdmin, PromoteSecondaryAuthToken);
  add("TwilioAccountService.RemoveSecondaryAuthToken", Access::kAdmin, RemoveSecondaryAuthToken);

  add("ChannelService.CreateChannel", Access::kAdmin, CreateChannel);
  add("ChannelService.ListChannels", Access::kViewer, ListChannels);
  add("ChannelService.GetChannel", Access::kViewer, GetChannel);
  add("ChannelService.UpdateChannel", Access::kAdmin, UpdateChannel);
  add("ChannelService.DeleteChannel", Access::kAdmin, DeleteChannel);

  add("ContactService.CreateContact", Access::kAgent, CreateContact);
  add("ContactService.ListContacts", Access::kViewer, ListContacts);
  add("ContactService.GetContact", Access::kViewer, GetContact);
  add("ContactService.UpdateContact", Access::kAgent, UpdateContact);
  add("ContactService.DeleteContact", Access::kAgent, DeleteContact);

  add("ConversationService.ListConversations", Access::kViewer, ListConversations);
  add("ConversationService.GetConversation", Access::kViewer, GetConversation);
  add("ConversationService.UpdateConversation", Access::kAgent, UpdateConversation);
  add("ConversationService.ReadConversation", Access::kAgent, ReadConversation);
  add("ConversationService.TakeOverConversation", Access::kAgent, TakeOverConversation);
  add("ConversationService.HandBackConversation", Access::kAgent, HandBackConversation);

  add("MessageService.SendMessage", Access::kAgent, SendMessage);
  add("MessageService.GetMessage", Access::kViewer, GetMessage);
  add("MessageService.ListMessages", Access::kViewer, ListMessages);
  add("MessageService.SimulateInboundMessage", Access::kAgent, SimulateInboundMessage);
  add("MessageService.EraseMessage", Access::kAdmin, EraseMessage);

  add("DeliveryService.ResolveMessage", Access::kAgent, ResolveMessage);
  add("DeliveryService.ResolveUnconfirmedMessages", Access::kAdmin, ResolveUnconfirmedMessages);
  add("DeliveryService.ListUnconfirmedMessages", Access::kViewer, ListUnconfirmedMessages);
  add("DeliveryService.CancelMessage", Access::kAgent, CancelMessage);
  add("DeliveryService.ListMessageChanges", Access::kViewer, ListMessageChanges);

  add("QuarantineService.ListQuarantinedWebhooks", Access::kAgent, ListQuarantinedWebhooks);
  add("QuarantineService.GetQuarantinedWebhook", Access::kAgent, GetQuarantinedWebhook);
  add("QuarantineService.ReleaseQuarantinedWebhooks", Access::kAdmin, ReleaseQuarantinedWebhooks);
  add("QuarantineService.DeleteQuarantinedWebhook", Access::kAdmin, DeleteQuarantinedWebhook);
}

void AddInterceptors(rpc::MethodTable& table, const Clock& clock, ApiLimit* limit) {
  table.AddInterceptor([&clock](rpc::CallContext& call, const rpc::Message&,
                                const rpc::Next& next) { return Observe(clock, call, next); });
  if (limit != nullptr) AddLimit(table, *limit);
}

}  // namespace parley::gateway::api
