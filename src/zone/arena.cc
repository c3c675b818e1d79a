#include "zone/arena.h"

#include <sanitizer/asan_interface.h>

#include <algorithm>

namespace understudy {
namespace {

constexpr std::size_t worth_returning = std::size_t{1} << 20;  // free octets at the end that go back to the system
constexpr std::size_t few = 8;                                 // free pieces that are tried for their alignment

std::uint32_t units(std::size_t octets) {
  return static_cast<std::uint32_t>(octets / 8);
}

}  // namespace

ZoneArena::ZoneArena(ZoneMemory memory, std::size_t used, NameServerSets sets)
    : memory_(std::move(memory)), sets_(std::move(sets)), end_(round_up8(used)) {}

ZoneArena::~ZoneArena() {
  ASAN_UNPOISON_MEMORY_REGION(memory_.data(), memory_.room());
}

std::uint32_t ZoneArena::allocate(std::size_t octets, std::size_t alignment, std::size_t most) {
  const std::uint32_t size = units(octets), aligned = units(alignment);
  std::uint32_t ref = take_free(size, aligned);
  if (ref == 0) {
    const std::uint32_t end = units(used());
    ref = (end + aligned - 1) / aligned * aligned;
    const std::size_t new_end = std::size_t{ref + std::size_t{size}} * 8;
    if (new_end > std::min(most, memory_.room())) return 0;
    end_.store(new_end, std::memory_order_relaxed);
    if (ref != end) put_free({end, ref - end});
  }
  ASAN_UNPOISON_MEMORY_REGION(memory_.data() + std::size_t{ref} * 8, octets);
  return ref;
}

std::uint32_t ZoneArena::take_free(std::uint32_t size, std::uint32_t alignment) {
  auto candidate = free_sizes_.lower_bound({size, 0});
  for (std::size_t tried = 0; candidate != free_sizes_.end(); ++candidate, ++tried) {
    if (tried == few) {  // any of these fits
      candidate = free_sizes_.lower_bound({std::max(candidate->first, size + alignment - 1), 0});
      if (candidate == free_sizes_.end()) break;
    }
    const Piece piece{candidate->second, candidate->first};
    const std::uint32_t ref = (piece.ref + alignment - 1) / alignment * alignment;
    const std::uint32_t in_front = ref - piece.ref;
    if (in_front + size > piece.size) continue;
    remove_free(piece);
    if (in_front != 0) put_free({piece.ref, in_front});
    if (in_front + size != piece.size) put_free({ref + size, piece.size - in_front - size});
    return ref;
  }
  return 0;
}

void ZoneArena::put_free(Piece piece) {
  free_places_.emplace(piece.ref, piece.size);
  free_sizes_.emplace(piece.size, piece.ref);
  free_.fetch_add(std::size_t{piece.size} * 8, std::memory_order_relaxed);
}

void ZoneArena::remove_free(Piece piece) {
  free_places_.erase(piece.ref);
  free_sizes_.erase({piece.size, piece.ref});
  free_.fetch_sub(std::size_t{piece.size} * 8, std::memory_order_relaxed);
}

// Joined with what is free next to it. Nobody may read it: the address sanitizer is told (elsewhere, that is nothing).
void ZoneArena::release(Piece piece) {
  ASAN_POISON_MEMORY_REGION(memory_.data() + std::size_t{piece.ref} * 8, std::size_t{piece.size} * 8);
  const auto next = free_places_.lower_bound(piece.ref);
  if (next != free_places_.begin()) {
    const Piece before{std::prev(next)->first, std::prev(next)->second};
    if (before.ref + before.size == piece.ref) {
      remove_free(before);
      piece = {before.ref, before.size + piece.size};
    }
  }
  if (const auto behind = free_places_.find(piece.ref + piece.size); behind != free_places_.end()) {
    const Piece joined{behind->first, behind->second};
    remove_free(joined);
    piece.size += joined.size;
  }
  if (piece.ref + piece.size != units(used())) return put_free(piece);
  const std::size_t from = std::size_t{piece.ref} * 8;
  if (used() - from >= worth_returning) memory_.give_back(from, used());
  end_.store(from, std::memory_order_relaxed);
}

bool ArenaVersion::is_newest() const {
  const Lock lock(arena_->mutex_);
  return after_ == nullptr;
}

ArenaVersion::~ArenaVersion() {
  const Lock lock(arena_->mutex_);
  if (before_ == nullptr && after_ == nullptr) return;  // the arena goes too
  if (before_ == nullptr) {
    // What the next one does not refer to was seen by nobody else.
    for (const ZoneArena::Piece piece : after_->dropped_) arena_->release(piece);
    after_->dropped_ = {};
    after_->added_ = {};
  } else if (after_ == nullptr) {
    for (const auto& [ref, size] : added_) arena_->release({ref, size});
  } else {
    merge_into_later();
  }
  if (before_ != nullptr) before_->after_ = after_;
  if (after_ != nullptr) after_->before_ = before_;
}

// The steps to this version and to the next become one; what was added by the first and dropped by the second was seen
// by this version alone. Cost: the smaller of the two.
void ArenaVersion::merge_into_later() {
  for (const ZoneArena::Piece piece : after_->dropped_) {
    if (added_.erase(piece.ref) != 0) {
      arena_->release(piece);
    } else {
      dropped_.push_back(piece);
    }
  }
  after_->dropped_ = std::move(dropped_);
  if (added_.size() > after_->added_.size()) std::swap(added_, after_->added_);
  after_->added_.merge(added_);
}

ArenaUpdate::~ArenaUpdate() {
  const Lock lock(arena_->mutex_);
  for (const auto& [ref, size] : added_) arena_->release({ref, size});
}

std::uint32_t ArenaUpdate::allocate(std::size_t octets, std::size_t alignment) {
  const Lock lock(arena_->mutex_);
  const std::uint32_t ref = arena_->allocate(octets, alignment, most_);
  if (ref != 0) added_.emplace(ref, units(octets));
  return ref;
}

void ArenaUpdate::drop(std::uint32_t ref, std::size_t octets) {
  if (added_.erase(ref) != 0) {
    const Lock lock(arena_->mutex_);
    arena_->release({ref, units(octets)});
  } else {
    dropped_.push_back({ref, units(octets)});
  }
}

std::unique_ptr<ArenaVersion> ArenaUpdate::commit() {
  auto next = std::make_unique<ArenaVersion>(arena_);
  const Lock lock(arena_->mutex_);
  next->before_ = &base_;
  next->added_ = std::exchange(added_, {});
  next->dropped_ = std::exchange(dropped_, {});
  base_.after_ = next.get();
  return next;
}

}  // namespace understudy
