// Saves what can be proven whole out of a damaged database into a new one.
#pragma once

#include <string>

#include "base/result.h"
#include "store/database.h"
#include "store/ledger.h"

namespace understudy {

struct RescueReport {
  std::uint64_t saved = 0;
  std::uint64_t lost = 0;  // zones that were promised, or whose head was found, but are not whole
};

/// Copies every zone of which head, all blocks and the chain of deltas pass their checks from `source` to the empty
/// `target`, durably. Whether a copied version is the newest one is for the ledger to say. `incoming` is a folder for
/// files on the way. Fails only if the target cannot be written.
Result<RescueReport> rescue(const Database& source, const Promises& promises, Database& target,
                            const std::string& incoming);

}  // namespace understudy
