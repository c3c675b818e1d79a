// Changes to a version's table, copy on write: the next version has its own list of pages, and copies of those pages
// that changed. Names that go leave `overflow` set where it is; a search then looks one bucket further than it must.
// Not thread-safe. Throws std::bad_alloc.
#pragma once

#include <cstdint>
#include <vector>

#include "zone/arena.h"
#include "zone/zone.h"

namespace understudy {

class TableEditor {
 public:
  /// `base` is the version that `update` is for.
  TableEditor(const Zone& base, ArenaUpdate& update);

  // False: no room in the arena; nothing can be done with the editor afterwards.
  /// Makes the table larger if so many names would fill it.
  [[nodiscard]] bool make_room(std::uint64_t names);
  [[nodiscard]] bool insert(std::uint64_t hash, std::uint32_t ref);
  /// What refers to `from`, which is there, refers to `to` from now on.
  [[nodiscard]] bool replace(std::uint64_t hash, std::uint32_t from, std::uint32_t to);
  [[nodiscard]] bool remove(std::uint64_t hash, std::uint32_t ref);
  /// Writes the list of pages; returns where it is, 0 for no room.
  [[nodiscard]] std::uint32_t finish();

  [[nodiscard]] std::uint32_t bucket_count() const { return bucket_count_; }

 private:
  struct Slot {
    std::uint32_t bucket;
    std::size_t slot;
  };
  [[nodiscard]] bool allocate_pages(std::uint32_t first, std::uint32_t end);
  [[nodiscard]] NodeBucket& bucket(std::uint32_t index) const;
  [[nodiscard]] NodeBucket* writable(std::uint32_t index);
  [[nodiscard]] Slot find(std::uint64_t hash, std::uint32_t ref) const;

  const Zone& base_;
  ArenaUpdate& update_;
  std::uint32_t bucket_count_;
  std::vector<std::uint32_t> pages_;
  std::vector<bool> copied_;  // page i is this update's own
};

}  // namespace understudy
