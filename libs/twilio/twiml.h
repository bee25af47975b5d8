// Answers to webhooks. Pure. Every text is escaped, so that no message can add a verb.
#pragma once

#include <string>
#include <string_view>

namespace parley::twilio {

inline constexpr std::string_view kTwimlContentType = "text/xml";
// No reply.
inline constexpr std::string_view kEmptyTwiml =
    R"(<?xml version="1.0" encoding="UTF-8"?><Response></Response>)";

// `text` for use inside an element or a quoted attribute. Characters that XML 1.0 cannot hold at
// all (controls but tab and line ends, U+FFFE, U+FFFF) are left out. `text` must be valid UTF-8.
std::string EscapeXml(std::string_view text);

struct SayVoice {
  std::string language;  // "en-US"; empty: Twilio's default.
  std::string voice;     // "alice", "Polly.Joanna"; empty: Twilio's default.
};

// Builds one <Response>, verb by verb.
class Twiml {
 public:
  Twiml& Message(std::string_view text);  // Replies to the text that came in.
  Twiml& Say(std::string_view text, const SayVoice& voice = {});
  Twiml& Pause(int seconds);

  std::string ToString() const;

 private:
  std::string verbs_;
};

}  // namespace parley::twilio
