// From entries of `templates` and `zones` to policies and zones.
//
// Zones that say the same share one policy: a zone that only has a name costs no more than the name. Not thread-safe.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <unordered_map>

#include "config/reader.h"

namespace understudy::config {

class ZoneReader {
 public:
  /// Templates are looked up in `config` as it stands at each call.
  ZoneReader(const Config& config, Diagnostics& out) : config_(config), out_(out), values_(config, out) {}

  std::optional<ZoneConfig> zone(Node entry);
  /// The name and policy of one entry of `templates`.
  std::optional<std::pair<std::string, std::shared_ptr<const ZonePolicy>>> template_entry(Node mapping);
  std::optional<CatalogConfig> catalog(Node mapping);
  /// Catalogs that entries of `zones` say they are listed in: to be known before the first of them is read, as those of
  /// templates are.
  void find_produced(Node zones);
  /// Where each catalog that we produce is first named.
  [[nodiscard]] const std::map<Name, Position>& produced() const { return produced_; }

 private:
  std::shared_ptr<const ZonePolicy> zone_policy(Node entry, const ZoneEntry& zone,
                                                const std::vector<Setting>& settings);
  bool check_bounds(Node entry, const ZonePolicy& policy);
  std::shared_ptr<ZonePolicy> new_policy() const;
  void note_produced(Node value);
  bool check_source(Node entry, const ZoneEntry& zone, const ZonePolicy& policy, bool own_primaries);
  bool resolve_members(Node mapping, CatalogConfig& catalog);

  const Config& config_;
  Diagnostics& out_;
  ValueReader values_;
  std::unordered_map<std::string, std::shared_ptr<const ZonePolicy>> policies_;  // by what is said, see zone_policy()
  std::map<Name, Position> produced_;
  bool template_failed_ = false;
};

}  // namespace understudy::config
