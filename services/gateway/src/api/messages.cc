#include "api/messages.h"

#include <algorithm>
#include <charconv>

#include "api/handlers.h"
#include "api/transaction.h"
#include "domain/message.h"
#include "domain/page.h"
#include "domain/validation.h"
#include "libs/base/id.h"
#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/telemetry/log.h"
#include "store/inbox.h"
#include "store/resources.h"

namespace parley::gateway::api {
namespace {

enum class Recipient { kRequired, kOptional };

std::vector<std::string> MediaUrls(const v1::SendMessageRequest& request) {
  return {request.media_urls().begin(), request.media_urls().end()};
}

absl::Status CheckSend(const v1::SendMessageRequest& request, Recipient recipient) {
  const bool by_conversation = !request.conversation_id().empty();
  if (by_conversation == !request.channel_id().empty() ||
      (by_conversation && (!request.to().empty() || request.medium() != v1::MEDIUM_UNSPECIFIED))) {
    return InvalidArgument("RECIPIENT_AMBIGUOUS",
                           "Name either conversationId, or channelId with to.");
  }
  const bool needs_number = !by_conversation && recipient == Recipient::kRequired;
  return FirstProblem(
      {CheckTime("sendTime", request.send_time()), CheckTime("expireTime", request.expire_time()),
       CheckChosenId("messageId", request.message_id()),
       needs_number ? CheckPhone("to", request.to()) : CheckPhoneOrEmpty("to", request.to()),
       CheckContent({request.body(), MediaUrls(request)})});
}

// How far ahead a message may be scheduled, and how long it may be tried after that.
constexpr std::chrono::hours kScheduleMax{366 * 24};
constexpr std::chrono::hours kExpireDefault{24};
constexpr std::chrono::hours kExpireMax{7 * 24};

Time ReadTime(const google::protobuf::Timestamp& time) {
  return FromMicros(time.seconds() * 1'000'000 + time.nanos() / 1'000);
}

// When the message goes out, and until when it is tried.
absl::Status Schedule(const v1::SendMessageRequest& request, Time now, store::NewMessage& message) {
  Time from = now;
  if (request.has_send_time()) {
    const Time at = ReadTime(request.send_time());
    if (at > now + kScheduleMax) {
      return InvalidArgument("VALUE_OUT_OF_RANGE", "sendTime is more than 366 days ahead.");
    }
    if (at > now) message.send_at = from = at;
  }
  if (request.has_expire_time()) {
    const Time until = ReadTime(request.expire_time());
    if (until <= from || until > from + kExpireMax) {
      return InvalidArgument("VALUE_OUT_OF_RANGE",
                             "expireTime must be after the message is sent, by at most 7 days.");
    }
    message.expires_at = until;
  } else if (message.send_at > now) {
    message.expires_at = from + kExpireDefault;
  }
  return absl::OkStatus();
}

absl::Status ChannelDeleted() {
  return FailedPrecondition("CHANNEL_DELETED",
                            "This channel was deleted; its conversations can only be read.");
}

// The channel as far as a message is concerned: in use, and how it travels.
absl::StatusOr<Medium> ChooseMedium(const v1::Channel& channel, Medium wanted) {
  if (channel.state() == v1::Channel::STATE_DELETED) return ChannelDeleted();
  if (wanted != v1::MEDIUM_UNSPECIFIED) {
    if (std::count(channel.media().begin(), channel.media().end(), wanted) > 0) return wanted;
    return InvalidArgument("MEDIUM_NOT_IN_CHANNEL", "This channel is not used for that medium.");
  }
  for (const int medium : channel.media()) {
    if (medium != v1::MEDIUM_VOICE) return static_cast<Medium>(medium);
  }
  return InvalidArgument("MEDIUM_NOT_SENDABLE", "This channel is used for calls only.");
}

// Where a message goes: completes `message` from the conversation or the channel.
absl::Status Address(pqxx::work& tx, const v1::SendMessageRequest& request,
                     store::NewMessage& message) {
  if (!request.conversation_id().empty()) {
    PARLEY_ASSIGN_OR_RETURN(
        const v1::Conversation conversation,
        store::LoadConversation(tx, message.organization_id, request.conversation_id()));
    PARLEY_ASSIGN_OR_RETURN(
        const v1::Channel channel,
        store::LoadChannel(tx, message.organization_id, conversation.channel_id()));
    if (channel.state() == v1::Channel::STATE_DELETED) return ChannelDeleted();
    message.conversation_id = conversation.id();
    message.medium = conversation.medium();
  } else {
    PARLEY_ASSIGN_OR_RETURN(const v1::Channel channel,
                            store::LoadChannel(tx, message.organization_id, request.channel_id()));
    PARLEY_ASSIGN_OR_RETURN(message.medium, ChooseMedium(channel, request.medium()));
    message.channel_id = channel.id();
    message.customer_number = request.to();
  }
  return CheckMediumTakes(message.medium, message.media.size());
}

absl::Status MessageExists() {
  return ErrorStatus(absl::StatusCode::kAlreadyExists, "MESSAGE_EXISTS",
                     "There is already another message with this messageId.");
}

bool SameMedia(const v1::Message& stored, const std::vector<store::NewMessage::Media>& media) {
  return std::equal(stored.media().begin(), stored.media().end(), media.begin(), media.end(),
                    [](const v1::MessageMedia& a, const store::NewMessage::Media& b) {
                      return a.url() == b.url;
                    });
}

// True if `stored` is what this request asked for, not another message with the same id.
bool SameMessage(const v1::Message& stored, const store::NewMessage& wanted) {
  const bool place = wanted.conversation_id.empty()
                         ? stored.channel_id() == wanted.channel_id &&
                               (wanted.direction == v1::Message::DIRECTION_OUTBOUND
                                    ? stored.to()
                                    : stored.from()) == wanted.customer_number
                         : stored.conversation_id() == wanted.conversation_id;
  return place && stored.direction() == wanted.direction && stored.author() == wanted.author &&
         stored.medium() == wanted.medium && stored.body() == wanted.body &&
         SameMedia(stored, wanted.media);
}

store::AppendPolicy Policy(const Services& services, Time now) {
  return {.now = now,
          .turn_keys = {.master = &services.master_keys, .directory = &services.directory_keys}};
}

// Stores it, or answers what a repeat of the same request finds.
absl::StatusOr<v1::Message> AppendOne(pqxx::work& tx, const Services& services,
                                      const store::NewMessage& message) {
  PARLEY_ASSIGN_OR_RETURN(const std::vector<store::AppendResult> results,
                          store::Append(tx, {&message, 1}, Policy(services, message.received_at)));
  PARLEY_ASSIGN_OR_RETURN(v1::Message stored,
                          store::LoadMessage(tx, message.organization_id, message.message_id));
  if (results.front().duplicate && !SameMessage(stored, message)) return MessageExists();
  return stored;
}

// Once it is committed. A repeat logs it again, which does no harm.
void LogStored(const rpc::CallContext& call, const absl::StatusOr<v1::Message>& stored) {
  if (!stored.ok()) return;
  const bool inbound = stored->direction() == v1::Message::DIRECTION_INBOUND;
  telemetry::Info("stored", {{"organization_id", call.organization_id},
                             {"conversation_id", stored->conversation_id()},
                             {"message_id", stored->id()},
                             {"seq", stored->seq()},
                             {"direction", DirectionName(stored->direction())},
                             {"author", AuthorName(stored->author())},
                             {"simulated", stored->simulated()},
                             {"customer", MaskNumber(inbound ? stored->from() : stored->to())}});
}

std::string IdOrNew(const std::string& chosen) { return chosen.empty() ? NewId() : Lower(chosen); }

absl::StatusOr<v1::Message> Send(Services& services, rpc::CallContext& call,
                                 const v1::SendMessageRequest& request, Recipient recipient) {
  PARLEY_RETURN_IF_ERROR(CheckSend(request, recipient));
  store::NewMessage message{.organization_id = call.organization_id,
                            .message_id = IdOrNew(request.message_id()),
                            .direction = v1::Message::DIRECTION_OUTBOUND,
                            .author = v1::Message::AUTHOR_AGENT,
                            .body = request.body(),
                            // Existing clients see a refusal as the message's status.
                            .keep_refused = recipient == Recipient::kOptional,
                            .user_id = call.user_id,
                            .received_at = services.clock.Now(),
                            .traceparent = call.traceparent};
  PARLEY_RETURN_IF_ERROR(Schedule(request, message.received_at, message));
  for (const std::string& url : request.media_urls()) message.media.push_back({url, ""});
  if (!message.media.empty()) message.kind = v1::Message::KIND_MMS;
  auto stored = Write<v1::Message>(services, call, request,
                                   [&](pqxx::work& tx) -> absl::StatusOr<v1::Message> {
                                     store::NewMessage addressed = message;
                                     PARLEY_RETURN_IF_ERROR(Address(tx, request, addressed));
                                     return AppendOne(tx, services, addressed);
                                   });
  LogStored(call, stored);
  return stored;
}

}  // namespace

absl::StatusOr<v1::Message> SendMessage(Services& services, rpc::CallContext& call,
                                        const v1::SendMessageRequest& request) {
  return Send(services, call, request, Recipient::kRequired);
}

absl::StatusOr<v1::Message> SendOrKeepMessage(Services& services, rpc::CallContext& call,
                                              const v1::SendMessageRequest& request) {
  return Send(services, call, request, Recipient::kOptional);
}

absl::StatusOr<v1::Message> GetMessage(Services& services, rpc::CallContext& call,
                                       const v1::GetMessageRequest& request) {
  return Read<v1::Message>(services, call, [&](pqxx::work& tx) -> absl::StatusOr<v1::Message> {
    PARLEY_ASSIGN_OR_RETURN(v1::Message message,
                            store::LoadMessage(tx, call.organization_id, request.message_id()));
    store::LoadParameters(tx, call.organization_id, message);
    return message;
  });
}

absl::StatusOr<v1::ListMessagesResponse> ListMessages(Services& services, rpc::CallContext& call,
                                                      const v1::ListMessagesRequest& request) {
  const std::string scope = "messages/" + request.conversation_id();
  PARLEY_ASSIGN_OR_RETURN(const int size, PageSize(request.page_size()));
  PARLEY_ASSIGN_OR_RETURN(const auto position, ReadPageToken(scope, request.page_token(), 1));
  const std::string before = position.empty() ? std::to_string(INT64_MAX) : position[0];
  return Read<v1::ListMessagesResponse>(
      services, call, [&](pqxx::work& tx) -> absl::StatusOr<v1::ListMessagesResponse> {
        PARLEY_RETURN_IF_ERROR(
            store::LoadConversation(tx, call.organization_id, request.conversation_id()));
        const pqxx::result rows = tx.exec_params(
            std::string(store::kMessageSelect) +
                " WHERE m.organization_id = $1 AND m.conversation_id = $2 AND m.seq < $3::bigint"
                " ORDER BY m.seq DESC LIMIT $4",
            call.organization_id, request.conversation_id(), before, size + 1);
        v1::ListMessagesResponse response;
        for (const pqxx::row& row : rows) {
          if (response.messages_size() == size) {
            response.set_next_page_token(
                MakePageToken(scope, {std::to_string(response.messages(size - 1).seq())}));
            break;
          }
          *response.add_messages() = store::ReadMessage(row);
        }
        return response;
      });
}

absl::StatusOr<v1::Message> SimulateInboundMessage(
    Services& services, rpc::CallContext& call, const v1::SimulateInboundMessageRequest& request) {
  PARLEY_RETURN_IF_ERROR(FirstProblem({CheckChosenId("messageId", request.message_id()),
                                       CheckText("channelId", request.channel_id(), {1, kNameMax}),
                                       CheckPhoneOrEmpty("from", request.from()),
                                       CheckText("body", request.body(), {1, kBodyMax})}));
  const store::NewMessage message{.organization_id = call.organization_id,
                                  .message_id = IdOrNew(request.message_id()),
                                  .customer_number = request.from(),
                                  .body = request.body(),
                                  .simulated = true,
                                  .received_at = services.clock.Now(),
                                  .traceparent = call.traceparent};
  auto stored = Write<v1::Message>(
      services, call, request, [&](pqxx::work& tx) -> absl::StatusOr<v1::Message> {
        PARLEY_ASSIGN_OR_RETURN(const v1::Channel channel,
                                store::LoadChannel(tx, call.organization_id, request.channel_id()));
        store::NewMessage addressed = message;
        addressed.channel_id = channel.id();
        addressed.account_sid = channel.account_sid();
        PARLEY_ASSIGN_OR_RETURN(addressed.medium, ChooseMedium(channel, request.medium()));
        addressed.business_number =
            addressed.medium == v1::MEDIUM_WHATSAPP && !channel.whatsapp_number().empty()
                ? channel.whatsapp_number()
                : channel.phone_number();
        PARLEY_RETURN_IF_ERROR(CheckMediumTakes(addressed.medium, 0));
        return AppendOne(tx, services, addressed);
      });
  LogStored(call, stored);
  return stored;
}

absl::StatusOr<std::vector<v1::Message>> ListNewestMessages(Services& services,
                                                            const rpc::CallContext& call,
                                                            const MessageWindow& window) {
  const bool by_channel = window.conversation_id.empty();
  const std::string id = by_channel ? window.channel_id : window.conversation_id;
  // Within a conversation `seq` is the order; across conversations only time is.
  const std::string key = by_channel ? "(m.received_at, m.id)" : "m.seq";
  const std::string order = by_channel ? "m.received_at DESC, m.id DESC" : "m.seq DESC";
  std::string statement = std::string(store::kMessageSelect) +
                          " WHERE m.organization_id = $1 AND $3 = $3 AND $4 = $4 AND m." +
                          (by_channel ? "channel_id" : "conversation_id") + " = $2";
  if (!window.before_message_id.empty()) {
    statement += " AND " + key + " < (SELECT " + (by_channel ? "b.received_at, b.id" : "b.seq") +
                 " FROM messages b WHERE b.organization_id = $1 AND b.id = $3::uuid)";
  }
  if (window.before_time.has_value()) statement += " AND m.received_at < $4::timestamptz";
  statement += " ORDER BY " + order + " LIMIT $5";
  return Read<std::vector<v1::Message>>(
      services, call, [&](pqxx::work& tx) -> absl::StatusOr<std::vector<v1::Message>> {
        if (!window.before_message_id.empty()) {
          PARLEY_RETURN_IF_ERROR(
              store::LoadMessage(tx, call.organization_id, window.before_message_id));
        }
        const std::string time = window.before_time ? FormatTime(*window.before_time) : "";
        std::vector<v1::Message> messages;
        for (const pqxx::row& row : tx.exec_params(statement, call.organization_id, id,
                                                   window.before_message_id, time, window.size)) {
          messages.push_back(store::ReadMessage(row));
        }
        return messages;
      });
}

}  // namespace parley::gateway::api
