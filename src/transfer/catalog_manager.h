// Joins the catalogs with the engine: which zones there are, from the configuration, from commands and from catalogs.
//
// A new version of a catalog is read and compared on the manager's own thread; what changes goes to the engine by
// change_zones() and to the store as one fact per member. What is stored brings members and zones added at run time
// back at the next start, before any catalog is confirmed. What is held, broken or in conflict is said once in the log
// and stands in status(). Once started, only the manager sets the engine's zones.
// Thread-safe. Functions that take a CommandDone return at once and call it on the manager's thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "store/zone_store.h"
#include "transfer/catalog_settings.h"
#include "transfer/engine.h"
#include "transfer/reload_check.h"

namespace understudy {

class CatalogManager {
 public:
  /// All outlive the manager, which must be stopped before the engine.
  CatalogManager(TransferEngine& engine, ZoneStore& store, const Clock& clock);
  ~CatalogManager();  // stop()

  /// What TransferEngine::set_zones() is for configured zones alone: at start and at every reload. Reads what is stored
  /// the first time; as long as that fails, what could be read is served with the configured zones, nothing is changed
  /// in the store, commands end with Errc::storage, and it is tried again. A catalog that is no longer there keeps its
  /// members until accept(). Blocks until the zones are published; waits for catalog work under way.
  void set_zones(ZoneSources sources, bool forget_removed, std::function<void()> loaded);
  /// What these would leave without settings: they should not be set then. Waits for catalog work under way.
  [[nodiscard]] std::vector<SettingsLoss> settings_lost(const ZoneSources& next) const;

  /// To be called for every version that is published of any zone, or of those for which is_catalog(); from any thread.
  /// Of several versions of one catalog the last one counts.
  void published(const std::shared_ptr<const Zone>& version);
  /// The zone has expired: its members stay as they are.
  void expired(NameView zone);
  [[nodiscard]] bool is_catalog(NameView zone) const;

  /// Applies what is held: see CatalogRegistry::accept().
  void accept(NameView catalog, std::optional<AnnouncedHold> announced, CommandDone done);
  /// Adds zones, or changes their templates; all or none. Errc::refused for a configured one and for a member of a
  /// catalog, not_found for a template.
  void add_zones(std::vector<RunTimeZone> zones, CommandDone done);
  /// With `forget` also the data of zones that nothing serves. Errc::not_found unless all were added at run time, or
  /// are such ones; then none is removed.
  void remove_zones(std::vector<Name> zones, bool forget, CommandDone done);

  [[nodiscard]] std::vector<CatalogStatus> status() const;
  /// Why not all that is stored could be read yet; empty: it was.
  [[nodiscard]] std::string unread() const;
  /// The store was made anew while it was used, and what is served is not all in it again: a restart would lose some.
  [[nodiscard]] bool is_unstored() const;
  /// The catalog that provides the zone, if one does. Like all that only tells, it waits for no work.
  [[nodiscard]] std::optional<Name> catalog_of(NameView zone) const;
  /// Looks for what is due to be purged now instead of within a minute.
  void clock_changed();

  /// Ends its thread; what was begun is finished, commands that wait end with Errc::cancelled. Idempotent.
  void stop();

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with what waits in the engine
};

}  // namespace understudy
