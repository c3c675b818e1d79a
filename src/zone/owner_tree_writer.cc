#include <algorithm>
#include <cstring>

#include "zone/owner_tree.h"

namespace understudy {
namespace {

// How full pages are made that come from nothing: some names may come before they must be split.
constexpr std::size_t fill_of(unsigned level) {
  return (level == 0 ? OwnerPage::most_nodes : OwnerPage::most_pages) * 7 / 8;
}
constexpr std::size_t most_of(unsigned level) {
  return level == 0 ? OwnerPage::most_nodes : OwnerPage::most_pages;
}

SortKey key_of(const Node& node) {
  return SortKey(node.relative_name());
}

// Puts nodes into canonical order. Most primaries send names in it.
void sort_nodes(const OwnerTree& tree, std::vector<std::uint32_t>& nodes) {
  struct Keyed {
    std::uint64_t word;
    std::uint32_t ref;
  };
  const SortKey first = key_of(tree.node(nodes.front()));
  SortKey before = first;
  bool is_sorted = true;
  std::size_t prefix = first.octets().size();
  for (const std::uint32_t ref : nodes) {
    const SortKey key = key_of(tree.node(ref));
    is_sorted = is_sorted && before <= key;
    prefix = std::min(prefix, common_prefix(first.octets(), key.octets()));
    before = key;
  }
  if (is_sorted) return;
  std::vector<Keyed> keyed;
  keyed.reserve(nodes.size());
  for (const std::uint32_t ref : nodes) keyed.push_back({key_of(tree.node(ref)).word(prefix), ref});
  std::ranges::sort(keyed, [&](const Keyed& a, const Keyed& b) {
    return a.word != b.word ? a.word < b.word : key_of(tree.node(a.ref)) < key_of(tree.node(b.ref));
  });
  std::ranges::transform(keyed, nodes.begin(), &Keyed::ref);
}

bool is_before(ByteView a, ByteView b) {
  return std::ranges::lexicographical_compare(a, b);
}

}  // namespace

void OwnerTreeWriter::drop(std::uint32_t ref) {
  memory_.drop(ref, tree().page(ref).size());
}

std::optional<std::uint32_t> OwnerTreeWriter::build(std::vector<std::uint32_t> nodes) {
  if (nodes.empty()) return 0;
  sort_nodes(tree(), nodes);
  std::vector<std::uint32_t> leaves;
  if (!write_pages(nodes, 0, fill_of(0), leaves)) return std::nullopt;
  return write_root(std::move(leaves), 0, fill_of(1));
}

// Pages of `level` become one tree.
std::optional<std::uint32_t> OwnerTreeWriter::write_root(std::vector<std::uint32_t> pages, unsigned level,
                                                         std::size_t most) {
  if (pages.empty()) return 0;
  while (pages.size() > 1) {
    std::vector<std::uint32_t> above;
    if (!write_pages(pages, ++level, most, above)) return std::nullopt;
    pages = std::move(above);
  }
  std::uint32_t root = pages.front();
  while (tree().page(root).level != 0 && tree().page(root).count == 1) {
    const std::uint32_t only = tree().page(root).refs().front();
    drop(root);
    root = only;
  }
  return root;
}

// As few pages as do, of about the same length.
bool OwnerTreeWriter::write_pages(std::span<const std::uint32_t> refs, unsigned level, std::size_t most,
                                  std::vector<std::uint32_t>& out) {
  const std::size_t pages = (refs.size() + most - 1) / most;
  for (std::size_t i = 0; i < pages; ++i) {
    const std::size_t begin = refs.size() * i / pages, end = refs.size() * (i + 1) / pages;
    const std::uint32_t page = write_page(refs.subspan(begin, end - begin), level);
    if (page == 0) return false;
    out.push_back(page);
  }
  return true;
}

std::uint32_t OwnerTreeWriter::write_page(std::span<const std::uint32_t> refs, unsigned level) {
  const SortKey first = key_of(tree().first_node(refs.front(), level));
  const SortKey last = key_of(tree().first_node(refs.back(), level));
  const std::size_t prefix = common_prefix(first.octets(), last.octets());
  const std::size_t size = OwnerPage::size_of(refs.size(), prefix);
  const std::uint32_t at = memory_.allocate(size);
  if (at == 0) return 0;
  std::uint8_t* out = memory_.base() + std::size_t{at} * 8;
  const OwnerPage head{static_cast<std::uint16_t>(refs.size()),
                       static_cast<std::uint16_t>(prefix),
                       static_cast<std::uint8_t>(level),
                       {}};
  std::memset(out + size - 8, 0, 8);
  std::memcpy(out, &head, sizeof head);
  std::uint8_t* words = out + sizeof head;
  for (std::size_t i = 0; i < refs.size(); ++i) {
    const std::uint64_t word = key_of(tree().first_node(refs[i], level)).word(prefix);
    std::memcpy(words + i * sizeof word, &word, sizeof word);
  }
  std::uint8_t* behind = words + refs.size() * sizeof(std::uint64_t);
  std::memcpy(behind, refs.data(), refs.size_bytes());
  std::memcpy(behind + refs.size_bytes(), first.octets().data(), prefix);
  return at;
}

std::vector<OwnerTreeWriter::KeyedChange> OwnerTreeWriter::in_order(std::span<const Change> changes) {
  keys_.clear();
  std::vector<std::size_t> ends;
  for (const Change& change : changes) {
    append(keys_, key_of(tree().node(change.after != 0 ? change.after : change.before)).octets());
    ends.push_back(keys_.size());
  }
  std::vector<KeyedChange> out;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    out.push_back({ByteView(keys_).subspan(begin, ends[i] - begin), changes[i]});
    begin = ends[i];
  }
  std::ranges::sort(out, [](const KeyedChange& a, const KeyedChange& b) { return is_before(a.key, b.key); });
  return out;
}

std::optional<std::uint32_t> OwnerTreeWriter::edit(std::uint32_t root, std::span<const Change> changes) {
  if (changes.empty()) return root;
  if (root == 0) {
    std::vector<std::uint32_t> nodes;
    for (const Change& change : changes) {
      if (change.after != 0) nodes.push_back(change.after);
    }
    return build(std::move(nodes));
  }
  const unsigned level = tree().page(root).level;
  std::vector<std::uint32_t> pages;
  if (!edit_page(root, in_order(changes), pages)) return std::nullopt;
  return write_root(std::move(pages), level, OwnerPage::most_pages);
}

// What becomes of a page: none, one or several in its place.
bool OwnerTreeWriter::edit_page(std::uint32_t ref, std::span<const KeyedChange> changes,
                                std::vector<std::uint32_t>& out) {
  const OwnerPage& of = tree().page(ref);
  const unsigned level = of.level;
  std::vector<std::uint32_t> refs;
  if (level == 0) {
    refs.assign(of.refs().begin(), of.refs().end());
    edit_nodes(refs, changes);
  } else if (!edit_pages(ref, changes, refs)) {
    return false;
  }
  drop(ref);
  return write_pages(refs, level, most_of(level), out);
}

void OwnerTreeWriter::edit_nodes(std::vector<std::uint32_t>& nodes, std::span<const KeyedChange> changes) const {
  for (const auto& [key, change] : changes) {
    if (change.before == 0) {
      const auto behind = std::ranges::partition_point(
          nodes, [&, k = key](std::uint32_t ref) { return is_before(key_of(tree().node(ref)).octets(), k); });
      nodes.insert(behind, change.after);
      continue;
    }
    const auto at = std::ranges::find(nodes, change.before);
    if (at == nodes.end()) continue;
    if (change.after != 0) {
      *at = change.after;
    } else {
      nodes.erase(at);
    }
  }
}

// The pages below one, with changes carried out.
bool OwnerTreeWriter::edit_pages(std::uint32_t ref, std::span<const KeyedChange> changes,
                                 std::vector<std::uint32_t>& out) {
  const auto below = tree().page(ref).refs();
  const std::vector<std::uint32_t> pages(below.begin(), below.end());
  const auto page_of = [&](const KeyedChange& change) {
    return tree().find(tree().page(ref), SortKey::of(change.key)).value_or(0);
  };
  std::size_t begin = 0, next = 0;
  while (begin < changes.size()) {
    const std::size_t page = page_of(changes[begin]);
    std::size_t end = begin + 1;
    while (end < changes.size() && page_of(changes[end]) == page) ++end;
    out.insert(out.end(), pages.begin() + static_cast<std::ptrdiff_t>(next),
               pages.begin() + static_cast<std::ptrdiff_t>(page));
    const std::size_t first = out.size();
    if (!edit_page(pages[page], changes.subspan(begin, end - begin), out)) return false;
    next = page + 1;
    begin = end;
    if (!join_small(out, first)) return false;
  }
  out.insert(out.end(), pages.begin() + static_cast<std::ptrdiff_t>(next), pages.end());
  return true;
}

// Joins pages from `first` on, which are new, with the page in front of them where both together are short.
bool OwnerTreeWriter::join_small(std::vector<std::uint32_t>& pages, std::size_t first) {
  for (std::size_t i = std::max<std::size_t>(first, 1); i < pages.size(); ++i) {
    const OwnerPage& left = tree().page(pages[i - 1]);
    const OwnerPage& right = tree().page(pages[i]);
    if (left.count + right.count > most_of(left.level) / 2) continue;
    std::vector<std::uint32_t> refs(left.refs().begin(), left.refs().end());
    refs.insert(refs.end(), right.refs().begin(), right.refs().end());
    const std::uint32_t joined = write_page(refs, left.level);
    if (joined == 0) return false;
    drop(pages[i - 1]);
    drop(pages[i]);
    pages[i - 1] = joined;
    pages.erase(pages.begin() + static_cast<std::ptrdiff_t>(i));
    --i;
  }
  return true;
}

}  // namespace understudy
