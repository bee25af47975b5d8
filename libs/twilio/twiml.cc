#include "libs/twilio/twiml.h"

#include <algorithm>

namespace parley::twilio {

namespace {

// How many bytes at the beginning of `text` XML 1.0 cannot hold; 0 if it can.
std::size_t ForbiddenBytes(std::string_view text) {
  const auto byte = static_cast<unsigned char>(text.front());
  if (byte < 0x20) return byte != '\t' && byte != '\n' && byte != '\r' ? 1 : 0;
  if (byte != 0xEF) return 0;
  const std::string_view three = text.substr(0, 3);
  return three == "\xEF\xBF\xBE" || three == "\xEF\xBF\xBF" ? 3 : 0;  // U+FFFE, U+FFFF.
}

void AppendAttribute(std::string_view name, std::string_view value, std::string& out) {
  if (value.empty()) return;
  out.append(" ").append(name).append("=\"").append(EscapeXml(value)).append("\"");
}

}  // namespace

std::string XmlText(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t forbidden = ForbiddenBytes(text);
    if (forbidden == 0) out.push_back(text.front());
    text.remove_prefix(std::max<std::size_t>(forbidden, 1));
  }
  return out;
}

std::string EscapeXml(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 16);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (const std::size_t forbidden = ForbiddenBytes(text.substr(i)); forbidden > 0) {
      i += forbidden - 1;
      continue;
    }
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&apos;";
        break;
      // A parser would turn a plain one into a line feed.
      case '\r':
        out += "&#13;";
        break;
      default:
        out.push_back(c);
    }
  }
  return out;
}

Twiml& Twiml::Message(std::string_view text) {
  verbs_.append("<Message>").append(EscapeXml(text)).append("</Message>");
  return *this;
}

Twiml& Twiml::Say(std::string_view text, const SayVoice& voice) {
  verbs_ += "<Say";
  AppendAttribute("language", voice.language, verbs_);
  AppendAttribute("voice", voice.voice, verbs_);
  verbs_.append(">").append(EscapeXml(text)).append("</Say>");
  return *this;
}

Twiml& Twiml::Pause(int seconds) {
  verbs_.append("<Pause length=\"").append(std::to_string(seconds)).append("\"/>");
  return *this;
}

Twiml& Twiml::Record(const RecordOptions& options) {
  verbs_ += "<Record";
  AppendAttribute("action", options.action, verbs_);
  AppendAttribute("method", "POST", verbs_);
  AppendAttribute("maxLength", std::to_string(options.seconds_max), verbs_);
  AppendAttribute("recordingStatusCallback", options.status_callback, verbs_);
  AppendAttribute("recordingStatusCallbackMethod", "POST", verbs_);
  AppendAttribute("recordingStatusCallbackEvent", "completed absent", verbs_);
  verbs_ += "/>";
  return *this;
}

Twiml& Twiml::Dial(const DialOptions& options) {
  verbs_ += "<Dial";
  AppendAttribute("callerId", options.caller_id, verbs_);
  AppendAttribute("timeout", std::to_string(options.timeout_seconds), verbs_);
  AppendAttribute("action", options.action, verbs_);
  AppendAttribute("method", "POST", verbs_);
  verbs_.append("><Number>").append(EscapeXml(options.number)).append("</Number></Dial>");
  return *this;
}

Twiml& Twiml::Hangup() {
  verbs_ += "<Hangup/>";
  return *this;
}

std::string Twiml::ToString() const {
  std::string out = R"(<?xml version="1.0" encoding="UTF-8"?><Response>)";
  out.append(verbs_).append("</Response>");
  return out;
}

}  // namespace parley::twilio
