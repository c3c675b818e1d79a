// What a version must have at its apex, and the SOA as negative answers carry it.
#pragma once

#include "base/result.h"
#include "zone/staging.h"
#include "zone/zone.h"

namespace understudy {

struct ApexFacts {
  Zone::Soa soa{};
  Staging negative_soa;      // the SOA, then its signatures
  bool lowers_ttls = false;  // else the SOA's chunk at the apex is that of negative answers too
};

/// Reads the apex's node (may be null). Errc::no_apex_soa (also for more than one), no_apex_ns.
Result<ApexFacts> read_apex(const Node* node, NameView apex);

/// Octets that encode_negative_soa() writes at the most.
std::size_t max_negative_soa_size(const ApexFacts& facts);
/// Writes the chunk of the negative SOA; returns its octets.
std::size_t encode_negative_soa(std::uint8_t* out, const ApexFacts& facts, NameView apex);

}  // namespace understudy
