#include "zone/apply.h"

#include <fmt/format.h>

#include <new>
#include <unordered_set>

#include "base/out_of_memory.h"
#include "zone/compaction.h"
#include "zone/oddities.h"
#include "zone/version_writer.h"
#include "zone/working_set.h"

namespace understudy {
namespace {

// Whether the next version should lie in the base's memory: not if most of the zone changes. How much of that is free
// does not matter, so that no update waits for all that did not change; see zone/compaction.h.
bool should_share(const Zone& base, const WorkingSet& set) {
  const ArenaVersion* shared = base.shared();
  if (shared == nullptr || !shared->is_newest()) return false;
  return set.size() < base.node_count() / 2 + 100;
}

// The next version in memory of its own.
Result<std::shared_ptr<const Zone>> rebuild(const std::shared_ptr<const Zone>& base, const WorkingSet& set,
                                            std::uint64_t max_octets) {
  ZoneBuilder builder(base->apex(), hints_for_copy(*base, max_octets));
  std::unordered_set<const Node*> replaced;
  for (std::size_t i = 0; i < set.size(); ++i) replaced.insert(set.before(i));
  for (ZoneCursor cursor(base); cursor.next();) {
    if (!replaced.contains(cursor.node())) US_TRY(copy_rrset(builder, cursor.owner(), cursor.rrset()));
  }
  std::vector<StagedRecord> records;
  for (std::size_t i = 0; i < set.size(); ++i) {
    const Name owner = set.owner(i);
    set.records(i, records);
    for (const StagedRecord& record : records) US_TRY(builder.add(owner, record.type, record.ttl, record.rdata));
  }
  return builder.finish();
}

Result<void> take(WorkingSet& set, Serial at, std::span<const DeltaPtr> deltas) {
  for (const DeltaPtr& delta : deltas) {
    if (delta->from() != at) {
      return fail(Errc::bad_delta, fmt::format("it begins at serial {}, not at {}", delta->from().value, at.value));
    }
    US_TRY(set.apply(*delta));
    at = delta->to();
  }
  return {};
}

void report_oddities(const WorkingSet& set, const Zone& version, ZoneBuilder::Report& report) {
  for (std::size_t i = 0; i < set.size(); ++i) {
    const Name owner = set.owner(i);
    const Node* node = version.find(HashedName(owner));
    if (node == nullptr) continue;
    const unsigned known = set.before(i) == nullptr ? 0 : oddities_of(*set.before(i));
    note_oddities(report, owner, oddities_of(*node) & ~known);
  }
}

Result<std::shared_ptr<const Zone>> apply(const std::shared_ptr<const Zone>& base, std::span<const DeltaPtr> deltas,
                                          std::uint64_t max_octets, ZoneBuilder::Report* report,
                                          WorkingSet::Rules rules) {
  if (deltas.empty()) return base;
  try {
    WorkingSet set(*base, rules);
    US_TRY(take(set, base->serial(), deltas));
    std::shared_ptr<const Zone> version;
    if (should_share(*base, set)) {
      US_ASSIGN(version, VersionWriter(*base, set, max_octets).write());
    }
    if (!version) {
      US_ASSIGN(version, rebuild(base, set, max_octets));
    }
    if (report != nullptr) report_oddities(set, *version, *report);
    return version;
  } catch (const std::bad_alloc&) {
    std::uint64_t octets = base->memory_size();
    for (const DeltaPtr& delta : deltas) octets += delta->size();
    return out_of_memory("a version and the differences that lead on from it", octets);
  }
}

}  // namespace

Result<std::shared_ptr<const Zone>> apply_deltas(const std::shared_ptr<const Zone>& base,
                                                 std::span<const DeltaPtr> deltas, std::uint64_t max_octets,
                                                 ZoneBuilder::Report* report) {
  return apply(base, deltas, max_octets, report, WorkingSet::Rules::of_today);
}

Result<std::shared_ptr<const Zone>> apply_stored_deltas(const std::shared_ptr<const Zone>& base,
                                                        std::span<const DeltaPtr> deltas) {
  return apply(base, deltas, ~std::uint64_t{0}, nullptr, WorkingSet::Rules::of_any_time);
}

Result<std::shared_ptr<const Zone>> apply_in_place(const std::shared_ptr<const Zone>& base,
                                                   std::span<const DeltaPtr> deltas, std::uint64_t max_octets) {
  if (deltas.empty()) return base;
  WorkingSet set(*base);
  US_TRY(take(set, base->serial(), deltas));
  if (!should_share(*base, set)) return nullptr;
  return VersionWriter(*base, set, max_octets).write();
}

}  // namespace understudy
