// Zone file text (RFC 1035 section 5, RFC 2308 section 4, RFC 3597), as a stream of records.
//
// Understands $ORIGIN, $TTL, $INCLUDE, $GENERATE (as BIND), parentheses, quotes, escapes, comments, omitted and
// relative owners, TTL units (1h30m), class and TTL in either order. Class must be IN. One record at a time: memory
// does not grow with the file. An error names file, line, column and what was expected, and ends the reading.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "dns/name.h"
#include "dns/type.h"

namespace understudy {

/// Receives each record; RDATA is uncompressed and checked. An error it returns ends the reading; its text gets the
/// position of the record in front.
using ZoneFileSink = std::function<Result<void>(NameView owner, RRType type, std::uint32_t ttl, ByteView rdata)>;

struct ZoneFileLimits {
  unsigned include_depth = 8;
  std::uint64_t generated_records = 10'000'000;  // in all, over every $GENERATE
};

/// Reads the file at `path`. $INCLUDE paths are relative to the including file's folder.
/// Errors: "FILE:LINE:COLUMN: expected ..., found ..." as detail.
Result<void> read_zone_file(const std::string& path, NameView origin, const ZoneFileSink& sink,
                            const ZoneFileLimits& limits = {});

/// The same from memory; `label` stands in for the file name. $INCLUDE is refused if `allow_include` is false.
Result<void> read_zone_text(std::string_view text, const std::string& label, NameView origin, const ZoneFileSink& sink,
                            const ZoneFileLimits& limits = {}, bool allow_include = false);

}  // namespace understudy
