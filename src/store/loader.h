// Reads a zone out of the database: blocks of the base, then the deltas behind and in front of it. Every octet is
// checked against the zone's head. Stateless, thread-safe.
#pragma once

#include <memory>
#include <vector>

#include "base/result.h"
#include "store/database.h"
#include "store/format.h"
#include "store/zone_store.h"

namespace understudy {

/// Errc::corrupt (words with the zone's name), storage. `rows` reads the blocks of a small version.
Result<LoadedZone> load_zone(const Database& database, OrderedReads& rows, const VersionHead& head);

}  // namespace understudy
