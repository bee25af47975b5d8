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

// `text` without what EscapeXml leaves out: what a customer reads of it.
std::string XmlText(std::string_view text);

struct SayVoice {
  std::string language;  // "en-US"; empty: Twilio's default.
  std::string voice;     // "alice", "Polly.Joanna"; empty: Twilio's default.
};

// A voicemail. URLs are absolute.
struct RecordOptions {
  std::string action;           // Asked how to go on once the caller has finished.
  std::string status_callback;  // Told when the recording can be read, or that there is none.
  int seconds_max = 120;        // 1 to 600.
};

// Puts the caller through.
struct DialOptions {
  std::string number;     // E.164.
  std::string caller_id;  // A number of the account: the one that was called.
  std::string action;     // Asked how to go on once the other side has hung up, or never answered.
  int timeout_seconds = 20;  // How long it rings; Twilio takes 5 to 600.
};

// Builds one <Response>, verb by verb. Twilio takes at most 64 kB.
class Twiml {
 public:
  Twiml& Message(std::string_view text);  // Replies to the text that came in.
  Twiml& Say(std::string_view text, const SayVoice& voice = {});
  Twiml& Pause(int seconds);
  Twiml& Record(const RecordOptions& options);
  Twiml& Dial(const DialOptions& options);
  Twiml& Hangup();

  std::string ToString() const;

 private:
  std::string verbs_;
};

}  // namespace parley::twilio
