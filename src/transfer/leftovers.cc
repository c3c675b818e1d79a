#include "transfer/leftovers.h"

#include <fmt/format.h>

#include <algorithm>

namespace understudy {
namespace {

constexpr std::size_t at_once = 256;  // zones that are forgotten together

/// Also if what is stored is damaged: that is to be got rid of, too.
Result<bool> is_stored(const ZoneStore& store, NameView zone) {
  const auto found = store.find(zone);
  if (found) return found->has_value();
  if (found.error().code == Errc::corrupt) return true;
  return std::unexpected(found.error());
}

std::unexpected<Error> not_added(const Name& zone, const std::string& what) {
  return fail(Errc::not_found, fmt::format("zone {} was not added by a command{}", zone.text(), what));
}

/// Nothing, if the zone's data may be forgotten.
Result<void> check_leftover(const StoredZones& known, const ZoneStore& store, const Name& zone, bool forget) {
  if (known.inventory.origin(zone) == ZoneOrigin::configured) return not_added(zone, ", but is configured");
  if (const auto member = known.registry.find(zone)) {
    return not_added(zone, ", but is a member of catalog " + member->catalog().text());
  }
  US_ASSIGN(const bool stored, is_stored(store, zone));
  if (forget && stored) return {};
  return not_added(zone, stored ? "; it is not served, and --forget deletes what is stored of it"
                                : " and is not served, and nothing is stored of it");
}

}  // namespace

Result<Removal> plan_removal(const StoredZones& known, const ZoneStore& store, std::span<const Name> zones,
                             bool forget) {
  Removal out;
  for (const Name& zone : zones) {
    if (known.inventory.was_added(zone)) {
      out.added.push_back(zone);
      out.facts.push_back(no_run_time_fact(zone));
      continue;
    }
    US_TRY(check_leftover(known, store, zone, forget));
    out.left.push_back(zone.lowered());
    // A former member of a catalog that is kept; of others there is no such fact.
    out.facts.push_back({member_fact_key(out.left.back().wire()), std::nullopt});
  }
  return out;
}

Result<void> forget_unserved(const TransferEngine& engine, ZoneStore& store, std::span<const Name> zones) {
  std::vector<Name> unserved;
  std::ranges::copy_if(zones, std::back_inserter(unserved), [&](const Name& zone) { return !engine.status(zone); });
  engine.wait_until_gone(unserved);
  for (std::span<const Name> rest = unserved; !rest.empty();) {
    const auto some = rest.first(std::min(at_once, rest.size()));
    US_TRY(store.remove_all(some));
    rest = rest.subspan(some.size());
  }
  return {};
}

}  // namespace understudy
