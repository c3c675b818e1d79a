// Which zones would have no settings any more if other sources were set: those that are there by a command, and members
// of a catalog that is not, or no longer, configured. Whatever the configuration itself names has settings.
//
// Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "transfer/catalog_settings.h"
#include "transfer/stored_zones.h"

namespace understudy {

/// Zones that lose the same settings.
struct SettingsLoss {
  std::string template_name;    // of RunTimeZone, or of the catalog's choice
  std::optional<Name> catalog;  // whose members they are; none: added at run time
  std::uint64_t count = 0;
  std::vector<Name> some;  // at most 4
};

/// Zones that have settings by `before` and none by `next`, at most 20 groups of them. What has none now loses nothing.
std::vector<SettingsLoss> settings_lost(const StoredZones& known, const ZoneSources& before, const ZoneSources& next);

}  // namespace understudy
