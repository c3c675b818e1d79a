#include "transfer/catalog_manager.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <deque>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "base/log.h"
#include "base/mutex.h"
#include "base/thread_name.h"
#include "transfer/catalog_report.h"
#include "transfer/fact_saver.h"
#include "transfer/member_purge.h"
#include "transfer/stored_zones.h"

namespace understudy {
namespace {

constexpr std::size_t zone_batch = 100'000;  // settings that are in memory at once
constexpr std::size_t named_in_log = 8;
constexpr auto purge_interval = std::chrono::minutes(1);
constexpr auto purge_pause = std::chrono::milliseconds(2);  // between turns, for those that wait for a lock
// Between two attempts to read what is stored.
constexpr std::chrono::milliseconds shortest_retry_pause{1000};
constexpr std::chrono::milliseconds longest_retry_pause{60'000};

}  // namespace

struct CatalogManager::State : std::enable_shared_from_this<State> {
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
  void set_unread(std::string reason);
  void serve_what_is_known(ZoneSources next, const Error& error, std::function<void()> loaded);
  void read_again();
  void serve(ZoneSources next, bool forget_removed, std::function<void()> loaded);
  void set_sources(ZoneSources next);
  [[nodiscard]] std::vector<ZoneSettings> all_zones();
  std::optional<ZoneSettings> settings_of(const MemberRef& member);
  void add_settings(const MemberRef& member, std::vector<ZoneSettings>& set, std::vector<Name>& removed);
  void reconsider(std::span<const Name> names, CatalogPlan& plan);
  void carry_out(const CatalogPlan& plan);
  void reset_members(const CatalogPlan& plan);
  void save(const CatalogPlan& plan);
  void purge();
  bool purge_some();
  void report_unserved();
  void publish_status();
  CommandOutcome accept(const Name& catalog);
  CommandOutcome add_zones(const std::vector<RunTimeZone>& zones);
  CommandOutcome remove_zones(const std::vector<Name>& zones, bool forget);
  void hold(const Name& catalog, HoldReason reason, std::string detail);

  // Without it.
  void purge_more();
  void take_version(const Name& catalog);
  void look_at_catalogs();

  TransferEngine& engine;
  ZoneStore& store;
  const Clock& clock;

  std::mutex work_mutex;  // one piece of work at a time; guards the following
  JumpWatch jumps{clock};
  bool started = false;  // all that is stored was read
  ZoneSources sources;
  std::unique_ptr<StoredZones> known = std::make_unique<StoredZones>();
  std::chrono::milliseconds retry_pause = shortest_retry_pause;
  FactSaver saver{store};
  std::vector<Name> unserved;  // some members without a template, until they are reported
  std::uint64_t unserved_count = 0;
  bool purging = false;  // the next turn is in the queue
  MemberPurge purge_turns{store};

  mutable Mutex status_mutex;
  std::vector<CatalogStatus> statuses US_GUARDED_BY(status_mutex);
  std::map<Name, CatalogLimits> catalogs US_GUARDED_BY(status_mutex);  // that are configured
  std::string unread US_GUARDED_BY(status_mutex);                      // why not all that is stored could be read

  std::mutex queue_mutex;  // guards the following
  std::condition_variable changed;
  std::deque<Task> tasks;
  std::map<Name, std::shared_ptr<const Zone>> versions;  // that wait to be read
  std::optional<std::chrono::steady_clock::time_point> retry_at;
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
  if (const double jump = jumps.take(); jump != 0) saver.save(known->registry.clock_was_set(std::llround(jump)));
  return clock.wall_seconds();
}

/// Takes what is stored, or as much of it as can be read now, in place of what was read before.
Result<void> CatalogManager::State::read_stored() {
  auto read = std::make_unique<StoredZones>();
  std::vector<Fact> changed_facts;
  Result<void> outcome = read->read(store, now(), changed_facts);
  const bool is_better = outcome || !known || read->registry.member_count() > known->registry.member_count() ||
                         read->inventory.run_time_count() > known->inventory.run_time_count();
  if (is_better) known = std::move(read);
  if (outcome) {
    saver.save(std::move(changed_facts));
    started = true;
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
    known->choices.insert_or_assign(catalog.rule.catalog.lowered(), catalog.templates);
  }
  std::vector<ZoneSettings> configured = sources.zones;  // they are needed again
  engine.set_zones(all_zones(), false, std::move(loaded));
  sources.zones = std::move(configured);
  report_unserved();
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

void CatalogManager::State::save(const CatalogPlan& plan) {
  std::vector<Fact> facts;
  plan.for_each_fact([&](Fact fact) {
    facts.push_back(std::move(fact));
    if (facts.size() == FactSaver::batch) saver.save(std::exchange(facts, {}));
  });
  saver.save(std::move(facts));
}

// Plans.

std::optional<ZoneSettings> CatalogManager::State::settings_of(const MemberRef& member) {
  const CatalogMember what = member.get();
  const auto choice = known->choices.find(member.catalog());
  if (choice != known->choices.end()) {
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
  std::vector<CatalogStatus> now = known->registry.catalogs();
  for (CatalogStatus& each : now) {
    if (each.hold) each.hold->content.reset();
  }
  Lock lock(status_mutex);
  statuses = std::move(now);
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
  if (!started || purging) return;
  saver.try_again();
  purge_turns.begin();
  purging = purge_some();
  if (purging) post({.run = [this] { purge_more(); }, .cancel = nullptr});
}

void CatalogManager::State::purge_more() {
  {
    std::unique_lock lock(queue_mutex);
    changed.wait_for(lock, purge_pause, [this] { return stopping || !tasks.empty(); });
    if (stopping) return;
  }
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
    const std::string advice = content.error().code == Errc::record_limit
                                   ? "; raise max-members of the catalog if it is meant to be so large"
                                   : "";
    hold(catalog, HoldReason::broken,
         fmt::format("serial {}: {}{}", version->serial().value, content.error().text(), advice));
    return;
  }
  const CatalogPlan plan = known->registry.update(*content, now());
  carry_out(plan);
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

// The set of zones.

void CatalogManager::State::reconsider(std::span<const Name> names, CatalogPlan& plan) {
  plan = known->registry.reconsider(names, now());
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
    const auto choice = known->choices.find(name);
    if (choice != known->choices.end() && choice->second == catalog.templates) continue;
    known->choices.insert_or_assign(name, catalog.templates);
    facts.push_back(template_choice_fact(name, catalog.templates));
  }
  known->registry.set_catalogs(rules, now());
  for (const CatalogStatus& each : known->registry.catalogs()) configured.insert(each.catalog);
  std::erase_if(known->choices, [&](const auto& choice) {
    if (configured.contains(choice.first)) return false;
    facts.push_back(no_template_choice_fact(choice.first));
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
    : state_(std::make_shared<State>(engine, store, clock)) {}

CatalogManager::~CatalogManager() {
  stop();
}

void CatalogManager::State::serve(ZoneSources next, bool forget_removed, std::function<void()> loaded) {
  set_sources(std::move(next));
  std::vector<Name> reserved_or_not = known->inventory.set_configured(sources.zones);
  known->inventory.for_each_run_time([&](const RunTimeZone& zone) { reserved_or_not.push_back(zone.name); });
  CatalogPlan plan;
  reconsider(reserved_or_not, plan);
  save(plan);
  engine.set_zones(all_zones(), forget_removed, [weak = weak_from_this(), then = std::move(loaded)] {
    // Once stop() has ended the thread, post() drops the task.
    if (const auto alive = weak.lock()) {
      alive->post({.run = [raw = alive.get()] { raw->look_at_catalogs(); }, .cancel = nullptr});
    }
    if (then) then();
  });
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
      state.retry_pause = shortest_retry_pause;
      state.serve_what_is_known(std::move(sources), read.error(), std::move(loaded));
      return;
    }
  }
  state.serve(std::move(sources), forget_removed, std::move(loaded));
}

std::string CatalogManager::unread() const {
  Lock lock(state_->status_mutex);
  return state_->unread;
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
  auto plan = known->registry.accept(catalog, now());
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
    if (known->inventory.origin(zone.name) == ZoneOrigin::configured) {
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
  for (const RunTimeZone& zone : zones) known->inventory.add(zone);
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
    if (!known->inventory.was_added(zone)) {
      return {fail(Errc::not_found, fmt::format("zone {} was not added by a command", zone.text())), ""};
    }
    facts.push_back(no_run_time_fact(zone));
  }
  if (const auto stored = store.put_facts(facts); !stored) return {std::unexpected(stored.error()), ""};
  std::vector<Name> removed;
  for (const Name& zone : zones) {
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
  const auto member = state_->known->registry.find(zone);
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
