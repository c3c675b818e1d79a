// What this server has promised to keep: a file to which every acknowledged commit and every removal is appended.
//
// The database alone cannot show that it lost its newest commits (a log cut at a record's end looks like a clean one).
// Compared with this list at open, a zone whose version is older than the promised one is found, named and taken anew
// instead of being served with an older serial. Entries are appended with one write after the database has the commit
// and before it is acknowledged; commits are not synced, as a power failure that takes them leaves the database whole.
// A damaged entry is skipped. Thread-safe. doc/storage-format.md has the layout.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/mutex.h"
#include "base/result.h"
#include "dns/name.h"

namespace understudy {

struct Promise {
  Name zone;
  std::uint64_t version = 0;  // of the commit or removal
  std::uint32_t serial = 0;
  bool removed = false;
};

/// The newest promise of each zone, ordered as database keys are.
class Promises {
 public:
  /// Reads the octets of a ledger; skips what does not check.
  explicit Promises(Bytes octets);

  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  [[nodiscard]] Promise at(std::size_t i) const;
  /// The promise about this zone.
  [[nodiscard]] std::optional<Promise> find(NameView zone) const;
  /// Octets that were not a valid entry.
  [[nodiscard]] std::size_t damaged_octets() const { return damaged_; }
  /// Octets of the file in all.
  [[nodiscard]] std::size_t octets() const { return octets_.size(); }
  [[nodiscard]] std::uint64_t highest_version() const { return highest_version_; }

 private:
  struct Entry {
    std::uint64_t version;
    std::uint64_t offset;
  };
  [[nodiscard]] ByteView name_at(std::uint64_t offset) const;

  Bytes octets_;
  std::vector<Entry> entries_;
  std::size_t damaged_ = 0;
  std::uint64_t highest_version_ = 0;
};

class Ledger {
 public:
  explicit Ledger(std::string path);
  ~Ledger();
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  /// What the file says now. A missing file is an empty one. Errc::io.
  [[nodiscard]] Result<Promises> read() const;
  /// Appends promises with one write, and waits for the disk if `sync` is set; makes the file if it is missing.
  /// Errc::io, storage_full. After a failure the file may end with a part of them, which read() skips.
  Result<void> append(std::span<const Promise> promises, bool sync = false) US_EXCLUDES(mutex_);
  /// The next append opens the file anew, which may be another one by then.
  void let_go() US_EXCLUDES(mutex_);
  /// Replaces the content by what `fill` passes on, durably; appends wait meanwhile. On failure the file stays.
  using Sink = std::function<void(const Promise&)>;
  Result<void> rewrite(const std::function<Result<void>(const Sink&)>& fill) US_EXCLUDES(mutex_);
  /// So much was appended since the last rewrite that it is time for one.
  [[nodiscard]] bool wants_rewrite() const US_EXCLUDES(mutex_);

 private:
  Result<void> open() US_REQUIRES(mutex_);

  const std::string path_;
  mutable Mutex mutex_;
  int file_ US_GUARDED_BY(mutex_) = -1;
  std::uint64_t size_ US_GUARDED_BY(mutex_) = 0;
  std::uint64_t rewritten_size_ US_GUARDED_BY(mutex_) = 0;
};

}  // namespace understudy
