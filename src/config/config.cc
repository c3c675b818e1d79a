#include "config/config.h"

#include <algorithm>

namespace understudy {

bool operator==(const PeerConfig& a, const PeerConfig& b) {
  if (a.name != b.name || a.endpoint != b.endpoint || a.transport != b.transport) return false;
  if (!a.key || !b.key) return a.key == b.key;
  return same_key(*a.key, *b.key);
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

TsigKeyring Config::keyring() const {
  TsigKeyring ring;
  for (const auto& [name, key] : keys) ring.add(*key);
  return ring;
}

}  // namespace understudy
