#include "transfer/stored_zones.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "base/log.h"

namespace understudy {
namespace {

constexpr std::uint64_t named_in_log = 8;

}  // namespace

Result<void> StoredZones::read(const ZoneStore& store, WallSeconds now, std::vector<Fact>& changed,
                               const StoredZones* lost) {
  using Take = std::function<Result<void>(std::string_view key, ByteView value)>;
  const std::array<std::pair<std::string_view, Take>, 3> kinds = {{
      {zone_fact_prefix,
       [&](auto key, auto value) -> Result<void> {
         US_ASSIGN(const RunTimeZone zone, read_run_time_fact(key, value));
         inventory.add(zone);
         return {};
       }},
      {catalog_fact_prefix,
       [&](auto key, auto value) -> Result<void> {
         US_ASSIGN(auto catalog, read_catalog_fact(key, value));
         registry.restore_purge_after(catalog.first, catalog.second.purge_after);
         if (catalog.second.serial) registry.restore_serial(catalog.first, *catalog.second.serial);
         catalogs.insert_or_assign(catalog.first, std::move(catalog.second));
         return {};
       }},
      {member_fact_prefix, [&](auto key, auto value) { return registry.restore(key, value); }},
  }};
  std::uint64_t damaged = 0;
  std::set<std::string> found;  // beside what was lost
  Result<void> outcome;
  for (const auto& [prefix, take] : kinds) {
    Result<void> visited = store.visit_facts(prefix, [&](std::string_view key, ByteView value) {
      const Result<void> taken = take(key, value);
      if (!taken && ++damaged <= named_in_log) log_error("storage: {}; it is left out", taken.error().text());
      if (taken && lost != nullptr) found.emplace(key);
      return true;
    });
    if (!visited && outcome) outcome = std::move(visited);
  }
  if (damaged > named_in_log) log_error("storage: {} more such facts", damaged - named_in_log);
  if (lost != nullptr) {
    lost->for_each_fact([&](Fact fact) {
      if (!fact.value || found.contains(fact.key)) return;
      for (const auto& [prefix, take] : kinds) {
        if (fact.key.starts_with(prefix)) (void)take(fact.key, *fact.value);  // it was taken before
      }
      changed.push_back(std::move(fact));
    });
  }
  std::ranges::move(registry.restored(now), std::back_inserter(changed));
  return outcome;
}

void StoredZones::for_each_fact(const std::function<void(Fact)>& f) const {
  inventory.for_each_fact(f);
  for (const auto& [catalog, stored] : catalogs) f(catalog_fact(catalog, stored));
  registry.for_each_fact(f);
}

Result<void> StoredZones::store_again(const ZoneStore& store,
                                      const std::function<void(std::vector<Fact>)>& save) const {
  std::vector<Fact> facts;
  const auto add = [&](Fact fact) {
    facts.push_back(std::move(fact));
    if (facts.size() == FactSaver::batch) save(std::exchange(facts, {}));
  };
  // What we have no word of goes, as it would otherwise come back at the next start.
  Result<void> outcome;
  const auto drop_unknown = [&](std::string_view prefix, const std::function<bool(NameView)>& is_known) {
    Result<void> visited = store.visit_facts(prefix, [&](std::string_view key, ByteView) {
      ByteReader in(view_of(key.substr(prefix.size())));
      const auto name = NameView::read(in);
      if (name && !is_known(*name)) add({std::string(key), std::nullopt});
      return true;
    });
    if (!visited && outcome) outcome = std::move(visited);
  };
  drop_unknown(zone_fact_prefix, [&](NameView name) { return inventory.was_added(name); });
  drop_unknown(catalog_fact_prefix, [&](NameView name) { return catalogs.contains(Name(name)); });
  drop_unknown(member_fact_prefix, [&](NameView name) { return registry.has_fact(name); });
  for_each_fact(add);
  save(std::move(facts));
  return outcome;
}

}  // namespace understudy
