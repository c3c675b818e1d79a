// Reading a configuration: YAML text in, an immutable Config out.
//
// On failure the Error's detail has a line for each mistake (at most 20), "FILE:LINE:COLUMN: what is wrong, what was
// expected", in the order of the file. Warnings have the same form and stop nothing. Bounded in memory by the size of
// the text (256 MiB at most). No other file than the named one is touched: whether a zone file or directory exists is
// found out when it is used. Thread-safe.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/config.h"

namespace understudy {

struct LoadedConfig {
  std::shared_ptr<const Config> config;
  std::vector<std::string> warnings;
};

/// Relative paths in it begin at the file's own directory.
Result<LoadedConfig> load_config(const std::string& path);
/// `label` stands for the file in messages; `directory` is where relative paths begin.
Result<LoadedConfig> parse_config(std::string_view text, std::string_view label, std::string_view directory);
/// One entry of `zones`, written as there, for a server that runs: its names of keys, primaries and templates are those
/// of `config`, of which the result is no part.
Result<ZoneConfig> parse_zone(std::string_view text, const Config& config);

}  // namespace understudy
