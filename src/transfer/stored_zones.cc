#include "transfer/stored_zones.h"

#include <functional>
#include <utility>
#include <vector>

#include "base/log.h"

namespace understudy {
namespace {

constexpr std::uint64_t named_in_log = 8;

}  // namespace

Result<void> StoredZones::read(const ZoneStore& store, WallSeconds now, std::vector<Fact>& changed) {
  std::uint64_t damaged = 0;
  const auto note = [&damaged](const auto& result) {
    if (!result && ++damaged <= named_in_log) log_error("storage: {}; it is left out", result.error().text());
    return true;
  };
  Result<void> outcome;
  const auto visit = [&](std::string_view prefix, const ZoneStore::FactVisitor& visitor) {
    Result<void> visited = store.visit_facts(prefix, visitor);
    if (!visited && outcome) outcome = std::move(visited);
  };
  visit(zone_fact_prefix, [&](std::string_view key, ByteView value) {
    const auto zone = read_run_time_fact(key, value);
    if (zone) inventory.add(*zone);
    return note(zone);
  });
  visit(catalog_fact_prefix, [&](std::string_view key, ByteView value) {
    auto catalog = read_catalog_fact(key, value);
    if (catalog) {
      registry.restore_purge_after(catalog->first, catalog->second.purge_after);
      catalogs.insert_or_assign(catalog->first, std::move(catalog->second));
    }
    return note(catalog);
  });
  visit(member_fact_prefix, [&](std::string_view key, ByteView value) { return note(registry.restore(key, value)); });
  if (damaged > named_in_log) log_error("storage: {} more such facts", damaged - named_in_log);
  changed = registry.restored(now);
  return outcome;
}

void StoredZones::store_again(const ZoneStore& store, FactSaver& saver) const {
  std::vector<Fact> facts;
  const auto save = [&](Fact fact) {
    facts.push_back(std::move(fact));
    if (facts.size() == FactSaver::batch) saver.save(std::exchange(facts, {}));
  };
  // What we have no word of goes, as it would otherwise come back at the next start.
  const auto drop_unknown = [&](std::string_view prefix, const std::function<bool(NameView)>& is_known) {
    const Result<void> visited = store.visit_facts(prefix, [&](std::string_view key, ByteView) {
      ByteReader in(view_of(key.substr(prefix.size())));
      const auto name = NameView::read(in);
      if (name && !is_known(*name)) save({std::string(key), std::nullopt});
      return true;
    });
    if (!visited) log_error("storage: {}", visited.error().text());
  };
  drop_unknown(zone_fact_prefix, [&](NameView name) { return inventory.was_added(name); });
  drop_unknown(catalog_fact_prefix, [&](NameView name) { return catalogs.contains(Name(name)); });
  drop_unknown(member_fact_prefix, [&](NameView name) { return registry.has_fact(name); });
  inventory.for_each_fact(save);
  for (const auto& [catalog, stored] : catalogs) save(catalog_fact(catalog, stored));
  registry.for_each_fact(save);
  saver.save(std::move(facts));
}

}  // namespace understudy
