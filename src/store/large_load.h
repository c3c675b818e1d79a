// Adds the blocks of a large version to a builder, with several threads where there are cores for them: each takes the
// next block, checks it and encodes its names by itself; who has the next in order adds it, and those that wait behind
// it. Thread-safe.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "store/database.h"
#include "store/format.h"
#include "zone/builder.h"

namespace understudy {

/// What was read, to be compared with what the head says.
struct BlocksRead {
  std::uint32_t count = 0;
  std::uint32_t digest = 0;  // CRC-32C over their checksums in order
};

/// Errc::corrupt (words with the zone's name), storage. Nothing can be done with the builder after an error.
Result<BlocksRead> add_large_version(const Database& database, const VersionHead& head, ZoneBuilder& builder);
/// The same with so many threads, the caller's included.
Result<BlocksRead> add_large_version(const Database& database, const VersionHead& head, ZoneBuilder& builder,
                                     unsigned threads);

}  // namespace understudy
