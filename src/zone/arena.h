// Memory that the versions of one zone share, and who still sees what of it.
//
// A version is never changed, so the one after it differs by what it adds and what it no longer refers to: pieces of
// the arena. Versions form a row, each made from the newest before it. A piece is seen by the versions from the one
// that added it up to the one before that which dropped it, and goes back to the arena when none of these is left,
// in whatever order versions go: a reader that holds an old version keeps what that version sees, and nothing else.
// A version that is thrown away before the next one is made gives back what it added.
//
// Thread-safe, but for what ArenaUpdate says. Readers of a version take no lock: they never look at pieces that come
// and go meanwhile.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "zone/layout.h"
#include "zone/name_server_sets.h"

namespace understudy {

class ZoneArena {
 public:
  struct Piece {
    std::uint32_t ref, size;  // units of 8 octets
  };

  /// Takes over memory of which the first `used` octets are in use, and the shared sets in it, which stay.
  ZoneArena(ZoneMemory memory, std::size_t used, NameServerSets sets = {});
  ~ZoneArena();
  ZoneArena(const ZoneArena&) = delete;
  ZoneArena& operator=(const ZoneArena&) = delete;

  /// Where references count from; never moves.
  [[nodiscard]] std::uint8_t* data() const { return memory_.data(); }
  /// Octets up to the last one in use, and how many of these are free again.
  [[nodiscard]] std::size_t used() const { return end_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::size_t free() const { return free_.load(std::memory_order_relaxed); }
  [[nodiscard]] const NameServerSets& sets() const { return sets_; }

 private:
  friend class ArenaVersion;
  friend class ArenaUpdate;
  // 0: no room. Free pieces come first, the smallest that does; then the end.
  std::uint32_t allocate(std::size_t octets, std::size_t alignment, std::size_t most) US_REQUIRES(mutex_);
  std::uint32_t take_free(std::uint32_t size, std::uint32_t alignment) US_REQUIRES(mutex_);
  void release(Piece piece) US_REQUIRES(mutex_);
  void put_free(Piece piece) US_REQUIRES(mutex_);
  void remove_free(Piece piece) US_REQUIRES(mutex_);

  Mutex mutex_;
  ZoneMemory memory_;
  const NameServerSets sets_;
  std::atomic<std::size_t> end_, free_{0};                                              // written under mutex_
  std::map<std::uint32_t, std::uint32_t> free_places_ US_GUARDED_BY(mutex_);            // ref -> size; never adjacent
  std::set<std::pair<std::uint32_t, std::uint32_t>> free_sizes_ US_GUARDED_BY(mutex_);  // (size, ref) of the same
};

/// The place of one living version in the row of versions that share an arena.
class ArenaVersion {
 public:
  /// The first.
  explicit ArenaVersion(std::shared_ptr<ZoneArena> arena) : arena_(std::move(arena)) {}
  /// The version is gone; gives back what only it has seen.
  ~ArenaVersion();
  ArenaVersion(const ArenaVersion&) = delete;
  ArenaVersion& operator=(const ArenaVersion&) = delete;

  [[nodiscard]] ZoneArena& arena() const { return *arena_; }
  [[nodiscard]] bool shares_with(const ArenaVersion& other) const { return arena_ == other.arena_; }
  /// No version has been made from this one, or none that still is.
  [[nodiscard]] bool is_newest() const;

 private:
  friend class ArenaUpdate;
  using Pieces = std::unordered_map<std::uint32_t, std::uint32_t>;  // ref -> size
  void merge_into_later() US_REQUIRES(arena_->mutex_);

  const std::shared_ptr<ZoneArena> arena_;
  // Guarded by the arena's mutex. The step to this version from the one before it:
  ArenaVersion* before_ = nullptr;
  ArenaVersion* after_ = nullptr;
  Pieces added_;
  std::vector<ZoneArena::Piece> dropped_;
};

/// What the next version is made of. One at a time for an arena; of `base`, which must be the newest and stay until
/// commit().
class ArenaUpdate {
 public:
  /// `most`: octets that the arena may grow to.
  ArenaUpdate(ArenaVersion& base, std::uint64_t most) : base_(base), arena_(base.arena_), most_(most) {}
  /// Gives everything back unless it was committed.
  ~ArenaUpdate();
  ArenaUpdate(const ArenaUpdate&) = delete;
  ArenaUpdate& operator=(const ArenaUpdate&) = delete;

  /// A piece of so many octets (a multiple of 8), whatever they were before; 0 if there is no room. Throws
  /// std::bad_alloc.
  [[nodiscard]] std::uint32_t allocate(std::size_t octets, std::size_t alignment = 8);
  /// The next version does not refer to this piece of the base, or of this update, any more.
  void drop(std::uint32_t ref, std::size_t octets);
  [[nodiscard]] std::uint8_t* at(std::uint32_t ref) const { return arena_->data() + std::size_t{ref} * 8; }

  /// The next version, the newest from now on. Nothing can be done with the update afterwards.
  std::unique_ptr<ArenaVersion> commit();

 private:
  ArenaVersion& base_;
  const std::shared_ptr<ZoneArena> arena_;
  const std::uint64_t most_;
  ArenaVersion::Pieces added_;
  std::vector<ZoneArena::Piece> dropped_;
};

}  // namespace understudy
