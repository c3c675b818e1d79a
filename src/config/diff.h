// What a reload would change: the difference between two configurations.
//
// Zones are compared by name; their policies by content, so moving a zone to a template that says the same is not a
// change of its settings. Options are those of the schema, and each says there whether a reload applies it. Both
// configurations are kept by the result, into which its pointers aim. Thread-safe to read.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/config.h"

namespace understudy {

struct OptionChange {
  std::string path;  // "server.log-level"
  std::string before, after;
  bool needs_restart = false;

  [[nodiscard]] std::string text() const;
};

struct NameChanges {
  std::vector<std::string> added, removed, changed;
  [[nodiscard]] bool empty() const { return added.empty() && removed.empty() && changed.empty(); }
};

struct ZoneChange {
  const ZoneConfig* before = nullptr;
  const ZoneConfig* after = nullptr;
  bool file_changed = false;       // another file, or from primaries to a file, or back
  bool primaries_changed = false;  // addresses, order, keys and their secrets
  bool other_changed = false;      // any other setting
};

struct ConfigDiff {
  std::shared_ptr<const Config> before, after;
  std::vector<OptionChange> options;
  NameChanges keys, primaries, templates, catalogs;
  std::vector<const ZoneConfig*> zones_added;    // of `after`
  std::vector<const ZoneConfig*> zones_removed;  // of `before`
  std::vector<ZoneChange> zones_changed;

  [[nodiscard]] bool empty() const;
  /// Some option keeps its old value until the server is started again.
  [[nodiscard]] bool needs_restart() const;
  /// One line for each difference, zones last; what is more than `most` is summed up in a last line.
  [[nodiscard]] std::vector<std::string> lines(std::size_t most = 100) const;
};

/// Neither may be null.
ConfigDiff diff_configs(std::shared_ptr<const Config> before, std::shared_ptr<const Config> after);

}  // namespace understudy
