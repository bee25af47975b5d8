// /Messages, their media and feedback; /Calls and /Recordings.
#include <algorithm>

#include "http/api.h"

namespace parley::simulator {
namespace {

// Reads "DateSent", "DateSent<", "DateSent>"; both bounds are included. False on a bad date.
bool ReadDates(const Params& query, const std::string& name, Micros& from, Micros& to) {
  for (const char* sign : {"", "<", ">"}) {
    const std::string* text = Find(query, name + sign);
    if (text == nullptr || text->empty()) continue;
    const auto parsed = ParseIso8601(*text);
    if (!parsed) return false;
    // Without a sign the whole day is meant, even where the SDKs write its midnight.
    const bool whole_day = parsed->date_only || *sign == '\0';
    const Micros first = whole_day ? parsed->time - parsed->time % kDay : parsed->time;
    const Micros last = whole_day ? first + kDay - 1 : first + kSecond - 1;
    if (*sign != '<') from = std::max(from, first);
    if (*sign != '>') to = std::min(to, last);
  }
  return true;
}

ApiError BadDate(const std::string& name) {
  return {20001, 400, name + " is not a date such as 2026-01-31 or 2026-01-31T12:00:00Z", {}};
}

HttpResponse ListMessages(ApiCall& call) {
  const Result<PageRequest> page = ReadPage(call.query);
  if (const ApiError* error = ErrorOf(page)) return ErrorAnswer(*error);
  MessageFilter filter;
  filter.to = std::string(Get(call.query, "To"));
  filter.from = std::string(Get(call.query, "From"));
  if (!ReadDates(call.query, "DateSent", filter.sent_from, filter.sent_to)) {
    return ErrorAnswer(BadDate("DateSent"));
  }
  const PageRequest& request = std::get<PageRequest>(page);
  const MessagePage found = call.world.ListMessages(call.account, filter, request, call.now);
  PageFrame frame{call.path,         call.query,       request, found.messages.size(),
                  found.more_before, found.more_after, {},      {}};
  if (!found.messages.empty()) {
    frame.first_sid = call.world.MessageSid(found.messages.front());
    frame.last_sid = call.world.MessageSid(found.messages.back());
  }
  std::string out = "{" + Frame2010(frame) + "\"messages\":[";
  for (std::size_t i = 0; i < found.messages.size(); ++i) {
    if (i > 0) out += ",";
    call.world.RenderMessage(out, found.messages[i], call.now, /*created=*/false);
  }
  return JsonAnswer(200, out + "]}");
}

Json RenderMedia(const ApiCall& call, const Media& media) {
  return {{"sid", media.sid},
          {"account_sid", call.account.sid},
          {"parent_sid", media.message_sid},
          {"content_type", media.content_type},
          {"date_created", FormatRfc2822(media.created_us)},
          {"date_updated", FormatRfc2822(media.created_us)},
          {"uri", "/2010-04-01/Accounts/" + call.account.sid + "/Messages/" + media.message_sid +
                      "/Media/" + media.sid + ".json"}};
}

std::optional<HttpResponse> MediaRoute(ApiCall& call, std::string_view method, Message& message) {
  if (call.segments.size() == 3) {
    if (method != "GET") return ErrorAnswer(MethodNotAllowed());
    Micros from = std::numeric_limits<Micros>::min();
    Micros to = std::numeric_limits<Micros>::max();
    if (!ReadDates(call.query, "DateCreated", from, to)) return ErrorAnswer(BadDate("DateCreated"));
    std::vector<std::pair<std::string, Json>> items;
    if (message.extra) {
      for (const std::string& sid : message.extra->media) {
        const Media* media = call.world.FindMedia(sid);
        if (media == nullptr || media->created_us < from || media->created_us > to) continue;
        items.emplace_back(sid, RenderMedia(call, *media));
      }
    }
    return List2010(call, "media_list", items);
  }
  if (call.segments.size() != 4) return std::nullopt;
  const Media* media = call.world.FindMedia(call.Segment(3));
  if (media == nullptr || media->message_sid != call.Segment(1)) return std::nullopt;
  if (method == "DELETE") {
    std::erase(message.extra->media, std::string(call.Segment(3)));
    call.world.DeleteMedia(call.Segment(3));
    return NoContent();
  }
  if (method != "GET") return ErrorAnswer(MethodNotAllowed());
  if (call.path.ends_with(".json")) return JsonAnswer(200, RenderMedia(call, *media));
  HttpResponse response;
  response.status = 307;
  response.headers =
      "Location: " +
      (media->fetched ? call.world.options().public_url + "/simulator/v1/media/" + media->sid
                      : media->source_url) +
      "\r\n";
  response.content_type = "text/plain";
  return response;
}

std::optional<HttpResponse> FeedbackRoute(ApiCall& call, std::string_view method,
                                          Message& message) {
  if (call.segments.size() != 3) return std::nullopt;
  if (method != "POST") return ErrorAnswer(MethodNotAllowed());
  const std::string outcome(Get(call.form, "Outcome", "confirmed"));
  if (outcome != "confirmed" && outcome != "unconfirmed") {
    return ErrorAnswer({20001, 400, "Outcome must be confirmed or unconfirmed", {}});
  }
  message.Extra().feedback = outcome;
  const std::string sid(call.Segment(1));
  return JsonAnswer(201, Json{{"account_sid", call.account.sid},
                              {"message_sid", sid},
                              {"outcome", outcome},
                              {"date_created", FormatRfc2822(call.now)},
                              {"date_updated", FormatRfc2822(call.now)},
                              {"uri", "/2010-04-01/Accounts/" + call.account.sid + "/Messages/" +
                                          sid + "/Feedback.json"}});
}

}  // namespace

std::optional<HttpResponse> MessagesRoute(ApiCall& call, std::string_view method) {
  World& world = call.world;
  if (call.segments.size() == 1) {
    if (method == "GET") return ListMessages(call);
    if (method != "POST") return ErrorAnswer(MethodNotAllowed());
    Result<std::string> created =
        world.CreateMessage(call.account, call.form, call.arrived_us, call.now);
    if (const ApiError* error = ErrorOf(created)) return ErrorAnswer(*error);
    return JsonAnswer(201, std::get<std::string>(std::move(created)));
  }
  std::uint64_t number = 0;
  Message* message = world.FindMessage(call.account, call.Segment(1), &number);
  if (message == nullptr) return std::nullopt;
  if (call.Segment(2) == "Media") return MediaRoute(call, method, *message);
  if (call.Segment(2) == "Feedback") return FeedbackRoute(call, method, *message);
  if (call.segments.size() != 2) return std::nullopt;
  if (method == "DELETE") {
    if (auto error = world.DeleteMessage(call.account, call.Segment(1), call.now)) {
      return ErrorAnswer(*error);
    }
    return NoContent();
  }
  if (method == "POST") {
    if (auto error = world.UpdateMessage(call.account, call.Segment(1), call.form, call.now)) {
      return ErrorAnswer(*error);
    }
  } else if (method != "GET") {
    return ErrorAnswer(MethodNotAllowed());
  }
  std::string out;
  world.RenderMessage(out, number, call.now, /*created=*/false);
  return JsonAnswer(200, std::move(out));
}

namespace {

std::optional<HttpResponse> RecordingsRoute(ApiCall& call, std::string_view method) {
  const auto render = [&call](const Recording& recording) {
    return Json{{"sid", recording.sid},
                {"account_sid", call.account.sid},
                {"call_sid", recording.call_sid},
                {"duration", std::to_string(recording.duration_s)},
                {"status", "completed"},
                {"channels", 1},
                {"source", "RecordVerb"},
                {"api_version", "2010-04-01"},
                {"date_created", FormatRfc2822(recording.created_us)},
                {"date_updated", FormatRfc2822(recording.created_us)},
                {"start_time", FormatRfc2822(recording.created_us)},
                {"price", nullptr},
                {"price_unit", "USD"},
                {"error_code", nullptr},
                {"encryption_details", nullptr},
                {"uri", "/2010-04-01/Accounts/" + call.account.sid + "/Recordings/" +
                            recording.sid + ".json"}};
  };
  if (method != "GET") return ErrorAnswer(MethodNotAllowed());
  if (call.segments.size() == 1) {
    std::vector<std::pair<std::string, Json>> items;
    const auto& all = call.world.recordings();
    for (auto recording = all.rbegin(); recording != all.rend(); ++recording) {
      if (recording->account == call.account.index) {
        items.emplace_back(recording->sid, render(*recording));
      }
    }
    return List2010(call, "recordings", items);
  }
  std::string sid(call.Segment(1));
  const bool audio = !call.path.ends_with(".json");
  if (sid.ends_with(".wav") || sid.ends_with(".mp3")) sid.resize(sid.size() - 4);
  const Recording* recording = call.world.FindRecording(call.account, sid);
  if (recording == nullptr || call.segments.size() != 2) return std::nullopt;
  if (!audio) return JsonAnswer(200, render(*recording));
  // Silence: 8 kHz, 8 bits, one channel.
  const auto length = static_cast<std::uint32_t>(8000 * recording->duration_s);
  std::string wav;
  const auto word = [&wav](std::uint32_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) wav.push_back(static_cast<char>((value >> (8 * i)) & 0xFF));
  };
  wav += "RIFF";
  word(36 + length, 4);
  wav += "WAVEfmt ";
  word(16, 4), word(1, 2), word(1, 2), word(8000, 4), word(8000, 4), word(1, 2), word(8, 2);
  wav += "data";
  word(length, 4);
  wav.append(length, static_cast<char>(0x80));
  HttpResponse response;
  response.content_type = "audio/x-wav";
  response.body = std::move(wav);
  return response;
}

}  // namespace

std::optional<HttpResponse> CallsRoute(ApiCall& call, std::string_view method) {
  World& world = call.world;
  if (call.Segment(0) == "Recordings") return RecordingsRoute(call, method);
  if (call.segments.size() == 1) {
    if (method == "POST") {
      Result<Call*> created = world.CreateCall(call.account, call.form, call.now);
      if (const ApiError* error = ErrorOf(created)) return ErrorAnswer(*error);
      return JsonAnswer(201, world.RenderCall(*std::get<Call*>(created)));
    }
    if (method != "GET") return ErrorAnswer(MethodNotAllowed());
    Micros start_from = std::numeric_limits<Micros>::min(), end_from = start_from;
    Micros start_to = std::numeric_limits<Micros>::max(), end_to = start_to;
    if (!ReadDates(call.query, "StartTime", start_from, start_to)) {
      return ErrorAnswer(BadDate("StartTime"));
    }
    if (!ReadDates(call.query, "EndTime", end_from, end_to)) return ErrorAnswer(BadDate("EndTime"));
    const bool by_end = end_from != std::numeric_limits<Micros>::min() ||
                        end_to != std::numeric_limits<Micros>::max();
    const auto differs = [&call](const char* name, const std::string& value) {
      const std::string_view wanted = Get(call.query, name);
      return !wanted.empty() && wanted != value;
    };
    std::vector<std::pair<std::string, Json>> items;
    for (auto it = world.calls().rbegin(); it != world.calls().rend(); ++it) {
      const Micros started = it->started_us == 0 ? it->created_us : it->started_us;
      if (it->account != call.account.index || differs("To", it->to) || differs("From", it->from) ||
          differs("Status", it->status) || differs("ParentCallSid", it->parent_sid) ||
          started < start_from || started > start_to ||
          (by_end && (it->ended_us < end_from || it->ended_us > end_to))) {
        continue;
      }
      items.emplace_back(it->sid, world.RenderCall(*it));
    }
    return List2010(call, "calls", items);
  }
  Call* found = world.FindCall(call.account, call.Segment(1));
  if (found == nullptr) return std::nullopt;
  if (call.segments.size() == 3 && call.Segment(2) == "Recordings" && method == "GET") {
    std::vector<std::pair<std::string, Json>> items;
    for (const Recording& recording : world.recordings()) {
      if (recording.call_sid == found->sid) {
        items.emplace_back(recording.sid, Json{{"sid", recording.sid},
                                               {"account_sid", call.account.sid},
                                               {"call_sid", recording.call_sid},
                                               {"duration", std::to_string(recording.duration_s)}});
      }
    }
    return List2010(call, "recordings", items);
  }
  if (call.segments.size() != 2) return std::nullopt;
  if (method == "POST") {
    if (auto error = world.UpdateCall(*found, call.form, call.now)) return ErrorAnswer(*error);
  } else if (method == "DELETE") {
    if (found->ended_us == 0) {
      return ErrorAnswer({20009, 409, "Cannot delete this resource before it is complete", {}});
    }
    std::erase_if(world.calls(), [&](const Call& other) { return other.sid == call.Segment(1); });
    return NoContent();
  } else if (method != "GET") {
    return ErrorAnswer(MethodNotAllowed());
  }
  return JsonAnswer(200, world.RenderCall(*found));
}

}  // namespace parley::simulator
