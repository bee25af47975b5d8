// The file system as the spool needs it: an interface, so that a test can lose what was not synced,
// fill the disk, and stop at any step.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace parley::ingest {

// A new file that is being written. Not thread-safe.
class AppendFile {
 public:
  virtual ~AppendFile() = default;
  // On an error some of `bytes` may have been written; Truncate takes them away.
  virtual absl::Status Append(std::string_view bytes) = 0;
  // OK: everything survives a power cut. After an error nobody knows what does, not even after
  // another Sync that succeeds: the file must be given up.
  virtual absl::Status Sync() = 0;
  virtual absl::Status Truncate(std::uint64_t bytes) = 0;
};

// What is held until it is destroyed.
class FolderLock {
 public:
  virtual ~FolderLock() = default;
};

// Thread-safe. Errors: kResourceExhausted SPOOL_DISK_FULL; kNotFound; kUnavailable SPOOL_IO with
// the system's reason. Files are readable by their owner alone: they hold customers' text.
class Files {
 public:
  virtual ~Files() = default;
  // Creates what is missing, also of the path that leads there, so that it survives a power cut.
  virtual absl::Status MakeFolder(const std::string& folder) = 0;
  // Errors also: kFailedPrecondition SPOOL_IN_USE, another process holds it.
  virtual absl::StatusOr<std::unique_ptr<FolderLock>> Lock(const std::string& folder) = 0;
  // Names, not paths, in no order.
  virtual absl::StatusOr<std::vector<std::string>> List(const std::string& folder) = 0;
  // Errors also: kAlreadyExists.
  virtual absl::StatusOr<std::unique_ptr<AppendFile>> Create(const std::string& path) = 0;
  // At most `bytes_max` from `offset`; less only at the file's end.
  virtual absl::StatusOr<std::string> Read(const std::string& path, std::uint64_t offset,
                                           std::size_t bytes_max) = 0;
  virtual absl::Status Truncate(const std::string& path, std::uint64_t bytes) = 0;
  virtual absl::Status Remove(const std::string& path) = 0;
  virtual absl::Status Rename(const std::string& from, const std::string& to) = 0;
  // Makes what was created, renamed and removed in it survive a power cut.
  virtual absl::Status SyncFolder(const std::string& folder) = 0;
};

// The machine's; lives for the whole process.
Files& SystemFiles();

// True while some process holds `folder`'s lock; takes no lock itself.
bool IsFolderLocked(const std::string& folder);

}  // namespace parley::ingest
