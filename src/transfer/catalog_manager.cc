#include "transfer/catalog_manager.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <deque>
#include <exception>
#include <iterator>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "base/log.h"
#include "base/mutex.h"
#include "base/thread_name.h"
#include "transfer/catalog_report.h"

namespace understudy {
namespace {

constexpr std::size_t fact_batch = 4096;
constexpr std::size_t zone_batch = 100'000;  // settings that are in memory at once
constexpr std::size_t named_in_log = 8;
constexpr auto purge_interval = std::chrono::minutes(1);

}  // namespace

struct CatalogManager::State {
  State(TransferEngine& transfer_engine, ZoneStore& zone_store, const Clock& wall_clock)
      : engine(transfer_engine), store(zone_store), clock(wall_clock), thread([this] { run(); }) {}

  struct Task {
    std::function<void()> run;
    std::function<void()> cancel;  // may be null
  };

  // The thread.
  void post(Task task);
  void post_command(std::function<CommandOutcome()> work, CommandDone done);
  void run();
  void stop();

  // With work_mutex.
  WallSeconds now();
  Result<void> read_stored();
  void set_sources(ZoneSources next);
  [[nodiscard]] std::vector<ZoneSettings> all_zones();
  std::optional<ZoneSettings> settings_of(const MemberRef& member);
  void add_settings(const MemberRef& member, std::vector<ZoneSettings>& set, std::vector<Name>& removed);
  void reconsider(std::span<const Name> names, CatalogPlan& plan);
  void carry_out(const CatalogPlan& plan);
  void reset_members(const CatalogPlan& plan);
  void save(const CatalogPlan& plan);
  void save_facts(std::vector<Fact> facts);
  void save_in_batches(std::vector<Fact> facts);
  void retry_unsaved();
  void purge();
  void report_unserved();
  void publish_status();
  CommandOutcome accept(const Name& catalog);
  CommandOutcome add_zones(const std::vector<RunTimeZone>& zones);
  CommandOutcome remove_zones(const std::vector<Name>& zones, bool forget);
  void hold(const Name& catalog, HoldReason reason, std::string detail);

  // Without it.
  void take_version(const Name& catalog);
  void look_at_catalogs();

  TransferEngine& engine;
  ZoneStore& store;
  const Clock& clock;

  std::mutex work_mutex;  // one piece of work at a time; guards the following
  JumpWatch jumps{clock};
  bool started = false;
  ZoneSources sources;
  std::map<Name, TemplateChoice> choices;  // of every catalog with members, configured or not
  ZoneInventory inventory;
  CatalogRegistry registry{[this](NameView zone) { return inventory.is_reserved(zone); }};
  std::map<std::string, std::optional<Bytes>> unsaved;  // facts that the disk did not take
  std::vector<Name> unserved;                           // some members without a template, until they are reported
  std::uint64_t unserved_count = 0;

  mutable Mutex status_mutex;
  std::vector<CatalogStatus> statuses US_GUARDED_BY(status_mutex);
  std::map<Name, CatalogLimits> catalogs US_GUARDED_BY(status_mutex);  // that are configured

  std::mutex queue_mutex;  // guards the following
  std::condition_variable changed;
  std::deque<Task> tasks;
  std::map<Name, std::shared_ptr<const Zone>> versions;  // that wait to be read
  bool stopping = false;

  std::thread thread;
};

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
                outcome = job();
              }
              done(std::move(outcome));
            },
        .cancel = [done] { done({fail(Errc::cancelled, "the server stops"), ""}); }});
}

void CatalogManager::State::run() {
  name_this_thread("us-catalog");
  std::unique_lock lock(queue_mutex);
  auto purge_at = std::chrono::steady_clock::now() + purge_interval;
  while (!stopping) {
    if (tasks.empty()) {
      if (changed.wait_until(lock, purge_at) == std::cv_status::timeout) {
        purge_at = std::chrono::steady_clock::now() + purge_interval;
        tasks.push_back({.run =
                             [this] {
                               std::lock_guard work(work_mutex);
                               purge();
                             },
                         .cancel = nullptr});
      }
      continue;
    }
    const Task task = std::move(tasks.front());
    tasks.pop_front();
    lock.unlock();
    try {
      task.run();
    } catch (const std::exception& error) {  // memory that ran out
      log_error("work on catalogs was given up: {}", error.what());
      if (task.cancel) task.cancel();
    }
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
  if (const double jump = jumps.take(); jump != 0) save_in_batches(registry.clock_was_set(std::llround(jump)));
  return clock.wall_seconds();
}

Result<void> CatalogManager::State::read_stored() {
  std::uint64_t damaged = 0;
  const auto note = [&damaged](const auto& result) {
    if (!result && ++damaged <= named_in_log) log_error("storage: {}; it is left out", result.error().text());
    return true;
  };
  US_TRY(store.visit_facts(zone_fact_prefix, [&](std::string_view key, ByteView value) {
    const auto zone = read_run_time_fact(key, value);
    if (zone) inventory.add(*zone);
    return note(zone);
  }));
  US_TRY(store.visit_facts(catalog_fact_prefix, [&](std::string_view key, ByteView value) {
    auto choice = read_template_choice_fact(key, value);
    if (choice) choices.insert_or_assign(choice->first, choice->second);
    return note(choice);
  }));
  US_TRY(store.visit_facts(member_fact_prefix,
                           [&](std::string_view key, ByteView value) { return note(registry.restore(key, value)); }));
  if (damaged > named_in_log) log_error("storage: {} more such facts", damaged - named_in_log);
  save_in_batches(registry.restored(now()));
  return {};
}

void CatalogManager::State::save_facts(std::vector<Fact> facts) {
  if (facts.empty()) return;
  retry_unsaved();
  Result<void> saved;
  if (unsaved.empty()) saved = store.put_facts(facts);
  if (unsaved.empty() && saved) return;
  if (!saved) {
    log_error(
        "catalogs: what changed could not be stored: {}; it is tried again, and a restart meanwhile would find the "
        "state before",
        saved.error().text());
  }
  for (Fact& fact : facts) unsaved.insert_or_assign(std::move(fact.key), std::move(fact.value));
}

void CatalogManager::State::save_in_batches(std::vector<Fact> facts) {
  for (std::size_t at = 0; at < facts.size(); at += fact_batch) {
    const auto begin = facts.begin() + static_cast<std::ptrdiff_t>(at);
    const auto end = facts.begin() + static_cast<std::ptrdiff_t>(std::min(at + fact_batch, facts.size()));
    save_facts({std::make_move_iterator(begin), std::make_move_iterator(end)});
  }
}

void CatalogManager::State::retry_unsaved() {
  while (!unsaved.empty()) {
    std::vector<Fact> facts;
    for (const auto& [key, value] : unsaved) {
      facts.push_back({key, value});
      if (facts.size() == fact_batch) break;
    }
    if (!store.put_facts(facts)) return;
    for (const Fact& fact : facts) unsaved.erase(fact.key);
  }
}

void CatalogManager::State::save(const CatalogPlan& plan) {
  std::vector<Fact> facts;
  plan.for_each_fact([&](Fact fact) {
    facts.push_back(std::move(fact));
    if (facts.size() == fact_batch) save_facts(std::exchange(facts, {}));
  });
  save_facts(std::move(facts));
}

// Plans.

std::optional<ZoneSettings> CatalogManager::State::settings_of(const MemberRef& member) {
  const CatalogMember what = member.get();
  const auto choice = choices.find(member.catalog());
  if (choice != choices.end()) {
    if (const std::string& wanted = choice->second.template_for(what.groups); !wanted.empty()) {
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

/// Their data go before the facts say so: a crash between leads to the same reset again.
void CatalogManager::State::reset_members(const CatalogPlan& plan) {
  std::vector<ZoneSettings> set;
  std::vector<Name> names;
  const auto flush = [&] {
    if (!names.empty()) engine.change_zones(std::exchange(set, {}), std::exchange(names, {}), true, nullptr);
  };
  for (const auto& [kind, member] : plan.changes) {
    if (kind != MemberChange::reset) continue;
    const Name name = member.get().name;
    if (!engine.status(name)) {  // the engine forgets only what it has
      if (const auto forgotten = store.remove(name); !forgotten) {
        log_error("zone {}: its stored data could not be removed: {}", name.text(), forgotten.error().text());
      }
    }
    names.push_back(name);
    if (auto settings = settings_of(member)) set.push_back(*std::move(settings));
    if (names.size() == zone_batch) flush();
  }
  flush();
}

void CatalogManager::State::carry_out(const CatalogPlan& plan) {
  reset_members(plan);
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
        add_settings(member, set, removed);
        break;
      case MemberChange::removed:
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
  report_unserved();
  publish_status();
}

void CatalogManager::State::report_unserved() {
  log_unserved(unserved, unserved_count);
  unserved.clear();
  unserved_count = 0;
}

void CatalogManager::State::publish_status() {
  std::vector<CatalogStatus> now = registry.catalogs();
  for (CatalogStatus& each : now) {
    if (each.hold) each.hold->content.reset();
  }
  Lock lock(status_mutex);
  statuses = std::move(now);
}

void CatalogManager::State::hold(const Name& catalog, HoldReason reason, std::string detail) {
  registry.hold(catalog, reason, std::move(detail), now());
  publish_status();
  Lock lock(status_mutex);
  for (const CatalogStatus& each : statuses) {
    if (each.catalog == catalog && each.hold) log_hold(catalog, *each.hold, each.members);
  }
}

void CatalogManager::State::purge() {
  retry_unsaved();
  const std::vector<Name> names = registry.purge(now());
  if (names.empty()) return;
  std::vector<Fact> facts;
  std::uint64_t failed = 0;
  for (const Name& name : names) {
    if (!store.remove(name)) ++failed;
    facts.push_back({member_fact_key(name.wire()), std::nullopt});
    if (facts.size() == fact_batch) save_facts(std::exchange(facts, {}));
  }
  save_facts(std::move(facts));
  log_info("catalogs: the data of {} former members were purged", names.size());
  if (failed != 0) log_error("catalogs: the data of {} former members could not be removed from the storage", failed);
  publish_status();
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
  if (!content) {
    const std::string advice =
        content.error().code == Errc::record_limit ? "; raise the catalog's limit if it is meant to be so large" : "";
    hold(catalog, HoldReason::broken,
         fmt::format("serial {}: {}{}", version->serial().value, content.error().text(), advice));
    return;
  }
  const CatalogPlan plan = registry.update(*content, now());
  carry_out(plan);
  log_changes(catalog, **content, plan);
  log_conflicts(catalog, plan);
  if (!plan.held) return;
  for (const CatalogStatus& each : registry.catalogs()) {
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

// The set of zones.

void CatalogManager::State::reconsider(std::span<const Name> names, CatalogPlan& plan) {
  plan = registry.reconsider(names, now());
  for (const MemberConflict& conflict : plan.conflicts) {
    log_warning("zone {} takes the place of a catalog's member; take it out of the catalog", conflict.member.text());
  }
  if (plan.conflict_count > plan.conflicts.size()) {
    log_warning("{} more zones take the place of catalogs' members", plan.conflict_count - plan.conflicts.size());
  }
}

void CatalogManager::State::set_sources(ZoneSources next) {
  sources = std::move(next);
  std::vector<CatalogRule> rules;
  std::vector<Fact> facts;
  std::set<Name> configured;
  for (const CatalogSettings& catalog : sources.catalogs) {
    const Name name = catalog.rule.catalog.lowered();
    rules.push_back(catalog.rule);
    rules.back().catalog = name;
    configured.insert(name);
    const auto known = choices.find(name);
    if (known != choices.end() && known->second == catalog.templates) continue;
    choices.insert_or_assign(name, catalog.templates);
    facts.push_back(template_choice_fact(name, catalog.templates));
  }
  registry.set_catalogs(rules, now());
  for (const CatalogStatus& each : registry.catalogs()) configured.insert(each.catalog);
  std::erase_if(choices, [&](const auto& choice) {
    if (configured.contains(choice.first)) return false;
    facts.push_back(no_template_choice_fact(choice.first));
    return true;
  });
  save_facts(std::move(facts));
  Lock lock(status_mutex);
  catalogs.clear();
  for (const CatalogSettings& catalog : sources.catalogs) catalogs.emplace(catalog.rule.catalog, catalog.limits);
}

std::vector<ZoneSettings> CatalogManager::State::all_zones() {
  std::vector<ZoneSettings> all = std::exchange(sources.zones, {});
  all.reserve(all.size() + inventory.run_time_count() + registry.member_count());
  inventory.for_each_run_time([&](const RunTimeZone& zone) {
    if (auto settings = sources.from_template(zone.name, zone.template_name, nullptr)) {
      all.push_back(*std::move(settings));
    } else {
      log_error("zone {}, which was added at run time, is not served, because there is no template {}",
                zone.name.text(), zone.template_name);
    }
  });
  registry.for_each_member([&](const MemberRef& member) {
    if (auto settings = settings_of(member)) all.push_back(*std::move(settings));
  });
  return all;
}

CatalogManager::CatalogManager(TransferEngine& engine, ZoneStore& store, const Clock& clock)
    : state_(std::make_shared<State>(engine, store, clock)) {}

CatalogManager::~CatalogManager() {
  stop();
}

Result<void> CatalogManager::set_zones(ZoneSources sources, bool forget_removed, std::function<void()> loaded) {
  State& state = *state_;
  std::lock_guard work(state.work_mutex);
  if (!state.started) {
    US_TRY(state.read_stored());
    state.started = true;
  }
  std::vector<Name> names;
  names.reserve(sources.zones.size());
  for (const ZoneSettings& zone : sources.zones) names.push_back(zone.name);
  state.set_sources(std::move(sources));
  std::vector<Name> changed = state.inventory.set_configured(names);
  state.inventory.for_each_run_time([&](const RunTimeZone& zone) { changed.push_back(zone.name); });
  CatalogPlan plan;
  state.reconsider(changed, plan);
  state.save(plan);
  state.engine.set_zones(state.all_zones(), forget_removed, [weak = std::weak_ptr(state_), then = std::move(loaded)] {
    // Once stop() has ended the thread, post() drops the task.
    if (const auto alive = weak.lock()) {
      alive->post({.run = [raw = alive.get()] { raw->look_at_catalogs(); }, .cancel = nullptr});
    }
    if (then) then();
  });
  state.report_unserved();
  state.publish_status();
  for (const CatalogStatus& each : state.registry.catalogs()) {
    if (each.hold && each.hold->reason == HoldReason::vanished) log_hold(each.catalog, *each.hold, each.members);
  }
  return {};
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

CommandOutcome CatalogManager::State::accept(const Name& catalog) {
  auto plan = registry.accept(catalog, now());
  if (!plan) return {std::unexpected(std::move(plan).error()), ""};
  carry_out(*plan);
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
    if (inventory.origin(zone.name) == ZoneOrigin::configured) {
      return {fail(Errc::refused, fmt::format("zone {} is configured", zone.name.text())), ""};
    }
    auto settings =
        sources.from_template ? sources.from_template(zone.name, zone.template_name, nullptr) : std::nullopt;
    if (!settings || zone.template_name.size() > 255) {
      return {fail(Errc::not_found, fmt::format("template {}", zone.template_name)), ""};
    }
    set.push_back(*std::move(settings));
    facts.push_back(run_time_fact(zone));
    names.push_back(zone.name);
  }
  if (const auto stored = store.put_facts(facts); !stored) return {std::unexpected(stored.error()), ""};
  for (const RunTimeZone& zone : zones) inventory.add(zone);
  CatalogPlan plan;
  reconsider(names, plan);
  save(plan);
  engine.change_zones(std::move(set), {}, false, nullptr);
  publish_status();
  return {{}, fmt::format("{} zones", zones.size())};
}

CommandOutcome CatalogManager::State::remove_zones(const std::vector<Name>& zones, bool forget) {
  std::vector<Fact> facts;
  for (const Name& zone : zones) {
    if (!inventory.was_added(zone)) {
      return {fail(Errc::not_found, fmt::format("zone {} was not added by a command", zone.text())), ""};
    }
    facts.push_back(no_run_time_fact(zone));
  }
  if (const auto stored = store.put_facts(facts); !stored) return {std::unexpected(stored.error()), ""};
  std::vector<Name> removed;
  for (const Name& zone : zones) {
    inventory.remove(zone);
    if (!inventory.is_reserved(zone)) removed.push_back(zone);
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

void CatalogManager::accept(NameView catalog, CommandDone done) {
  state_->post_command([state = state_.get(), name = Name(catalog)] { return state->accept(name); }, std::move(done));
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
  std::lock_guard work(state_->work_mutex);
  const auto member = state_->registry.find(zone);
  return member ? std::optional(member->catalog()) : std::nullopt;
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
