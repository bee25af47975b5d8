#include "domain/field_mask.h"

#include <google/api/field_behavior.pb.h>

#include <string_view>
#include <vector>

#include "libs/base/status.h"
#include "libs/base/text.h"

namespace parley::gateway {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr int kPathsMax = 100;

bool IsOutputOnly(const FieldDescriptor& field) {
  const auto& options = field.options();
  for (int i = 0; i < options.ExtensionSize(google::api::field_behavior); ++i) {
    if (options.GetExtension(google::api::field_behavior, i) == google::api::OUTPUT_ONLY) {
      return true;
    }
  }
  return false;
}

// A message of ours whose fields can be changed one by one, unlike a timestamp.
bool IsNested(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !field.is_repeated() &&
         field.message_type()->file()->package() != "google.protobuf";
}

void AddAll(const Descriptor& type, const std::string& prefix, std::set<std::string>& paths) {
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (!IsOutputOnly(field)) paths.insert(prefix + field.name());
  }
}

absl::Status AddPath(const Descriptor& root, const std::string& path,
                     std::set<std::string>& paths) {
  const Descriptor* type = &root;
  const std::vector<std::string_view> names = Split(path, '.');
  for (std::size_t i = 0; i < names.size(); ++i) {
    const FieldDescriptor* field =
        type == nullptr ? nullptr : type->FindFieldByName(std::string(names[i]));
    if (field == nullptr) {
      return InvalidArgument("UNKNOWN_FIELD",
                             "updateMask names " + path.substr(0, 100) + ", which does not exist.");
    }
    if (IsOutputOnly(*field)) return absl::OkStatus();
    type = IsNested(*field) ? field->message_type() : nullptr;
  }
  if (type != nullptr) {
    AddAll(*type, path + ".", paths);
  } else {
    paths.insert(path);
  }
  return absl::OkStatus();
}

void AddSet(const Message& message, const std::string& prefix, std::set<std::string>& paths) {
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (IsOutputOnly(*field)) continue;
    if (IsNested(*field)) {
      AddSet(message.GetReflection()->GetMessage(message, field), prefix + field->name() + ".",
             paths);
    } else {
      paths.insert(prefix + field->name());
    }
  }
}

}  // namespace

absl::StatusOr<std::set<std::string>> FieldsToUpdate(const Message& resource,
                                                     const google::protobuf::FieldMask& mask) {
  std::set<std::string> paths;
  if (mask.paths_size() > kPathsMax) {
    return InvalidArgument("UNKNOWN_FIELD", "updateMask has too many paths.");
  }
  for (const std::string& path : mask.paths()) {
    PARLEY_RETURN_IF_ERROR(AddPath(*resource.GetDescriptor(), path, paths));
  }
  if (mask.paths().empty()) AddSet(resource, "", paths);
  if (paths.empty()) {
    return InvalidArgument("EMPTY_UPDATE", "Nothing that can be changed was named.");
  }
  return paths;
}

}  // namespace parley::gateway
