#include "transfer/reload_check.h"

#include <map>
#include <set>
#include <utility>

namespace understudy {
namespace {

constexpr std::size_t most_groups = 20;
constexpr std::size_t named = 4;

/// Whether zones of a template have settings; asked once for all of them.
class Lookup {
 public:
  explicit Lookup(const ZoneSources& sources) : sources_(sources) {}
  bool has(NameView zone, const std::string& template_name, const Name* catalog) {
    if (!sources_.from_template) return false;
    const auto [known, is_new] = known_.try_emplace({template_name, catalog == nullptr ? Name() : *catalog});
    if (is_new) known->second = sources_.from_template(zone, template_name, catalog).has_value();
    return known->second;
  }

 private:
  const ZoneSources& sources_;
  std::map<std::pair<std::string, Name>, bool> known_;
};

class Losses {
 public:
  Losses(const ZoneSources& before, const ZoneSources& next) : before_(before), after_(next), next_(next) {}

  void look_at(NameView zone, const std::string& template_name, const Name* catalog) {
    if (after_.has(zone, template_name, catalog) || !before_.has(zone, template_name, catalog)) return;
    if (is_configured(zone)) return;
    const Key key{catalog == nullptr ? std::nullopt : std::optional(*catalog), template_name};
    if (!groups_.contains(key) && groups_.size() == most_groups) return;
    SettingsLoss& loss = groups_.try_emplace(key, SettingsLoss{template_name, key.first, 0, {}}).first->second;
    if (++loss.count <= named) loss.some.emplace_back(zone);
  }
  std::vector<SettingsLoss> take() {
    std::vector<SettingsLoss> out;
    for (auto& [key, loss] : groups_) out.push_back(std::move(loss));
    return out;
  }

 private:
  using Key = std::pair<std::optional<Name>, std::string>;

  /// Not asked as long as nothing is lost.
  bool is_configured(NameView zone) {
    if (configured_.empty()) {
      for (const ZoneSettings& each : next_.zones) configured_.insert(each.name.lowered());
    }
    return configured_.contains(Name(zone).lowered());
  }

  Lookup before_, after_;
  const ZoneSources& next_;
  std::set<Name> configured_;
  std::map<Key, SettingsLoss> groups_;
};

}  // namespace

std::vector<SettingsLoss> settings_lost(const StoredZones& known, const ZoneSources& before, const ZoneSources& next) {
  Losses losses(before, next);
  known.inventory.for_each_run_time(
      [&](const RunTimeZone& zone) { losses.look_at(zone.name, zone.template_name, nullptr); });
  std::set<Name> configured;
  for (const CatalogSettings& catalog : next.catalogs) configured.insert(catalog.rule.catalog.lowered());
  known.registry.for_each_member([&](const MemberRef& member) {
    const Name& catalog = member.catalog();
    if (configured.contains(catalog)) return;
    const auto stored = known.catalogs.find(catalog);
    if (stored == known.catalogs.end()) return;
    const CatalogMember what = member.get();
    const std::string& wanted = stored->second.templates.template_for(what.groups);
    if (!wanted.empty()) losses.look_at(what.name, wanted, &catalog);
  });
  return losses.take();
}

}  // namespace understudy
