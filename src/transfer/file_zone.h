// Zones that come from a file on this machine: we are their primary.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "xfr/axfr_reader.h"
#include "zone/builder.h"

namespace understudy {

/// What tells whether a file was written since it was read. Files that it includes are not looked at.
struct FileStamp {
  std::int64_t modified_ns = 0;
  std::uint64_t size = 0;
  std::uint64_t inode = 0;

  friend bool operator==(const FileStamp&, const FileStamp&) = default;
};

/// All zero if there is no such file.
FileStamp file_stamp(const std::string& path);

struct FileReading {
  Result<std::shared_ptr<const Zone>> version = fail(Errc::internal, "out of memory");
  FileStamp stamp;  // from before it was read
  TransferCounts counts;
  double seconds = 0;
  ZoneBuilder::Report report;
};

/// Reads the whole file; the error names file, line and column. Blocks: for a job.
FileReading read_file_version(const std::string& path, NameView apex, const TransferLimits& limits, const Clock& clock);

/// The line that says what was read, and one warning for what was dropped or is odd. `before` is the serial served.
void log_file_read(NameView zone, const std::string& path, std::optional<Serial> before, const FileReading& reading);
void log_file_failed(NameView zone, const std::string& path, std::optional<Serial> before, const Error& error);

/// Both versions have the same records, in whatever order.
bool same_content(const std::shared_ptr<const Zone>& a, const std::shared_ptr<const Zone>& b);

}  // namespace understudy
