// Stores facts in the order in which they were given, and keeps what the disk does not take until it does. Not
// thread-safe.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "store/zone_store.h"

namespace understudy {

class FactSaver {
 public:
  static constexpr std::size_t batch = 4096;  // facts that are written together

  explicit FactSaver(ZoneStore& store) : store_(store) {}

  /// Stores facts; a failure is logged, and they are stored later.
  void save(std::vector<Fact> facts);
  /// Stores facts or fails, all or none: for what is acknowledged. They replace what waits of them. Errc::storage_full,
  /// storage.
  Result<void> put_now(std::span<const Fact> facts);
  /// Stores what could not be stored before, if that works now.
  void try_again();
  /// Nothing waits for that.
  [[nodiscard]] bool all_saved() const { return unsaved_.empty(); }

 private:
  ZoneStore& store_;
  std::map<std::string, std::optional<Bytes>> unsaved_;
};

}  // namespace understudy
