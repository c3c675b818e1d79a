#include "zone/zone_table.h"

#include <algorithm>
#include <bit>
#include <new>
#include <utility>

#include "base/qsbr.h"

namespace understudy {

ZoneSlot::ZoneSlot(NameView name, std::shared_ptr<const ZoneAccess> access)
    : name_(name), access_(access.get()), access_owner_(std::move(access)) {}

// With what counts the references to it, two cache lines.
static_assert(sizeof(ZoneSlot) <= 112);

ZoneSlot::~ZoneSlot() = default;

void ZoneSlot::publish(std::shared_ptr<const Zone> version) {
  publish(std::move(version), nullptr);
}

void ZoneSlot::publish(std::shared_ptr<const Zone> version, ZoneHistory::Ptr history) {
  std::shared_ptr<const Zone> before = std::exchange(current_, std::move(version));
  ZoneHistory::Ptr history_before = std::exchange(current_history_, std::move(history));
  history_.store(current_history_.get(), std::memory_order_release);
  served_.store(current_.get(), std::memory_order_release);
  expired_.store(false, std::memory_order_release);
  stale_.store(false, std::memory_order_release);
  if (before || history_before) qsbr_retire([kept = std::move(before), deltas = std::move(history_before)] {});
}

void ZoneSlot::publish_stale(std::shared_ptr<const Zone> version, ZoneHistory::Ptr history) {
  publish(std::move(version), std::move(history));
  stale_.store(true, std::memory_order_release);
}

void ZoneSlot::set_expired() {
  expired_.store(true, std::memory_order_release);
  stale_.store(false, std::memory_order_release);
  served_.store(nullptr, std::memory_order_release);
}

void ZoneSlot::set_access(std::shared_ptr<const ZoneAccess> access) {
  std::shared_ptr<const ZoneAccess> before = std::exchange(access_owner_, std::move(access));
  access_.store(access_owner_.get(), std::memory_order_release);
  qsbr_retire([kept = std::move(before)] {});
}

namespace {

constexpr std::size_t page_slots = 512;  // few enough that copying a page is cheap, many enough for few pages
constexpr std::uint32_t max_depth = 24;

}  // namespace

ZoneTable::Entry::Entry(ZoneSlot* slot, std::uint64_t hash) {
  const auto address = reinterpret_cast<std::uintptr_t>(slot);
  if ((address & tag_bits) != 0) throw std::bad_alloc();  // no system places memory there unless it is asked to
  bits_ = address | (hash & tag_bits);
}

ZoneTable::ZoneTable(std::span<const std::shared_ptr<ZoneSlot>> slots) {
  std::vector<Item> items;
  items.reserve(slots.size());
  for (const auto& slot : slots) {
    items.push_back({name_hash(slot->name()), slot});
    count(slot->name(), true);
  }
  add_pages(items, 0, 0);
  finish();
}

ZoneTable::ZoneTable(std::size_t size, std::span<const std::uint32_t> zones_with_labels) : size_(size) {
  std::ranges::copy(zones_with_labels, zones_with_labels_);
}

/// Makes pages of these items, all of which belong under `suffix`.
void ZoneTable::add_pages(std::span<Item> items, std::uint32_t depth, std::uint32_t suffix) {
  if (items.size() > page_slots && depth < max_depth) {
    const auto middle =
        std::partition(items.begin(), items.end(), [&](const Item& i) { return (i.hash >> 32 >> depth & 1) == 0; });
    const auto count = static_cast<std::size_t>(middle - items.begin());
    add_pages(items.first(count), depth + 1, suffix);
    add_pages(items.subspan(count), depth + 1, suffix | std::uint32_t{1} << depth);
    return;
  }
  auto page = std::make_shared<Page>();
  page->depth = depth;
  page->suffix = suffix;
  page->slots.reserve(items.size());
  page->entries.resize(std::bit_ceil(items.size() * 2 + 2));
  const std::size_t mask = page->entries.size() - 1;
  for (Item& item : items) {
    std::size_t at = item.hash & mask;
    while (!page->entries[at].is_free()) at = (at + 1) & mask;
    page->entries[at] = {item.slot.get(), item.hash};
    page->slots.push_back(std::move(item.slot));
  }
  pages_.push_back(std::move(page));
}

void ZoneTable::finish() {
  std::uint32_t depth = 0;
  for (const auto& page : pages_) depth = std::max(depth, page->depth);
  directory_.resize(std::size_t{1} << depth);
  for (std::uint32_t i = 0; i < pages_.size(); ++i) {
    const Page& page = *pages_[i];
    const Place place{page.entries.data(), static_cast<std::uint32_t>(page.entries.size() - 1), i};
    for (std::size_t at = page.suffix; at < directory_.size(); at += std::size_t{1} << page.depth) {
      directory_[at] = place;
    }
  }
  for (std::size_t labels = 0; labels <= max_labels; ++labels) {
    if (zones_with_labels_[labels] != 0) label_counts_[labels / 64] |= std::uint64_t{1} << (labels % 64);
  }
}
std::unique_ptr<const ZoneTable> ZoneTable::with(std::span<const std::shared_ptr<ZoneSlot>> added,
                                                 std::span<const std::shared_ptr<ZoneSlot>> removed) const {
  std::vector<Change> changes;
  changes.reserve(added.size() + removed.size());
  const auto collect = [&](std::span<const std::shared_ptr<ZoneSlot>> slots, bool removes) {
    for (const auto& slot : slots) {
      const std::uint64_t hash = name_hash(slot->name());
      changes.push_back({place_of(hash).page, removes, {hash, slot}});
    }
  };
  collect(removed, true);
  collect(added, false);
  std::ranges::sort(changes, {}, [](const Change& c) { return std::pair(c.page, c.item.hash); });

  std::unique_ptr<ZoneTable> out(new ZoneTable(size_, zones_with_labels_));
  out->pages_.reserve(pages_.size() + 2);
  auto next = changes.begin();
  for (std::uint32_t i = 0; i < pages_.size(); ++i) {
    const auto first = next;
    while (next != changes.end() && next->page == i) ++next;
    if (first == next) {
      out->pages_.push_back(pages_[i]);
    } else {
      out->change_page(*pages_[i], {first, next});
    }
  }
  out->finish();
  return out;
}

/// `changes` in order of their hashes.
void ZoneTable::change_page(const Page& page, std::span<Change> changes) {
  const auto hash_of = [](const Change& c) { return c.item.hash; };
  std::vector<Item> items;
  items.reserve(page.slots.size() + changes.size());
  for (const auto& slot : page.slots) {
    const std::uint64_t hash = name_hash(slot->name());
    const auto same_hash = std::ranges::equal_range(changes, hash, {}, hash_of);
    const bool goes =
        std::ranges::any_of(same_hash, [&](const Change& c) { return c.item.slot->name() == slot->name(); });
    if (goes) {
      count(slot->name(), false);
    } else {
      items.push_back({hash, slot});
    }
  }
  for (Change& change : changes) {
    if (change.removes) continue;
    count(change.item.slot->name(), true);
    items.push_back(std::move(change.item));
  }
  add_pages(items, page.depth, page.suffix);
}

void ZoneTable::count(NameView zone, bool comes) {
  std::uint32_t& same_depth = zones_with_labels_[zone.label_count()];
  same_depth = comes ? same_depth + 1 : same_depth - 1;
  size_ = comes ? size_ + 1 : size_ - 1;
}

ZoneSlot* ZoneTable::find_suffix(const HashedName& name, std::size_t label) const {
  const std::uint64_t hash = name.hashes[label];
  const Place& place = place_of(hash);
  for (std::size_t at = hash & place.mask; !place.entries[at].is_free(); at = (at + 1) & place.mask) {
    ZoneSlot* slot = place.entries[at].slot(hash);
    if (slot != nullptr && slot->name().equals(name.suffix(label))) return slot;
  }
  return nullptr;
}

ZoneSlot* ZoneTable::find_closest_from(const HashedName& name, std::size_t first_label, std::size_t* label) const {
  for (std::size_t i = first_label; i <= name.labels; ++i) {
    const std::size_t count = name.labels - i;
    if (!has_label_count(count)) continue;
    if (ZoneSlot* slot = find_suffix(name, i)) {
      *label = i;
      return slot;
    }
  }
  return nullptr;
}

ZoneSlot* ZoneTable::find_closest(const HashedName& name, std::size_t* label) const {
  return find_closest_from(name, 0, label);
}

ZoneSlot* ZoneTable::find_exact(const HashedName& name) const {
  return find_suffix(name, 0);
}

void ZoneTable::prefetch(const HashedName& name) const {
  for (std::size_t i = 0; i <= name.labels; ++i) {
    const std::size_t count = name.labels - i;
    if (!has_label_count(count)) continue;
    const Place& place = place_of(name.hashes[i]);
    __builtin_prefetch(&place.entries[name.hashes[i] & place.mask]);
  }
}

}  // namespace understudy
