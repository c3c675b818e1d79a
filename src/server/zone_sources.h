// Which zones there are and what they get, for the catalog manager: from the configuration.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "config/config.h"
#include "control/server_control.h"
#include "transfer/catalog_settings.h"

namespace understudy {

/// Keeps what it needs of `config`.
ZoneSources zone_sources(const std::shared_ptr<const Config>& config);

/// The word under which the settings of a zone that was added at run time are found: its template and, behind unit
/// separators, its primaries. Errc::usage, in words, if there is no such template or primary, or no primary at all.
Result<std::string> run_time_template(const Config& config, const ZoneTemplate& wanted);

/// What such a word needs and `config` lacks: "template careful", "primary hidden1".
struct MissingSettings {
  std::string what;
  bool is_primaries = false;  // the template named is there, but has no primaries
};
MissingSettings missing_settings(const Config& config, const std::string& words);

}  // namespace understudy
