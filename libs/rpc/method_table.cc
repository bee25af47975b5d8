#include "libs/rpc/method_table.h"

#include <cstdio>
#include <cstdlib>

#include "libs/base/status.h"
#include "libs/base/text.h"

namespace parley::rpc {
namespace {

using google::protobuf::FieldDescriptor;

// Names the first text that no store would take; empty if there is none. Fields of type bytes may
// hold anything.
std::string FindBadText(const Message& message) {
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    const int count = field->is_repeated() ? reflection.FieldSize(message, field) : 1;
    for (int i = 0; i < count; ++i) {
      if (field->type() == FieldDescriptor::TYPE_STRING) {
        std::string scratch;
        const std::string& text =
            field->is_repeated()
                ? reflection.GetRepeatedStringReference(message, field, i, &scratch)
                : reflection.GetStringReference(message, field, &scratch);
        if (!IsCleanUtf8(text)) return field->json_name();
      } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        const std::string inner =
            FindBadText(field->is_repeated() ? reflection.GetRepeatedMessage(message, field, i)
                                             : reflection.GetMessage(message, field));
        if (!inner.empty()) return field->json_name() + "." + inner;
      }
    }
  }
  return {};
}

}  // namespace

std::string CallContext::Actor() const {
  if (!user_id.empty()) return "user:" + user_id;
  if (!api_key_id.empty()) return "api_key:" + api_key_id;
  return "system";
}

void MethodTable::AddMethod(std::string_view full_name, Method method) {
  method.descriptor =
      google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(std::string(full_name));
  if (method.descriptor == nullptr ||
      method.descriptor->input_type() != method.request_prototype->GetDescriptor() ||
      method.descriptor->output_type() != method.response_prototype->GetDescriptor()) {
    std::fprintf(stderr, "%.*s is no method with these types\n", static_cast<int>(full_name.size()),
                 full_name.data());
    std::abort();  // Our own mistake, seen at the first start.
  }
  methods_.insert_or_assign(std::string(full_name), std::move(method));
}

MessageResult MethodTable::Call(CallContext& call, const Method& method,
                                const Message& request) const {
  call.method = method.descriptor->full_name();
  if (const std::string field = FindBadText(request); !field.empty()) {
    return InvalidArgument("INVALID_TEXT",
                           field + " is not valid UTF-8 text, or it holds a NUL character.");
  }
  if (method.access != Access::kPublic) {
    if (call.credential.empty()) {
      return ErrorStatus(absl::StatusCode::kUnauthenticated, "CREDENTIAL_MISSING",
                         "Log in, or send \"Authorization: Bearer\" with an API key.");
    }
    PARLEY_RETURN_IF_ERROR(authenticate_(call));
    if (call.access < method.access) {
      return ErrorStatus(absl::StatusCode::kPermissionDenied, "ROLE_TOO_LOW",
                         "Your role may not do this; ask an administrator of your organization.");
    }
  }
  // Wraps the handler from the inside out; the chain lives on this stack.
  std::function<MessageResult(std::size_t)> run = [&](std::size_t index) -> MessageResult {
    if (index == interceptors_.size()) return method.handle(call, request);
    return interceptors_[index](call, request, [&run, index] { return run(index + 1); });
  };
  return run(0);
}

}  // namespace parley::rpc
