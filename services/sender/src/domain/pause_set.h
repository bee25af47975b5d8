// What operators stopped: whole accounts, and single numbers of theirs. Pure.
#pragma once

#include <map>
#include <string>
#include <utility>

#include "domain/delivery.h"

namespace parley::sender {

class PauseSet {
 public:
  // By account and number; an empty number means the whole account. The value says who did it.
  using Entries = std::map<std::pair<std::string, std::string>, std::string>;

  PauseSet() = default;
  explicit PauseSet(Entries entries) : entries_(std::move(entries)) {}

  // A number is stopped on every medium.
  bool Covers(const Lane& lane) const {
    return entries_.contains({lane.account_sid, ""}) ||
           entries_.contains({lane.account_sid, lane.number});
  }
  const Entries& entries() const { return entries_; }
  bool operator==(const PauseSet&) const = default;

 private:
  Entries entries_;
};

}  // namespace parley::sender
