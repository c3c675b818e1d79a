// Encodes one RRset, with the signatures that cover it, as the chunk that is copied into answers (zone/layout.h).
#pragma once

#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "dns/name.h"
#include "dns/type.h"

namespace understudy {

/// One record of a name that is being encoded; the RDATA is uncompressed and kept by the caller.
struct StagedRecord {
  RRType type = RRType::A;  // RRSIG for a signature
  std::uint32_t ttl = 0;
  ByteView rdata;

  /// The type whose chunk this record belongs to: for a signature, the type it covers.
  [[nodiscard]] RRType chunk_type() const {
    return type == RRType::RRSIG && rdata.size() >= 2 ? static_cast<RRType>(load_u16(rdata.data())) : type;
  }
};

/// Octets that encode_chunk may write for these records at the most, a multiple of 8.
std::size_t max_chunk_size(std::span<const StagedRecord> records, std::span<const StagedRecord> signatures);

/// Writes the chunk at `out` and returns its octets, a multiple of 8. All records have one type and get the lowest
/// of their TTLs (RFC 2181 section 5.2); signatures keep their own. `owner` is absolute; in-zone targets are noted
/// for names at or below `apex`.
std::size_t encode_chunk(std::uint8_t* out, NameView owner, NameView apex, RRType type,
                         std::span<const StagedRecord> records, std::span<const StagedRecord> signatures);

}  // namespace understudy
