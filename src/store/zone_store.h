// Durable zones with their history, timers and facts on RocksDB (doc/storage-format.md). What was committed is there
// after a crash, whole.
//
// A zone is stored as a whole version, its base, and the deltas that lead from there to the newest version, its chain;
// a small change to a large zone costs the octets of the change. Deltas in front of the base are kept as history.
//
// One process uses a directory at a time. Thread-safe: any thread may call any function; calls for one zone must not
// overlap. Every call may block on the disk, so none belongs on a worker or transfer thread: use the job pool.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "dns/name.h"
#include "dns/serial.h"
#include "zone/delta.h"
#include "zone/history.h"
#include "zone/timers.h"
#include "zone/zone.h"

namespace rocksdb {
class Env;
}

namespace understudy {

class TransferLog;

/// What is known of a stored zone without reading its records.
struct StoredZone {
  Name name;
  Serial serial;
  ZoneTimers timers;
  std::uint64_t records = 0;
  std::uint64_t nodes = 0;
  std::string source;  // the primary the version came from, "ADDRESS@PORT", or the zone file
};

/// Some of the zones that are stored.
struct StoredPage {
  struct Item {
    StoredZone zone;           // with the timers of its last commit
    std::uint64_t octets = 0;  // on disk, the history included
  };
  std::vector<Item> zones;
  std::optional<Name> next;  // where to go on; nullopt: that was the last one
};

/// A version to be made durable.
struct Commit {
  std::shared_ptr<const Zone> version;
  ZoneTimers timers;
  std::string source;
  /// What leads from the version that is stored now to this one, in order. None: the zone's history begins anew.
  std::vector<std::shared_ptr<const ZoneDelta>> deltas;
  /// With deltas: write the version whole all the same, and keep them as history. A version whose deltas do not follow
  /// the stored one, or are hardly smaller than it, is written whole in any case.
  bool whole = false;
  /// How much history the zone may keep. Deltas that the newest version is read from stay as long as they are needed.
  HistoryLimits keep;
};

struct LoadedZone {
  std::shared_ptr<const Zone> version;
  ZoneHistory::Ptr history;  // what led to the version, as far as it is kept; never null
};

/// A zone that was found among many.
struct FoundZone {
  StoredZone stored;
  std::optional<LoadedZone> loaded;  // nullopt: it is large, and load() is to read it
};

/// The newest version of a zone that is written whole beside what is stored (begin_rewrite).
struct ZoneRewrite;

/// Timers to be stored for a zone.
struct TimersOf {
  NameView zone;
  ZoneTimers timers;
};

/// A small value that another part of the server keeps (zones added at run time, the state of catalogs).
struct Fact {
  std::string key;
  std::optional<Bytes> value;  // nullopt: the fact is deleted
};

class ZoneStore {
 public:
  /// Opens or creates the database in `directory` (made if missing). A damaged database is moved aside and what can be
  /// proven current is kept; list() names the rest. On a full disk the store opens for reading and writes again when
  /// there is room. Errc::already_locked (another server uses it), io (unwritable), storage_full, storage.
  static Result<std::unique_ptr<ZoneStore>> open(const std::string& directory);
  /// The same over another environment, with which tests make the disk fail. `env` must outlive the store.
  static Result<std::unique_ptr<ZoneStore>> open(const std::string& directory, rocksdb::Env* env);
  ~ZoneStore();

  /// Every zone that has a committed version. Zones that were committed but whose version is damaged, lost or older
  /// than the one acknowledged are left out and reported through `damaged`, one sentence each, until they are committed
  /// again or removed.
  Result<std::vector<StoredZone>> list(const std::function<void(const std::string&)>& damaged) const;
  /// The same for those at or after `from`, in the order of the octets of names in lower case, of which at most `most`
  /// are looked at. Errc::storage.
  Result<StoredPage> page(const std::optional<Name>& from, std::size_t most) const;
  /// The same for one zone; nullopt if it has no committed version. Errc::corrupt (it is damaged or lost), storage.
  Result<std::optional<StoredZone>> find(NameView zone) const;
  /// Reads the newest version and its history: Errc::not_found, corrupt (a block or a delta of the chain fails its
  /// checks or is missing: take the zone again), storage. Record content, count and serial are verified against the
  /// head. Damage to a delta that is only history costs the history up to there.
  Result<LoadedZone> load(NameView zone) const;
  /// What find() and load() say of each of these zones, in order; nullopt: it has no committed version. Costs a
  /// fraction of these calls if many zones come as reading_order() says. Those that are read quickly are loaded.
  std::vector<Result<std::optional<FoundZone>>> read_all(std::span<const NameView> zones) const;
  /// The indices of `zones` in the order in which they lie on the disk.
  static std::vector<std::uint32_t> reading_order(std::span<const NameView> zones);
  /// The newest serial that this server has promised to keep, and so may have answered with, also where list() and
  /// load() say that the version is lost: nothing older may take its place unasked. nullopt: none is known.
  std::optional<Serial> promised_serial(NameView zone) const;
  /// Makes a version and its timers durable, replacing the one before; when it returns, a crash cannot undo it, and a
  /// crash before leaves the old version whole. Concurrent calls share one sync. Errc::storage_full, storage.
  Result<void> commit(const Zone& version, const ZoneTimers& timers, const std::string& source);
  Result<void> commit(const Commit& commit);
  /// The same for many zones (each at most once) with one sync for all small ones and all that come as deltas. One
  /// outcome each, in order.
  std::vector<Result<void>> commit_all(std::span<const Commit> commits);
  /// The zone's chain has grown so long that it should be written whole, with its next version or beside it: it takes
  /// room and time to load. Nothing else depends on that.
  bool wants_whole(NameView zone) const;
  /// In three steps, so that the long one holds up no commit of the zone. This one is quick: `version` must be what was
  /// committed last; null if it is not. A zone has one rewrite at a time.
  std::shared_ptr<ZoneRewrite> begin_rewrite(const std::shared_ptr<const Zone>& version) const;
  /// Writes it. The zone may be committed meanwhile. Errc::storage_full, storage.
  Result<void> write_aside(ZoneRewrite& rewrite);
  /// Makes it what later deltas are applied to. Quick, and like a commit it must not overlap with calls for the zone.
  /// Afterwards a crash cannot undo it, and one before leaves what was. Errc::cancelled if the zone was written whole
  /// or removed meanwhile, or the database reopened; storage_full, storage.
  Result<void> switch_to(ZoneRewrite& rewrite);
  /// The zone does without. May overlap with everything.
  void give_up(ZoneRewrite& rewrite);
  /// Replaces the timers of a stored zone alone. `durable` waits for the disk (expiry, confirmations at the primary);
  /// otherwise the operating system has it, which a crash of this process survives. Errc::not_found, storage_full,
  /// storage.
  Result<void> save_timers(NameView zone, const ZoneTimers& timers, bool durable);
  /// The same for many zones at once, not durable, at a fraction of the cost of each. They must have been loaded from
  /// or committed to this store and not been removed. Returns which of them are not there all the same, because the
  /// directory was lost meanwhile. Errc::storage_full, storage.
  Result<std::vector<std::size_t>> save_timers(std::span<const TimersOf> zones);
  /// Forgets a zone; done also if there was none. Errc::storage_full, storage.
  Result<void> remove(NameView zone);
  /// The same for some hundreds of zones, which together wait for the disk as long as one does.
  Result<void> remove_all(std::span<const Name> zones);

  /// Writes and deletes facts, all or none; when it returns, a crash cannot undo it. Of facts with the same key the
  /// last one counts. Errc::storage_full, storage.
  Result<void> put_facts(std::span<const Fact> facts);
  /// The fact with this key; nullopt if there is none. Errc::corrupt, storage.
  Result<std::optional<Bytes>> fact(std::string_view key) const;
  /// Calls `visit` for every fact whose key begins with `prefix`, in order of keys, until it returns false. Holds few
  /// of them at a time and no lock during a call, so `visit` may call the store; what is written meanwhile may be seen
  /// or not. Damaged facts are logged and left out. Errc::storage.
  using FactVisitor = std::function<bool(std::string_view key, ByteView value)>;
  Result<void> visit_facts(std::string_view prefix, const FactVisitor& visit) const;

  /// Calls `made_anew`, as long as the store lives, whenever the directory was found to be removed or replaced and what
  /// is at its place now is used instead: nothing of what was stored needs to be there. Versions are missed by
  /// save_timers(); who keeps facts has to store all of them again. On any thread that writes, within the call that
  /// found it, so it must be quick and must not call the store.
  void on_made_anew(std::function<void()> made_anew);

  /// What happened in transfers; its own thread writes it, so any thread may append to it.
  [[nodiscard]] TransferLog& transfers() { return *transfers_; }

  struct State;  // for src/store alone

 private:
  explicit ZoneStore(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
  std::unique_ptr<TransferLog> transfers_;  // writes to the state's database
};

}  // namespace understudy
