#include "libs/twilio/twiml.h"

namespace parley::twilio {

std::string EscapeXml(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 16);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 && c != '\t' && c != '\n' && c != '\r') continue;
    const std::string_view rest = text.substr(i, 3);
    if (rest == "\xEF\xBF\xBE" || rest == "\xEF\xBF\xBF") {  // U+FFFE, U+FFFF.
      i += 2;
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
  if (!voice.language.empty()) {
    verbs_.append(" language=\"").append(EscapeXml(voice.language)).append("\"");
  }
  if (!voice.voice.empty()) verbs_.append(" voice=\"").append(EscapeXml(voice.voice)).append("\"");
  verbs_.append(">").append(EscapeXml(text)).append("</Say>");
  return *this;
}

Twiml& Twiml::Pause(int seconds) {
  verbs_.append("<Pause length=\"").append(std::to_string(seconds)).append("\"/>");
  return *this;
}

std::string Twiml::ToString() const {
  std::string out = R"(<?xml version="1.0" encoding="UTF-8"?><Response>)";
  out.append(verbs_).append("</Response>");
  return out;
}

}  // namespace parley::twilio
