// What others want to know of the engine as it happens. Set before the first zones, constant afterwards; called on the
// engine's threads, so each must be quick and must not call the engine back.
#pragma once

#include <functional>
#include <memory>
#include <span>

#include "transfer/settings.h"
#include "zone/zone.h"

namespace understudy {

struct EngineEvents {
  /// A version is answered now: a new one, or one that had expired.
  std::function<void(const std::shared_ptr<const Zone>&)> published;
  std::function<void(NameView)> expired;
  /// Zones were added or changed, and removed; `all`: `set` is everything there is. One call at a time, in order.
  std::function<void(std::span<const ZoneSettings> set, std::span<const Name> removed, bool all)> zones_changed;
};

}  // namespace understudy
