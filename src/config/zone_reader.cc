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

std::optional<std::pair<std::string, std::shared_ptr<const ZonePolicy>>> ZoneReader::template_entry(Node mapping) {
  const auto& templates = section("templates");
  TemplateEntry entry;
  auto policy = std::make_shared<ZonePolicy>();
  policy->max_records = config_.transfer.max_records;
  policy->max_size = config_.transfer.max_size;
  bool good = true;
  for (const auto& setting : values_.settings(mapping, templates)) {
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
  const bool drop_primaries = !zone.file.empty() && !base->primaries.empty();
  if (said.empty() && !drop_primaries) return base;
  said += fmt::format("{}{}", drop_primaries ? "=file " : "=", zone.template_name);
  if (const auto known = policies_.find(said); known != policies_.end()) return known->second;

  auto policy = std::make_shared<ZonePolicy>(*base);
  if (drop_primaries) policy->primaries.clear();  // those of the template: the file takes their place
  bool good = true;
  for (const auto& setting : settings) {
    if (is_policy(zones, setting.option)) good = values_.apply(zones, setting, policy.get()) && good;
  }
  if (!good || !check_bounds(entry, *policy)) return nullptr;
  return policies_.emplace(std::move(said), std::move(policy)).first->second;
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
  if (own_primaries && !zone.file.empty()) {
    out_.error(entry.at(), Errc::bad_value,
               fmt::format("zone '{}' has primaries and a file, expected one of them", zone.name.text()));
    return std::nullopt;
  }
  auto policy = zone_policy(entry, zone, settings);
  if (!policy) return std::nullopt;
  if (zone.file.empty() && policy->primaries.empty() && !template_failed_) {
    out_.error(entry.at(), Errc::bad_value,
               fmt::format("zone '{}' has neither primaries nor a file, expected primaries here or in template '{}'",
                           zone.name.text(), zone.template_name));
    return std::nullopt;
  }
  return ZoneConfig(zone.name, std::move(policy),
                    zone.file.empty() ? nullptr : std::make_shared<const std::string>(std::move(zone.file)));
}

}  // namespace understudy::config
