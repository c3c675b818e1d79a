#include "zone/history.h"

#include <algorithm>
#include <utility>

namespace understudy {

using DeltaPtr = std::shared_ptr<const ZoneDelta>;

const ZoneHistory::Ptr& ZoneHistory::none() {
  static const Ptr empty = std::make_shared<const ZoneHistory>();
  return empty;
}

ZoneHistory::ZoneHistory(std::vector<DeltaPtr> deltas) : deltas_(std::move(deltas)) {
  for (const DeltaPtr& delta : deltas_) size_ += delta->size();
}

std::span<const DeltaPtr> ZoneHistory::since(Serial serial) const {
  if (deltas_.empty()) return {};
  return between(serial, deltas_.back()->to()).value_or(std::span<const DeltaPtr>());
}

std::optional<std::span<const DeltaPtr>> ZoneHistory::between(Serial from, Serial to) const {
  const auto known = [&](Serial serial) -> std::optional<std::size_t> {  // how many deltas lead up to it
    for (std::size_t i = 0; i < deltas_.size(); ++i) {
      if (deltas_[i]->from() == serial) return i;
    }
    if (!deltas_.empty() && deltas_.back()->to() == serial) return deltas_.size();
    return std::nullopt;
  };
  const auto begin = known(from), end = known(to);
  if (!begin || !end || *begin > *end) return std::nullopt;
  return std::span(deltas_).subspan(*begin, *end - *begin);
}

ZoneHistory::Ptr ZoneHistory::with(std::span<const DeltaPtr> added, HistoryLimits limits) const {
  const bool follows = !added.empty() && !deltas_.empty() && deltas_.back()->to() == added.front()->from();
  std::vector<DeltaPtr> all;
  if (follows) all = deltas_;
  all.insert(all.end(), added.begin(), added.end());
  std::uint64_t octets = 0;
  std::size_t keep = 0;  // of the newest
  while (keep < std::min<std::size_t>(all.size(), limits.versions)) {
    octets += all[all.size() - 1 - keep]->size();
    if (octets > limits.octets) break;
    ++keep;
  }
  all.erase(all.begin(), all.end() - static_cast<std::ptrdiff_t>(keep));
  return all.empty() ? none() : std::make_shared<const ZoneHistory>(std::move(all));
}

}  // namespace understudy
