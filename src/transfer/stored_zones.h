// What the store keeps of zones that are not configured: those added at run time, members of catalogs, and what
// they need of their catalogs. Read at start; afterwards the manager keeps it up to date. Not thread-safe.
#pragma once

#include <functional>
#include <map>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "store/zone_store.h"
#include "transfer/catalog_registry.h"
#include "transfer/catalog_settings.h"
#include "transfer/fact_saver.h"
#include "transfer/zone_inventory.h"

namespace understudy {

struct StoredZones {
  StoredZones() = default;
  StoredZones(const StoredZones&) = delete;
  StoredZones& operator=(const StoredZones&) = delete;

  /// Into an empty object. What cannot be read (Errc::storage) leaves what could be; damaged facts are logged and left
  /// out. `changed` gets the facts to store (CatalogRegistry::restored). `lost`, if it is there, is what could be read
  /// of a directory at whose place the store found another one: what the store lacks of it is taken from there.
  Result<void> read(const ZoneStore& store, WallSeconds now, std::vector<Fact>& changed, const StoredZones* lost);

  /// The store has lost its facts, and may have got others: makes those in it the ones that belong to this, which must
  /// be all there are. Errc::storage: those that do not belong to it may be there still.
  Result<void> store_again(const ZoneStore& store, const std::function<void(std::vector<Fact>)>& save) const;
  /// Every fact there is.
  void for_each_fact(const std::function<void(Fact)>& f) const;

  std::map<Name, StoredCatalog> catalogs;  // all with present or former members, configured or not
  ZoneInventory inventory;
  CatalogRegistry registry{[this](NameView zone) { return inventory.is_reserved(zone); }};
};

}  // namespace understudy
