// The digest of all that a zone has (RFC 8976), computed and compared with what its ZONEMD records claim.
//
// Scheme SIMPLE with SHA-384 or SHA-512; other records prove nothing. Stateless, thread-safe; cost follows the zone:
// meant for a job thread. Throws std::bad_alloc.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "zone/zone.h"

namespace understudy {

enum class DigestHash : std::uint8_t { sha384 = 1, sha512 = 2 };  // RFC 8976 section 5.3

/// Section 3.3.1: all records in canonical order and form, without the ZONEMD records of the apex and their signatures.
Bytes zone_digest(const Zone& version, DigestHash hash);

/// Whether the apex has a ZONEMD record that zone_digest() can show to be right or wrong (section 4).
bool claims_digest(const Zone& version);

/// The RDATA of those that are right.
std::vector<Bytes> shown_digests(const Zone& version);

}  // namespace understudy
