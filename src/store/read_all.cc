// Reads many zones at once: their rows lie in the order of their names, kind by kind.
#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "store/loader.h"
#include "store/state.h"

namespace understudy {

namespace {

class ManyReader {
 public:
  explicit ManyReader(const ZoneStore::State& state)
      : state_(state), heads_(*state.database), timers_(*state.database), blocks_(*state.database) {}

  Result<std::optional<FoundZone>> read(NameView zone) {
    if (const auto lost = state_.lost_zone(zone)) return fail(Errc::corrupt, zone.text() + ": " + lost->reason);
    const std::string key = head_key(zone);
    std::string_view value;
    const rocksdb::Status status = heads_.get(key, value);
    if (status.IsNotFound()) return std::nullopt;
    if (!status.ok()) return std::unexpected(to_error(status, "cannot read the zone"));
    US_ASSIGN(VersionHead head, decode_head(key, value));
    FoundZone found;
    if (!head.large) {
      US_ASSIGN(found.loaded, load_zone(*state_.database, blocks_, head));
    }
    found.stored = stored_zone(std::move(head));
    read_timers(zone, found.stored.timers);
    return found;
  }

 private:
  /// Without their own value, those of the last commit are used.
  void read_timers(NameView zone, ZoneTimers& timers) {
    const std::string key = timers_key(zone);
    std::string_view value;
    if (!timers_.get(key, value).ok()) return;
    if (const auto own = decode_timers(key, value)) timers = *own;
  }

  const ZoneStore::State& state_;
  OrderedReads heads_, timers_, blocks_;
};

/// What a zone's keys have behind their prefix; mostly told apart by its first octets.
struct PlaceOnDisk {
  std::array<std::uint64_t, 2> begin{};
  std::uint32_t index = 0;
};

PlaceOnDisk place_of(NameView zone, std::uint32_t index) {
  PlaceOnDisk place{.index = index};
  std::uint8_t octets[sizeof place.begin] = {};
  const std::size_t size = std::min(zone.size(), sizeof octets);
  for (std::size_t i = 0; i < size; ++i) octets[i] = ascii_lower(zone.wire()[i]);
  for (std::size_t i = 0; i < place.begin.size(); ++i) {
    place.begin[i] = std::uint64_t{load_u32(octets + 8 * i)} << 32 | load_u32(octets + 8 * i + 4);
  }
  return place;
}

}  // namespace

StoredZone stored_zone(VersionHead&& head) {
  return {head.name, Serial{head.serial}, head.timers, head.records, head.nodes, std::move(head.source)};
}

std::vector<std::uint32_t> ZoneStore::reading_order(std::span<const NameView> zones) {
  std::vector<PlaceOnDisk> places;
  places.reserve(zones.size());
  for (const NameView zone : zones) places.push_back(place_of(zone, static_cast<std::uint32_t>(places.size())));
  std::ranges::sort(places, [&](const PlaceOnDisk& a, const PlaceOnDisk& b) {
    if (a.begin != b.begin) return a.begin < b.begin;
    return std::ranges::lexicographical_compare(zones[a.index].wire(), zones[b.index].wire(), {}, ascii_lower,
                                                ascii_lower);
  });
  std::vector<std::uint32_t> order;
  order.reserve(places.size());
  for (const PlaceOnDisk& place : places) order.push_back(place.index);
  return order;
}

std::vector<Result<std::optional<FoundZone>>> ZoneStore::read_all(std::span<const NameView> zones) const {
  std::vector<Result<std::optional<FoundZone>>> found;
  found.reserve(zones.size());
  const Result<void> outcome = state_->with_database([&]() -> Result<void> {
    ManyReader reader(*state_);
    for (const NameView zone : zones) found.push_back(without_exceptions([&] { return reader.read(zone); }));
    return {};
  });
  while (found.size() < zones.size()) found.emplace_back(std::unexpected(outcome.error()));
  return found;
}

}  // namespace understudy
