// The transfer engine: keeps every zone as fresh as its primaries allow and passes changes on.
//
// One ZoneAgent per zone is the only writer of that zone's slot, schedule and timers. Agents run as coroutines on the
// engine's own transfer thread(s); a zone at rest is an entry in a timer queue and no coroutine. Building and disk work
// run on a small job pool. Commit order, in one function: check -> durable -> visible -> announced.
// Public functions are thread-safe and do not block unless they say so; outcomes arrive through callbacks, which run
// on a transfer thread and must be quick.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/address.h"
#include "base/clock.h"
#include "store/zone_store.h"
#include "transfer/engine_events.h"
#include "transfer/settings.h"
#include "transfer/status.h"
#include "zone/zone_table.h"

namespace understudy {

class TransferEngine {
 public:
  /// `store`, `clock` outlive the engine. Starts its threads.
  TransferEngine(ZoneStore& store, const Clock& clock, EngineSettings settings);
  ~TransferEngine();  // stop()

  /// Before the first zones are set.
  void set_events(EngineEvents events);

  /// Replaces the set of zones, all at once as seen by table(): new ones are loaded from the store (or their file) and
  /// scheduled, removed ones are let go (their stored data only if `forget_removed`), changed ones keep their version;
  /// zone files that were written since they were read are read again. Called at start and at every reload. Blocks
  /// until the new ZoneTable is published (and while a new zone's earlier self leaves), not until zones are loaded.
  /// `loaded` runs once every zone that has stored data is answered or is known to be unreadable; not at all if the
  /// engine stops before.
  void set_zones(std::vector<ZoneSettings> zones, bool forget_removed, std::function<void()> loaded);
  /// The same for a part of the zones: adds those of `set` that are new and changes the others, takes away those that
  /// `removed` names; nothing else is looked at. A name that is in both is taken away first, and comes back without its
  /// stored data if `forget_removed`. Blocks while one of the new ones is still on its way out. `loaded` runs once they
  /// are read.
  void change_zones(std::vector<ZoneSettings> set, std::vector<Name> removed, bool forget_removed,
                    std::function<void()> loaded);
  /// Takes away the zones that `names` names, discards what is stored of them, all with one wait for the disk, and adds
  /// those of `set`, which are some of them. Blocks until their data are gone, so it is meant for some hundreds. If
  /// they cannot be removed (Errc::storage_full, storage), the zones begin without them all the same. Errc::cancelled
  /// once the engine has stopped.
  Result<void> reset_zones(std::vector<ZoneSettings> set, std::vector<Name> names);
  /// Blocks until those of these zones that were removed do nothing any more to what is stored of them.
  void wait_until_gone(std::span<const Name> zones) const;
  void set_settings(EngineSettings settings);

  /// The table that is published now; for readers between two quiescent states.
  [[nodiscard]] const ZoneTable* table() const;

  /// A NOTIFY that access rules already allowed. Coalesces: one pending wake per zone, bounded memory.
  /// `serial`: the hint in its answer section, if any.
  void notify(NameView zone, const IpAddress& from, std::optional<Serial> serial);

  /// A new version of a zone that this server makes itself; `delta`: what leads to it from the version before, if that
  /// is there (may be null). Nothing happens if there is no such zone.
  void put_version(std::shared_ptr<const Zone> version, std::shared_ptr<const ZoneDelta> delta);

  /// Checks with the primaries now (a file zone: reads its file again). Errc::not_found for an unknown zone.
  void refresh(NameView zone, CommandDone done);
  /// Takes the whole zone again, whatever the serial.
  void retransfer(NameView zone, CommandDone done);

  [[nodiscard]] std::optional<ZoneStatus> status(NameView zone) const;
  /// Names at or after `from` in canonical order, at most `limit`; for paged listings.
  [[nodiscard]] std::vector<ZoneStatus> list(const std::optional<Name>& from, std::size_t limit) const;
  [[nodiscard]] EngineCounters counters() const;
  /// The version held, answered or not: for export.
  [[nodiscard]] std::shared_ptr<const Zone> version(NameView zone) const;
  /// What led to that version, as far as it is kept; null for an unknown zone.
  [[nodiscard]] ZoneHistory::Ptr history(NameView zone) const;
  /// Runs a job that reads, and may take its time, on a thread that has it; not any more once the engine stops.
  void run_job(std::function<void()> job) const;
  /// Every zone with stored data is answered or known to be unreadable.
  [[nodiscard]] bool all_loaded() const;
  /// Looks at the clock now instead of at the next timer: after the machine was suspended, or in a test.
  void clock_changed();

  /// Cancels agents and drains jobs; what was committed or confirmed is stored. Blocks. Idempotent. Commands end with
  /// Errc::cancelled from then on.
  void stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace understudy
