// What `zone remove` names: zones added by commands, and, where their data are to be forgotten, zones that nothing
// serves any more, because the configuration dropped them, or a command without --forget did.
#pragma once

#include <span>
#include <vector>

#include "store/zone_store.h"
#include "transfer/engine.h"
#include "transfer/stored_zones.h"

namespace understudy {

struct Removal {
  std::vector<Name> added;  // by a command
  std::vector<Name> left;   // served by nobody, but stored; in lower case
  std::vector<Fact> facts;  // what the store is to know of it
};

/// Reads the store. Errc::not_found, in words, if one of them is neither, storage; then none is to be removed.
Result<Removal> plan_removal(const StoredZones& known, const ZoneStore& store, std::span<const Name> zones,
                             bool forget);

/// Forgets the data of those which the engine does not have, and waits for those which are about to leave it.
/// Errc::storage_full, storage: the data of some may be gone then, and their facts are there still.
Result<void> forget_unserved(const TransferEngine& engine, ZoneStore& store, std::span<const Name> zones);

}  // namespace understudy
