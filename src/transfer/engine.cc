#include "transfer/engine.h"

#include <algorithm>
#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <condition_variable>
#include <future>
#include <optional>
#include <span>
#include <thread>
#include <unordered_map>
#include <utility>

#include "base/log.h"
#include "base/qsbr.h"
#include "base/thread_name.h"
#include "transfer/clock_watch.h"
#include "transfer/core.h"
#include "transfer/directory.h"
#include "transfer/loader.h"

namespace understudy {

namespace asio = boost::asio;
using AgentPtr = std::shared_ptr<ZoneAgent>;

struct TransferEngine::State {
  State(ZoneStore& store, const Clock& clock, const EngineSettings& settings);

  // What set_zones() and change_zones() make of the old and the new zones. Canonical order.
  struct Change {
    std::vector<AgentPtr> added;
    std::vector<AgentPtr> removed;
    std::vector<std::pair<AgentPtr, ZoneSettings>> kept;
  };

  [[nodiscard]] std::shared_ptr<const Directory> zones() const US_EXCLUDES(mutex);
  [[nodiscard]] AgentPtr make_agent(const ZoneSettings& settings);
  [[nodiscard]] Change compare(std::span<const ZoneSettings> wanted);
  [[nodiscard]] Change look_up(std::vector<ZoneSettings> wanted, std::vector<Name> removed);
  void publish(const Change& change);
  void retire(std::vector<AgentPtr> agents, bool forget);
  void wait_until_gone(std::span<const Name> names);
  void wait_until_gone(std::span<const AgentPtr> successors);
  void apply(Change change, bool forget_removed, std::function<void()> loaded);
  Result<void> begin_anew(Change change, std::span<const Name> names);
  void one_left(const Name& name);
  void command(NameView zone, bool whole, CommandDone done);
  void stop_work();
  [[nodiscard]] bool is_quiet() const;

  EngineCore core;
  ClockWatch watch;
  std::atomic<const ZoneTable*> table{nullptr};
  std::atomic<unsigned> loads_under_way{0};

  std::mutex set_zones_mutex;  // one caller at a time
  mutable Mutex mutex;
  std::shared_ptr<const Directory> directory US_GUARDED_BY(mutex) = std::make_shared<const Directory>();

  std::mutex leaving_mutex;
  std::condition_variable left;
  std::unordered_map<Name, unsigned, NameHash, NameEqual> leaving;  // guarded by leaving_mutex: not gone yet
  bool stopped = false;                                             // guarded by set_zones_mutex

  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> keep_running;
  std::thread thread;  // the transfer thread
};

TransferEngine::State::State(ZoneStore& store, const Clock& clock, const EngineSettings& settings)
    : core(store, clock, settings),
      watch(core, [this] { return zones(); }),
      keep_running(asio::make_work_guard(core.io)) {
  table = new ZoneTable({});
  thread = std::thread([this] {
    name_this_thread("us-transfer");
    core.io.run();
  });
  asio::post(core.io, [this] { watch.start(); });
}

std::shared_ptr<const Directory> TransferEngine::State::zones() const {
  Lock lock(mutex);
  return directory;
}

// The set of zones.

namespace {

void sort_settings(std::vector<ZoneSettings>& zones) {
  const auto before = [](const ZoneSettings& a, const ZoneSettings& b) { return a.name < b.name; };
  if (!std::ranges::is_sorted(zones, before)) std::ranges::sort(zones, before);
  const auto same = std::ranges::unique(zones, [](const auto& a, const auto& b) { return a.name == b.name; });
  zones.erase(same.begin(), same.end());
}

}  // namespace

AgentPtr TransferEngine::State::make_agent(const ZoneSettings& settings) {
  auto slot = std::make_shared<ZoneSlot>(settings.name, settings.policy->access);
  return std::make_shared<ZoneAgent>(core, settings, std::move(slot));
}

/// `wanted` is in order.
TransferEngine::State::Change TransferEngine::State::compare(std::span<const ZoneSettings> wanted) {
  const std::shared_ptr<const Directory> before = zones();
  Change change;
  auto next = wanted.begin();
  const auto add_up_to = [&](const AgentPtr* agent) {
    for (; next != wanted.end() && (agent == nullptr || next->name.view() < (*agent)->name()); ++next) {
      change.added.push_back(make_agent(*next));
    }
  };
  before->for_each([&](const AgentPtr& agent) {
    add_up_to(&agent);
    if (next != wanted.end() && next->name.view() == agent->name()) {
      change.kept.emplace_back(agent, *next++);
    } else {
      change.removed.push_back(agent);
    }
  });
  add_up_to(nullptr);
  return change;
}

TransferEngine::State::Change TransferEngine::State::look_up(std::vector<ZoneSettings> wanted,
                                                             std::vector<Name> removed) {
  sort_settings(wanted);
  std::ranges::sort(removed);
  const auto same = std::ranges::unique(removed);
  removed.erase(same.begin(), same.end());
  const std::shared_ptr<const Directory> before = zones();
  Change change;
  for (const Name& name : removed) {
    if (AgentPtr agent = before->find(name)) change.removed.push_back(std::move(agent));
  }
  for (ZoneSettings& settings : wanted) {
    AgentPtr agent = std::ranges::binary_search(removed, settings.name) ? nullptr : before->find(settings.name);
    if (agent) {
      change.kept.emplace_back(std::move(agent), std::move(settings));
    } else {
      change.added.push_back(make_agent(settings));
    }
  }
  return change;
}

void TransferEngine::State::publish(const Change& change) {
  std::vector<std::shared_ptr<ZoneSlot>> added, removed;
  for (const AgentPtr& agent : change.added) added.push_back(agent->slot());
  for (const AgentPtr& agent : change.removed) removed.push_back(agent->slot());
  const ZoneTable* before = table.load(std::memory_order_relaxed);
  table.store(before->with(added, removed).release(), std::memory_order_release);
  qsbr_retire([before] { delete before; });
  auto after = zones()->with(change.added, change.removed);
  Lock lock(mutex);
  directory = std::move(after);
}

void TransferEngine::State::retire(std::vector<AgentPtr> agents, bool forget) {
  if (agents.empty()) return;
  {
    std::lock_guard lock(leaving_mutex);
    for (const AgentPtr& agent : agents) ++leaving[Name(agent->name())];
  }
  asio::post(core.io, [this, moved = std::move(agents), forget] {
    for (const AgentPtr& agent : moved) {
      agent->retire(forget, [this, name = Name(agent->name())] { one_left(name); });
    }
  });
}

/// Also for those that were taken away before: they leave the directory at once, and the store only when what they do
/// there ends.
void TransferEngine::State::wait_until_gone(std::span<const Name> names) {
  std::unique_lock lock(leaving_mutex);
  left.wait(lock, [&] {
    return leaving.empty() || std::ranges::none_of(names, [&](const Name& name) { return leaving.contains(name); });
  });
}

/// A zone that comes back must find its earlier self gone from the store.
void TransferEngine::State::wait_until_gone(std::span<const AgentPtr> successors) {
  std::unique_lock lock(leaving_mutex);
  left.wait(lock, [&] {
    return leaving.empty() ||
           std::ranges::none_of(successors, [&](const AgentPtr& agent) { return leaving.contains(agent->name()); });
  });
}

void TransferEngine::State::apply(Change change, bool forget_removed, std::function<void()> loaded) {
  ++loads_under_way;
  publish(change);
  retire(std::move(change.removed), forget_removed);
  wait_until_gone(change.added);
  asio::post(core.io, [this, moved = std::make_shared<Change>(std::move(change)), then = std::move(loaded)] {
    for (auto& [agent, settings] : moved->kept) agent->change_settings(std::move(settings));
    load_zones(core, std::move(moved->added), [this, then] {
      --loads_under_way;
      if (then) then();
    });
  });
}

Result<void> TransferEngine::State::begin_anew(Change change, std::span<const Name> names) {
  publish(change);
  retire(std::move(change.removed), false);
  wait_until_gone(names);
  Result<void> forgotten = core.store.remove_all(names);
  asio::post(core.io, [added = std::move(change.added)] {
    for (const AgentPtr& agent : added) agent->adopt();
  });
  return forgotten;
}

void TransferEngine::State::one_left(const Name& name) {
  log_info("zone {}: removed", name.text());
  {
    std::lock_guard lock(leaving_mutex);
    const auto found = leaving.find(name);
    if (--found->second == 0) leaving.erase(found);
  }
  left.notify_all();
}

// What comes from other threads.

void TransferEngine::State::command(NameView zone, bool whole, CommandDone done) {
  const AgentPtr agent = zones()->find(zone);
  asio::post(core.io, [agent, whole, then = std::move(done), name = Name(zone)] {
    if (agent) {
      agent->command(whole, then);
    } else {
      then({std::unexpected(no_such_zone(name)), ""});
    }
  });
}

void TransferEngine::State::stop_work() {
  core.stopping = true;
  watch.stop();
  core.timer_saver.flush();
  core.compactor.stop();
  core.notifier.stop();
  core.connections.stop();
  core.datagrams.stop();
  zones()->for_each([](const AgentPtr& agent) { agent->cancel(); });
  if (core.checks_left == 0) return;
  log_info("{} checks and transfers had not had their turn: the next start makes them", core.checks_left);
}

bool TransferEngine::State::is_quiet() const {
  return core.at_work == 0 && core.store_writes == 0 && core.notifier.is_idle();
}

TransferEngine::TransferEngine(ZoneStore& store, const Clock& clock, EngineSettings settings)
    : state_(std::make_unique<State>(store, clock, settings)) {}

TransferEngine::~TransferEngine() {
  stop();
  // Until here the thread answered commands, if only to say that the engine has stopped.
  state_->core.io.stop();
  state_->thread.join();
  const ZoneTable* last = state_->table.exchange(nullptr);
  qsbr_retire([last] { delete last; });
}

void TransferEngine::set_events(EngineEvents events) {
  state_->core.events = std::move(events);
}

void TransferEngine::put_version(std::shared_ptr<const Zone> version, std::shared_ptr<const ZoneDelta> delta) {
  AgentPtr agent = state_->zones()->find(version->apex());
  if (!agent) return;
  asio::post(state_->core.io,
             [agent, made = std::move(version), change = std::move(delta)] { agent->put_version(made, change); });
}

void TransferEngine::set_zones(std::vector<ZoneSettings> zones, bool forget_removed, std::function<void()> loaded) {
  std::lock_guard one_at_a_time(state_->set_zones_mutex);
  if (state_->stopped) return;
  sort_settings(zones);
  state_->apply(state_->compare(zones), forget_removed, std::move(loaded));
  if (const auto& changed = state_->core.events.zones_changed) changed(zones, {}, true);
}

void TransferEngine::change_zones(std::vector<ZoneSettings> set, std::vector<Name> removed, bool forget_removed,
                                  std::function<void()> loaded) {
  std::lock_guard one_at_a_time(state_->set_zones_mutex);
  if (state_->stopped) return;
  const auto& changed = state_->core.events.zones_changed;
  const std::vector<ZoneSettings> told = changed ? set : std::vector<ZoneSettings>();
  const std::vector<Name> told_removed = changed ? removed : std::vector<Name>();
  state_->apply(state_->look_up(std::move(set), std::move(removed)), forget_removed, std::move(loaded));
  if (changed) changed(told, told_removed, false);
}

Result<void> TransferEngine::reset_zones(std::vector<ZoneSettings> set, std::vector<Name> names) {
  std::lock_guard one_at_a_time(state_->set_zones_mutex);
  if (state_->stopped) return fail(Errc::cancelled, "the server stops");
  const auto& changed = state_->core.events.zones_changed;
  const std::vector<ZoneSettings> told = changed ? set : std::vector<ZoneSettings>();
  Result<void> forgotten = state_->begin_anew(state_->look_up(std::move(set), names), names);
  if (changed) changed(told, names, false);
  return forgotten;
}

void TransferEngine::wait_until_gone(std::span<const Name> zones) const {
  state_->wait_until_gone(zones);
}

void TransferEngine::set_settings(EngineSettings settings) {
  asio::post(state_->core.io, [state = state_.get(), settings] {
    state->core.settings = settings;
    state->core.apply_settings();
  });
}

const ZoneTable* TransferEngine::table() const {
  return state_->table.load(std::memory_order_acquire);
}

void TransferEngine::notify(NameView zone, const IpAddress& from, std::optional<Serial> serial) {
  const AgentPtr agent = state_->zones()->find(zone);
  if (!agent || !agent->leave_notify(from, serial)) return;
  // Calls that are left at the end go after what agents refer to, so they own none.
  state_->core.calls.post([weak = std::weak_ptr(agent)] {
    if (const AgentPtr alive = weak.lock()) alive->take_notify();
  });
}

void TransferEngine::refresh(NameView zone, CommandDone done) {
  state_->command(zone, false, std::move(done));
}

void TransferEngine::retransfer(NameView zone, CommandDone done) {
  state_->command(zone, true, std::move(done));
}

std::optional<ZoneStatus> TransferEngine::status(NameView zone) const {
  const AgentPtr agent = state_->zones()->find(zone);
  if (!agent) return std::nullopt;
  return agent->status();
}

std::vector<ZoneStatus> TransferEngine::list(const std::optional<Name>& from, std::size_t limit) const {
  constexpr std::size_t slice = 256;  // what is copied under one lock, so that a long list holds up nobody
  const std::shared_ptr<const Directory> directory = state_->zones();
  std::size_t at = from ? directory->lower_bound(*from) : 0;
  std::vector<ZoneStatus> out;
  out.reserve(std::min(limit, directory->size() - at));
  while (at < directory->size() && out.size() < limit) {
    const auto agents = directory->slice(at, std::min(slice, limit - out.size()));
    ZoneAgent::append_status(state_->core, agents, out);
    at += agents.size();
  }
  return out;
}

EngineCounters TransferEngine::counters() const {
  Lock lock(state_->core.board.mutex);
  return state_->core.board.counters;
}

std::shared_ptr<const Zone> TransferEngine::version(NameView zone) const {
  const AgentPtr agent = state_->zones()->find(zone);
  return agent ? agent->version() : nullptr;
}

ZoneHistory::Ptr TransferEngine::history(NameView zone) const {
  const AgentPtr agent = state_->zones()->find(zone);
  return agent ? agent->history() : nullptr;
}

void TransferEngine::run_job(std::function<void()> job) const {
  state_->core.loads.post(std::move(job));
}

bool TransferEngine::all_loaded() const {
  return state_->loads_under_way == 0;
}

void TransferEngine::clock_changed() {
  asio::post(state_->core.io, [state = state_.get()] { state->watch.look(); });
}

void TransferEngine::stop() {
  std::lock_guard one_at_a_time(state_->set_zones_mutex);
  if (std::exchange(state_->stopped, true)) return;
  std::promise<void> begun;
  asio::post(state_->core.io, [&] {
    state_->stop_work();
    begun.set_value();
  });
  begun.get_future().wait();
  state_->core.loads.stop();  // what is being read is finished, the rest is not begun
  state_->core.asides.stop();
  // What was cancelled ends at its next step; a commit under way ends when the disk has it.
  while (true) {
    std::promise<bool> quiet;
    // Behind all that the jobs have handed back.
    state_->core.calls.post([&] { quiet.set_value(state_->is_quiet()); });
    if (quiet.get_future().get()) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  state_->core.writes.stop();
}

}  // namespace understudy
