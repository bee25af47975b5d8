// All messages, oldest first, found by number in order, by To and by From. Single-threaded.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "domain/model.h"

namespace parley::simulator {

// The oldest messages are forgotten above this: about 200 bytes each, bodies and callbacks besides.
inline constexpr std::size_t kMessagesMax = 1'000'000;

// Gives addresses small numbers, and knows the last message to and from each.
class AddressBook {
 public:
  struct Entry {
    std::string text;
    std::uint64_t last_to = kNoMessage;
    std::uint64_t last_from = kNoMessage;
    int pins = 0;  // Kept although no message names it.
  };

  std::uint32_t Intern(std::string_view text);
  // Nothing (UINT32_MAX) if no message ever named it.
  std::uint32_t Lookup(std::string_view text) const;
  Entry& At(std::uint32_t id) { return entries_[id]; }
  const Entry& At(std::uint32_t id) const { return entries_[id]; }
  // Forgets the address if no message from `oldest` on names it.
  void Release(std::uint32_t id, std::uint64_t oldest);
  std::size_t size() const { return ids_.size(); }

 private:
  std::deque<Entry> entries_;
  std::vector<std::uint32_t> free_;
  std::unordered_map<std::string_view, std::uint32_t> ids_;
};

class MessageStore {
 public:
  explicit MessageStore(std::size_t messages_max = kMessagesMax) : messages_max_(messages_max) {}

  // Takes the next number for `message`, links it, and forgets the oldest if there are too many.
  std::uint64_t Append(Message message);
  // nullptr if it was forgotten or never was. The pointer lives until the next Append or Clear.
  Message* Find(std::uint64_t number);
  const Message* Find(std::uint64_t number) const;
  // 0, the first account, for a message that was forgotten.
  std::uint32_t AccountOf(std::uint64_t number) const {
    const Message* message = Find(number);
    return message == nullptr ? 0 : message->account;
  }
  // Gives message `number`, which had none, its sender.
  void SetSender(std::uint64_t number, std::string_view from);
  // Numbers go on after a Clear: none comes twice.
  void Clear();

  std::uint64_t first() const { return first_; }
  std::uint64_t end() const { return first_ + messages_.size(); }
  AddressBook& addresses() { return addresses_; }
  const AddressBook& addresses() const { return addresses_; }
  const std::string& Text(std::uint32_t address) const { return addresses_.At(address).text; }

  // Called with each message that is forgotten.
  std::function<void(std::uint64_t, const Message&)> on_forget;

 private:
  std::size_t messages_max_;
  std::uint64_t first_ = 0;
  std::deque<Message> messages_;
  AddressBook addresses_;
};

}  // namespace parley::simulator
