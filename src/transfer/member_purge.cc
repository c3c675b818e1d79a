#include "transfer/member_purge.h"

#include <utility>
#include <vector>

#include "base/log.h"

namespace understudy {
namespace {

constexpr std::size_t turn_size = 256;

}  // namespace

void MemberPurge::begin() {
  position_.clear();
  count_ = 0;
}

bool MemberPurge::turn(CatalogRegistry& registry, FactSaver& saver, WallSeconds now) {
  const std::vector<Name> names = registry.due_for_purge(now, turn_size, position_);
  if (names.empty()) return false;
  engine_.wait_until_gone(names);  // one that left a moment ago may have a commit on the disk
  if (const Result<void> removed = store_.remove_all(names); !removed) {
    // Facts stay as long as the data do: what could not be removed is tried again, also by the next start.
    log_error(
        "catalogs: the data of {} former members, among them {}, could not be removed: {}; tried again in a minute",
        names.size(), names.front().text(), removed.error().text());
    return false;
  }
  std::vector<Fact> facts;
  facts.reserve(names.size());
  for (const Name& name : names) facts.push_back({member_fact_key(name.wire()), std::nullopt});
  saver.save(std::move(facts));
  registry.purged(names);
  count_ += names.size();
  return names.size() == turn_size;
}

}  // namespace understudy
