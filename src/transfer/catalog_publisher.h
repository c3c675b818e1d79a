// The catalogs that this server makes of its own zones (RFC 9432), for its secondaries.
//
// Told of every change to the set of zones, it keeps a CatalogProducer for each catalog that some zone's policy names,
// stores what that must remember and hands each new version to the engine. Changes are carried out on a thread of its
// own, in order; what comes while it is busy is done together, as one version. A change costs what it changes, however
// many members there are. A catalog whose zone is not configured is not made.
// Thread-safe.
#pragma once

#include <memory>
#include <span>

#include "base/clock.h"
#include "store/zone_store.h"
#include "transfer/engine.h"

namespace understudy {

class CatalogPublisher {
 public:
  /// All outlive the publisher.
  CatalogPublisher(TransferEngine& engine, ZoneStore& store, const Clock& clock);
  ~CatalogPublisher();  // stop()

  /// For EngineEvents::zones_changed.
  void zones_changed(std::span<const ZoneSettings> set, std::span<const Name> removed, bool all);
  /// The store was made anew while it was used, and does not have all again that the catalogs' labels are made from.
  [[nodiscard]] bool is_unstored() const;
  /// What was begun is finished, the rest is dropped. Idempotent.
  void stop();

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with the store, which outlives it
};

}  // namespace understudy
