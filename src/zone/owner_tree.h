// Owner names of a version in canonical order: a B+tree whose pages are shared between versions (copy on write), to
// find the NSEC or NSEC3 record that denies a name.
//
//   page:  OwnerPage | words (u64 each) | references (u32 each) | prefix octets | filled up to a multiple of 8
//
// A leaf refers to nodes, another page to pages one level below, each of which stands for its first node. The sort keys
// (zone/sort_key.h) of a page's entries all begin with its prefix; an entry's word is the eight octets that follow.
// Entries with the same word are told apart by the names themselves. Pages are as long as they have to be and never
// change.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "zone/layout.h"
#include "zone/sort_key.h"

namespace understudy {

struct OwnerPage {
  static constexpr std::size_t most_nodes = 32;  // of a leaf
  static constexpr std::size_t most_pages = 64;  // of any other page

  std::uint16_t count;
  std::uint16_t prefix_size;
  std::uint8_t level;  // 0: a leaf
  std::uint8_t unused[3];

  [[nodiscard]] const std::uint64_t* words() const { return reinterpret_cast<const std::uint64_t*>(this + 1); }
  [[nodiscard]] std::span<const std::uint32_t> refs() const {
    return {reinterpret_cast<const std::uint32_t*>(words() + count), count};
  }
  [[nodiscard]] ByteView prefix() const {
    return {reinterpret_cast<const std::uint8_t*>(words() + count) + count * sizeof(std::uint32_t), prefix_size};
  }
  static constexpr std::size_t size_of(std::size_t count, std::size_t prefix_size) {
    return round_up8(sizeof(OwnerPage) + count * (sizeof(std::uint64_t) + sizeof(std::uint32_t)) + prefix_size);
  }
  [[nodiscard]] std::size_t size() const { return size_of(count, prefix_size); }
};
static_assert(sizeof(OwnerPage) == 8);

/// The tree at `root` (0: no names) of the version whose references count from `base`.
class OwnerTree {
 public:
  OwnerTree(const std::uint8_t* base, std::uint32_t root) : base_(base), root_(root) {}

  [[nodiscard]] bool empty() const { return root_ == 0; }
  [[nodiscard]] std::uint32_t root() const { return root_; }
  /// The last node whose name is not behind `key` in canonical order; the very last one if all are (the order has no
  /// end: the name before the first is the last); null if the tree is empty.
  [[nodiscard]] const Node* before_or_at(const SortKey& key) const;
  [[nodiscard]] const Node* last() const;
  /// Calls f(const Node&) for every name in order.
  template <typename F>
  void for_each(F&& f) const {
    if (root_ != 0) visit(page(root_), f);
  }

  [[nodiscard]] const OwnerPage& page(std::uint32_t ref) const {
    return *reinterpret_cast<const OwnerPage*>(base_ + std::size_t{ref} * 8);
  }
  [[nodiscard]] const Node& node(std::uint32_t ref) const {
    return *reinterpret_cast<const Node*>(base_ + std::size_t{ref} * 8);
  }
  /// The first node at or below an entry of a page of `level`.
  [[nodiscard]] const Node& first_node(std::uint32_t ref, unsigned level) const;
  /// The last entry of `in` that is not behind `key`; nullopt if all are.
  [[nodiscard]] std::optional<std::size_t> find(const OwnerPage& in, const SortKey& key) const;

 private:
  template <typename F>
  void visit(const OwnerPage& in, F& f) const {
    for (const std::uint32_t ref : in.refs()) {
      if (in.level == 0) {
        f(node(ref));
      } else {
        visit(page(ref), f);
      }
    }
  }

  const std::uint8_t* base_;
  std::uint32_t root_;
};

/// A search as OwnerTree::before_or_at(), page by page, so that several searches can wait for memory together.
class OwnerSearch {
 public:
  OwnerSearch() = default;
  explicit OwnerSearch(OwnerTree tree);

  /// Looks at one page more for `key`, the same each time, and asks for the next; false once node() is known.
  bool step(const SortKey& key);
  [[nodiscard]] const Node* node() const { return node_; }

 private:
  void ask_for_page() const;

  OwnerTree tree_{nullptr, 0};
  std::uint32_t at_ = 0;  // the next page; 0: done
  const Node* node_ = nullptr;
};

/// Where pages come from and go to.
class PageMemory {
 public:
  virtual ~PageMemory() = default;
  /// So many octets (a multiple of 8); 0 for no room.
  virtual std::uint32_t allocate(std::size_t octets) = 0;
  /// The page is not part of the tree any more.
  virtual void drop(std::uint32_t ref, std::size_t octets) = 0;
  /// Where references count from; may change with allocate().
  [[nodiscard]] virtual std::uint8_t* base() const = 0;
};

/// Writes trees. Not thread-safe. Throws std::bad_alloc.
class OwnerTreeWriter {
 public:
  /// A name that comes (`before` is 0), goes (`after` is 0) or whose node is another one now.
  struct Change {
    std::uint32_t before = 0, after = 0;
  };

  explicit OwnerTreeWriter(PageMemory& memory) : memory_(memory) {}

  /// A tree of these nodes, in any order; returns its root, nullopt for no room.
  [[nodiscard]] std::optional<std::uint32_t> build(std::vector<std::uint32_t> nodes);
  /// The tree at `root`, changed; the nodes that changes refer to are all there still. Nullopt for no room.
  [[nodiscard]] std::optional<std::uint32_t> edit(std::uint32_t root, std::span<const Change> changes);

 private:
  struct KeyedChange {
    ByteView key;  // refers to keys_
    Change change;
  };
  [[nodiscard]] OwnerTree tree() const { return {memory_.base(), 0}; }
  [[nodiscard]] std::vector<KeyedChange> in_order(std::span<const Change> changes);
  bool edit_page(std::uint32_t ref, std::span<const KeyedChange> changes, std::vector<std::uint32_t>& out);
  void edit_nodes(std::vector<std::uint32_t>& nodes, std::span<const KeyedChange> changes) const;
  bool edit_pages(std::uint32_t ref, std::span<const KeyedChange> changes, std::vector<std::uint32_t>& out);
  bool join_small(std::vector<std::uint32_t>& pages, std::size_t first);
  bool write_pages(std::span<const std::uint32_t> refs, unsigned level, std::size_t most,
                   std::vector<std::uint32_t>& out);
  std::uint32_t write_page(std::span<const std::uint32_t> refs, unsigned level);
  std::optional<std::uint32_t> write_root(std::vector<std::uint32_t> pages, unsigned level, std::size_t most);
  void drop(std::uint32_t ref);

  PageMemory& memory_;
  Bytes keys_;
};

}  // namespace understudy
