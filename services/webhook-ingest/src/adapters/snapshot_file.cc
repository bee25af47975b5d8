#include "adapters/snapshot_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

#include "libs/base/status.h"

namespace parley::ingest {
namespace {

constexpr crypto::SealContext kContext = {crypto::kSnapshot, "webhook-ingest"};
constexpr mode_t kOwnerOnly = 0600;

absl::Status NotWritten(std::string_view step) {
  return Unavailable("SNAPSHOT_NOT_WRITTEN", "The directory's snapshot could not be written (" +
                                                 std::string(step) + ": " + std::strerror(errno) +
                                                 "). Check PARLEY_DATA_DIR and its disk.");
}

bool WriteAll(int fd, std::string_view data) {
  while (!data.empty()) {
    const ssize_t written = write(fd, data.data(), data.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    data.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

// Makes a rename or a new file survive a power cut.
void SyncFolder(const std::string& folder) {
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  fsync(fd);
  close(fd);
}

}  // namespace

SnapshotFile::SnapshotFile(std::string folder, const crypto::KeyRing& keys)
    : folder_(std::move(folder)), path_(folder_ + "/directory.snapshot"), keys_(keys) {}

absl::Status SnapshotFile::Write(std::string_view content) const {
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  if (error) {
    errno = error.value();
    return NotWritten("create folder");
  }
  const std::string sealed = keys_.Seal(Secret(std::string(content)), kContext);
  const std::string fresh = path_ + ".new";
  const int fd = open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, kOwnerOnly);
  if (fd < 0) return NotWritten("open");
  const bool written = WriteAll(fd, sealed) && fsync(fd) == 0;
  const absl::Status failure = written ? absl::OkStatus() : NotWritten("write");
  close(fd);
  PARLEY_RETURN_IF_ERROR(failure);
  if (rename(fresh.c_str(), path_.c_str()) != 0) return NotWritten("rename");
  SyncFolder(folder_);
  return absl::OkStatus();
}

absl::StatusOr<std::string> SnapshotFile::Read() const {
  std::ifstream file(path_, std::ios::binary);
  if (!file) return NotFound("SNAPSHOT_MISSING", "There is no snapshot of the directory yet.");
  const std::string sealed((std::istreambuf_iterator<char>(file)),
                           std::istreambuf_iterator<char>());
  PARLEY_ASSIGN_OR_RETURN(const Secret opened, keys_.Open(sealed, kContext));
  return std::string(opened.Reveal());
}

}  // namespace parley::ingest
