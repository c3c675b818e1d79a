// What is configured about a catalog, and what decides about the settings of zones that come by catalogs or commands.
// Plain values.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "store/zone_store.h"
#include "transfer/catalog.h"
#include "transfer/catalog_registry.h"
#include "transfer/settings.h"
#include "transfer/zone_inventory.h"

namespace understudy {

/// Which template a member gets.
struct TemplateChoice {
  std::string default_template;                        // empty: members without a known group are not served
  std::map<std::string, std::string> group_templates;  // group -> template

  /// The template of the first group that has one, else the default. `groups` are sorted (RFC 9432 section 4.3.2
  /// leaves it open which of several counts).
  [[nodiscard]] const std::string& template_for(std::span<const std::string> groups) const {
    for (const std::string& group : groups) {
      if (const auto found = group_templates.find(group); found != group_templates.end()) return found->second;
    }
    return default_template;
  }
  friend bool operator==(const TemplateChoice&, const TemplateChoice&) = default;
};

/// What present and former members of a catalog need after a restart also if it is no longer configured.
struct StoredCatalog {
  TemplateChoice templates;
  WallSeconds purge_after = CatalogRule{}.purge_after;
  std::optional<Serial> serial{};  // of the list in force

  friend bool operator==(const StoredCatalog&, const StoredCatalog&) = default;
};

/// Keys of it begin with this.
inline constexpr std::string_view catalog_fact_prefix = "catalog/";
Fact catalog_fact(NameView catalog, const StoredCatalog& stored);
Fact no_catalog_fact(NameView catalog);
/// Errc::corrupt.
Result<std::pair<Name, StoredCatalog>> read_catalog_fact(std::string_view key, ByteView value);

struct CatalogSettings {
  CatalogRule rule;  // name, brake, purge_after
  CatalogLimits limits;
  TemplateChoice templates;
};

/// Everything that the configuration says about which zones there are.
struct ZoneSources {
  std::vector<ZoneSettings> zones;  // configured ones, the catalogs' own zones among them
  std::vector<CatalogSettings> catalogs;
  /// The settings of a zone made from a template: nullopt if there is no such template. `catalog`: whose member it is,
  /// which may have primaries for those that their template gives none; null for a zone added at run time. Any thread.
  std::function<std::optional<ZoneSettings>(NameView zone, const std::string& template_name, const Name* catalog)>
      from_template;
};

}  // namespace understudy
