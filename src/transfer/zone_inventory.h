// Which zones are there by somebody's word: those that the configuration names, and those added at run time, which are
// stored. Both go before members of catalogs, and configured ones before those added at run time.
//
// No I/O; facts go in at start and come out with every change. Not thread-safe.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "dns/name.h"
#include "store/zone_store.h"
#include "transfer/settings.h"

namespace understudy {

/// Keys of zones added at run time begin with it.
inline constexpr std::string_view zone_fact_prefix = "zone/";

/// A zone that was added by a command.
struct RunTimeZone {
  Name name;
  std::string template_name;  // at most 255 octets

  friend bool operator==(const RunTimeZone&, const RunTimeZone&) = default;
};

Fact run_time_fact(const RunTimeZone& zone);
/// The fact that deletes it.
Fact no_run_time_fact(NameView zone);
/// Errc::corrupt.
Result<RunTimeZone> read_run_time_fact(std::string_view key, ByteView value);

enum class ZoneOrigin : std::uint8_t { none, configured, run_time };

class ZoneInventory {
 public:
  [[nodiscard]] ZoneOrigin origin(NameView zone) const;
  /// Added at run time, whether configured as well or not.
  [[nodiscard]] bool was_added(NameView zone) const;
  [[nodiscard]] bool is_reserved(NameView zone) const { return origin(zone) != ZoneOrigin::none; }

  /// Replaces the configured ones. Returns the names that became reserved or ceased to be.
  std::vector<Name> set_configured(std::span<const ZoneSettings> zones);
  void add(const RunTimeZone& zone);
  void remove(NameView zone);
  /// Calls f with each zone added at run time that is not configured as well.
  void for_each_run_time(const std::function<void(const RunTimeZone&)>& f) const;
  /// Every fact there is, for a store that has lost them.
  void for_each_fact(const std::function<void(Fact)>& f) const;
  [[nodiscard]] std::size_t run_time_count() const { return run_time_.size(); }

 private:
  std::unordered_set<std::string> configured_;   // octets of names in lower case
  std::map<std::string, std::string> run_time_;  // the same, to the template
};

}  // namespace understudy
