#include "domain/message_store.h"

#include <utility>

namespace parley::simulator {

std::uint32_t AddressBook::Intern(std::string_view text) {
  if (const auto found = ids_.find(text); found != ids_.end()) return found->second;
  std::uint32_t id = 0;
  if (!free_.empty()) {
    id = free_.back();
    free_.pop_back();
    entries_[id] = Entry{std::string(text)};
  } else {
    id = static_cast<std::uint32_t>(entries_.size());
    entries_.push_back(Entry{std::string(text)});
  }
  ids_.emplace(entries_[id].text, id);
  return id;
}

std::uint32_t AddressBook::Lookup(std::string_view text) const {
  const auto found = ids_.find(text);
  return found == ids_.end() ? kNever : found->second;
}

void AddressBook::Release(std::uint32_t id, std::uint64_t oldest) {
  Entry& entry = entries_[id];
  const auto gone = [oldest](std::uint64_t last) { return last == kNoMessage || last < oldest; };
  if (entry.pins > 0 || !gone(entry.last_to) || !gone(entry.last_from)) return;
  const auto found = ids_.find(entry.text);
  if (found == ids_.end() || found->second != id) return;  // Already free.
  ids_.erase(found);
  entry = Entry{};
  free_.push_back(id);
}

std::uint64_t MessageStore::Append(Message message) {
  if (messages_.size() >= messages_max_) {
    const Message& oldest = messages_.front();
    if (on_forget) on_forget(first_, oldest);
    const std::uint32_t to = oldest.to;
    const std::uint32_t from = oldest.from;
    messages_.pop_front();
    ++first_;
    // The new message's own addresses stay, whatever leaves.
    if (to != message.to && to != message.from) addresses_.Release(to, first_);
    if (from != message.to && from != message.from) addresses_.Release(from, first_);
  }
  const std::uint64_t number = end();
  message.previous_to = std::exchange(addresses_.At(message.to).last_to, number);
  message.previous_from = std::exchange(addresses_.At(message.from).last_from, number);
  messages_.push_back(std::move(message));
  return number;
}

Message* MessageStore::Find(std::uint64_t number) {
  return number >= first_ && number < end() ? &messages_[number - first_] : nullptr;
}

const Message* MessageStore::Find(std::uint64_t number) const {
  return number >= first_ && number < end() ? &messages_[number - first_] : nullptr;
}

void MessageStore::SetSender(std::uint64_t number, std::string_view from) {
  Message* message = Find(number);
  if (message == nullptr) return;
  // Takes the message out of the old sender's chain, and puts it into the new one's in order.
  const auto unlink = [this, number](std::uint64_t& head, std::uint64_t next) {
    for (std::uint64_t* link = &head; *link != kNoMessage;) {
      if (*link == number) {
        *link = next;
        return;
      }
      Message* other = Find(*link);
      if (other == nullptr) return;
      link = &other->previous_from;
    }
  };
  unlink(addresses_.At(message->from).last_from, message->previous_from);
  message->from = addresses_.Intern(from);
  std::uint64_t* link = &addresses_.At(message->from).last_from;
  while (*link != kNoMessage && *link > number) {
    Message* other = Find(*link);
    if (other == nullptr) break;
    link = &other->previous_from;
  }
  message->previous_from = *link;
  *link = number;
  message->has_sender = true;
}

void MessageStore::Clear() {
  first_ = end();
  messages_.clear();
  addresses_ = {};
}

}  // namespace parley::simulator
