// The inside of a ZoneStore: which files there are, how they are opened and how damage is dealt with (open.cc), and
// what is written for a commit (commit.cc). Files of the directory:
//
//   lock         held while a server uses the directory
//   promises     the ledger: every acknowledged commit (store/ledger.h)
//   zones/       the database; zones.new/ one being filled from a damaged one; damaged-TIME/ the last damaged one
//   incoming/    table files of large versions that the database has not taken yet
#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <map>
#include <new>
#include <optional>
#include <shared_mutex>
#include <span>
#include <vector>

#include "base/mutex.h"
#include "store/database.h"
#include "store/files.h"
#include "store/format.h"
#include "store/ledger.h"
#include "store/zone_store.h"

namespace understudy {

/// A zone that was committed but is not there as it was.
struct LostZone {
  Promise promise;
  std::string reason;
};

/// The standard library and RocksDB may throw for lack of memory or threads; that ends here.
template <typename F>
auto without_exceptions(F&& f) -> decltype(f()) {
  try {
    return f();
  } catch (const std::bad_alloc&) {
    return fail(Errc::storage, "out of memory: the machine, or what limits this process, has too little of it");
  } catch (const std::exception& exception) {
    return fail(Errc::storage, exception.what());
  }
}

/// By the name's lower-case wire form.
using LostZones = std::map<std::string, LostZone>;

struct ZoneStore::State {
  State(std::string path, rocksdb::Env* environment);

  /// f() while the database cannot be closed; Errc::storage if it is closed after a failure.
  template <typename F>
  auto with_database(F&& f) -> decltype(f()) {
    return without_exceptions([&]() -> decltype(f()) {
      const std::shared_lock guard(gate);
      if (database == nullptr) {
        return fail(Errc::storage, "the database in " + directory + " could not be opened again after a failure");
      }
      return f();
    });
  }

  /// f() in with_database(), and once more if it failed for the database's sake and that could be put right.
  template <typename F>
  Result<void> write_or_recover(F&& f) {
    const auto write = [&]() -> Result<void> {
      US_TRY(f());
      return in_place();
    };
    Result<void> outcome = with_database(write);
    if (!outcome && may_recover(outcome.error()) && recover(outcome.error())) outcome = with_database(write);
    return outcome;
  }
  static bool may_recover(const Error& error) {
    return error.code == Errc::storage_full || error.code == Errc::corrupt || error.code == Errc::storage;
  }

  // open.cc. The caller of all but open() and for_each_head() holds no gate.
  Result<void> open();
  /// After a failed write: puts the database back into a state that takes writes, by opening it again or rescuing what
  /// is in it. False if that did not work now.
  bool recover(const Error& error);
  /// Keeps the ledger from growing without end.
  void tidy_ledger();
  /// Calls `visit` for every head there is, in key order. Where the pass over them ends at a damaged place, the ledger
  /// says which names to ask for behind it. False if that was so. The caller holds `gate`.
  bool for_each_head(const Database::Visitor& visit) const;

  /// Errc::storage if the directory was removed or replaced since it was opened: what is written then goes into files
  /// that no start will find, and must not be acknowledged. The caller holds `gate`.
  [[nodiscard]] Result<void> in_place() const;

  // commit.cc. The caller holds `gate` shared.
  void commit_all(std::span<const Commit> commits, std::span<Result<void>> outcomes);
  Result<void> save_timers(NameView zone, const ZoneTimers& timers, bool durable);
  Result<void> save_timers(std::span<const TimersOf> zones, std::vector<std::size_t>& missing);
  Result<void> remove(std::span<const Name> zones);
  // rewrite.cc; likewise.
  Result<void> write_aside(ZoneRewrite& rewrite);
  Result<void> switch_to(ZoneRewrite& rewrite);
  /// Notes promises in the ledger. That this fails is logged, not reported.
  void promise(std::span<const Promise> promises, bool sync);
  /// Deletes the blocks of large versions that no head names.
  void drop_large(std::span<const std::uint64_t> versions);
  /// The head of a zone's version; nullopt if there is none. Errc::corrupt, storage.
  Result<std::optional<VersionHead>> head_of(NameView zone) const;

  std::optional<LostZone> lost_zone(NameView zone) const US_EXCLUDES(lost_mutex);
  void forget_lost(NameView zone) US_EXCLUDES(lost_mutex);

  // Constant after construction.
  const std::string directory;
  rocksdb::Env* const env;
  const std::string incoming;

  std::shared_mutex gate;                        // exclusive: the database is closed and opened again
  FileDescriptor lock;                           // under the gate, as are the two that follow
  PlacedFile lock_place;                         // the lock file
  PlacedFile database_place;                     // a file of the database that stays the same as long as that lives
  std::unique_ptr<Database> database;            // under the gate; null if opening it again failed
  std::int64_t reopened_at = 0;                  // mono_ns; under the exclusive gate
  std::int64_t moved_at = 0;                     // when the directory was last found to be gone; likewise
  bool moved = false;                            // since then it was not opened; likewise
  std::vector<std::function<void()>> made_anew;  // to be told when it is; likewise

  std::atomic<std::uint64_t> next_version{1};
  Ledger ledger;

  mutable Mutex lost_mutex;
  LostZones lost US_GUARDED_BY(lost_mutex);

 private:
  // open.cc
  Result<void> open_database();
  Result<void> take_lock();
  bool move_in_anew();
  Result<void> open_damaged(const std::string& why, std::unique_ptr<Database> source, const Promises& promises);
  std::unique_ptr<Database> open_for_salvage() const;
  Result<void> refill(std::unique_ptr<Database>& source, const Promises& promises);
  bool audit(const Promises& promises, bool intact);
  void drop_dead(const std::vector<VersionHead>& dead, const std::vector<std::uint64_t>& live_large);
  Result<void> rewrite_ledger();
  [[nodiscard]] bool lost_its_current_file() const;
  Result<void> finish_interrupted_refill() const;
  [[nodiscard]] std::string path(const char* file) const { return directory + "/" + file; }
};

/// A base that is written beside the one that a zone has.
struct ZoneRewrite {
  std::shared_ptr<const Zone> version;  // null once it is written
  VersionHead before;                   // the zone's when that version was its newest
  VersionHead base;                     // what describes the new base; the rest is of no meaning
  std::int64_t opened_at = 0;           // State::reopened_at then: what nothing refers to goes when the database is
  bool is_there = false;
};

/// What is told of a zone.
StoredZone stored_zone(VersionHead&& head);

/// Puts a block of a base with its checksum into `out` and counts it in the head.
void seal_block(VersionHead& head, const std::string& key, ByteView block, Bytes& out);

/// The chain of deltas has become too long.
bool wants_whole_version(const VersionHead& head);

/// Deletes the blocks of a base unless they are in "large".
void delete_blocks(rocksdb::WriteBatch& batch, const VersionHead& head);
/// Deletes the keys that a zone has in "default": head, timers, deltas, and the blocks unless they are in "large".
void delete_version(const Database& database, const VersionHead& head, rocksdb::WriteBatch& batch);

}  // namespace understudy
