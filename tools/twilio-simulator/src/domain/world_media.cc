// Pictures: those of businesses, fetched as a carrier would, and those of the handset.
#include <algorithm>

#include "domain/world.h"

namespace parley::simulator {
namespace {

constexpr std::size_t kMediaItemBytesMax = 16 << 20;

std::string GuessContentType(std::string_view url) {
  url = url.substr(0, url.find_first_of("?#"));
  struct Type {
    std::string_view suffix;
    std::string_view content_type;
  };
  constexpr Type kTypes[] = {{".png", "image/png"},   {".jpg", "image/jpeg"},
                             {".jpeg", "image/jpeg"}, {".gif", "image/gif"},
                             {".webp", "image/webp"}, {".pdf", "application/pdf"},
                             {".mp3", "audio/mpeg"},  {".ogg", "audio/ogg"},
                             {".mp4", "video/mp4"},   {".vcf", "text/vcard"}};
  for (const Type& type : kTypes) {
    if (url.size() >= type.suffix.size() &&
        EqualsIgnoreCase(url.substr(url.size() - type.suffix.size()), type.suffix)) {
      return std::string(type.content_type);
    }
  }
  return "application/octet-stream";
}

}  // namespace

void World::AttachMedia(Message& message, std::uint64_t number,
                        const std::vector<std::string>& urls, bool fetch, Micros now) {
  const std::string upload_base = options_.public_url + "/simulator/v1/media/";
  const bool inbound = message.direction == Direction::kInbound;
  for (const std::string& url : urls) {
    Media media;
    media.sid = NewSid("ME");
    media.account = message.account;
    media.message_sid = MessageSid(number);
    media.source_url = url;
    media.content_type = GuessContentType(url);
    media.created_us = now;
    message.Extra().media.push_back(media.sid);
    if (url.substr(0, upload_base.size()) == upload_base) {
      if (const Media* upload = FindUpload(url.substr(upload_base.size()))) {
        media.bytes = upload->bytes;
        media.content_type = upload->content_type;
        media.fetched = true;
        media_bytes_ += media.bytes.size();
        media_order_.push_back(media.sid);
      }
    }
    if (!media.fetched && fetch) {
      Webhook& webhook = Owe(WebhookKind::kMediaFetch, *accounts_[message.account], url, "GET");
      webhook.message = number;
      webhook.resource_sid = media.sid;
      if (!inbound) ++message.Extra().media_pending;
    }
    media_.emplace(media.sid, std::move(media));
  }
  TrimMedia();
  // All were at hand: nothing keeps the message waiting.
  if (!inbound && fetch && message.Extra().media_pending == 0 &&
      message.initial == Status::kQueued) {
    PlanDelivery(message, 0);
    ScheduleEvents(number, now);
  }
}

void World::OnMediaFetched(const Webhook& webhook, const WebhookResult& result, Micros now) {
  if (Media* media = FindMedia(webhook.resource_sid);
      media != nullptr && result.delivered && result.body.size() <= kMediaItemBytesMax) {
    media->bytes = result.body;
    media->fetched = true;
    const std::string type = result.content_type.substr(0, result.content_type.find(';'));
    if (!type.empty() && IsValidUtf8(type)) media->content_type = type;
    media_bytes_ += media->bytes.size();
    media_order_.push_back(media->sid);
    TrimMedia();
  }
  Message* message = messages_.Find(webhook.message);
  if (message == nullptr || !message->extra || message->extra->media_pending == 0) return;
  if (!result.delivered) message->extra->media_failed = true;
  if (--message->extra->media_pending > 0) return;
  if (message->extra->media_failed) {
    const Channel channel = ParseAddress(messages_.Text(message->to)).channel;
    message->error_code = channel == Channel::kWhatsApp ? 63019 : 11200;
  }
  // One that is not yet queued is planned when it comes up.
  const Status status = message->StatusAt(now);
  if (status != Status::kQueued) return;
  PlanDelivery(*message, message->Age(now));
  ScheduleEvents(webhook.message, now);
  Changed(webhook.message, now);
}

// The oldest bytes go first; their media keep pointing to their source.
void World::TrimMedia() {
  while (media_bytes_ > kMediaBytesMax && !media_order_.empty()) {
    if (Media* oldest = FindMedia(media_order_.front())) {
      media_bytes_ -= oldest->bytes.size();
      oldest->bytes.clear();
      oldest->fetched = false;
    }
    media_order_.pop_front();
  }
}

Media* World::FindMedia(std::string_view sid) {
  const auto found = media_.find(std::string(sid));
  return found == media_.end() ? nullptr : &found->second;
}

void World::DeleteMedia(std::string_view sid) {
  const auto found = media_.find(std::string(sid));
  if (found == media_.end()) return;
  if (found->second.fetched) {
    media_bytes_ -= found->second.bytes.size();
    std::erase(media_order_, found->first);
  }
  media_.erase(found);
}

std::string World::AddUpload(std::string bytes, std::string content_type, Micros now) {
  upload_bytes_ += bytes.size();
  while (!upload_order_.empty() &&
         (upload_order_.size() >= kUploadsMax || upload_bytes_ > kMediaBytesMax)) {
    const auto oldest = uploads_.find(upload_order_.front());
    upload_bytes_ -= oldest->second.bytes.size();
    uploads_.erase(oldest);
    upload_order_.pop_front();
  }
  Media upload;
  upload.sid = NewSid("UP");
  upload.bytes = std::move(bytes);
  upload.content_type = std::move(content_type);
  upload.fetched = true;
  upload.created_us = now;
  std::string id = upload.sid;
  uploads_.emplace(id, std::move(upload));
  upload_order_.push_back(id);
  return id;
}

const Media* World::FindUpload(std::string_view id) const {
  if (const auto found = uploads_.find(id); found != uploads_.end()) return &found->second;
  const auto media = media_.find(std::string(id));
  return media == media_.end() ? nullptr : &media->second;
}

}  // namespace parley::simulator
