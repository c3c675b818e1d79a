// Name-server sets that many delegations of a version have in common, as those of hosters are: each is stored once, and
// blocks link to it (zone/layout.h).
//
// Sets come about while a version is built, from the second delegation that has the same records on: those that only
// one has are not worth a place of their own. They stay as long as the memory in which they lie; versions that are made
// from others link to those that are there and make no new ones. What a delegation's set has of the delegation's own
// name (servers below it) is compressed against that name and never shared.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "zone/chunk_encoder.h"
#include "zone/layout.h"

namespace understudy {

/// Where the shared sets of a run of memory are, by their octets. Not thread-safe while it is filled.
class NameServerSets {
 public:
  /// The set whose chunk has the same octets as this one, or null; `base` is what references count from.
  [[nodiscard]] const Chunk* find(const std::uint8_t* base, const Chunk& like) const;
  /// Takes note of a chunk at `ref` (units of 8 octets), which was not there. Throws std::bad_alloc.
  void add(const std::uint8_t* base, std::uint32_t ref);
  void clear();
  [[nodiscard]] bool empty() const { return count_ == 0; }
  /// Octets in use.
  [[nodiscard]] std::size_t memory_size() const { return places_.capacity() * sizeof places_[0]; }

 private:
  void put(const std::uint8_t* base, std::uint32_t ref);

  std::vector<std::uint32_t> places_;  // open addressing; 0: free
  std::size_t count_ = 0;
};

/// Tells sets that come again, in little memory: it forgets those that are rare, never those that are frequent.
class RepeatedSets {
 public:
  /// `first`: of the first so many sets none is remembered, as in a small zone it is not worth it.
  explicit RepeatedSets(std::size_t first) : first_(first) {}
  /// What a set is remembered by: of all its records, which are those of one delegation in order.
  static std::uint64_t mark_of(std::span<const StagedRecord> records);
  /// Whether a set with this mark was here before, as far as it remembers. A false yes is possible. Throws
  /// std::bad_alloc.
  bool comes_again(std::uint64_t mark);

 private:
  std::size_t first_;
  std::size_t seen_ = 0;
  std::vector<std::uint32_t> marks_;  // the last set of each place
};

/// Octets of a block that holds a set, and its writing; the chunk lies behind the header.
std::size_t set_block_size(const Chunk& chunk);
const Chunk* write_set_block(std::uint8_t* out, const Chunk& chunk);

}  // namespace understudy
