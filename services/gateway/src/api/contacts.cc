#include <nlohmann/json.hpp>

#include "api/handlers.h"
#include "api/transaction.h"
#include "domain/field_mask.h"
#include "domain/page.h"
#include "domain/validation.h"
#include "libs/base/id.h"
#include "libs/base/status.h"
#include "store/inbox.h"
#include "store/resources.h"

namespace parley::gateway::api {
namespace {

constexpr char kContactsScope[] = "contacts";

absl::Status CheckContact(const v1::Contact& contact) {
  return FirstProblem({CheckText("displayName", contact.display_name(), {0, kNameMax}),
                       CheckPhone("phoneNumber", contact.phone_number()),
                       CheckEmailOrEmpty("email", contact.email())});
}

absl::Status ContactExists() {
  return ErrorStatus(absl::StatusCode::kAlreadyExists, "CONTACT_EXISTS",
                     "There is already a contact with this phone number.");
}

bool NumberIsTaken(pqxx::work& tx, const rpc::CallContext& call, const v1::Contact& contact) {
  return !tx.exec_params(
                "SELECT 1 FROM contacts WHERE organization_id = $1 AND phone_number = $2"
                " AND id <> $3",
                call.organization_id, contact.phone_number(), contact.id())
              .empty();
}

// Conversations are locked before contacts, as everywhere.
void LockConversations(pqxx::work& tx, const rpc::CallContext& call, const v1::Contact& contact) {
  tx.exec_params(
      "SELECT FROM conversations WHERE organization_id = $1"
      " AND (customer_number = $3 OR contact_id = $2) ORDER BY id FOR UPDATE",
      call.organization_id, contact.id(), contact.phone_number());
}

// Conversations belong to the contact that has their number; those that changed are published, for
// their titles show the contact's name.
absl::Status ClaimConversations(pqxx::work& tx, const rpc::CallContext& call,
                                const v1::Contact& contact) {
  const pqxx::result changed = tx.exec_params(
      "WITH theirs AS (SELECT id FROM conversations WHERE organization_id = $1"
      "  AND (customer_number = $3 OR contact_id = $2) ORDER BY id FOR UPDATE)"
      " UPDATE conversations c"
      " SET contact_id = CASE WHEN c.customer_number = $3 THEN $2::uuid END"
      " FROM theirs WHERE c.organization_id = $1 AND c.id = theirs.id RETURNING c.id",
      call.organization_id, contact.id(), contact.phone_number());
  for (const pqxx::row& row : changed) {
    PARLEY_RETURN_IF_ERROR(store::PublishConversation(tx, call.organization_id, row[0].c_str()));
  }
  return absl::OkStatus();
}

// Two at once for one number: the constraint decides.
absl::StatusOr<v1::Contact> Translated(absl::StatusOr<v1::Contact> result) {
  const bool taken = absl::IsAlreadyExists(result.status()) &&
                     ErrorReason(result.status()) == "contacts_organization_id_phone_number_key";
  if (taken) return ContactExists();
  return result;
}

}  // namespace

absl::StatusOr<v1::Contact> CreateContact(Services& services, rpc::CallContext& call,
                                          const v1::CreateContactRequest& request) {
  PARLEY_RETURN_IF_ERROR(CheckContact(request.contact()));
  return Translated(Write<v1::Contact>(
      services, call, request, [&](pqxx::work& tx) -> absl::StatusOr<v1::Contact> {
        v1::Contact contact = request.contact();
        contact.set_id(NewId());
        if (NumberIsTaken(tx, call, contact)) return ContactExists();
        tx.exec_params0(
            "INSERT INTO contacts (organization_id, id, display_name, phone_number, email)"
            " VALUES ($1, $2, $3, $4, $5)",
            call.organization_id, contact.id(), contact.display_name(), contact.phone_number(),
            contact.email());
        PARLEY_RETURN_IF_ERROR(ClaimConversations(tx, call, contact));
        RecordAudit(tx, call, "contact.create", "contact:" + contact.id());
        return store::LoadContact(tx, call.organization_id, contact.id());
      }));
}

absl::StatusOr<v1::ListContactsResponse> ListContacts(Services& services, rpc::CallContext& call,
                                                      const v1::ListContactsRequest& request) {
  PARLEY_ASSIGN_OR_RETURN(const int size, PageSize(request.page_size()));
  PARLEY_ASSIGN_OR_RETURN(const auto position,
                          ReadPageToken(kContactsScope, request.page_token(), 1));
  const std::string before = position.empty() ? "" : position[0];
  return Read<v1::ListContactsResponse>(
      services, call, [&](pqxx::work& tx) -> absl::StatusOr<v1::ListContactsResponse> {
        // Ids are UUIDv7, so their order is that of time.
        const pqxx::result rows = tx.exec_params(
            std::string(store::kContactSelect) +
                " WHERE k.organization_id = $1 AND ($2 = '' OR k.id < nullif($2, '')::uuid)"
                " ORDER BY k.id DESC LIMIT $3",
            call.organization_id, before, size + 1);
        v1::ListContactsResponse response;
        for (const pqxx::row& row : rows) {
          if (response.contacts_size() == size) {
            response.set_next_page_token(
                MakePageToken(kContactsScope, {response.contacts(size - 1).id()}));
            break;
          }
          *response.add_contacts() = store::ReadContact(row);
        }
        return response;
      });
}

absl::StatusOr<v1::Contact> GetContact(Services& services, rpc::CallContext& call,
                                       const v1::GetContactRequest& request) {
  return Read<v1::Contact>(services, call, [&](pqxx::work& tx) {
    return store::LoadContact(tx, call.organization_id, request.contact_id());
  });
}

absl::StatusOr<v1::Contact> UpdateContact(Services& services, rpc::CallContext& call,
                                          const v1::UpdateContactRequest& request) {
  PARLEY_ASSIGN_OR_RETURN(const std::set<std::string> fields,
                          FieldsToUpdate(request.contact(), request.update_mask()));
  return Translated(Write<v1::Contact>(
      services, call, request, [&](pqxx::work& tx) -> absl::StatusOr<v1::Contact> {
        const std::string& id = request.contact().id();
        PARLEY_ASSIGN_OR_RETURN(v1::Contact contact,
                                store::LoadContact(tx, call.organization_id, id));
        if (fields.contains("display_name")) {
          contact.set_display_name(request.contact().display_name());
        }
        if (fields.contains("phone_number")) {
          contact.set_phone_number(request.contact().phone_number());
        }
        if (fields.contains("email")) contact.set_email(request.contact().email());
        PARLEY_RETURN_IF_ERROR(CheckContact(contact));
        if (NumberIsTaken(tx, call, contact)) return ContactExists();
        LockConversations(tx, call, contact);
        tx.exec_params0(
            "UPDATE contacts SET display_name = $3, phone_number = $4, email = $5"
            " WHERE organization_id = $1 AND id = $2",
            call.organization_id, contact.id(), contact.display_name(), contact.phone_number(),
            contact.email());
        PARLEY_RETURN_IF_ERROR(ClaimConversations(tx, call, contact));
        RecordAudit(tx, call, "contact.update", "contact:" + contact.id(), {{"fields", fields}});
        return store::LoadContact(tx, call.organization_id, contact.id());
      }));
}

absl::StatusOr<Empty> DeleteContact(Services& services, rpc::CallContext& call,
                                    const v1::DeleteContactRequest& request) {
  return Write<Empty>(services, call, request, [&](pqxx::work& tx) -> absl::StatusOr<Empty> {
    PARLEY_ASSIGN_OR_RETURN(v1::Contact contact,
                            store::LoadContact(tx, call.organization_id, request.contact_id()));
    LockConversations(tx, call, contact);
    tx.exec_params0("DELETE FROM contacts WHERE organization_id = $1 AND id = $2",
                    call.organization_id, contact.id());
    contact.clear_phone_number();  // So that it keeps none.
    PARLEY_RETURN_IF_ERROR(ClaimConversations(tx, call, contact));
    RecordAudit(tx, call, "contact.delete", "contact:" + contact.id());
    return Empty();
  });
}

}  // namespace parley::gateway::api
