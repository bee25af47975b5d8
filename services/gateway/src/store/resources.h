// How rows become the API's resources: SELECT lists and readers, shared by the API's methods and by
// live updates, so that both show the same.
//
//   tx.exec_params(std::string(store::kMessageSelect) +
//                  " WHERE m.organization_id = $1 AND m.id = $2", organization_id, id)
//   … store::ReadMessage(result[0]) …
//
// Each k…Select is "SELECT <columns> FROM <tables>" with the main table under a fixed alias; append
// WHERE, ORDER BY and LIMIT. Readers take a row of exactly that list (more columns may follow: the
// count is k…Columns). They must run with search_path gateway, under either role.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "libs/base/clock.h"
#include "libs/postgres/pool.h"
#include "parley/v1/channel.pb.h"
#include "parley/v1/contact.pb.h"
#include "parley/v1/conversation.pb.h"
#include "parley/v1/live.pb.h"
#include "parley/v1/message.pb.h"

namespace parley::gateway::store {

// FROM messages m.
extern const char kMessageSelect[];
inline constexpr int kMessageColumns = 32;
v1::Message ReadMessage(const pqxx::row& row, int first_column = 0);

// FROM conversations c, with its channel (ch), contact (k) and last message (m).
extern const char kConversationSelect[];
inline constexpr int kConversationColumns = 22 + kMessageColumns;
v1::Conversation ReadConversation(const pqxx::row& row, int first_column = 0);

// FROM channels ch. The AI's key is never read; `api_key_set` says whether there is one.
extern const char kChannelSelect[];
inline constexpr int kChannelColumns = 27;
v1::Channel ReadChannel(const pqxx::row& row, int first_column = 0);

// FROM contacts k.
extern const char kContactSelect[];
inline constexpr int kContactColumns = 6;
v1::Contact ReadContact(const pqxx::row& row, int first_column = 0);

// One by its id. Errors: kNotFound MESSAGE_NOT_FOUND and so on; also for an id that is no UUID.
absl::StatusOr<v1::Message> LoadMessage(pqxx::work& tx, std::string_view organization_id,
                                        std::string_view message_id);
// Adds what no list shows: the parameters of the webhook that brought `message`.
void LoadParameters(pqxx::work& tx, std::string_view organization_id, v1::Message& message);
absl::StatusOr<v1::Conversation> LoadConversation(pqxx::work& tx, std::string_view organization_id,
                                                  std::string_view conversation_id);
absl::StatusOr<v1::Channel> LoadChannel(pqxx::work& tx, std::string_view organization_id,
                                        std::string_view channel_id);
absl::StatusOr<v1::Contact> LoadContact(pqxx::work& tx, std::string_view organization_id,
                                        std::string_view contact_id);

// What decides a conversation's `ai_state`.
struct AiFacts {
  bool channel_enabled = false;
  std::optional<bool> conversation_enabled;  // Overrides the channel's.
  bool taken_over = false;
  bool opted_out = false;
  bool pending = false;  // A turn is collected or open.
};
v1::Conversation::AiState AiStateOf(const AiFacts& facts);

// The contact's name, or the number, or a word for a conversation without one.
std::string TitleOf(std::string_view contact_name, std::string_view customer_number);

// SQL for a timestamp column as µs since 1970, and what protobuf makes of it.
std::string MicrosOf(std::string_view column);
google::protobuf::Timestamp ToTimestamp(Time time);

}  // namespace parley::gateway::store
