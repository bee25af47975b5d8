// A channel's auto-reply that is sent as a message of its own. Pure.
#pragma once

#include <string>
#include <string_view>

namespace parley::gateway {

// Replaces {body} and {name} once each time they stand in `text`: what the customer wrote is never
// looked through again. Without a name the customer is "there". At most 1,600 characters.
std::string FillAutoReply(std::string_view text, std::string_view body, std::string_view name);

}  // namespace parley::gateway
