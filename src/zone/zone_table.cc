#include "zone/zone_table.h"

#include <bit>
#include <utility>

#include "base/qsbr.h"

namespace understudy {

ZoneSlot::ZoneSlot(NameView name, std::shared_ptr<const ZoneAccess> access)
    : name_(name), access_(access.get()), access_owner_(std::move(access)) {}

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

ZoneTable::ZoneTable(std::span<const std::shared_ptr<ZoneSlot>> slots)
    : slots_(slots.begin(), slots.end()), entries_(std::bit_ceil(slots.size() * 2 + 2)) {
  HashedName name;
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    name.assign(slots_[i]->name());
    label_counts_[name.labels / 64] |= std::uint64_t{1} << (name.labels % 64);
    std::size_t at = name.hashes[0] & (entries_.size() - 1);
    while (entries_[at].slot != 0) at = (at + 1) & (entries_.size() - 1);
    entries_[at] = {static_cast<std::uint32_t>(name.hashes[0] >> 32), i + 1};
  }
}

ZoneSlot* ZoneTable::find_suffix(const HashedName& name, std::size_t label) const {
  const std::uint64_t hash = name.hashes[label];
  for (std::size_t at = hash & (entries_.size() - 1); entries_[at].slot != 0; at = (at + 1) & (entries_.size() - 1)) {
    if (entries_[at].tag != static_cast<std::uint32_t>(hash >> 32)) continue;
    ZoneSlot* slot = slots_[entries_[at].slot - 1].get();
    if (slot->name().view().equals(name.suffix(label))) return slot;
  }
  return nullptr;
}

ZoneSlot* ZoneTable::find_closest_from(const HashedName& name, std::size_t first_label, std::size_t* label) const {
  for (std::size_t i = first_label; i <= name.labels; ++i) {
    const std::size_t count = name.labels - i;
    if ((label_counts_[count / 64] >> (count % 64) & 1) == 0) continue;
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
    if ((label_counts_[count / 64] >> (count % 64) & 1) == 0) continue;
    __builtin_prefetch(&entries_[name.hashes[i] & (entries_.size() - 1)]);
  }
}

}  // namespace understudy
