// From one version of a zone to the next and back, without building it anew.
//
// apply_deltas() copies on write: the new version shares with `base` every page of the table and every block that did
// not change, so the cost follows the change. Strict as RFC 1995 section 4 asks: what a delta removes must be there,
// what it adds must not be, or nothing is changed. A record is the same if owner (without case), type and RDATA
// (canonical form) are; its TTL does not matter for removal. Stateless; one thread at a time for versions that share
// memory (a zone's agent, or its commit job).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "zone/builder.h"
#include "zone/delta.h"
#include "zone/zone.h"

namespace understudy {

using DeltaPtr = std::shared_ptr<const ZoneDelta>;

/// The version after `deltas`, which follow each other and begin at base's serial. Errc::bad_delta says which record
/// does not fit; no_apex_soa, no_apex_ns, record_limit, byte_limit as for ZoneBuilder. `max_octets`: memory that the
/// version may take. `report` (may be null) gets oddities of names that changed.
Result<std::shared_ptr<const Zone>> apply_deltas(const std::shared_ptr<const Zone>& base,
                                                 std::span<const DeltaPtr> deltas,
                                                 std::uint64_t max_octets = ~std::uint64_t{0},
                                                 ZoneBuilder::Report* report = nullptr);

/// The same of deltas that were accepted when they came, by an older server with laxer rules for TTLs and aliases too:
/// what was served then is served again.
Result<std::shared_ptr<const Zone>> apply_stored_deltas(const std::shared_ptr<const Zone>& base,
                                                        std::span<const DeltaPtr> deltas);

/// The same of deltas that were applied to a version of the same records, and only in the memory that `base` shares:
/// null if it shares none, has no room, or most of it would change.
Result<std::shared_ptr<const Zone>> apply_in_place(const std::shared_ptr<const Zone>& base,
                                                   std::span<const DeltaPtr> deltas, std::uint64_t max_octets);

/// What turns `before` into `after`, TTL changes included; versions of the same zone, whatever their serials.
/// Errc::byte_limit if it would take over `max_octets`.
Result<DeltaPtr> difference(const std::shared_ptr<const Zone>& before, const std::shared_ptr<const Zone>& after,
                            std::uint64_t max_octets = ~std::uint64_t{0});

/// Several deltas that follow each other as one: what was added and removed again, or the other way, is gone.
/// Errc::bad_delta if they do not follow each other.
Result<DeltaPtr> condense(NameView apex, std::span<const DeltaPtr> deltas);

/// The way back.
DeltaPtr inverse(NameView apex, const ZoneDelta& delta);

}  // namespace understudy
