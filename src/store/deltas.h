// The deltas of a zone in the database: its history and the chain from its base to its version (doc/storage-format.md,
// "Deltas").
//
// A delta is one value, or several if it is large. In front of its octets it names the checksum of the delta before it,
// and the zone's head names that of the last one: so a head vouches for every delta, and what a commit that failed left
// under the next number is never taken for one. Stateless.
#pragma once

#include <rocksdb/write_batch.h>

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "store/database.h"
#include "store/format.h"
#include "zone/apply.h"

namespace understudy {

/// Octets of a delta that one value holds.
inline constexpr std::size_t delta_part_size = 256 * 1024;

/// Encodes deltas behind head.end and counts them there: `end` and `link` go on, the octets of both kinds do not. `put`
/// takes each value; its octets are valid during the call.
using PutValue = std::function<void(const std::string& key, ByteView value)>;
void append_deltas(VersionHead& head, std::span<const DeltaPtr> deltas, const PutValue& put);

struct StoredDeltas {
  std::vector<DeltaPtr> deltas;  // the oldest first, up to the zone's version
  std::size_t history = 0;       // how many of them are in front of the base
  std::string damage;            // why there are not as many as the head says; empty: there are
};
/// Reads all deltas of a zone. Errc::corrupt if one of the chain is not there as it was written, storage.
Result<StoredDeltas> read_deltas(const Database& database, const VersionHead& head);

/// Deletes deltas of the history from the oldest on until the head's limits are kept, or so many that it takes some
/// milliseconds: the next commit goes on. None from number `until` on, which have `octets_behind` octets as history.
void trim_history(const Database& database, VersionHead& head, std::uint64_t until, std::uint64_t octets_behind,
                  rocksdb::WriteBatch& batch);
/// Deletes all deltas of a zone.
void delete_deltas(const Database& database, const VersionHead& head, rocksdb::WriteBatch& batch);

/// Each begins where the one before ends, and the last ends at `end`; none do not.
bool lead_to(std::span<const DeltaPtr> deltas, Serial end);
/// Octets of all of them.
std::uint64_t octets_of(std::span<const DeltaPtr> deltas);

}  // namespace understudy
