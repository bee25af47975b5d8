#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <vector>

#include "libs/base/status.h"
#include "spool/files.h"

namespace parley::ingest {
namespace {

constexpr mode_t kFileMode = 0600;
constexpr mode_t kFolderMode = 0700;
constexpr mode_t kParentMode = 0777;  // Less the umask.
constexpr char kLockName[] = "/LOCK";

absl::Status FromErrno(std::string_view step, int error) {
  const std::string message = "The spool's " + std::string(step) +
                              " failed: " + std::strerror(error) +
                              ". Check PARLEY_DATA_DIR and its disk.";
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return ErrorStatus(absl::StatusCode::kResourceExhausted, "SPOOL_DISK_FULL", message);
    case ENOENT:
      return NotFound("SPOOL_IO", message);
    case EEXIST:
      return ErrorStatus(absl::StatusCode::kAlreadyExists, "SPOOL_IO", message);
    default:
      return Unavailable("SPOOL_IO", message);
  }
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  const int fd_;
};

class SystemAppendFile final : public AppendFile {
 public:
  explicit SystemAppendFile(int fd) : file_(fd) {}

  absl::Status Append(std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t written = write(file_.get(), bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return FromErrno("writing", errno);
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return absl::OkStatus();
  }

  absl::Status Sync() override {
    return fdatasync(file_.get()) == 0 ? absl::OkStatus() : FromErrno("syncing", errno);
  }

  absl::Status Truncate(std::uint64_t bytes) override {
    return ftruncate(file_.get(), static_cast<off_t>(bytes)) == 0 ? absl::OkStatus()
                                                                  : FromErrno("truncating", errno);
  }

 private:
  Descriptor file_;  // Opened with O_APPEND, so that it goes on behind what was truncated.
};

class SystemLock final : public FolderLock {
 public:
  explicit SystemLock(int fd) : file_(fd) {}
  int fd() const { return file_.get(); }

 private:
  Descriptor file_;
};

// A lock of the open file, not of the process: released when its last descriptor is closed, also by
// kill -9.
struct flock LockOf(short type) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  return lock;
}

class Disk final : public Files {
 public:
  absl::Status MakeFolder(const std::string& folder) override {
    const std::filesystem::path path = std::filesystem::absolute(folder).lexically_normal();
    std::vector<std::filesystem::path> missing;  // The deepest first.
    for (auto at = path; at.has_relative_path() && access(at.c_str(), F_OK) != 0;
         at = at.parent_path()) {
      missing.push_back(at);
    }
    for (auto made = missing.rbegin(); made != missing.rend(); ++made) {
      const mode_t mode = *made == path ? kFolderMode : kParentMode;
      if (mkdir(made->c_str(), mode) != 0 && errno != EEXIST) {
        return FromErrno("creating of its folder", errno);
      }
      PARLEY_RETURN_IF_ERROR(SyncFolder(made->parent_path()));
    }
    // Also if a process before this one made it and had no time for that.
    return missing.empty() ? SyncFolder(path.parent_path()) : absl::OkStatus();
  }

  absl::StatusOr<std::unique_ptr<FolderLock>> Lock(const std::string& folder) override {
    const int fd = open((folder + kLockName).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kFileMode);
    if (fd < 0) return FromErrno("locking", errno);
    auto held = std::make_unique<SystemLock>(fd);
    struct flock lock = LockOf(F_WRLCK);
    if (fcntl(fd, F_OFD_SETLK, &lock) == 0) return held;
    if (errno != EAGAIN && errno != EACCES) return FromErrno("locking", errno);
    return FailedPrecondition("SPOOL_IN_USE",
                              "Another process has the spool in " + folder +
                                  ". Give each webhook-ingest a PARLEY_DATA_DIR of its own.");
  }

  absl::StatusOr<std::vector<std::string>> List(const std::string& folder) override {
    DIR* dir = opendir(folder.c_str());
    if (dir == nullptr) return FromErrno("listing", errno);
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = readdir(dir)) names.emplace_back(entry->d_name);
    const int error = errno;
    closedir(dir);
    if (error != 0) return FromErrno("listing", error);
    return names;
  }

  absl::StatusOr<std::unique_ptr<AppendFile>> Create(const std::string& path) override {
    const int fd =
        open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, kFileMode);
    if (fd < 0) return FromErrno("creating of a segment", errno);
    return std::make_unique<SystemAppendFile>(fd);
  }

  absl::StatusOr<std::string> Read(const std::string& path, std::uint64_t offset,
                                   std::size_t bytes_max) override {
    const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.get() < 0) return FromErrno("reading", errno);
    struct stat facts {};
    if (fstat(file.get(), &facts) != 0) return FromErrno("reading", errno);
    const auto size = static_cast<std::uint64_t>(facts.st_size);
    if (offset >= size) return std::string();
    std::string bytes(static_cast<std::size_t>(std::min<std::uint64_t>(bytes_max, size - offset)),
                      '\0');
    std::size_t got = 0;
    while (got < bytes.size()) {
      const ssize_t count = pread(file.get(), bytes.data() + got, bytes.size() - got,
                                  static_cast<off_t>(offset + got));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return FromErrno("reading", errno);
      if (count == 0) break;
      got += static_cast<std::size_t>(count);
    }
    bytes.resize(got);
    return bytes;
  }

  absl::Status Truncate(const std::string& path, std::uint64_t bytes) override {
    const Descriptor file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (file.get() < 0 || ftruncate(file.get(), static_cast<off_t>(bytes)) != 0 ||
        fdatasync(file.get()) != 0) {
      return FromErrno("truncating", errno);
    }
    return absl::OkStatus();
  }

  absl::Status Remove(const std::string& path) override {
    return unlink(path.c_str()) == 0 ? absl::OkStatus() : FromErrno("deleting", errno);
  }

  absl::Status Rename(const std::string& from, const std::string& to) override {
    return rename(from.c_str(), to.c_str()) == 0 ? absl::OkStatus() : FromErrno("renaming", errno);
  }

  absl::Status SyncFolder(const std::string& folder) override {
    const Descriptor file(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (file.get() < 0 || fsync(file.get()) != 0) return FromErrno("syncing", errno);
    return absl::OkStatus();
  }
};

}  // namespace

Files& SystemFiles() {
  static Disk disk;
  return disk;
}

bool IsFolderLocked(const std::string& folder) {
  const Descriptor file(open((folder + kLockName).c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return false;
  struct flock lock = LockOf(F_RDLCK);
  return fcntl(file.get(), F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

}  // namespace parley::ingest
