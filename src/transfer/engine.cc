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
#include <utility>

#include "base/log.h"
#include "base/mailbox.h"
#include "base/qsbr.h"
#include "transfer/clock_watch.h"
#include "transfer/core.h"
#include "transfer/directory.h"
#include "transfer/loader.h"

namespace understudy {

namespace asio = boost::asio;
using AgentPtr = std::shared_ptr<ZoneAgent>;

struct TransferEngine::State {
  State(ZoneStore& store, const Clock& clock, const EngineSettings& settings);

  // What set_zones() makes of the old and the new zones.
  struct Change {
    std::vector<AgentPtr> all;
    std::vector<AgentPtr> added;
    std::vector<AgentPtr> removed;
    std::vector<std::pair<AgentPtr, ZoneSettings>> kept;
  };

  [[nodiscard]] std::shared_ptr<const Directory> zones() const US_EXCLUDES(mutex);
  [[nodiscard]] Change compare(std::vector<ZoneSettings> wanted);
  void publish(const Change& change);
  void apply(Change change, bool forget_removed, std::function<void()> loaded);
  void one_left(const Name& name);
  void command(NameView zone, bool whole, CommandDone done);
  void take_notifies();
  void stop_work();
  [[nodiscard]] bool is_quiet() const;

  EngineCore core;
  ClockWatch watch;
  Mailbox<AgentPtr> notified;
  std::atomic<const ZoneTable*> table{nullptr};
  std::atomic<unsigned> loads_under_way{0};

  std::mutex set_zones_mutex;  // one caller at a time
  mutable Mutex mutex;
  std::shared_ptr<const Directory> directory US_GUARDED_BY(mutex) = std::make_shared<const Directory>();

  std::mutex leaving_mutex;
  std::condition_variable left;
  std::size_t leaving = 0;  // guarded by leaving_mutex: removed zones with work or writes under way
  bool stopped = false;     // guarded by set_zones_mutex

  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> keep_running;
  std::thread thread;  // the transfer thread
};

TransferEngine::State::State(ZoneStore& store, const Clock& clock, const EngineSettings& settings)
    : core(store, clock, settings),
      watch(core, [this] { return zones(); }),
      notified([this] { asio::post(core.io, [this] { take_notifies(); }); }),
      keep_running(asio::make_work_guard(core.io)) {
  table = new ZoneTable({});
  thread = std::thread([this] { core.io.run(); });
  asio::post(core.io, [this] { watch.start(); });
}

std::shared_ptr<const Directory> TransferEngine::State::zones() const {
  Lock lock(mutex);
  return directory;
}

// The set of zones.

TransferEngine::State::Change TransferEngine::State::compare(std::vector<ZoneSettings> wanted) {
  std::ranges::sort(wanted, [](const ZoneSettings& a, const ZoneSettings& b) { return a.name < b.name; });
  const auto same = std::ranges::unique(wanted, [](const auto& a, const auto& b) { return a.name == b.name; });
  wanted.erase(same.begin(), same.end());
  const std::shared_ptr<const Directory> before = zones();
  Change change;
  change.all.reserve(wanted.size());
  auto old = before->agents().begin();
  const auto old_end = before->agents().end();
  for (ZoneSettings& settings : wanted) {
    while (old != old_end && (*old)->name() < settings.name) change.removed.push_back(*old++);
    if (old != old_end && (*old)->name() == settings.name) {
      change.all.push_back(*old);
      change.kept.emplace_back(*old++, std::move(settings));
      continue;
    }
    auto slot = std::make_shared<ZoneSlot>(settings.name, settings.policy->access);
    change.added.push_back(std::make_shared<ZoneAgent>(core, std::move(settings), std::move(slot)));
    change.all.push_back(change.added.back());
  }
  change.removed.insert(change.removed.end(), old, old_end);
  return change;
}

void TransferEngine::State::publish(const Change& change) {
  std::vector<std::shared_ptr<ZoneSlot>> slots;
  slots.reserve(change.all.size());
  for (const AgentPtr& agent : change.all) slots.push_back(agent->slot());
  const ZoneTable* before = table.exchange(new ZoneTable(slots), std::memory_order_acq_rel);
  qsbr_retire([before] { delete before; });
  auto after = std::make_shared<const Directory>(change.all);
  Lock lock(mutex);
  directory = std::move(after);
}

void TransferEngine::State::apply(Change change, bool forget_removed, std::function<void()> loaded) {
  {
    std::lock_guard lock(leaving_mutex);
    leaving += change.removed.size();
  }
  ++loads_under_way;
  asio::post(core.io,
             [this, moved = std::make_shared<Change>(std::move(change)), forget_removed, then = std::move(loaded)] {
               for (const AgentPtr& agent : moved->removed) {
                 agent->retire(forget_removed, [this, name = agent->name()] { one_left(name); });
               }
               for (auto& [agent, settings] : moved->kept) agent->change_settings(std::move(settings));
               load_zones(core, std::move(moved->added), [this, then] {
                 --loads_under_way;
                 if (then) then();
               });
             });
}

void TransferEngine::State::one_left(const Name& name) {
  log_info("zone {}: removed", name.text());
  {
    std::lock_guard lock(leaving_mutex);
    --leaving;
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
      then({fail(Errc::not_found, fmt::format("zone {} is not configured", name.text())), ""});
    }
  });
}

void TransferEngine::State::take_notifies() {
  for (const AgentPtr& agent : notified.take_all()) agent->take_notify();
}

void TransferEngine::State::stop_work() {
  core.stopping = true;
  watch.stop();
  core.notifier.stop();
  core.connections.stop();
  for (const AgentPtr& agent : zones()->agents()) agent->cancel();
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

void TransferEngine::set_zones(std::vector<ZoneSettings> zones, bool forget_removed, std::function<void()> loaded) {
  std::lock_guard one_at_a_time(state_->set_zones_mutex);
  if (state_->stopped) return;
  {
    // A zone that comes back must find its earlier self gone from the store.
    std::unique_lock lock(state_->leaving_mutex);
    state_->left.wait(lock, [this] { return state_->leaving == 0; });
  }
  State::Change change = state_->compare(std::move(zones));
  state_->publish(change);
  state_->apply(std::move(change), forget_removed, std::move(loaded));
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
  AgentPtr agent = state_->zones()->find(zone);
  if (agent && agent->leave_notify(from, serial)) state_->notified.post(std::move(agent));
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
  const std::span<const AgentPtr> agents(directory->agents());
  std::size_t at = from ? directory->lower_bound(*from) : 0;
  std::vector<ZoneStatus> out;
  out.reserve(std::min(limit, agents.size() - at));
  while (at < agents.size() && out.size() < limit) {
    const std::size_t count = std::min({slice, agents.size() - at, limit - out.size()});
    ZoneAgent::append_status(state_->core, agents.subspan(at, count), out);
    at += count;
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
  // What was cancelled ends at its next step; a commit under way ends when the disk has it.
  while (true) {
    std::promise<bool> quiet;
    asio::post(state_->core.io, [&] { quiet.set_value(state_->is_quiet()); });
    if (quiet.get_future().get()) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  state_->core.writes.stop();
}

}  // namespace understudy
