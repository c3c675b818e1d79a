// Forgets former members of catalogs, in turns, so that commands, versions and the end of the server wait for one turn
// at most. Not thread-safe.
#pragma once

#include <cstdint>
#include <string>

#include "store/zone_store.h"
#include "transfer/catalog_registry.h"
#include "transfer/engine.h"
#include "transfer/fact_saver.h"

namespace understudy {

class MemberPurge {
 public:
  MemberPurge(const TransferEngine& engine, ZoneStore& store) : engine_(engine), store_(store) {}

  void begin();
  /// Purges some of what is due; whether there may be more.
  bool turn(CatalogRegistry& registry, FactSaver& saver, WallSeconds now);
  [[nodiscard]] std::uint64_t count() const { return count_; }

 private:
  const TransferEngine& engine_;
  ZoneStore& store_;
  std::string position_;
  std::uint64_t count_ = 0;
};

}  // namespace understudy
