// The directory on disk, sealed, so that webhook-ingest can start while Kafka is away.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/crypto/seal.h"

namespace parley::ingest {

class SnapshotFile {
 public:
  // Neither need exist. `keys` outlives it.
  SnapshotFile(std::string folder, const crypto::KeyRing& keys);

  // Replaces the file as a whole, and returns once it is on the disk. Errors: kUnavailable
  // (SNAPSHOT_NOT_WRITTEN).
  absl::Status Write(std::string_view content) const;

  // Errors: kNotFound; kDataLoss or kFailedPrecondition if it was changed or our keys do not open
  // it.
  absl::StatusOr<std::string> Read() const;

 private:
  const std::string folder_;
  const std::string path_;
  const crypto::KeyRing& keys_;
};

}  // namespace parley::ingest
