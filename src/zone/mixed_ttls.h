// RRsets whose records came with several TTLs.
//
// All get the lowest (RFC 2181 section 5.2), and which of them had it is not kept. That there were several is: what a
// difference leaves of such an RRset may have another TTL than we know, so none is applied to it (zone/working_set.h).
// The mark lies in the chunk and goes wherever that goes, also to the disk and back, as a second TTL.
#pragma once

#include <cstdint>

#include "zone/zone.h"

namespace understudy {

namespace mixed_ttls_detail {
inline constexpr std::uint8_t mark = 1;  // record_count_ of an extended chunk, whose count is elsewhere
}

inline bool has_mixed_ttls(const Chunk& chunk) {
  return chunk.is_extended() && chunk.record_count_ == mixed_ttls_detail::mark;
}

inline void mark_mixed_ttls(Chunk& extended) {
  extended.record_count_ = mixed_ttls_detail::mark;
}

/// The TTLs of an RRset that is to be encoded again: the lowest, and one that is not for the last record, if it is
/// marked.
class StagedTtls {
 public:
  StagedTtls(std::uint32_t ttl, std::size_t records, bool mixed) : ttl_(ttl), left_(mixed ? records : 0) {}
  explicit StagedTtls(const RRsetView& rrset) : StagedTtls(rrset.ttl(), rrset.size(), has_mixed_ttls(*rrset.chunk())) {}
  /// Of the next record.
  std::uint32_t next() { return left_ != 0 && --left_ == 0 ? ttl_ + 1 : ttl_; }

 private:
  std::uint32_t ttl_;
  std::size_t left_;
};

}  // namespace understudy
