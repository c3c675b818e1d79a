#include "transfer/file_zone.h"

#include <sys/stat.h>

#include <algorithm>
#include <new>
#include <vector>

#include "base/log.h"
#include "base/out_of_memory.h"
#include "dns/zonefile.h"
#include "transfer/attempt.h"
#include "zone/zone.h"

namespace understudy {
namespace {

struct FlatRecord {
  std::uint32_t ttl;
  Bytes rdata;
  friend auto operator<=>(const FlatRecord&, const FlatRecord&) = default;
};

std::vector<FlatRecord> records_of(const RRsetView& rrset) {
  std::vector<FlatRecord> records;
  rrset.for_each_rdata([&](ByteView rdata) { records.push_back({rrset.ttl(), Bytes(rdata.begin(), rdata.end())}); });
  rrset.for_each_signature(
      [&](std::uint32_t ttl, ByteView rdata) { records.push_back({ttl, Bytes(rdata.begin(), rdata.end())}); });
  std::ranges::sort(records);
  return records;
}

/// The same RRset is in `zone`.
bool has_rrset(const Zone& zone, NameView owner, const RRsetView& rrset) {
  HashedName name;
  name.assign(owner);
  const Node* node = zone.find(name);
  if (node == nullptr) return false;
  const auto other = zone.rrset(node, rrset.type());
  return other && records_of(*other) == records_of(rrset);
}

}  // namespace

FileStamp file_stamp(const std::string& path) {
  struct stat found{};
  if (stat(path.c_str(), &found) != 0) return {};
  return {.modified_ns = std::int64_t{found.st_mtim.tv_sec} * 1'000'000'000 + found.st_mtim.tv_nsec,
          .size = static_cast<std::uint64_t>(found.st_size),
          .inode = found.st_ino};
}

namespace {

void read_into(FileReading& reading, const std::string& path, NameView apex, const TransferLimits& limits,
               const Clock& clock) {
  const std::int64_t began = clock.mono_ns();
  reading.stamp = file_stamp(path);
  ZoneBuilder builder(apex, {.max_octets = limits.max_octets});
  TransferCounts& counts = reading.counts;
  const Result<void> read =
      read_zone_file(path, apex, [&](NameView owner, RRType type, std::uint32_t ttl, ByteView rdata) -> Result<void> {
        if (++counts.records > limits.max_records) {
          return fail(Errc::record_limit, std::to_string(limits.max_records) + " records are allowed");
        }
        US_ASSIGN(const AddOutcome outcome, builder.add(owner, type, ttl, rdata));
        if (outcome == AddOutcome::out_of_zone) ++counts.out_of_zone;
        return {};
      });
  if (!read) {
    reading.version = std::unexpected(read.error());
    return;
  }
  reading.version = builder.finish();
  reading.seconds = static_cast<double>(clock.mono_ns() - began) / 1e9;
  if (!reading.version) {
    std::string& detail = reading.version.error().detail;
    detail = detail.empty() ? path : path + ": " + detail;
  }
  reading.report = builder.report();
  counts.duplicates = reading.report.duplicates;
}

}  // namespace

FileReading read_file_version(const std::string& path, NameView apex, const TransferLimits& limits,
                              const Clock& clock) {
  FileReading reading;
  try {
    read_into(reading, path, apex, limits, clock);
  } catch (const std::bad_alloc&) {
    reading.version = out_of_memory("the file", reading.stamp.size);
  }
  return reading;
}

void log_file_read(NameView zone, const std::string& path, std::optional<Serial> before, const FileReading& reading) {
  const Serial serial = (*reading.version)->serial();
  const std::string was = before ? std::to_string(before->value) : "none";
  log_info("zone {}: file {}: serial {} -> {}, {} records, {:.3f} s", zone.text(), path, was, serial.value,
           reading.counts.records, reading.seconds);
  if (before && *before == serial) {
    log_warning("zone {}: file {}: changed, but its serial {} did not: secondaries will not see it; raise the serial",
                zone.text(), path, serial.value);
  } else if (before && !serial.is_newer_than(*before)) {
    log_warning("zone {}: file {}: the serial went back from {} to {}: secondaries will not follow; raise the serial",
                zone.text(), path, before->value, serial.value);
  }
  const std::string text = oddities_text(reading.counts, reading.report);
  if (!text.empty()) log_warning("zone {}: file {}: records worth a look: {}", zone.text(), path, text);
}

void log_file_failed(NameView zone, const std::string& path, std::optional<Serial> before, const Error& error) {
  log_error("zone {}: file {} cannot be used: {}; {}; repair it, then `understudy zone refresh {}`", zone.text(), path,
            error.text(), before ? fmt::format("serial {} is served further", before->value) : "the zone is not served",
            zone.text());
}

bool same_content(const std::shared_ptr<const Zone>& a, const std::shared_ptr<const Zone>& b) try {
  if (a->record_count() != b->record_count() || a->serial() != b->serial()) return false;
  ZoneCursor cursor(a);
  while (cursor.next()) {
    if (!has_rrset(*b, cursor.owner(), cursor.rrset())) return false;
  }
  return true;
} catch (const std::bad_alloc&) {
  return false;  // the one that was read takes the other one's place, which is never wrong
}

}  // namespace understudy
