#include "config/zone_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace understudy::config {
namespace {

bool is_policy(const Section& section, const Option* option) {
  return option >= section.policy.data() && option < section.policy.data() + section.policy.size();
}

}  // namespace

bool ZoneReader::check_bounds(Node entry, const ZonePolicy& policy) {
  struct Bounds {
    std::string_view what;
    std::chrono::seconds min, max;
  };
  const std::array<Bounds, 3> all = {{{"refresh", policy.refresh_min, policy.refresh_max},
                                      {"retry", policy.retry_min, policy.retry_max},
                                      {"expire", policy.expire_min, policy.expire_max}}};
  bool good = true;
  for (const auto& [what, min, max] : all) {
    if (min <= max) continue;
    out_.error(entry.at(), Errc::bad_value,
               fmt::format("{}-min ({}s) is above {}-max ({}s)", what, min.count(), what, max.count()));
    good = false;
  }
  return good;
}

std::shared_ptr<ZonePolicy> ZoneReader::new_policy() const {
  auto policy = std::make_shared<ZonePolicy>();
  policy->max_records = config_.transfer.max_records;
  policy->max_size = config_.transfer.max_size;
  return policy;
}

// A value that is no name is reported where it is applied.
void ZoneReader::note_produced(Node value) {
  const auto* option = section("zones").find("catalog-produce");
  if (!value.is_scalar() || value.text().empty() || value.text() == option->word) return;
  if (const auto name = Name::parse(value.text())) produced_.emplace(*name, value.at());
}

void ZoneReader::find_produced(Node zones) {
  for (Node entry = zones.first(); entry; entry = entry.next()) {
    if (entry.kind() != NodeKind::mapping) continue;
    for (Node key = entry.first(); key; key = key.next().next()) {
      if (key.text() == "catalog-produce") note_produced(key.next());
    }
  }
}

std::optional<std::pair<std::string, std::shared_ptr<const ZonePolicy>>> ZoneReader::template_entry(Node mapping) {
  const auto& templates = section("templates");
  TemplateEntry entry;
  auto policy = new_policy();
  bool good = true;
  for (const auto& setting : values_.settings(mapping, templates)) {
    if (setting.option->key == "catalog-produce") note_produced(setting.value);
    void* object = is_policy(templates, setting.option) ? static_cast<void*>(policy.get()) : &entry;
    good = values_.apply(templates, setting, object) && good;
  }
  good = check_bounds(mapping, *policy) && good;
  // A template with a mistake is still one to refer to, so that its zones do not add to the list of mistakes.
  template_failed_ = template_failed_ || !good;
  if (entry.name.empty()) return std::nullopt;
  policy->template_name = entry.name;
  return std::pair{entry.name, std::move(policy)};
}

std::shared_ptr<const ZonePolicy> ZoneReader::zone_policy(Node entry, const ZoneEntry& zone,
                                                          const std::vector<Setting>& settings) {
  const auto& zones = section("zones");
  const auto& base = config_.templates.find(zone.template_name)->second;
  std::string said;
  for (const auto& setting : settings) {
    if (!is_policy(zones, setting.option)) continue;
    said += setting.option->key;
    setting.value.append_canonical(said);
  }
  const bool produced = produced_.contains(zone.name);
  const bool drop_primaries = (!zone.file.empty() || produced) && !base->primaries.empty();
  if (said.empty() && !drop_primaries && !produced) return base;
  said += fmt::format("{}{}", produced ? "=catalog " : drop_primaries ? "=file " : "=", zone.template_name);
  if (const auto known = policies_.find(said); known != policies_.end()) return known->second;

  auto policy = std::make_shared<ZonePolicy>(*base);
  if (drop_primaries) policy->primaries.clear();  // those of the template: the file takes their place
  if (produced) policy->catalog_produce.reset();  // a catalog does not list itself
  bool good = true;
  for (const auto& setting : settings) {
    if (is_policy(zones, setting.option)) good = values_.apply(zones, setting, policy.get()) && good;
  }
  if (!good || !check_bounds(entry, *policy)) return nullptr;
  return policies_.emplace(std::move(said), std::move(policy)).first->second;
}

// A zone comes from a file, from primaries, or is a catalog of ours: exactly one of these.
bool ZoneReader::check_source(Node entry, const ZoneEntry& zone, const ZonePolicy& policy, bool own_primaries) {
  const auto name = zone.name.text();
  const bool file = !zone.file.empty();
  std::string mistake;
  if (own_primaries && file) {
    mistake = fmt::format("zone '{}' has primaries and a file, expected one of them", name);
  } else if (produced_.contains(zone.name)) {
    if (own_primaries || file) {
      mistake = fmt::format("zone '{}' is a catalog that this server makes (catalog-produce, line {}), expected {}",
                            name, produced_.find(zone.name)->second.line, file ? "no file" : "no primaries");
    } else if (policy.catalog_produce && policy.catalog_produce->view() == zone.name.view()) {
      mistake = fmt::format("zone '{}' is a catalog and cannot list itself, expected another one or none", name);
    }
  } else if (!file && policy.primaries.empty() && !template_failed_) {
    mistake = fmt::format("zone '{}' has neither primaries nor a file, expected primaries here or in template '{}'",
                          name, zone.template_name);
  }
  if (mistake.empty()) return true;
  out_.error(entry.at(), Errc::bad_value, std::move(mistake));
  return false;
}

std::optional<CatalogConfig> ZoneReader::catalog(Node mapping) {
  const auto& catalogs = section("catalogs");
  CatalogConfig catalog;
  auto policy = new_policy();
  policy->template_name.clear();
  bool good = true, named = false, own_primaries = false, own_records = false;
  for (const auto& setting : values_.settings(mapping, catalogs)) {
    void* object = is_policy(catalogs, setting.option) ? static_cast<void*>(policy.get()) : &catalog;
    const bool applied = values_.apply(catalogs, setting, object);
    named = named || (applied && setting.option->key == "zone");
    own_primaries = own_primaries || setting.option->key == "primaries";
    own_records = own_records || setting.option->key == "max-records";
    good = good && applied;
  }
  // A version with far too many members is refused while it is transferred. A member has one record, and often a group.
  const std::uint64_t enough = 3 * catalog.max_members + 1000;
  if (!own_records) policy->max_records = std::min(policy->max_records, enough);
  if (!good || !named || !check_bounds(mapping, *policy)) return std::nullopt;
  if (!own_primaries) policy->primaries = config_.templates.find(catalog.template_name)->second->primaries;
  catalog.policy = std::move(policy);
  if (!resolve_members(mapping, catalog)) return std::nullopt;
  return catalog;
}

// A member has nothing but its template to say where it comes from.
bool ZoneReader::resolve_members(Node mapping, CatalogConfig& catalog) {
  bool good = true;
  const auto policy_of = [&](const std::string& name) {
    const auto& policy = config_.templates.find(name)->second;
    if (policy->primaries.empty() && !template_failed_) {
      out_.error(mapping.at(), Errc::bad_value,
                 fmt::format("catalog '{}': its members need primaries, expected them in template '{}'",
                             catalog.zone.text(), name));
      good = false;
    }
    return policy;
  };
  catalog.members = policy_of(catalog.template_name);
  for (const auto& [group, name] : catalog.groups) catalog.group_members.emplace(group, policy_of(name));
  return good;
}

std::optional<ZoneConfig> ZoneReader::zone(Node entry) {
  const auto& zones = section("zones");
  ZoneEntry zone;
  std::vector<Setting> settings;
  if (entry.is_scalar()) {
    settings.push_back({zones.find("name"), entry});
  } else if (entry.kind() == NodeKind::mapping) {
    settings = values_.settings(entry, zones);
  } else {
    out_.error(entry.at(), Errc::bad_value,
               fmt::format("zones[]: expected a zone's name or a mapping, not {}", entry.describe()));
    return std::nullopt;
  }
  bool named = false, own_primaries = false, good = true;
  for (const auto& setting : settings) {
    named = named || setting.option->key == "name";
    own_primaries = own_primaries || setting.option->key == "primaries";
    if (!is_policy(zones, setting.option)) good = values_.apply(zones, setting, &zone) && good;
  }
  if (!good || !named) return std::nullopt;
  auto policy = zone_policy(entry, zone, settings);
  if (!policy) return std::nullopt;
  if (!check_source(entry, zone, *policy, own_primaries)) return std::nullopt;
  return ZoneConfig(zone.name, std::move(policy),
                    zone.file.empty() ? nullptr : std::make_shared<const std::string>(std::move(zone.file)));
}

}  // namespace understudy::config
