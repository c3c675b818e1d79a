// The differences that led to a version: kept for those who ask for changes only (IXFR) and for people who want to see
// or take back what changed. Immutable once shared.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "zone/delta.h"

namespace understudy {

struct HistoryLimits {
  std::uint32_t versions = 10;                     // deltas kept at the most; 0: none
  std::uint64_t octets = std::uint64_t{16} << 20;  // of all of them together
};

class ZoneHistory {
 public:
  using Ptr = std::shared_ptr<const ZoneHistory>;

  /// The one without deltas, which most zones have.
  static const Ptr& none();

  ZoneHistory() = default;
  /// `deltas` follow each other, the oldest first.
  explicit ZoneHistory(std::vector<std::shared_ptr<const ZoneDelta>> deltas);

  [[nodiscard]] std::span<const std::shared_ptr<const ZoneDelta>> deltas() const { return deltas_; }
  [[nodiscard]] bool empty() const { return deltas_.empty(); }
  /// Octets of all deltas.
  [[nodiscard]] std::uint64_t size() const { return size_; }
  /// The deltas from `serial` to the newest version; empty if it is not known, or is that version.
  [[nodiscard]] std::span<const std::shared_ptr<const ZoneDelta>> since(Serial serial) const;
  /// The deltas from one known serial to a later known one; nullopt if they are not.
  [[nodiscard]] std::optional<std::span<const std::shared_ptr<const ZoneDelta>>> between(Serial from, Serial to) const;

  /// This history with `added` behind it, the oldest left out where the limits ask for it. Begins anew if `added` does
  /// not follow.
  [[nodiscard]] Ptr with(std::span<const std::shared_ptr<const ZoneDelta>> added, HistoryLimits limits) const;

 private:
  std::vector<std::shared_ptr<const ZoneDelta>> deltas_;
  std::uint64_t size_ = 0;
};

}  // namespace understudy
