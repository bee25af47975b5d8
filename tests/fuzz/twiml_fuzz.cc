// TwiML: a parser reads back exactly the verbs that were built and the texts that were given, less
// the characters that XML cannot hold. No text adds a verb or an attribute.
#include <expat.h>

#include <map>
#include <memory>
#include <vector>

#include "libs/twilio/twiml.h"
#include "tests/fuzz/fuzz.h"

namespace parley::fuzz {
namespace {

struct Element {
  std::string name;
  std::map<std::string, std::string> attributes;
  std::string text;
  bool operator==(const Element&) const = default;
};

// Every element of a document in the order of its start, each with the text directly in it.
struct Document {
  std::vector<Element> elements;
  std::vector<std::size_t> open;
};

void Start(void* user, const XML_Char* name, const XML_Char** attributes) {
  auto& document = *static_cast<Document*>(user);
  Element element{.name = name, .attributes = {}, .text = {}};
  for (; *attributes != nullptr; attributes += 2) {
    element.attributes[attributes[0]] = attributes[1];
  }
  document.open.push_back(document.elements.size());
  document.elements.push_back(std::move(element));
}

void End(void* user, const XML_Char*) { static_cast<Document*>(user)->open.pop_back(); }

void Text(void* user, const XML_Char* text, int bytes) {
  auto& document = *static_cast<Document*>(user);
  document.elements[document.open.back()].text.append(text, static_cast<std::size_t>(bytes));
}

std::vector<Element> Parse(const std::string& xml) {
  const std::unique_ptr<XML_ParserStruct, decltype(&XML_ParserFree)> parser(
      XML_ParserCreate(nullptr), &XML_ParserFree);
  Document document;
  XML_SetUserData(parser.get(), &document);
  XML_SetElementHandler(parser.get(), Start, End);
  XML_SetCharacterDataHandler(parser.get(), Text);
  const auto status = XML_Parse(parser.get(), xml.data(), static_cast<int>(xml.size()), 1);
  FUZZ_EXPECT(status == XML_STATUS_OK);
  return document.elements;
}

// What remains of `text` in XML 1.0.
std::string Allowed(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') continue;
    if (text.substr(i, 2) == "\xEF\xBF" && i + 2 < text.size() &&
        (text[i + 2] == '\xBE' || text[i + 2] == '\xBF')) {
      i += 2;
      continue;
    }
    out += text[i];
  }
  return out;
}

// XML turns tabs and line feeds of an attribute into spaces.
std::string InAttribute(std::string_view text) {
  std::string out = Allowed(text);
  for (char& c : out) {
    if (c == '\t' || c == '\n') c = ' ';
  }
  return out;
}

std::string Url(FuzzedDataProvider& input) {
  return "https://parley.example/" + CleanText(input, 30);
}

// A verb on both sides: as it is built, and as it must be read.
void AddVerb(FuzzedDataProvider& input, twilio::Twiml& twiml, std::vector<Element>& expected) {
  switch (input.ConsumeIntegralInRange(0, 5)) {
    case 0: {
      const std::string text = CleanText(input, 200);
      twiml.Message(text);
      expected.push_back({"Message", {}, twilio::XmlText(text)});
      break;
    }
    case 1: {
      const std::string language = CleanText(input, 12);
      const std::string voice = CleanText(input, 12);
      const std::string text = CleanText(input, 200);
      twiml.Say(text, {.language = language, .voice = voice});
      Element say{"Say", {}, Allowed(text)};
      if (!language.empty()) say.attributes["language"] = InAttribute(language);
      if (!voice.empty()) say.attributes["voice"] = InAttribute(voice);
      expected.push_back(std::move(say));
      break;
    }
    case 2: {
      const twilio::RecordOptions options{.action = Url(input),
                                          .status_callback = Url(input),
                                          .seconds_max = input.ConsumeIntegralInRange(1, 600)};
      twiml.Record(options);
      expected.push_back({"Record",
                          {{"action", InAttribute(options.action)},
                           {"method", "POST"},
                           {"maxLength", std::to_string(options.seconds_max)},
                           {"recordingStatusCallback", InAttribute(options.status_callback)},
                           {"recordingStatusCallbackMethod", "POST"},
                           {"recordingStatusCallbackEvent", "completed absent"}},
                          ""});
      break;
    }
    case 3: {
      const twilio::DialOptions options{.number = CleanText(input, 20),
                                        .caller_id = "+" + CleanText(input, 20),
                                        .action = Url(input),
                                        .timeout_seconds = input.ConsumeIntegralInRange(5, 600)};
      twiml.Dial(options);
      expected.push_back({"Dial",
                          {{"callerId", InAttribute(options.caller_id)},
                           {"timeout", std::to_string(options.timeout_seconds)},
                           {"action", InAttribute(options.action)},
                           {"method", "POST"}},
                          ""});
      expected.push_back({"Number", {}, Allowed(options.number)});
      break;
    }
    case 4:
      twiml.Hangup();
      expected.push_back({"Hangup", {}, ""});
      break;
    default: {
      const int seconds = input.ConsumeIntegralInRange(0, 100);
      twiml.Pause(seconds);
      expected.push_back({"Pause", {{"length", std::to_string(seconds)}}, ""});
    }
  }
}

void CheckVerbs(FuzzedDataProvider& input) {
  twilio::Twiml twiml;
  std::vector<Element> expected = {{"Response", {}, ""}};
  const int verbs = input.ConsumeIntegralInRange(0, 5);
  for (int i = 0; i < verbs; ++i) AddVerb(input, twiml, expected);
  FUZZ_EXPECT(Parse(twiml.ToString()) == expected);
}

void CheckEscape(FuzzedDataProvider& input) {
  const std::string text = CleanText(input, 4096);
  const std::string escaped = twilio::EscapeXml(text);
  FUZZ_EXPECT(twilio::XmlText(text) == Allowed(text));
  FUZZ_EXPECT(escaped.find_first_of("<>\"'") == std::string::npos);
  const std::vector<Element> read = Parse("<a b=\"" + escaped + "\">" + escaped + "</a>");
  const std::vector<Element> expected = {{"a", {{"b", InAttribute(text)}}, Allowed(text)}};
  FUZZ_EXPECT(read == expected);
}

}  // namespace
}  // namespace parley::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  (void)parley::twilio::EscapeXml(parley::fuzz::View(data, size));
  FuzzedDataProvider escape(data, size);
  parley::fuzz::CheckEscape(escape);
  FuzzedDataProvider verbs(data, size);
  parley::fuzz::CheckVerbs(verbs);
  return 0;
}
