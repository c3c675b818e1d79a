// Finding records that are there twice: RFC 2181 section 5 has no duplicates in an RRset, and names in RDATA compare
// without case where the type's canonical form says so (RFC 4034 section 6.2). Stateless; n log n for any input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "zone/chunk_encoder.h"

namespace understudy {

/// Whether two records of one type hold the same data.
bool same_rdata(const StagedRecord& a, const StagedRecord& b);
/// A keyed hash of type and data, the same for the same data.
std::uint64_t rdata_hash(RRType type, ByteView rdata);

/// Moves the records that stay to the front, in their order; of several with the same RDATA, the first stays. Returns
/// how many stay. All have one type.
std::size_t drop_duplicates(std::span<StagedRecord> records);

}  // namespace understudy
