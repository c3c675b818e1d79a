#include "config/config.h"

#include <algorithm>

namespace understudy {

bool operator==(const PeerConfig& a, const PeerConfig& b) {
  if (a.name != b.name || a.endpoints != b.endpoints || a.source != b.source || a.transport != b.transport ||
      a.ixfr != b.ixfr || a.ixfr_udp != b.ixfr_udp) {
    return false;
  }
  if (!a.key || !b.key) return a.key == b.key;
  return same_key(*a.key, *b.key);
}

std::optional<IpAddress> PeerConfig::source_for(const IpAddress& to) const {
  const auto found = std::ranges::find(source, to.is_v4(), &IpAddress::is_v4);
  return found == source.end() ? std::nullopt : std::optional(*found);
}

const std::shared_ptr<const ZonePolicy>& CatalogConfig::member_policy(std::span<const std::string> of) const {
  for (const auto& group : of) {
    if (const auto found = group_members.find(group); found != group_members.end()) return found->second;
  }
  return members;
}

bool operator==(const CatalogConfig& a, const CatalogConfig& b) {
  const auto same = [](const auto& x, const auto& y) { return *x == *y; };
  return a.zone == b.zone && a.template_name == b.template_name && a.groups == b.groups &&
         a.purge_after == b.purge_after && a.brake_percent == b.brake_percent && a.brake_count == b.brake_count &&
         a.max_members == b.max_members && same(a.policy, b.policy) && same(a.members, b.members) &&
         std::ranges::equal(a.group_members, b.group_members, [&](const auto& x, const auto& y) {
           return x.first == y.first && same(x.second, y.second);
         });
}

bool same_key(const TsigKey& a, const TsigKey& b) {
  return a.name == b.name && a.algorithm == b.algorithm && a.secret == b.secret;
}

std::shared_ptr<const TsigKey> Config::find_key(NameView name) const {
  const auto found = keys.find(Name(name));
  return found == keys.end() ? nullptr : found->second;
}

const ZoneConfig* Config::find_zone(NameView name) const {
  const auto found = std::ranges::lower_bound(zones, name, {}, &ZoneConfig::name);
  return found != zones.end() && found->name().equals(name) ? &*found : nullptr;
}

const CatalogConfig* Config::find_catalog(NameView name) const {
  const auto found =
      std::ranges::find_if(catalogs, [&](const CatalogConfig& each) { return each.zone.view() == name; });
  return found != catalogs.end() ? &*found : nullptr;
}

TsigKeyring Config::keyring() const {
  TsigKeyring ring;
  for (const auto& [name, key] : keys) ring.add(*key);
  return ring;
}

}  // namespace understudy
