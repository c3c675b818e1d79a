// Brings new zones up from the store or from their files, in parallel over the cores.
//
// Each zone is answered as soon as it is read. A zone without stored data, or whose data is damaged, is handed over
// empty, which means that it is taken from its primaries at once.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "transfer/core.h"
#include "transfer/zone_agent.h"

namespace understudy {

/// Starts to load these agents and returns. Each is adopted on the transfer thread; `done` is called there once all
/// are. If the engine stops meanwhile, the rest is left as it is and `done` is not called.
void load_zones(EngineCore& core, std::vector<std::shared_ptr<ZoneAgent>> agents, std::function<void()> done);

}  // namespace understudy
