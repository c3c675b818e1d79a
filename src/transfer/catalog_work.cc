// What becomes of catalogs' versions: plans that are carried out, members that are purged.
#include "transfer/catalog_work.h"

#include <fmt/format.h>

#include <utility>

#include "base/log.h"
#include "transfer/catalog_report.h"

namespace understudy {
namespace {

constexpr std::size_t zone_batch = 100'000;  // settings that are in memory at once
constexpr std::size_t named_in_log = 8;
constexpr auto turn_pause = std::chrono::milliseconds(2);  // between turns, for those that wait for a lock

}  // namespace

// Plans.

std::optional<ZoneSettings> CatalogManager::State::settings_of(const MemberRef& member) {
  const CatalogMember what = member.get();
  const auto catalog = known->catalogs.find(member.catalog());
  if (catalog != known->catalogs.end()) {
    if (const std::string& wanted = catalog->second.templates.template_for(what.groups); !wanted.empty()) {
      if (auto settings = sources.from_template(what.name, wanted, &member.catalog())) return settings;
    }
  }
  ++unserved_count;
  if (unserved.size() < named_in_log) unserved.emplace_back(what.name);
  return std::nullopt;
}

void CatalogManager::State::add_settings(const MemberRef& member, std::vector<ZoneSettings>& set,
                                         std::vector<Name>& removed) {
  if (auto settings = settings_of(member)) {
    set.push_back(*std::move(settings));
  } else {
    removed.emplace_back(member.get().name);  // it may have been served until now
  }
}

/// Resets what is due in turns, as purge() does.
void CatalogManager::State::begin_resets() {
  if (resetting || !resets.is_due()) return;
  resetting = reset_some();
  if (resetting) post({.run = [this] { reset_more(); }, .cancel = nullptr});
}

void CatalogManager::State::reset_more() {
  if (!let_others_in()) return;
  std::lock_guard work(work_mutex);
  resetting = false;
  begin_resets();
}

/// One turn; whether there are more.
bool CatalogManager::State::reset_some() {
  const bool more = resets.turn(*known, [this](const MemberRef& member) { return settings_of(member); }, saver);
  if (!more) {
    report_unserved();
    note_if_stored();
  }
  return more;
}

void CatalogManager::State::save(std::vector<Fact> facts) {
  resets.withhold(facts);
  saver.save(std::move(facts));
}

void CatalogManager::State::carry_out(const CatalogPlan& plan) {
  for (const auto& [kind, member] : plan.changes) {
    if (kind == MemberChange::reset) resets.add(member.get().name);
  }
  save(plan);
  std::vector<ZoneSettings> set;
  std::vector<Name> removed;
  const auto flush = [&] {
    if (set.empty() && removed.empty()) return;
    engine.change_zones(std::exchange(set, {}), std::exchange(removed, {}), false, nullptr);
  };
  for (const auto& [kind, member] : plan.changes) {
    switch (kind) {
      case MemberChange::added:
      case MemberChange::restored:
      case MemberChange::moved:
      case MemberChange::regrouped:
        if (!resets.is_left_to_turn(member.get().name)) add_settings(member, set, removed);
        break;
      case MemberChange::removed:
        (void)resets.is_left_to_turn(member.get().name);  // but it is not served until then
        removed.emplace_back(member.get().name);
        break;
      case MemberChange::reset:
      case MemberChange::updated:
      case MemberChange::released:
        break;
    }
    if (set.size() + removed.size() >= zone_batch) flush();
  }
  flush();
  begin_resets();
  report_unserved();
  publish_status();
}

void CatalogManager::State::report_unserved() {
  log_unserved(unserved, unserved_count);
  unserved.clear();
  unserved_count = 0;
}

void CatalogManager::State::publish_status() {
  std::vector<CatalogStatus> now = known->registry.catalogs();
  for (CatalogStatus& each : now) {
    if (each.hold) each.hold->content.reset();
  }
  auto who_provides = std::make_shared<const CatalogOwners>(known->registry.owners());
  Lock lock(status_mutex);
  statuses = std::move(now);
  owners.swap(who_provides);
}

void CatalogManager::State::hold(const Name& catalog, HoldReason reason, std::string detail) {
  known->registry.hold(catalog, reason, std::move(detail), now());
  publish_status();
  Lock lock(status_mutex);
  for (const CatalogStatus& each : statuses) {
    if (each.catalog == catalog && each.hold) log_hold(catalog, *each.hold, each.members);
  }
}

/// Purges what is due in turns, so that commands, versions and the end of the server wait for one of them at most.
void CatalogManager::State::purge() {
  if (!started) return;
  saver.try_again();
  resets.try_again(*known, saver);
  begin_resets();
  store_again();  // if that is still to be done
  if (purging) return;
  purge_turns.begin();
  purging = purge_some();
  if (purging) post({.run = [this] { purge_more(); }, .cancel = nullptr});
}

/// Between two turns; false: the manager stops. Also if other tasks are there, which may be the turns of something
/// else: who waits for work_mutex on another thread gets it only here.
bool CatalogManager::State::let_others_in() {
  std::unique_lock lock(queue_mutex);
  changed.wait_for(lock, turn_pause, [this] { return stopping; });
  return !stopping;
}

void CatalogManager::State::purge_more() {
  if (!let_others_in()) return;
  std::lock_guard work(work_mutex);
  purging = purge_some();
  if (purging) post({.run = [this] { purge_more(); }, .cancel = nullptr});
}

/// One turn; whether there may be more.
bool CatalogManager::State::purge_some() {
  if (purge_turns.turn(known->registry, saver, now())) return true;
  if (purge_turns.count() == 0) return false;
  log_info("catalogs: the data of {} former members were purged", purge_turns.count());
  publish_status();
  return false;
}

// Versions of catalogs.

void CatalogManager::State::take_version(const Name& catalog) {
  std::shared_ptr<const Zone> version;
  {
    std::lock_guard lock(queue_mutex);
    const auto found = versions.find(catalog);
    if (found == versions.end()) return;
    version = std::move(found->second);
    versions.erase(found);
  }
  CatalogLimits limits;
  {
    Lock lock(status_mutex);
    const auto found = catalogs.find(catalog);
    if (found == catalogs.end()) return;
    limits = found->second;
  }
  auto content = read_catalog(version, limits);
  std::lock_guard work(work_mutex);
  if (!started) return;  // it is looked at then
  if (!content) {
    const Errc code = content.error().code;
    const std::string_view advice =
        code == Errc::record_limit ? "; raise max-members of the catalog if it is meant to be so large"
        : code == Errc::io ? "; give the server more memory, and have it `understudy zone retransfer` the catalog"
                           : "";
    hold(catalog, HoldReason::broken,
         fmt::format("serial {}: {}{}", version->serial().value, content.error().text(), advice));
    return;
  }
  const CatalogPlan plan = known->registry.update(*content, now());
  carry_out(plan);
  save_serial(catalog);
  log_changes(catalog, **content, plan);
  log_conflicts(catalog, plan);
  if (!plan.held) return;
  for (const CatalogStatus& each : known->registry.catalogs()) {
    if (each.catalog == catalog && each.hold) log_hold(catalog, *each.hold, each.members);
  }
}

void CatalogManager::State::look_at_catalogs() {
  std::vector<Name> names;
  {
    Lock lock(status_mutex);
    for (const auto& [name, limits] : catalogs) names.push_back(name);
  }
  for (const Name& name : names) {
    const auto status = engine.status(name);
    if (!status) continue;
    if (status->state == ZoneState::expired) {
      std::lock_guard work(work_mutex);
      hold(name, HoldReason::expired, "");
    } else if (auto version = engine.version(name)) {
      {
        std::lock_guard lock(queue_mutex);
        versions.try_emplace(name, std::move(version));
      }
      take_version(name);
    }
  }
}

}  // namespace understudy
