// The handlers of every method of proto/parley/v1, which says what each does and how it fails;
// methods.cc lists them with their names and the role that each needs. Thread-safe.
#pragma once

#include "absl/status/statusor.h"
#include "api/services.h"
#include "google/protobuf/empty.pb.h"
#include "libs/rpc/method_table.h"
#include "parley/v1/channel.pb.h"
#include "parley/v1/contact.pb.h"
#include "parley/v1/conversation.pb.h"
#include "parley/v1/delivery.pb.h"
#include "parley/v1/message.pb.h"
#include "parley/v1/organization.pb.h"
#include "parley/v1/quarantine.pb.h"
#include "parley/v1/session.pb.h"
#include "parley/v1/twilio_account.pb.h"

namespace parley::gateway::api {

using google::protobuf::Empty;

template <class Request, class Response>
using Handler = absl::StatusOr<Response>(Services&, rpc::CallContext&, const Request&);

// sessions.cc
Handler<v1::CreateSessionRequest, v1::CreateSessionResponse> CreateSession;
Handler<v1::GetCurrentSessionRequest, v1::Session> GetCurrentSession;
Handler<v1::DeleteCurrentSessionRequest, Empty> DeleteCurrentSession;
Handler<v1::CreateLiveTicketRequest, v1::LiveTicket> CreateLiveTicket;

// organization.cc
Handler<v1::GetOrganizationRequest, v1::Organization> GetOrganization;
Handler<v1::UpdateOrganizationRequest, v1::Organization> UpdateOrganization;
Handler<v1::CreateApiKeyRequest, v1::CreateApiKeyResponse> CreateApiKey;
Handler<v1::ListApiKeysRequest, v1::ListApiKeysResponse> ListApiKeys;
Handler<v1::DeleteApiKeyRequest, Empty> DeleteApiKey;

// twilio_accounts.cc
Handler<v1::ConnectTwilioAccountRequest, v1::TwilioAccount> ConnectTwilioAccount;
Handler<v1::ListTwilioAccountsRequest, v1::ListTwilioAccountsResponse> ListTwilioAccounts;
Handler<v1::GetTwilioAccountRequest, v1::TwilioAccount> GetTwilioAccount;

// account_settings.cc
Handler<v1::UpdateTwilioAccountRequest, v1::TwilioAccount> UpdateTwilioAccount;
Handler<v1::SetSecondaryAuthTokenRequest, v1::TwilioAccount> SetSecondaryAuthToken;
Handler<v1::PromoteSecondaryAuthTokenRequest, v1::TwilioAccount> PromoteSecondaryAuthToken;
Handler<v1::RemoveSecondaryAuthTokenRequest, v1::TwilioAccount> RemoveSecondaryAuthToken;

// channels.cc
Handler<v1::CreateChannelRequest, v1::Channel> CreateChannel;
Handler<v1::ListChannelsRequest, v1::ListChannelsResponse> ListChannels;
Handler<v1::GetChannelRequest, v1::Channel> GetChannel;
Handler<v1::UpdateChannelRequest, v1::Channel> UpdateChannel;
Handler<v1::DeleteChannelRequest, Empty> DeleteChannel;

// contacts.cc
Handler<v1::CreateContactRequest, v1::Contact> CreateContact;
Handler<v1::ListContactsRequest, v1::ListContactsResponse> ListContacts;
Handler<v1::GetContactRequest, v1::Contact> GetContact;
Handler<v1::UpdateContactRequest, v1::Contact> UpdateContact;
Handler<v1::DeleteContactRequest, Empty> DeleteContact;

// conversations.cc
Handler<v1::ListConversationsRequest, v1::ListConversationsResponse> ListConversations;
Handler<v1::GetConversationRequest, v1::Conversation> GetConversation;
Handler<v1::UpdateConversationRequest, v1::Conversation> UpdateConversation;
Handler<v1::ReadConversationRequest, v1::Conversation> ReadConversation;
Handler<v1::TakeOverConversationRequest, v1::Conversation> TakeOverConversation;
Handler<v1::HandBackConversationRequest, v1::Conversation> HandBackConversation;

// messages.cc
Handler<v1::SendMessageRequest, v1::Message> SendMessage;
Handler<v1::GetMessageRequest, v1::Message> GetMessage;
Handler<v1::ListMessagesRequest, v1::ListMessagesResponse> ListMessages;
Handler<v1::SimulateInboundMessageRequest, v1::Message> SimulateInboundMessage;

// erase.cc
Handler<v1::EraseMessageRequest, v1::Message> EraseMessage;

// delivery.cc
Handler<v1::ResolveMessageRequest, v1::Message> ResolveMessage;
Handler<v1::ResolveUnconfirmedMessagesRequest, v1::ResolveUnconfirmedMessagesResponse>
    ResolveUnconfirmedMessages;
Handler<v1::ListUnconfirmedMessagesRequest, v1::ListUnconfirmedMessagesResponse>
    ListUnconfirmedMessages;
Handler<v1::CancelMessageRequest, v1::CancelMessageResponse> CancelMessage;
Handler<v1::ListMessageChangesRequest, v1::ListMessageChangesResponse> ListMessageChanges;

// quarantine.cc
Handler<v1::ListQuarantinedWebhooksRequest, v1::ListQuarantinedWebhooksResponse>
    ListQuarantinedWebhooks;
Handler<v1::GetQuarantinedWebhookRequest, v1::QuarantinedWebhook> GetQuarantinedWebhook;
Handler<v1::ReleaseQuarantinedWebhooksRequest, v1::ReleaseQuarantinedWebhooksResponse>
    ReleaseQuarantinedWebhooks;
Handler<v1::DeleteQuarantinedWebhookRequest, Empty> DeleteQuarantinedWebhook;

}  // namespace parley::gateway::api
