// A disk in memory that loses at a crash what was not synced, fills up, fails, and stops at any
// step.
#pragma once

#include <algorithm>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "libs/base/status.h"
#include "spool/files.h"

namespace parley::ingest {

class FakeFiles final : public Files {
 public:
  // The next `steps` changes succeed; then everything fails, as if the power was cut.
  void StopAfter(int steps) {
    const std::lock_guard lock(mutex_);
    steps_left_ = steps;
  }
  bool Stopped() const {
    const std::lock_guard lock(mutex_);
    return steps_left_ < 0;
  }
  // Room for so many more bytes.
  void SetRoom(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    room_ = bytes;
  }
  // Called, without a lock, whenever there is no room.
  void OnFull(std::function<void()> on_full) {
    const std::lock_guard lock(mutex_);
    on_full_ = std::move(on_full);
  }
  void FailSyncs(bool fail) {
    const std::lock_guard lock(mutex_);
    syncs_fail_ = fail;
  }
  // The file `path` cannot be read until it is "" again.
  void FailReadsOf(const std::string& path) {
    const std::lock_guard lock(mutex_);
    unreadable_ = path;
  }
  // Only what was synced is left, and `torn_bytes` of what each file had beyond that.
  void Crash(std::size_t torn_bytes = 0) {
    const std::lock_guard lock(mutex_);
    steps_left_ = kNever;
    locked_ = false;
    entries_ = durable_;
    for (auto& [path, node] : entries_) {
      node->content.resize(std::min(node->content.size(), node->synced + torn_bytes));
    }
  }

  std::map<std::string, std::string> Contents() const {
    const std::lock_guard lock(mutex_);
    std::map<std::string, std::string> contents;
    for (const auto& [path, node] : entries_) contents[path] = node->content;
    return contents;
  }
  void Put(const std::string& path, const std::string& content) {
    const std::lock_guard lock(mutex_);
    entries_[path] = std::make_shared<Node>(Node{content, content.size()});
    durable_[path] = entries_[path];
  }

  absl::Status MakeFolder(const std::string&) override { return Step(); }

  absl::StatusOr<std::unique_ptr<FolderLock>> Lock(const std::string&) override {
    PARLEY_RETURN_IF_ERROR(Step());
    const std::lock_guard lock(mutex_);
    if (locked_) return FailedPrecondition("SPOOL_IN_USE", "another has it");
    locked_ = true;
    return std::make_unique<Held>(*this);
  }

  absl::StatusOr<std::vector<std::string>> List(const std::string& folder) override {
    const std::lock_guard lock(mutex_);
    if (steps_left_ < 0) return Cut();
    std::vector<std::string> names;
    for (const auto& [path, node] : entries_) {
      if (path.starts_with(folder + "/")) names.push_back(path.substr(folder.size() + 1));
    }
    return names;
  }

  absl::StatusOr<std::unique_ptr<AppendFile>> Create(const std::string& path) override {
    PARLEY_RETURN_IF_ERROR(Step());
    const std::lock_guard lock(mutex_);
    if (entries_.contains(path)) {
      return absl::AlreadyExistsError(path);
    }
    auto node = std::make_shared<Node>();
    entries_[path] = node;
    return std::make_unique<Opened>(*this, node);
  }

  absl::StatusOr<std::string> Read(const std::string& path, std::uint64_t offset,
                                   std::size_t bytes_max) override {
    const std::lock_guard lock(mutex_);
    if (steps_left_ < 0) return Cut();
    const auto found = entries_.find(path);
    if (found == entries_.end()) return NotFound("SPOOL_IO", path);
    if (path == unreadable_) return Unavailable("SPOOL_IO", "told to fail");
    if (offset >= found->second->content.size()) return std::string();
    return found->second->content.substr(offset, bytes_max);
  }

  absl::Status Truncate(const std::string& path, std::uint64_t bytes) override {
    PARLEY_RETURN_IF_ERROR(Step());
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(path);
    if (found == entries_.end()) return NotFound("SPOOL_IO", path);
    found->second->content.resize(bytes);
    found->second->synced = std::min<std::size_t>(found->second->synced, bytes);
    return absl::OkStatus();
  }

  absl::Status Remove(const std::string& path) override {
    PARLEY_RETURN_IF_ERROR(Step());
    const std::lock_guard lock(mutex_);
    return entries_.erase(path) > 0 ? absl::OkStatus() : NotFound("SPOOL_IO", path);
  }

  absl::Status Rename(const std::string& from, const std::string& to) override {
    PARLEY_RETURN_IF_ERROR(Step());
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(from);
    if (found == entries_.end()) return NotFound("SPOOL_IO", from);
    entries_[to] = found->second;
    entries_.erase(from);
    return absl::OkStatus();
  }

  absl::Status SyncFolder(const std::string&) override {
    PARLEY_RETURN_IF_ERROR(Step());
    const std::lock_guard lock(mutex_);
    durable_ = entries_;
    return absl::OkStatus();
  }

 private:
  static constexpr int kNever = std::numeric_limits<int>::max();

  struct Node {
    std::string content;
    std::size_t synced = 0;
  };

  class Held final : public FolderLock {
   public:
    explicit Held(FakeFiles& files) : files_(files) {}
    ~Held() override {
      const std::lock_guard lock(files_.mutex_);
      files_.locked_ = false;
    }

   private:
    FakeFiles& files_;
  };

  class Opened final : public AppendFile {
   public:
    Opened(FakeFiles& files, std::shared_ptr<Node> node) : files_(files), node_(std::move(node)) {}

    absl::Status Append(std::string_view bytes) override {
      PARLEY_RETURN_IF_ERROR(files_.Step());
      std::unique_lock lock(files_.mutex_);
      const std::size_t written = std::min(bytes.size(), files_.room_);
      node_->content.append(bytes.substr(0, written));
      files_.room_ -= written;
      if (written == bytes.size()) return absl::OkStatus();
      lock.unlock();
      if (files_.on_full_) files_.on_full_();
      return ErrorStatus(absl::StatusCode::kResourceExhausted, "SPOOL_DISK_FULL", "no room");
    }
    absl::Status Sync() override {
      PARLEY_RETURN_IF_ERROR(files_.Step());
      const std::lock_guard lock(files_.mutex_);
      if (files_.syncs_fail_) return Unavailable("SPOOL_IO", "told to fail");
      node_->synced = node_->content.size();
      return absl::OkStatus();
    }
    absl::Status Truncate(std::uint64_t bytes) override {
      PARLEY_RETURN_IF_ERROR(files_.Step());
      const std::lock_guard lock(files_.mutex_);
      if (files_.room_ != kUnlimited) files_.room_ += node_->content.size() - bytes;
      node_->content.resize(bytes);
      node_->synced = std::min<std::size_t>(node_->synced, bytes);
      return absl::OkStatus();
    }

   private:
    FakeFiles& files_;
    const std::shared_ptr<Node> node_;
  };

  static constexpr std::size_t kUnlimited = std::numeric_limits<std::size_t>::max() / 2;

  static absl::Status Cut() { return Unavailable("SPOOL_IO", "the power is cut"); }
  absl::Status Step() {
    const std::lock_guard lock(mutex_);
    if (steps_left_ == kNever) return absl::OkStatus();
    if (steps_left_ >= 0) --steps_left_;
    return steps_left_ < 0 ? Cut() : absl::OkStatus();
  }

  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Node>> entries_;
  std::map<std::string, std::shared_ptr<Node>> durable_;  // Names that a crash leaves.
  int steps_left_ = kNever;
  std::size_t room_ = kUnlimited;
  std::function<void()> on_full_;
  bool syncs_fail_ = false;
  std::string unreadable_;
  bool locked_ = false;
};

}  // namespace parley::ingest
