// Which fields an Update changes. Pure.
#pragma once

#include <google/protobuf/field_mask.pb.h>
#include <google/protobuf/message.h>

#include <set>
#include <string>

#include "absl/status/statusor.h"

namespace parley::gateway {

// The paths ("display_name", "ai.enabled") that an Update of `resource` changes: those of the mask,
// with the name of a nested message standing for all its fields; without a mask, those that are
// set. What the server alone sets is left out silently, so that a resource may be sent back as it
// was read. Errors: kInvalidArgument UNKNOWN_FIELD, EMPTY_UPDATE if nothing is left.
absl::StatusOr<std::set<std::string>> FieldsToUpdate(const google::protobuf::Message& resource,
                                                     const google::protobuf::FieldMask& mask);

}  // namespace parley::gateway
