#include "transfer/zone_inventory.h"

#include <utility>

namespace understudy {
namespace {

constexpr std::uint8_t format_version = 1;

std::string key_of(NameView zone) {
  return std::string(text_of(Name(zone).lowered().wire()));
}
Name name_of(const std::string& key) {
  return NameView::trusted(view_of(key));
}

}  // namespace

Fact run_time_fact(const RunTimeZone& zone) {
  Bytes value{format_version};
  append(value, view_of(zone.template_name));
  return {std::string(zone_fact_prefix) + key_of(zone.name), std::move(value)};
}

Fact no_run_time_fact(NameView zone) {
  return {std::string(zone_fact_prefix) + key_of(zone), std::nullopt};
}

Result<RunTimeZone> read_run_time_fact(std::string_view key, ByteView value) {
  if (key.starts_with(zone_fact_prefix) && !value.empty() && value[0] == format_version) {
    ByteReader in(view_of(key.substr(zone_fact_prefix.size())));
    const auto name = NameView::read(in);
    if (name && in.remaining() == 0) return RunTimeZone{*name, std::string(text_of(value.subspan(1)))};
  }
  return fail(Errc::corrupt, "stored data of a zone that was added at run time are damaged");
}

ZoneOrigin ZoneInventory::origin(NameView zone) const {
  const std::string key = key_of(zone);
  if (configured_.contains(key)) return ZoneOrigin::configured;
  return run_time_.contains(key) ? ZoneOrigin::run_time : ZoneOrigin::none;
}

bool ZoneInventory::was_added(NameView zone) const {
  return run_time_.contains(key_of(zone));
}

std::vector<Name> ZoneInventory::set_configured(std::span<const ZoneSettings> zones) {
  std::vector<Name> changed;
  std::unordered_set<std::string> before = std::exchange(configured_, {});
  configured_.reserve(zones.size());
  if (before.empty()) changed.reserve(zones.size());
  for (const ZoneSettings& zone : zones) {
    std::string key = key_of(zone.name);
    if (before.erase(key) == 0 && !run_time_.contains(key) && !configured_.contains(key)) {
      changed.push_back(zone.name);
    }
    configured_.insert(std::move(key));
  }
  for (const std::string& gone : before) {
    if (!run_time_.contains(gone) && !configured_.contains(gone)) changed.push_back(name_of(gone));
  }
  return changed;
}

void ZoneInventory::add(const RunTimeZone& zone) {
  run_time_.insert_or_assign(key_of(zone.name), zone.template_name);
}

void ZoneInventory::remove(NameView zone) {
  run_time_.erase(key_of(zone));
}

void ZoneInventory::for_each_run_time(const std::function<void(const RunTimeZone&)>& f) const {
  for (const auto& [key, template_name] : run_time_) {
    if (!configured_.contains(key)) f({name_of(key), template_name});
  }
}

void ZoneInventory::for_each_fact(const std::function<void(Fact)>& f) const {
  for (const auto& [key, template_name] : run_time_) f(run_time_fact({name_of(key), template_name}));
}

}  // namespace understudy
