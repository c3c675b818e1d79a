#include "transfer/catalog_manager.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <utility>

#include "base/log.h"
#include "base/thread_name.h"
#include "transfer/catalog_report.h"
#include "transfer/catalog_work.h"
#include "transfer/leftovers.h"

namespace understudy {
namespace {

constexpr auto purge_interval = std::chrono::minutes(1);
constexpr std::chrono::milliseconds longest_retry_pause{60'000};  // before what is stored is tried to read again

}  // namespace

// The thread.

void CatalogManager::State::post(Task task) {
  {
    std::lock_guard lock(queue_mutex);
    if (!stopping) {
      tasks.push_back(std::move(task));
      changed.notify_one();
      return;
    }
  }
  if (task.cancel) task.cancel();
}

void CatalogManager::State::post_command(std::function<CommandOutcome()> work, CommandDone done) {
  post({.run =
            [this, job = std::move(work), done] {
              CommandOutcome outcome{fail(Errc::internal, "out of memory"), ""};
              {
                std::lock_guard lock(work_mutex);
                outcome = started ? job()
                                  : CommandOutcome{fail(Errc::storage,
                                                        "what is stored of catalogs and of zones added at run time "
                                                        "cannot be read yet; see the log, and try again later"),
                                                   ""};
              }
              done(std::move(outcome));
            },
        .cancel = [done] { done({fail(Errc::cancelled, "the server stops"), ""}); }});
}

/// Memory that runs out for a list of members is told as what it is, in take_version(). Elsewhere it may have come in
/// the middle of a change to who provides what, of which a half could have the data of zones purged that are served:
/// the process ends, and its next start goes on from what is stored.
void CatalogManager::State::run_or_end(const Task& task) noexcept {
  try {
    task.run();
  } catch (const std::exception& error) {
    log_error("work on catalogs was cut off: {}; the server ends, and what it served is there after its next start",
              error.what());
    throw;
  }
}

void CatalogManager::State::run() {
  name_this_thread("us-catalog");
  std::unique_lock lock(queue_mutex);
  auto purge_at = std::chrono::steady_clock::now() + purge_interval;
  while (!stopping) {
    if (tasks.empty()) {
      changed.wait_until(lock, retry_at ? std::min(purge_at, *retry_at) : purge_at);
      const auto time = std::chrono::steady_clock::now();
      const auto add_if_due = [&](bool is_due, void (State::*work)()) {
        if (!is_due) return;
        tasks.push_back({.run =
                             [this, work] {
                               std::lock_guard one_at_a_time(work_mutex);
                               (this->*work)();
                             },
                         .cancel = nullptr});
      };
      add_if_due(purge_at <= time, &State::purge);
      if (purge_at <= time) purge_at = time + purge_interval;
      add_if_due(retry_at && *retry_at <= time, &State::read_again);
      if (retry_at && *retry_at <= time) retry_at.reset();
      continue;
    }
    const Task task = std::move(tasks.front());
    tasks.pop_front();
    lock.unlock();
    run_or_end(task);
    lock.lock();
  }
}

void CatalogManager::State::stop() {
  std::deque<Task> left;
  {
    std::lock_guard lock(queue_mutex);
    if (std::exchange(stopping, true)) return;
    left.swap(tasks);
    changed.notify_one();
  }
  thread.join();
  for (const Task& task : left) {
    if (task.cancel) task.cancel();
  }
}

// What is stored.

/// The wall time. What is counted by it goes on as it would have if the clock was set meanwhile.
WallSeconds CatalogManager::State::now() {
  if (const double jump = jumps.take(); jump != 0) {
    auto moved = known->registry.clock_was_set(std::llround(jump));
    if (started) save(std::move(moved));  // else it is a part of what is stored, or was
  }
  return clock.wall_seconds();
}

/// Takes what is stored, or as much of it as can be read now, in place of what was read before.
Result<void> CatalogManager::State::read_stored() {
  const std::uint64_t seen = losses_seen();
  // What could be read before is of a directory that is gone, so it goes behind what is in the one that came.
  const StoredZones* lost = seen != loss_made_up ? known.get() : nullptr;
  auto read = std::make_unique<StoredZones>();
  std::vector<Fact> changed_facts;
  Result<void> outcome = read->read(store, now(), changed_facts, lost);
  const bool is_better = outcome || !known || read->registry.member_count() > known->registry.member_count() ||
                         read->inventory.run_time_count() > known->inventory.run_time_count();
  if (is_better) known = std::move(read);
  if (outcome) {
    saver.save(std::move(changed_facts));
    started = true;
    loss_made_up = seen;
    note_if_stored();
  }
  set_unread(outcome ? "" : outcome.error().text());
  return outcome;
}

void CatalogManager::State::set_unread(std::string reason) {
  Lock lock(status_mutex);
  unread = std::move(reason);
}

/// Zones are served as far as they are known, and nothing is changed in the store, until all of it can be read.
void CatalogManager::State::serve_what_is_known(ZoneSources next, const Error& error, std::function<void()> loaded) {
  log_error(
      "members of catalogs and zones added at run time cannot be read: {}; configured zones and {} others are served, "
      "catalogs and commands change nothing, and it is tried again in {} s; check the disk",
      error.text(), known->registry.member_count() + known->inventory.run_time_count(),
      std::chrono::duration_cast<std::chrono::seconds>(retry_pause).count());
  sources = std::move(next);
  known->inventory.set_configured(sources.zones);
  for (const CatalogSettings& catalog : sources.catalogs) {
    known->catalogs.insert_or_assign(catalog.rule.catalog.lowered(), stored_part(catalog));
  }
  std::vector<ZoneSettings> configured = sources.zones;  // they are needed again
  engine.set_zones(all_zones(), false, std::move(loaded));
  sources.zones = std::move(configured);
  report_unserved();
  publish_status();
  std::lock_guard lock(queue_mutex);
  retry_at = std::chrono::steady_clock::now() + retry_pause;
  retry_pause = std::min(retry_pause * 2, longest_retry_pause);
  changed.notify_one();
}

void CatalogManager::State::read_again() {
  if (started) return;
  if (const Result<void> read = read_stored(); !read) {
    serve_what_is_known(std::move(sources), read.error(), nullptr);
    return;
  }
  log_info("members of catalogs and zones added at run time could be read now, and are served");
  serve(std::move(sources), false, nullptr);
}

/// Any thread, within a call to the store.
void CatalogManager::State::store_was_made_anew() {
  {
    Lock lock(status_mutex);
    ++losses;
  }
  post({.run =
            [this] {
              std::lock_guard work(work_mutex);
              store_again();
            },
        .cancel = nullptr});
}

/// Resets go on in their turns; the turns store the facts of those members.
void CatalogManager::State::store_again() {
  read_again();  // as long as not all was read; then that makes up for it
  if (!started) return;
  if (const std::uint64_t seen = losses_seen(); seen != loss_made_up) {
    const Result<void> done = known->store_again(store, [this](std::vector<Fact> facts) { save(std::move(facts)); });
    if (!done) {
      log_error(
          "catalogs: the storage was made anew, and what it has of members and zones cannot be read: {}; it is "
          "tried again in a minute, and a restart meanwhile may find some that are not there any more",
          done.error().text());
      return;
    }
    loss_made_up = seen;
  }
  note_if_stored();
}

std::uint64_t CatalogManager::State::losses_seen() const {
  Lock lock(status_mutex);
  return losses;
}

void CatalogManager::State::note_if_stored() {
  if (!saver.all_saved() || !resets.is_through()) return;  // whose facts are withheld
  {
    Lock lock(status_mutex);
    if (losses_stored == loss_made_up) return;
    losses_stored = loss_made_up;
  }
  log_info("catalogs: the storage was made anew, and {} members and {} zones added at run time are noted in it again",
           known->registry.member_count(), known->inventory.run_time_count());
}

bool CatalogManager::State::is_unstored() const {
  Lock lock(status_mutex);
  return losses != losses_stored;
}

void CatalogManager::State::save(const CatalogPlan& plan) {
  std::vector<Fact> facts;
  plan.for_each_fact([&](Fact fact) {
    facts.push_back(std::move(fact));
    if (facts.size() == FactSaver::batch) save(std::exchange(facts, {}));
  });
  save(std::move(facts));
}

// The set of zones.

StoredCatalog CatalogManager::State::stored_part(const CatalogSettings& catalog) const {
  const auto stored = known->catalogs.find(catalog.rule.catalog.lowered());
  return {.templates = catalog.templates,
          .purge_after = catalog.rule.purge_after,
          .serial = stored == known->catalogs.end() ? std::nullopt : stored->second.serial};
}

/// After the members: without them it says nothing, and they are right without it.
void CatalogManager::State::save_serial(const Name& catalog) {
  const auto stored = known->catalogs.find(catalog);
  const std::optional<Serial> serial = known->registry.serial_of(catalog);
  if (stored == known->catalogs.end() || stored->second.serial == serial) return;
  stored->second.serial = serial;
  std::vector<Fact> facts;
  facts.push_back(catalog_fact(catalog, stored->second));
  saver.save(std::move(facts));
}

void CatalogManager::State::reconsider(std::span<const Name> names, CatalogPlan& plan) {
  plan = known->registry.reconsider(names, now());
  log_displaced(plan);
}

void CatalogManager::State::set_sources(ZoneSources next) {
  sources = std::move(next);
  std::vector<CatalogRule> rules;
  std::vector<Fact> facts;
  for (const CatalogSettings& catalog : sources.catalogs) {
    const Name name = catalog.rule.catalog.lowered();
    rules.push_back(catalog.rule);
    rules.back().catalog = name;
    const StoredCatalog to_store = stored_part(catalog);
    const auto stored = known->catalogs.find(name);
    if (stored != known->catalogs.end() && stored->second == to_store) continue;
    known->catalogs.insert_or_assign(name, to_store);
    facts.push_back(catalog_fact(name, to_store));
  }
  known->registry.set_catalogs(rules, now());
  std::set<Name> needed = known->registry.named_in_trash();
  for (const CatalogStatus& each : known->registry.catalogs()) needed.insert(each.catalog);
  std::erase_if(known->catalogs, [&](const auto& catalog) {
    if (needed.contains(catalog.first)) return false;
    facts.push_back(no_catalog_fact(catalog.first));
    return true;
  });
  saver.save(std::move(facts));
  Lock lock(status_mutex);
  catalogs.clear();
  for (const CatalogSettings& catalog : sources.catalogs) catalogs.emplace(catalog.rule.catalog, catalog.limits);
}

std::vector<ZoneSettings> CatalogManager::State::all_zones() {
  std::vector<ZoneSettings> all = std::exchange(sources.zones, {});
  all.reserve(all.size() + known->inventory.run_time_count() + known->registry.member_count());
  known->inventory.for_each_run_time([&](const RunTimeZone& zone) {
    if (auto settings = sources.from_template(zone.name, zone.template_name, nullptr)) {
      all.push_back(*std::move(settings));
    } else {
      log_error("zone {}, which was added at run time, is not served, because there is no template {}",
                zone.name.text(), zone.template_name);
    }
  });
  known->registry.for_each_member([&](const MemberRef& member) {
    if (!started && known->inventory.is_reserved(member.get().name)) return;
    if (auto settings = settings_of(member)) all.push_back(*std::move(settings));
  });
  return all;
}

CatalogManager::CatalogManager(TransferEngine& engine, ZoneStore& store, const Clock& clock)
    : state_(std::make_shared<State>(engine, store, clock)) {
  store.on_made_anew([weak = std::weak_ptr(state_)] {
    if (const auto alive = weak.lock()) alive->store_was_made_anew();
  });
}

CatalogManager::~CatalogManager() {
  stop();
}

/// As run_or_end(): no half of it is left.
void CatalogManager::State::serve(ZoneSources next, bool forget_removed, std::function<void()> loaded) noexcept {
  set_sources(std::move(next));
  std::vector<Name> reserved_or_not = known->inventory.set_configured(sources.zones);
  known->inventory.for_each_run_time([&](const RunTimeZone& zone) { reserved_or_not.push_back(zone.name); });
  CatalogPlan plan;
  reconsider(reserved_or_not, plan);
  save(plan);
  resets.all_again();
  engine.set_zones(all_zones(), forget_removed, [weak = weak_from_this(), then = std::move(loaded)] {
    // Once stop() has ended the thread, post() drops the task.
    if (const auto alive = weak.lock()) {
      alive->post({.run = [raw = alive.get()] { raw->look_at_catalogs(); }, .cancel = nullptr});
    }
    if (then) then();
  });
  if (resets.is_due() && !std::exchange(resetting, true)) {  // who waits for this does not wait for those
    post({.run = [this] { reset_more(); }, .cancel = nullptr});
  }
  report_unserved();
  publish_status();
  for (const CatalogStatus& each : known->registry.catalogs()) {
    if (each.hold && each.hold->reason == HoldReason::vanished) log_hold(each.catalog, *each.hold, each.members);
  }
}

void CatalogManager::set_zones(ZoneSources sources, bool forget_removed, std::function<void()> loaded) {
  State& state = *state_;
  std::lock_guard work(state.work_mutex);
  if (!state.started) {
    if (const Result<void> read = state.read_stored(); !read) {
      state.retry_pause = State::shortest_retry_pause;
      state.serve_what_is_known(std::move(sources), read.error(), std::move(loaded));
      return;
    }
  }
  state.serve(std::move(sources), forget_removed, std::move(loaded));
}

std::vector<SettingsLoss> CatalogManager::settings_lost(const ZoneSources& next) const {
  std::lock_guard work(state_->work_mutex);
  return understudy::settings_lost(*state_->known, state_->sources, next);
}

std::string CatalogManager::unread() const {
  Lock lock(state_->status_mutex);
  return state_->unread;
}

bool CatalogManager::is_unstored() const {
  return state_->is_unstored();
}

bool CatalogManager::is_catalog(NameView zone) const {
  Lock lock(state_->status_mutex);
  return state_->catalogs.contains(Name(zone));
}

void CatalogManager::published(const std::shared_ptr<const Zone>& version) {
  if (!is_catalog(version->apex())) return;
  const Name name = version->apex();
  {
    std::lock_guard lock(state_->queue_mutex);
    if (!state_->versions.insert_or_assign(name, version).second) return;  // a task is waiting already
  }
  state_->post({.run = [state = state_.get(), name] { state->take_version(name); }, .cancel = nullptr});
}

void CatalogManager::expired(NameView zone) {
  if (!is_catalog(zone)) return;
  state_->post({.run =
                    [state = state_.get(), name = Name(zone)] {
                      std::lock_guard work(state->work_mutex);
                      state->hold(name, HoldReason::expired, "");
                    },
                .cancel = nullptr});
}

// Commands.

CommandOutcome CatalogManager::State::accept(const Name& catalog, std::optional<AnnouncedHold> announced) {
  auto plan = known->registry.accept(catalog, announced, now());
  if (!plan) return {std::unexpected(std::move(plan).error()), ""};
  carry_out(*plan);
  save_serial(catalog);
  log_conflicts(catalog, *plan);
  std::string text = changes_text(*plan);
  log_info("catalog {}: what was held is applied: {}", catalog.text(), text);
  return {{}, std::move(text)};
}

CommandOutcome CatalogManager::State::add_zones(const std::vector<RunTimeZone>& zones) {
  std::vector<ZoneSettings> set;
  std::vector<Fact> facts;
  std::vector<Name> names;
  for (const RunTimeZone& zone : zones) {
    if (known->inventory.origin(zone.name) == ZoneOrigin::configured) {
      return {fail(Errc::refused, fmt::format("zone {} is configured", zone.name.text())), ""};
    }
    if (const auto member = known->registry.find(zone.name)) return {refuse_member(*member), ""};
    auto settings =
        sources.from_template ? sources.from_template(zone.name, zone.template_name, nullptr) : std::nullopt;
    if (!settings || zone.template_name.size() > 255) {
      return {fail(Errc::not_found, fmt::format("template {}", zone.template_name)), ""};
    }
    set.push_back(*std::move(settings));
    facts.push_back(run_time_fact(zone));
    names.push_back(zone.name);
  }
  if (const auto stored = saver.put_now(facts); !stored) return {std::unexpected(stored.error()), ""};
  for (const RunTimeZone& zone : zones) known->inventory.add(zone);
  CatalogPlan plan;
  reconsider(names, plan);
  save(plan);
  engine.change_zones(std::move(set), {}, false, nullptr);
  publish_status();
  return {{}, fmt::format("{} zones", zones.size())};
}

CommandOutcome CatalogManager::State::remove_zones(const std::vector<Name>& zones, bool forget) {
  const auto what = plan_removal(*known, store, zones, forget);
  if (!what) return {std::unexpected(what.error()), ""};
  if (forget) {
    if (const auto done = forget_unserved(engine, store, zones); !done) return {std::unexpected(done.error()), ""};
  }
  if (const auto stored = saver.put_now(what->facts); !stored) return {std::unexpected(stored.error()), ""};
  known->registry.purged(what->left);
  std::vector<Name> removed;
  for (const Name& zone : what->added) {
    known->inventory.remove(zone);
    if (!known->inventory.is_reserved(zone)) removed.push_back(zone);
  }
  CatalogPlan plan;
  reconsider(removed, plan);
  save(plan);
  std::vector<ZoneSettings> set;
  std::vector<Name> unwanted;
  for (const auto& change : plan.changes) add_settings(change.member, set, unwanted);
  if (!forget) {  // a member that takes the zone's place keeps its data
    std::set<Name> stays;
    for (const ZoneSettings& each : set) stays.insert(each.name);
    std::erase_if(removed, [&](const Name& name) { return stays.contains(name); });
  }
  engine.change_zones(std::move(set), std::move(removed), forget, nullptr);
  report_unserved();
  publish_status();
  return {{}, fmt::format("{} zones", zones.size())};
}

void CatalogManager::accept(NameView catalog, std::optional<AnnouncedHold> announced, CommandDone done) {
  state_->post_command(
      [state = state_.get(), name = Name(catalog), announced] { return state->accept(name, announced); },
      std::move(done));
}

void CatalogManager::add_zones(std::vector<RunTimeZone> zones, CommandDone done) {
  state_->post_command([state = state_.get(), added = std::move(zones)] { return state->add_zones(added); },
                       std::move(done));
}

void CatalogManager::remove_zones(std::vector<Name> zones, bool forget, CommandDone done) {
  state_->post_command(
      [state = state_.get(), removed = std::move(zones), forget] { return state->remove_zones(removed, forget); },
      std::move(done));
}

std::vector<CatalogStatus> CatalogManager::status() const {
  Lock lock(state_->status_mutex);
  return state_->statuses;
}

std::optional<Name> CatalogManager::catalog_of(NameView zone) const {
  std::shared_ptr<const CatalogOwners> owners;
  {
    Lock lock(state_->status_mutex);
    owners = state_->owners;
  }
  return owners->find(zone);
}

void CatalogManager::clock_changed() {
  state_->post({.run =
                    [state = state_.get()] {
                      std::lock_guard work(state->work_mutex);
                      state->purge();
                    },
                .cancel = nullptr});
}

void CatalogManager::stop() {
  state_->stop();
}

}  // namespace understudy
