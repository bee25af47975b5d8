#include "spool/spool.h"

#include <algorithm>
#include <limits>
#include <random>

#include "libs/base/status.h"
#include "libs/telemetry/log.h"
#include "libs/telemetry/metrics.h"
#include "spool/names.h"

namespace parley::ingest {
namespace {

using std::chrono::seconds;

constexpr std::size_t kWholeFile = std::numeric_limits<std::size_t>::max();
// Of what waits for the writer while the disk stands still: every waiter has a thread of its own.
constexpr std::size_t kGatheredBytesMax = 32 << 20;
constexpr seconds kNoteEvery{1};
constexpr seconds kProbeEvery{1};
constexpr std::size_t kProbeBytes = 64 << 10;

struct Metrics {
  prometheus::Gauge& records =
      telemetry::Gauge("parley_webhook_ingest_spool_records",
                       "Records that wait on the disk for Kafka. They leave by themselves; if they "
                       "only grow, look at Kafka.");
  prometheus::Gauge& bytes = telemetry::Gauge(
      "parley_webhook_ingest_spool_bytes",
      "Size of the spool's files. Near PARLEY_SPOOL_MIB_MAX webhooks will be refused.");
  prometheus::Gauge& full = telemetry::Gauge(
      "parley_webhook_ingest_spool_full",
      "1 while the spool has reached PARLEY_SPOOL_MIB_MAX: without Kafka webhooks get 503.");
  prometheus::Gauge& failing =
      telemetry::Gauge("parley_webhook_ingest_spool_failing",
                       "1 while the disk takes nothing (full, or I/O errors): look at it now.");
  prometheus::Counter& appended =
      telemetry::Counter("parley_webhook_ingest_spool_appended_total",
                         "Records made durable on the disk and not in Kafka at once. If it "
                         "rises, look at Kafka.");
  prometheus::Counter& not_appended =
      telemetry::Counter("parley_webhook_ingest_spool_failed_total",
                         "Records that the disk did not take; the log says why.");
  prometheus::Counter& replayed =
      telemetry::Counter("parley_webhook_ingest_spool_replayed_total",
                         "Records that Kafka has acknowledged out of the spool. If it stands still "
                         "while records wait, look at Kafka.");
  prometheus::Counter& torn = telemetry::Counter(
      "parley_webhook_ingest_spool_torn_tails_total",
      "Segments whose end a crash had torn: nobody was told OK for what was cut off.");
  prometheus::Counter& damaged = telemetry::Counter(
      "parley_webhook_ingest_spool_damaged_total",
      "Segments with damaged places; they are kept as *.damaged. The disk is breaking.");
  prometheus::Counter& refused =
      telemetry::Counter("parley_webhook_ingest_spool_refused_total",
                         "Records that Kafka refuses for good; they are kept as *.refused.");
  prometheus::Histogram& sync =
      telemetry::LatencyHistogram("parley_webhook_ingest_spool_sync_seconds",
                                  "One write and fdatasync, for all who wait. If it grows, the "
                                  "disk under the spool is too slow.");
};

Metrics& Measured() {
  static Metrics metrics;
  return metrics;
}

std::uint64_t RandomSalt() {
  std::random_device device;
  return (static_cast<std::uint64_t>(device()) << 32) | device();
}

bool IsAllZero(std::string_view bytes) {
  return bytes.find_first_not_of('\0') == std::string_view::npos;
}

SpooledRecord Copy(const SpoolRecord& record, const SpoolPosition& at) {
  return {.sequence = record.sequence,
          .appended_at = record.appended_at,
          .at = at,
          .record = {.topic = record.topic,
                     .key = std::string(record.key),
                     .value = std::string(record.value),
                     .type = std::string(record.type),
                     .traceparent = std::string(record.traceparent)}};
}

absl::Status Full() {
  return ErrorStatus(absl::StatusCode::kResourceExhausted, "SPOOL_FULL",
                     "The spool has reached PARLEY_SPOOL_MIB_MAX, and Kafka is away.");
}

}  // namespace

absl::StatusOr<std::unique_ptr<Spool>> Spool::Open(const SpoolOptions& options, Files& files,
                                                   const Clock& clock) {
  PARLEY_RETURN_IF_ERROR(files.MakeFolder(options.folder));
  PARLEY_ASSIGN_OR_RETURN(auto lock, files.Lock(options.folder));
  std::unique_ptr<Spool> spool(new Spool(options, files, clock, std::move(lock)));
  PARLEY_RETURN_IF_ERROR(spool->Recover());
  spool->writer_ =
      std::jthread([spool = spool.get()](const std::stop_token& stop) { spool->Run(stop); });
  return spool;
}

Spool::Spool(const SpoolOptions& options, Files& files, const Clock& clock,
             std::unique_ptr<FolderLock> lock)
    : options_(options),
      files_(files),
      clock_(clock),
      salt_(RandomSalt()),
      lock_(std::move(lock)),
      gathering_(std::make_shared<Batch>()) {
  Measured();
}

Spool::~Spool() {
  if (!writer_.joinable()) return;  // Open failed: nothing here is known to be true.
  writer_.request_stop();
  writer_.join();
  if (replayed_ != noted_) NoteReplayed(replayed_);
}

std::string Spool::Path(std::uint64_t first_sequence) const {
  return options_.folder + "/" + SegmentName(first_sequence);
}

std::uint16_t Spool::SlotOf(webhooks::Topic topic, std::string_view key) {
  const std::size_t hash = std::hash<std::string_view>()(key);
  return static_cast<std::uint16_t>(hash ^ (hash >> 16) ^ (static_cast<std::size_t>(topic) << 8));
}

absl::Status Spool::Recover() {
  PARLEY_ASSIGN_OR_RETURN(std::vector<std::string> names, files_.List(options_.folder));
  std::erase_if(names, [](const std::string& name) { return !ParseSegmentName(name); });
  std::sort(names.begin(), names.end());
  const std::string note = options_.folder + "/" + std::string(kReplayedFile);
  const auto text = files_.Read(note, 0, 64);
  if (text.ok()) {
    const auto sequence = DecodeReplayed(*text);
    if (!sequence.ok()) telemetry::Warning("spool_position_lost", sequence.status());
    replayed_ = sequence.value_or(0);
  } else if (!absl::IsNotFound(text.status())) {
    // Without it sequences could begin anew below it, and a later start would pass over them.
    return text.status();
  }
  noted_ = replayed_;
  next_sequence_ = replayed_ + 1;
  for (const std::string& name : names) {
    PARLEY_RETURN_IF_ERROR(RecoverSegment(name, name == names.back()));
  }
  DeleteReplayed();
  Measured().records.Set(static_cast<double>(records_));
  if (records_ > 0) {
    telemetry::Info("spool_recovered", {{"records", records_.load()}, {"bytes", bytes_}});
  }
  return absl::OkStatus();
}

absl::Status Spool::RecoverSegment(const std::string& name, bool is_last) {
  const std::string path = options_.folder + "/" + name;
  PARLEY_ASSIGN_OR_RETURN(const std::string content, files_.Read(path, 0, kWholeFile));
  const std::uint64_t seen = next_sequence_;  // Beyond what older segments hold, as in Read.
  const SegmentScan scan = ScanSegment(content, [&](const SpoolRecord& record, std::size_t) {
    if (record.sequence < seen) return;
    const std::uint16_t slot = SlotOf(record.topic, record.key);
    ++by_slot_[slot];
    ++records_;
    AddWaiting(slot);
  });
  if (absl::IsFailedPrecondition(scan.header)) return scan.header;
  // No sequence is ever given twice, not even one that only a name still tells of.
  next_sequence_ =
      std::max({next_sequence_, scan.last_sequence + 1, ParseSegmentName(name).value_or(0) + 1});
  if (!scan.header.ok()) {
    const bool torn = content.size() < kSegmentHeaderBytes || IsAllZero(content);
    (torn ? Measured().torn : Measured().damaged).Increment();
    if (torn) {
      telemetry::Warning("spool_torn_tail", scan.header, {{"file", name}});
      return files_.Remove(path);
    }
    telemetry::Error("spool_damaged", scan.header, {{"file", name}});
    return files_.Rename(path, path + std::string(kDamagedSuffix));
  }
  if (scan.torn_bytes > 0) {
    telemetry::Warning("spool_torn_tail", {{"file", name}, {"bytes", scan.torn_bytes}});
    Measured().torn.Increment();
    // Only for tidiness: nothing behind it is read. Of an older segment it may have been more.
    if (is_last) static_cast<void>(files_.Truncate(path, scan.good_bytes));
  }
  const bool damaged = scan.damaged_bytes > 0 || (scan.torn_bytes > 0 && !is_last);
  if (damaged) {
    telemetry::Error("spool_damaged", {{"file", name}, {"bytes", scan.damaged_bytes}});
    Measured().damaged.Increment();
  }
  const auto header = DecodeSegmentHeader(content);
  segments_.push_back({.first_sequence = scan.first_sequence,
                       .last_sequence = scan.last_sequence,
                       .salt = header->salt,
                       .records_end = durable_,
                       .bytes = scan.good_bytes,
                       .damaged = damaged});
  bytes_ += scan.good_bytes;
  return absl::OkStatus();
}

absl::StatusOr<std::uint64_t> Spool::Append(const webhooks::OutgoingRecord& record,
                                            std::chrono::steady_clock::time_point deadline) {
  SpoolRecord entry{.appended_at = clock_.Now(),
                    .topic = record.topic,
                    .key = record.key,
                    .type = record.type,
                    .traceparent = record.traceparent,
                    .value = record.value};
  const std::size_t bytes = EncodedBytes(entry);
  const std::uint16_t slot = SlotOf(record.topic, record.key);
  std::shared_ptr<Batch> batch;
  {
    const std::lock_guard lock(mutex_);
    if (bytes_ + gathering_->bytes.size() + bytes > options_.bytes_max) {
      Measured().not_appended.Increment();
      if (!std::exchange(full_, true)) telemetry::Error("spool_full", Full(), {{"bytes", bytes_}});
      Measured().full.Set(1);
      return Full();
    }
    if (gathering_->bytes.size() + bytes > kGatheredBytesMax) {
      Measured().not_appended.Increment();
      return Unavailable("SPOOL_SLOW", "The spool's disk does not keep up.");
    }
    entry.sequence = next_sequence_;
    PARLEY_RETURN_IF_ERROR(AppendRecord(entry, salt_, gathering_->bytes));
    ++next_sequence_;
    if (gathering_->slots.empty()) {
      gathering_->first_sequence = entry.sequence;
      work_.notify_one();
    }
    gathering_->last_sequence = entry.sequence;
    gathering_->slots.push_back(slot);
    // Before this is seen no later record of the key can be told to go past.
    ++by_slot_[slot];
    ++records_;
    batch = gathering_;
  }
  std::unique_lock lock(batch->mutex);
  if (!batch->finished.wait_until(lock, deadline, [&] { return batch->outcome.has_value(); })) {
    return Unavailable("SPOOL_SLOW", "The spool's disk did not take the record in time.");
  }
  PARLEY_RETURN_IF_ERROR(*batch->outcome);
  return entry.sequence;
}

bool Spool::Holds(const webhooks::OutgoingRecord& record) const {
  return records_.load() > 0 && by_slot_[SlotOf(record.topic, record.key)].load() > 0;
}

bool Spool::WaitUntilGone(const webhooks::OutgoingRecord& record,
                          std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  return gone_.wait_until(lock, deadline, [&] { return !Holds(record); });
}

void Spool::Forget(std::uint16_t slot) {
  --by_slot_[slot];
  --records_;
}

void Spool::AddWaiting(std::uint16_t slot) {
  waiting_.push_back(slot);
  ++durable_;
}

void Spool::ForgetFirst() {
  Forget(waiting_.front());
  waiting_.pop_front();
}

// --- The writer's thread ---

void Spool::Run(const std::stop_token& stop) {
  while (true) {
    std::shared_ptr<Batch> batch;
    {
      std::unique_lock lock(mutex_);
      const bool some =
          work_.wait_for(lock, stop, kProbeEvery, [this] { return !gathering_->slots.empty(); });
      if (!some && stop.stop_requested()) return;
      if (some) {
        batch = std::exchange(gathering_, std::make_shared<Batch>());
        bytes_ += batch->bytes.size();
      }
      if (!some && disk_.ok()) continue;
      writing_ = true;
    }
    if (batch == nullptr) {
      ProbeDisk();
    } else {
      Settle(*batch, WriteAndSync(*batch));
    }
  }
}

absl::Status Spool::WriteAndSync(const Batch& batch) {
  if (file_ != nullptr && file_bytes_ >= options_.segment_bytes) file_.reset();
  const bool fresh = file_ == nullptr;
  if (fresh) PARLEY_RETURN_IF_ERROR(BeginSegment(batch.first_sequence));
  const auto begun = std::chrono::steady_clock::now();
  const absl::Status written = file_->Append(batch.bytes);
  if (!written.ok()) {
    // What is synced stays good: only the new bytes have to go.
    if (fresh || !file_->Truncate(file_bytes_).ok()) GiveUpSegment();
    return written;
  }
  absl::Status synced = file_->Sync();
  if (synced.ok() && fresh) synced = files_.SyncFolder(options_.folder);
  if (!synced.ok()) {
    GiveUpSegment();
    return synced;
  }
  file_bytes_ += batch.bytes.size();
  Measured().sync.Observe(
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count());
  return absl::OkStatus();
}

absl::Status Spool::BeginSegment(std::uint64_t first_sequence) {
  PARLEY_ASSIGN_OR_RETURN(file_, files_.Create(Path(first_sequence)));
  file_first_ = first_sequence;
  file_bytes_ = kSegmentHeaderBytes;
  const absl::Status written =
      file_->Append(EncodeSegmentHeader({.first_sequence = first_sequence, .salt = salt_}));
  if (!written.ok()) GiveUpSegment();
  return written;
}

// After a failed sync nobody knows what of the file is on the disk: the next record begins a new
// one. What it holds that was synced before is read as ever.
void Spool::GiveUpSegment() {
  const bool has_records = file_bytes_ > kSegmentHeaderBytes;
  if (has_records) static_cast<void>(file_->Truncate(file_bytes_));
  file_.reset();
  if (!has_records) static_cast<void>(files_.Remove(Path(file_first_)));
}

void Spool::Settle(Batch& batch, const absl::Status& outcome) {
  std::function<void()> listener;
  {
    const std::lock_guard lock(mutex_);
    writing_ = false;
    if (outcome.ok()) {
      if (segments_.empty() || segments_.back().first_sequence != file_first_) {
        segments_.push_back({.first_sequence = file_first_, .salt = salt_});
        bytes_ += kSegmentHeaderBytes;
      }
      for (const std::uint16_t slot : batch.slots) AddWaiting(slot);
      segments_.back().records_end = durable_;
      segments_.back().last_sequence = batch.last_sequence;
      segments_.back().bytes = file_bytes_;
      listener = listener_;
      Measured().appended.Increment(static_cast<double>(batch.slots.size()));
    } else {
      bytes_ -= batch.bytes.size();
      for (const std::uint16_t slot : batch.slots) Forget(slot);
      gone_.notify_all();
      Measured().not_appended.Increment(static_cast<double>(batch.slots.size()));
    }
    SetDiskHealth(outcome);
    Measured().records.Set(static_cast<double>(records_));
    Measured().bytes.Set(static_cast<double>(bytes_));
  }
  {
    const std::lock_guard lock(batch.mutex);
    batch.outcome = outcome;
  }
  batch.finished.notify_all();
  if (listener) listener();
}

void Spool::SetDiskHealth(const absl::Status& health) {
  if (disk_.ok() && !health.ok()) telemetry::Error("spool_failed", health);
  if (!disk_.ok() && health.ok()) telemetry::Info("spool_works_again");
  disk_ = health;
  Measured().failing.Set(health.ok() ? 0 : 1);
}

// Whoever is not ready gets no records whose success could tell that the disk is good again.
void Spool::ProbeDisk() {
  const std::string path = options_.folder + "/probe";
  static_cast<void>(files_.Remove(path));
  absl::Status outcome = [&]() -> absl::Status {
    PARLEY_ASSIGN_OR_RETURN(const auto file, files_.Create(path));
    PARLEY_RETURN_IF_ERROR(file->Append(std::string(kProbeBytes, '\0')));
    return file->Sync();
  }();
  static_cast<void>(files_.Remove(path));
  const std::lock_guard lock(mutex_);
  writing_ = false;
  SetDiskHealth(outcome);
}

// --- The replaying thread ---

std::optional<Spool::Segment> Spool::SegmentAt(const SpoolPosition& position) const {
  const std::lock_guard lock(mutex_);
  for (const Segment& segment : segments_) {
    if (segment.first_sequence < position.segment) continue;
    if (segment.first_sequence > position.segment || position.offset < segment.bytes) {
      return segment;
    }
  }
  return std::nullopt;
}

absl::StatusOr<std::vector<SpooledRecord>> Spool::Read(SpoolPosition& position,
                                                       std::size_t bytes_max) {
  {
    const std::lock_guard lock(mutex_);  // A segment's beginning may be replayed already.
    position.after = std::max(position.after, replayed_);
  }
  std::size_t chunk_bytes = bytes_max;
  std::vector<SpooledRecord> records;
  while (records.empty()) {
    const std::optional<Segment> segment = SegmentAt(position);
    if (!segment) break;
    if (segment->first_sequence != position.segment) {
      position.segment = segment->first_sequence;
      position.offset = kSegmentHeaderBytes;
    }
    const std::size_t left = segment->bytes - position.offset;
    PARLEY_ASSIGN_OR_RETURN(
        const std::string bytes,
        files_.Read(Path(segment->first_sequence), position.offset, std::min(chunk_bytes, left)));
    std::size_t read = 0;
    while (read < bytes.size()) {
      const ParsedRecord parsed =
          ParseRecord(std::string_view(bytes).substr(read), segment->salt, 0);
      if (parsed.outcome != Parsed::kRecord) break;
      if (parsed.record.sequence > position.after) {
        records.push_back(Copy(parsed.record, position));
        position.after = parsed.record.sequence;
      }
      position.offset += parsed.bytes;
      read += parsed.bytes;
    }
    if (read > 0) continue;
    if (chunk_bytes < std::min(left, kSpoolRecordBytesMax)) {
      chunk_bytes = kSpoolRecordBytesMax;  // Room for one record, however long.
    } else {
      PARLEY_RETURN_IF_ERROR(StepOverDamage(*segment, position));
    }
  }
  return records;
}

absl::Status Spool::StepOverDamage(const Segment& segment, SpoolPosition& position) {
  PARLEY_ASSIGN_OR_RETURN(
      const std::string rest,
      files_.Read(Path(segment.first_sequence), position.offset, segment.bytes - position.offset));
  const std::size_t found = FindRecord(rest, segment.salt, position.after);
  position.offset = found == std::string::npos ? segment.bytes : position.offset + found;
  {
    const std::lock_guard lock(mutex_);
    for (Segment& kept : segments_) {
      if (kept.first_sequence != segment.first_sequence) continue;
      if (!std::exchange(kept.damaged, true)) {
        telemetry::Error("spool_damaged", {{"file", SegmentName(segment.first_sequence)}});
        Measured().damaged.Increment();
      }
      // Nothing more comes of it, but what was appended meanwhile.
      if (position.offset == kept.bytes) {
        kept.last_sequence = std::min(kept.last_sequence, position.after);
      }
    }
  }
  DeleteReplayed();  // Perhaps all that it could give is replayed.
  return absl::OkStatus();
}

void Spool::OnMore(std::function<void()> listener) {
  const std::lock_guard lock(mutex_);
  listener_ = std::move(listener);
}

void Spool::Replayed(std::span<const SpooledRecord> records) {
  if (records.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    for (const SpooledRecord& record : records) {
      // Those before it that are of other slots were lost to damage, or they would have come first.
      const std::uint16_t slot = SlotOf(record.record.topic, record.record.key);
      const auto found = std::find(waiting_.begin(), waiting_.end(), slot);
      if (found == waiting_.end()) continue;  // It could not be read when it was counted.
      for (auto left = found - waiting_.begin(); left >= 0; --left) ForgetFirst();
    }
    replayed_ = records.back().sequence;
    gone_.notify_all();
    Measured().replayed.Increment(static_cast<double>(records.size()));
    Measured().records.Set(static_cast<double>(records_));
  }
  DeleteReplayed();
  const auto now = std::chrono::steady_clock::now();
  if (records_ == 0 || now - noted_at_ >= kNoteEvery) {
    noted_at_ = now;
    NoteReplayed(records.back().sequence);
  }
}

absl::Status Spool::SetAside(const SpooledRecord& record) {
  const webhooks::OutgoingRecord& out = record.record;
  std::string content = EncodeSegmentHeader({.first_sequence = record.sequence, .salt = salt_});
  PARLEY_RETURN_IF_ERROR(AppendRecord({.sequence = record.sequence,
                                       .appended_at = record.appended_at,
                                       .topic = out.topic,
                                       .key = out.key,
                                       .type = out.type,
                                       .traceparent = out.traceparent,
                                       .value = out.value},
                                      salt_, content));
  const std::string path = Path(record.sequence) + std::string(kRefusedSuffix);
  static_cast<void>(files_.Remove(path));  // Of a try that failed.
  PARLEY_ASSIGN_OR_RETURN(const auto file, files_.Create(path));
  PARLEY_RETURN_IF_ERROR(file->Append(content));
  PARLEY_RETURN_IF_ERROR(file->Sync());
  PARLEY_RETURN_IF_ERROR(files_.SyncFolder(options_.folder));
  Measured().refused.Increment();
  return absl::OkStatus();
}

void Spool::DeleteReplayed() {
  std::vector<Segment> finished;
  {
    const std::lock_guard lock(mutex_);
    while (!segments_.empty() && segments_.front().last_sequence <= replayed_) {
      const Segment& oldest = segments_.front();
      if (segments_.size() == 1) {  // The writer may go on with it, or be about to.
        if (writing_ || !gathering_->slots.empty()) break;
        file_.reset();
      }
      // What it never gave is lost: nobody waits for it, no gauge counts it.
      while (durable_ - waiting_.size() < oldest.records_end) ForgetFirst();
      bytes_ -= oldest.bytes;
      finished.push_back(oldest);
      segments_.pop_front();
    }
    if (!finished.empty() && std::exchange(full_, false)) {
      Measured().full.Set(0);
      telemetry::Info("spool_has_room", {{"bytes", bytes_}});
    }
    if (!finished.empty()) gone_.notify_all();
    Measured().records.Set(static_cast<double>(records_));
    Measured().bytes.Set(static_cast<double>(bytes_));
  }
  for (const Segment& segment : finished) {
    const std::string path = Path(segment.first_sequence);
    const absl::Status gone = segment.damaged
                                  ? files_.Rename(path, path + std::string(kDamagedSuffix))
                                  : files_.Remove(path);
    // It is deleted by the next start.
    if (!gone.ok()) telemetry::Warning("spool_not_deleted", gone);
  }
}

void Spool::NoteReplayed(std::uint64_t sequence) {
  const std::string path = options_.folder + "/" + std::string(kReplayedFile);
  const std::string fresh = path + ".new";
  static_cast<void>(files_.Remove(fresh));
  const absl::Status noted = [&]() -> absl::Status {
    PARLEY_ASSIGN_OR_RETURN(const auto file, files_.Create(fresh));
    PARLEY_RETURN_IF_ERROR(file->Append(EncodeReplayed(sequence)));
    PARLEY_RETURN_IF_ERROR(file->Sync());
    PARLEY_RETURN_IF_ERROR(files_.Rename(fresh, path));
    return files_.SyncFolder(options_.folder);
  }();
  // Without it the next start replays more than it must, which is harmless.
  if (noted.ok()) noted_ = sequence;
}

std::uint64_t Spool::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

absl::Status Spool::Health() const {
  const std::lock_guard lock(mutex_);
  return full_ ? Full() : disk_;
}

}  // namespace parley::ingest
