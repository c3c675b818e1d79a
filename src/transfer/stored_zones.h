// What the store keeps of zones that are not configured: those added at run time, members of catalogs, and what
// they need of their catalogs. Read at start; afterwards the manager keeps it up to date. Not thread-safe.
#pragma once

#include <map>

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
  /// out. `changed` gets the facts to store (CatalogRegistry::restored).
  Result<void> read(const ZoneStore& store, WallSeconds now, std::vector<Fact>& changed);

  /// The store has lost its facts, and may have got others: makes those in it the ones that belong to this.
  void store_again(const ZoneStore& store, FactSaver& saver) const;

  std::map<Name, StoredCatalog> catalogs;  // all with present or former members, configured or not
  ZoneInventory inventory;
  CatalogRegistry registry{[this](NameView zone) { return inventory.is_reserved(zone); }};
};

}  // namespace understudy
