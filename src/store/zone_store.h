// Durable zones and timers on RocksDB (doc/storage-format.md). What was committed is there after a crash, whole.
//
// One process uses a directory at a time. Thread-safe: any thread may call any function; calls for one zone must not
// overlap. Every call may block on the disk, so none belongs on a worker or transfer thread: use the job pool.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "dns/name.h"
#include "dns/serial.h"
#include "zone/timers.h"
#include "zone/zone.h"

namespace rocksdb {
class Env;
}

namespace understudy {

/// What is known of a stored zone without reading its records.
struct StoredZone {
  Name name;
  Serial serial;
  ZoneTimers timers;
  std::uint64_t records = 0;
  std::uint64_t nodes = 0;
  std::string source;  // the primary the version came from, "ADDRESS@PORT", or the zone file
};

/// A version to be made durable.
struct Commit {
  std::shared_ptr<const Zone> version;
  ZoneTimers timers;
  std::string source;
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
  /// Reads a whole version: Errc::not_found, corrupt (a block fails its checks or is missing: take the zone again),
  /// storage. Record content, count and serial are verified against the head.
  Result<std::shared_ptr<const Zone>> load(NameView zone) const;
  /// Makes a version and its timers durable, replacing the one before; when it returns, a crash cannot undo it, and a
  /// crash before leaves the old version whole. Concurrent calls share one sync. Errc::storage_full, storage.
  Result<void> commit(const Zone& version, const ZoneTimers& timers, const std::string& source);
  /// The same for many zones (each at most once) with one sync for all small ones. One outcome each, in order.
  std::vector<Result<void>> commit_all(std::span<const Commit> commits);
  /// Replaces the timers of a stored zone alone. `durable` waits for the disk (expiry, confirmations at the primary);
  /// otherwise the operating system has it, which a crash of this process survives. Errc::not_found, storage_full,
  /// storage.
  Result<void> save_timers(NameView zone, const ZoneTimers& timers, bool durable);
  /// Forgets a zone; done also if there was none. Errc::storage_full, storage.
  Result<void> remove(NameView zone);

  struct State;  // for src/store alone

 private:
  explicit ZoneStore(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace understudy
