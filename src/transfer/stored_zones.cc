#include "transfer/stored_zones.h"

#include <utility>

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
    auto choice = read_template_choice_fact(key, value);
    if (choice) choices.insert_or_assign(choice->first, choice->second);
    return note(choice);
  });
  visit(member_fact_prefix, [&](std::string_view key, ByteView value) { return note(registry.restore(key, value)); });
  if (damaged > named_in_log) log_error("storage: {} more such facts", damaged - named_in_log);
  changed = registry.restored(now);
  return outcome;
}

}  // namespace understudy
