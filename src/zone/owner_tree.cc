#include "zone/owner_tree.h"

#include <algorithm>

namespace understudy {
namespace {

constexpr std::size_t cache_line = 64;
constexpr std::size_t asked_for = 384;  // octets of a page: a leaf, or where a search in a larger one begins

/// The first of the words, which are in order, that is above `word`. Without a jump that nobody can foresee: a search
/// in many names would wait for each of them.
const std::uint64_t* first_above(std::span<const std::uint64_t> words, std::uint64_t word) {
  const std::uint64_t* at = words.data();
  for (std::size_t left = words.size(); left > 1;) {
    const std::size_t half = left / 2;
    at = at[half - 1] <= word ? at + half : at;
    left -= half;
  }
  return at + (*at <= word ? 1 : 0);
}

int prefix_order(ByteView key, ByteView prefix) {
  const int order = std::memcmp(key.data(), prefix.data(), std::min(key.size(), prefix.size()));
  return order != 0 ? order : key.size() < prefix.size() ? -1 : 0;
}

}  // namespace

const Node& OwnerTree::first_node(std::uint32_t ref, unsigned level) const {
  for (; level != 0; --level) ref = page(ref).refs().front();
  return node(ref);
}

std::optional<std::size_t> OwnerTree::find(const OwnerPage& in, const SortKey& key) const {
  if (const int order = prefix_order(key.octets(), in.prefix()); order != 0) {
    return order < 0 ? std::nullopt : std::optional<std::size_t>(in.count - 1U);
  }
  const std::span<const std::uint64_t> words(in.words(), in.count);
  const std::uint64_t word = key.word(in.prefix_size);
  const std::uint64_t* behind = first_above(words, word);
  if (behind != words.data() && behind[-1] == word) {
    const std::uint64_t* first = std::lower_bound(words.data(), behind, word);
    behind = std::partition_point(first, behind, [&](const std::uint64_t& equal) {
      const std::uint32_t ref = in.refs()[static_cast<std::size_t>(&equal - words.data())];
      return SortKey(first_node(ref, in.level).relative_name()) <= key;
    });
  }
  if (behind == words.data()) return std::nullopt;
  return static_cast<std::size_t>(behind - words.data()) - 1;
}

const Node* OwnerTree::last() const {
  if (root_ == 0) return nullptr;
  const OwnerPage* at = &page(root_);
  while (at->level != 0) at = &page(at->refs().back());
  return &node(at->refs().back());
}

const Node* OwnerTree::before_or_at(const SortKey& key) const {
  OwnerSearch search(*this);
  while (search.step(key)) {
  }
  return search.node();
}

OwnerSearch::OwnerSearch(OwnerTree tree) : tree_(tree), at_(tree.root()) {
  if (at_ != 0) ask_for_page();
}

void OwnerSearch::ask_for_page() const {
  const auto* page = reinterpret_cast<const std::uint8_t*>(&tree_.page(at_));
  for (std::size_t at = 0; at < asked_for; at += cache_line) __builtin_prefetch(page + at);
}

bool OwnerSearch::step(const SortKey& key) {
  if (at_ == 0) return false;
  const OwnerPage& page = tree_.page(at_);
  const auto found = tree_.find(page, key);
  at_ = found ? page.refs()[*found] : 0;
  // Only the first page of all can have nothing that is not behind the key.
  if (!found) {
    node_ = tree_.last();
  } else if (page.level == 0) {
    node_ = &tree_.node(std::exchange(at_, 0));
  } else {
    ask_for_page();
  }
  return at_ != 0;
}

}  // namespace understudy
