// The transfers of all zones, for people: when, from whom, how, what came of it and why. Survives restarts, bounded.
//
// append() puts the record into a queue in memory that a thread of this object writes a moment later, unsynced: a
// killed process loses the last moment, a power failure the last seconds, and neither harms what is older. Records that
// cannot be written (a full disk) are dropped and counted in the server's log. The oldest go when there are too many, a
// few with every write. Thread-safe; list() and find() read the disk. doc/storage-format.md has the layout.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <optional>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "dns/name.h"
#include "store/transfer_record.h"
#include "store/zone_store.h"

namespace rocksdb {
class WriteBatch;
}

namespace understudy {

/// Where the log stands in the database.
struct TransferLogPosition {
  std::uint64_t first_id = 1;     // the oldest record that is kept, if next_id is higher
  std::uint64_t next_id = 1;      // of the next record to write
  std::uint64_t first_start = 0;  // octets of all records ever in front of the oldest
  std::uint64_t next_start = 0;   // and in front of the next one
};

class TransferLog {
 public:
  static constexpr std::uint64_t max_records = 100'000;
  static constexpr std::uint64_t max_octets = std::uint64_t{64} << 20;

  /// `state` must outlive the log and have an open database.
  explicit TransferLog(ZoneStore::State& state);
  /// Writes what waits.
  ~TransferLog();
  TransferLog(const TransferLog&) = delete;
  TransferLog& operator=(const TransferLog&) = delete;

  /// Takes the record, whatever its `id`, and returns the one that it got. Long texts are cut. Never waits for a disk.
  std::uint64_t append(TransferRecord record) US_EXCLUDES(mutex_);
  /// Up to `limit` records with an id below `before` (0: from the newest on), the newest first; of `zone` alone if one
  /// is given, at a cost that does not depend on the others. Errc::storage.
  Result<std::vector<TransferRecord>> list(const std::optional<Name>& zone, std::uint64_t before, std::size_t limit)
      US_EXCLUDES(mutex_, writing_);
  /// The record with this id; nullopt if there is none (any more). Errc::storage.
  Result<std::optional<TransferRecord>> find(std::uint64_t id) US_EXCLUDES(mutex_, writing_);

 private:
  void run() US_EXCLUDES(mutex_, writing_);
  /// Writes what waits now.
  void flush() US_EXCLUDES(mutex_, writing_);
  Result<void> write(const std::deque<TransferRecord>& records) US_REQUIRES(writing_);
  [[nodiscard]] TransferLogPosition find_position() const;
  void prune(TransferLogPosition& position, std::uint64_t deletions, rocksdb::WriteBatch& batch) const;

  ZoneStore::State& state_;

  Mutex writing_;  // held by who writes; taken before mutex_
  TransferLogPosition position_ US_GUARDED_BY(writing_);
  bool failing_ US_GUARDED_BY(writing_) = false;

  Mutex mutex_;
  std::condition_variable_any wake_;
  std::deque<TransferRecord> waiting_ US_GUARDED_BY(mutex_);
  std::size_t waiting_octets_ US_GUARDED_BY(mutex_) = 0;
  std::uint64_t dropped_ US_GUARDED_BY(mutex_) = 0;
  std::uint64_t next_id_ US_GUARDED_BY(mutex_) = 1;
  bool stopping_ US_GUARDED_BY(mutex_) = false;

  std::thread thread_;
};

}  // namespace understudy
