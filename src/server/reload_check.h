// Why a configuration cannot take the place of the one that runs, though it is good by itself: in words.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "config/config.h"
#include "transfer/reload_check.h"

namespace understudy {

/// One sentence for each group of zones that `next` has no settings for, with what to do about it.
std::vector<std::string> objections_to(const Config& next, std::span<const SettingsLoss> lost);

}  // namespace understudy
