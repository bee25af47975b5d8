#include "spool/inspect.h"

#include <algorithm>
#include <limits>

#include "libs/base/status.h"
#include "spool/names.h"

namespace parley::ingest {
namespace {

constexpr std::size_t kWholeFile = std::numeric_limits<std::size_t>::max();

bool IsAside(std::string_view name) {
  return name.ends_with(kDamagedSuffix) || name.ends_with(kRefusedSuffix);
}

}  // namespace

std::uint64_t SpoolFacts::waiting() const {
  std::uint64_t records = 0;
  for (const SegmentFacts& segment : segments) records += segment.waiting;
  return records;
}

bool SpoolFacts::IsDamaged() const {
  return std::any_of(segments.begin(), segments.end(), [this](const SegmentFacts& segment) {
    if (segment.is_growing) return false;
    const bool is_last = &segment == &segments.back();
    return !segment.scan.header.ok() || segment.scan.damaged_bytes > 0 ||
           (segment.scan.torn_bytes > 0 && !is_last);
  });
}

absl::StatusOr<SpoolFacts> InspectSpool(
    const std::string& folder, Files& files, bool in_use,
    const std::function<void(const SegmentFacts&, const SpoolRecord&)>& visit) {
  SpoolFacts facts;
  facts.in_use = in_use;
  PARLEY_ASSIGN_OR_RETURN(std::vector<std::string> names, files.List(folder));
  std::erase_if(names,
                [](const std::string& name) { return !ParseSegmentName(name) && !IsAside(name); });
  std::sort(names.begin(), names.end());
  // The position before the segments: what is replayed meanwhile is shown once more, never left
  // out.
  const auto note = files.Read(folder + "/" + std::string(kReplayedFile), 0, 64);
  if (!note.ok() && !absl::IsNotFound(note.status())) return note.status();
  if (note.ok()) facts.replayed = DecodeReplayed(*note).value_or(0);
  for (const std::string& name : names) {
    SegmentFacts segment{.name = name, .is_aside = IsAside(name)};
    const auto content = files.Read(folder + "/" + name, 0, kWholeFile);
    if (absl::IsNotFound(content.status())) continue;  // Replayed and deleted meanwhile.
    PARLEY_RETURN_IF_ERROR(content);
    segment.bytes = content->size();
    segment.scan = ScanSegment(*content, [&](const SpoolRecord& record, std::size_t) {
      if (!segment.is_aside) {
        if (record.sequence <= facts.replayed) return;
        if (segment.waiting++ == 0) segment.oldest = record.appended_at;
      }
      if (visit) visit(segment, record);
    });
    facts.segments.push_back(std::move(segment));
  }
  const auto last = std::find_if(facts.segments.rbegin(), facts.segments.rend(),
                                 [](const SegmentFacts& segment) { return !segment.is_aside; });
  if (in_use && last != facts.segments.rend()) {
    last->is_growing = !last->scan.header.ok() || last->scan.torn_bytes > 0;
  }
  return facts;
}

}  // namespace parley::ingest
