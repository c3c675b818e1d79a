#include "transfer/zone_agent.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "transfer/zone_work.h"

namespace understudy {

ZoneAgent::ZoneAgent(EngineCore& core, ZoneSettings settings, std::shared_ptr<ZoneSlot> slot)
    : core_(core), slot_(std::move(slot)), policy_(settings.policy), schedule_(policy_->bounds) {
  // A zone whose memory counts when there are very many: with what counts the references to it, 384 octets.
  static_assert(sizeof(ZoneAgent) <= 368);
  set_local(settings);
  Lock lock(core_.board.mutex);
  ++core_.board.counters.zones_by_state[static_cast<std::size_t>(facts_.state)];
}

ZoneAgent::~ZoneAgent() = default;

/// Takes what the settings say of a zone that does not come from primaries.
void ZoneAgent::set_local(ZoneSettings& settings) {
  if (settings.file.empty() && !settings.produced) {
    local_ = nullptr;
  } else {
    if (!local_) local_ = std::make_unique<Local>();
    if (local_->file != settings.file) local_->stamp = {};
    local_->file = std::move(settings.file);
    local_->produced = settings.produced;
    if (!local_->produced) {  // nothing that was made waits any more
      local_->put_version = nullptr;
      local_->put_deltas.clear();
    }
  }
  Lock lock(core_.board.mutex);
  facts_.from_file = is_local();
  facts_.produced = settings.produced;
}

// What few zones have.

const ZoneAgent::Seldom& ZoneAgent::seldom() const {
  static const Seldom nothing;
  return seldom_ ? *seldom_ : nothing;
}

ZoneAgent::Seldom& ZoneAgent::change_seldom() {
  if (!seldom_) seldom_ = std::make_unique<Seldom>();
  return *seldom_;
}

bool ZoneAgent::Seldom::is_over(double now) const {
  const auto is_past = [now](const IdleChecks& checks) { return checks.count == 0 || now - checks.since >= 1; };
  return commands.empty() && store_queue.empty() && !gone && !late_settings && behind.empty() && !checked_digest &&
         !lost_serial && no_rewrite_until <= now && !notify_due && is_past(idle_checks) && is_past(idle_newer_checks) &&
         std::ranges::all_of(no_differences_until, [now](const auto& each) { return each.second <= now; });
}

void ZoneAgent::drop_seldom() {
  if (seldom_ && seldom_->is_over(core_.mono())) seldom_ = nullptr;
}

std::vector<CommandDone> ZoneAgent::take_commands() {
  return seldom_ ? std::exchange(seldom_->commands, {}) : std::vector<CommandDone>();
}

// What other threads see.

ZoneStatus ZoneAgent::status_locked() const {
  ZoneStatus out;
  out.name = slot_->name();
  out.state = facts_.state;
  out.activity = facts_.activity;
  if (facts_.version) {
    out.serial = facts_.version->serial();
    out.records = facts_.version->record_count();
    out.memory = facts_.version->memory_size();
  }
  out.from_file = facts_.from_file;
  out.produced = facts_.produced;
  out.primary = *facts_.source;
  out.last_check = facts_.checked_at;
  out.last_confirmed = facts_.confirmed_at;
  if (!facts_.from_file) {
    out.next_check = facts_.refresh_at;
    out.expires_at = facts_.expire_at;
  }
  if (facts_.last_error) out.last_error = *facts_.last_error;
  out.checks = facts_.checks;
  out.transfers = facts_.transfers;
  out.failures = facts_.failures;
  return out;
}

ZoneStatus ZoneAgent::status() const {
  Lock lock(core_.board.mutex);
  return status_locked();
}

void ZoneAgent::append_status(EngineCore& core, std::span<const std::shared_ptr<ZoneAgent>> agents,
                              std::vector<ZoneStatus>& out) US_NO_ANALYSIS {  // one lock is all agents' lock
  Lock lock(core.board.mutex);
  for (const auto& agent : agents) out.push_back(agent->status_locked());
}

std::shared_ptr<const Zone> ZoneAgent::version() const {
  Lock lock(core_.board.mutex);
  return facts_.version;
}

ZoneHistory::Ptr ZoneAgent::history() const {
  Lock lock(core_.board.mutex);
  return facts_.history;
}

bool ZoneAgent::leave_notify(const IpAddress& from, std::optional<Serial> serial) {
  Lock lock(core_.board.mutex);
  ++core_.board.counters.notifies_received;
  const bool first = !std::exchange(facts_.notify_waits, true);
  const bool is_of_notifier = from == facts_.notify_from;
  // Of several, the newest serial counts; one without a serial means that there may be something newer still.
  const bool says_more =
      !serial ? facts_.notify_serial.has_value() : facts_.notify_serial && serial->is_newer_than(*facts_.notify_serial);
  if (first || !serial || says_more) {
    facts_.notify_serial = serial;
    facts_.notify_from = from;
    facts_.works_for_notifier &= is_of_notifier;
  }
  return (first || says_more) && !facts_.works_for_notifier;
}

void ZoneAgent::change_state(ZoneState state) {
  auto& counts = core_.board.counters.zones_by_state;
  --counts[static_cast<std::size_t>(facts_.state)];
  ++counts[static_cast<std::size_t>(state)];
  facts_.state = state;
}

void ZoneAgent::set_state(ZoneState state) {
  Lock lock(core_.board.mutex);
  change_state(state);
}

void ZoneAgent::set_activity(ZoneActivity activity) {
  Lock lock(core_.board.mutex);
  facts_.activity = activity;
}

/// What is left of it is told to downstream secondaries (RFC 7314). While a version is being committed the slot is not
/// ours; the end of it shows that.
void ZoneAgent::show_expiry() {
  if (work_ && work_->committing) return;
  slot_->set_expires(is_local() || !schedule_.has_version() ? ZoneSlot::never : schedule_.expiry());
}

void ZoneAgent::publish_timers() {
  show_expiry();
  if (is_local()) return;
  const ZoneTimers timers = schedule_.timers(core_.now());
  Lock lock(core_.board.mutex);
  facts_.show(timers);
}

void ZoneAgent::Facts::show(const ZoneTimers& timers) {
  checked_at = timers.checked_at;
  confirmed_at = timers.confirmed_at;
  refresh_at = timers.refresh_at;
  expire_at = timers.expire_at;
}

// The beginning.

void ZoneAgent::was_lost(std::optional<Serial> served) {
  was_lost_ = served.has_value();
  if (served) lost_at_start_ = *served;
}

void ZoneAgent::load(const StoredZone& stored, const LoadedZone& loaded) {
  const std::shared_ptr<const Zone>& version = loaded.version;
  const Moment now = core_.now();
  schedule_.restore(version->soa(), stored.timers, now);
  origin_ = core_.texts.get(stored.source);
  was_stored_as_expired_ = stored.timers.expired;
  {
    Lock lock(core_.board.mutex);
    facts_.version = version;
    facts_.history = loaded.history;
    facts_.source = origin_;
    facts_.show(stored.timers);
  }
  show_expiry();
  ZoneState state = ZoneState::ok;
  if (schedule_.check_expired(now)) {
    state = state_when_expired(now.mono);
    show_expired(version, state);
  } else {
    slot_->publish(version, loaded.history);
  }
  set_state(state);
}

void ZoneAgent::load_file() {
  if (local_->produced) return;  // who makes it brings it
  const std::string& file = local_->file;
  const FileReading reading = read_file_version(file, name(), policy_->limits, core_.clock);
  if (reading.version) {
    local_->stamp = reading.stamp;
    slot_->publish(*reading.version);
    log_file_read(name(), file, std::nullopt, reading);
  } else {
    log_file_failed(name(), file, std::nullopt, reading.version.error());
  }
  const WallSeconds now = core_.clock.wall_seconds();
  Lock lock(core_.board.mutex);
  facts_.source = core_.texts.get(file);
  facts_.checked_at = now;
  ++facts_.checks;
  if (reading.version) {
    facts_.version = *reading.version;
    facts_.confirmed_at = now;
    change_state(ZoneState::ok);
  } else {
    facts_.last_error = std::make_unique<const std::string>(reading.version.error().text());
    ++facts_.failures;
  }
}

void ZoneAgent::adopt() {
  adopted_ = true;
  if (was_lost_) change_seldom().lost_serial = lost_at_start_;
  if (retired_) {
    leave_if_retired();
    return;
  }
  const std::shared_ptr<const Zone> held = version();
  if (!held) set_state(ZoneState::empty);
  if (held) log_iterations(nullptr, *held, core_.settings.nsec3_max_iterations);
  if (!is_local()) {
    if (!held) schedule_.start_empty(core_.now());
    publish_timers();
    if (schedule_.expired() && !was_stored_as_expired_) {
      log_warning("zone {}: expired while this server was down; {} until a primary confirms it", name().text(),
                  slot_->is_stale() ? "it is answered all the same (on-expire)" : "it is answered with SERVFAIL");
      save_timers(true, nullptr);
    }
  }
  core_.compactor.consider(*this, held);
  // A crash may have come between making the last version durable and announcing it.
  announce(false);
  if (seldom().late_settings) change_settings(std::move(*std::exchange(seldom_->late_settings, nullptr)));
  after_work();
}

/// Tells downstream secondaries what is served, now or when it is this zone's turn.
void ZoneAgent::announce(bool urgent) {
  if (!policy_->notify.empty()) core_.notifier.announce_in_turn(shared_from_this(), name(), urgent);
}

void ZoneAgent::announce_now(bool urgent) {
  const auto held = version();
  if (!retired_ && held && !slot_->expired()) core_.notifier.announce(policy_->notify, held, urgent);
}

// Timers.

void ZoneAgent::set_timer() {
  if (retired_ || core_.stopping || !adopted_) {
    core_.timers.remove(*this);
    return;
  }
  std::optional<double> due;
  const auto at = [&due](double when) { due = due ? std::min(*due, when) : when; };
  if (!is_local()) {
    if (!work_) at(schedule_.next_check());
    // While a version is being committed the slot is not ours; the end of it looks at the time again.
    const bool committing = work_ && work_->committing;
    if (const std::optional<double> expires = schedule_.expires(); expires && !committing) at(*expires);
    if (const std::optional<double> end = stale_until(); end && slot_->is_stale() && !committing) at(*end);
  }
  if (const std::optional<double> notify = seldom().notify_due; notify && !work_) at(*notify);
  if (due) {
    core_.timers.set(*this, *due);
    if (core_.due_at) core_.due_at(*due);
  } else {
    core_.timers.remove(*this);
  }
}

void ZoneAgent::timer_due() {
  const Moment now = core_.now();
  if (!is_local() && schedule_.check_expired(now) && !(work_ && work_->committing)) expire();
  const bool notify_due = seldom().notify_due && *seldom().notify_due <= now.mono;
  if (!work_ && (notify_due || (!is_local() && schedule_.next_check() <= now.mono))) {
    begin_work(notify_due ? Level::urgent : Level::normal);
  }
  set_timer();
}

/// Until when an expired version is answered by the operator's wish; monotonic seconds, nullopt: not at all, or without
/// end.
std::optional<double> ZoneAgent::stale_until() const {
  if (policy_->on_expire != ExpiryPolicy::serve_for) return std::nullopt;
  return schedule_.expiry() + static_cast<double>(policy_->serve_for.count());
}

/// What the policy makes of a version that has expired.
ZoneState ZoneAgent::state_when_expired(double now) const {
  const std::optional<double> end = stale_until();
  return policy_->on_expire == ExpiryPolicy::serve || (end && now < *end) ? ZoneState::stale : ZoneState::expired;
}

void ZoneAgent::show_expired(const std::shared_ptr<const Zone>& held, ZoneState state) {
  if (state == ZoneState::stale) {
    slot_->publish_stale(held, history());
  } else {
    slot_->set_expired();
  }
}

/// Of a check that waits for its turn there are no lines yet.
std::string_view ZoneAgent::advice_on_expiry() const {
  if (!work_ || !work_->request.is_waiting()) return "see the lines about its checks";
  return work_->attempt ? "a primary has a newer one, whose transfer waits for its turn: see transfer.max-concurrent"
                        : "its check waits for its turn: see transfer.soa-queries-per-second";
}

/// Called whenever it may have an effect: at expiry, at the end of `serve-for`, when the policy has changed.
void ZoneAgent::expire() {
  const std::shared_ptr<const Zone> held = version();
  const ZoneState state = state_when_expired(core_.mono());
  const bool was_stale = slot_->is_stale();
  const bool is_shown = state == ZoneState::stale ? was_stale : slot_->expired();
  if (!held || is_shown) return;
  core_.compactor.give_up(*this, "it has expired");
  show_expired(held, state);
  set_state(state);
  publish_timers();
  if (state == ZoneState::expired && core_.events.expired) core_.events.expired(name());
  log_error("zone {}: {}; {} until one does; {}", name().text(),
            was_stale ? "no primary has confirmed it, and the time for which an expired version is served is over"
                      : "expired: no primary has confirmed it within its expire time",
            state == ZoneState::stale ? "it is answered all the same, marked as stale (on-expire),"
                                      : "it is answered with SERVFAIL",
            advice_on_expiry());
  save_timers(true, nullptr);
}

void ZoneAgent::primary_answers(WaitsFor what) {
  if (retired_ || core_.stopping || is_local()) return;
  const WorkPtr work = work_;
  if (what == WaitsFor::first_answer) {
    if (!work || version() || work->started || work->cancelled || !work->request.is_waiting()) return;
    if (!needs_no_probe(*work, work->policy->primaries[work->order[work->next]])) return;
    work->request.withdraw();
    ask_next(work);  // the zone itself is asked for now
  } else if (work) {
    check_again_at(*work, core_.mono());  // unless this work finds what it looks for elsewhere
  } else {
    schedule_.check_by(core_.mono());
    set_timer();
  }
}

void ZoneAgent::save_timers(bool durable, std::function<void()> then) {
  when_store_is_free([this, durable, after = std::move(then)] {
    auto outcome = std::make_shared<Result<void>>(fail(Errc::storage, "out of memory"));
    core_.run_job(
        core_.writes, JobPool::Urgency::urgent,
        [this, self = shared_from_this(), durable, outcome, timers = schedule_.timers(core_.now()),
         held = retired_ ? nullptr : version(), source = origin_, keep = policy_->history] {
          *outcome = core_.store.save_timers(name(), timers, durable);
          if (*outcome || outcome->error().code != Errc::not_found || held == nullptr) return;
          // The storage has lost what is served, perhaps with its whole directory: it is stored once more.
          *outcome =
              core_.store.commit({.version = held, .timers = timers, .source = *source, .whole = true, .keep = keep});
        },
        [this, self = shared_from_this(), outcome, after] {
          // The next confirmation writes them again; until then a restart finds older ones, which only means more
          // checks.
          if (!*outcome && outcome->error().code != Errc::not_found) {
            log_warning("zone {}: its timers could not be stored: {}; {}", name().text(), outcome->error().text(),
                        advice_text(outcome->error().code));
          }
          store_is_free();
          if (after) after();
        });
  });
}

void ZoneAgent::save_timers_soon() {
  if (!std::exchange(timers_wait_, true)) core_.timer_saver.add(shared_from_this());
}

std::optional<ZoneTimers> ZoneAgent::begin_to_save_timers() {
  if (retired_ || !std::exchange(timers_wait_, false)) return std::nullopt;
  // In its turn; or the version itself may not be stored, as one that came from a file is not.
  if (store_busy_ || origin_->empty()) {
    save_timers(false, nullptr);
    return std::nullopt;
  }
  store_busy_ = true;
  ++core_.store_writes;
  return schedule_.timers(core_.now());
}

void ZoneAgent::timers_are_saved(bool is_stored) {
  store_is_free();
  if (!is_stored) save_timers(false, nullptr);  // which stores the version too
}

void ZoneAgent::save_timers_again() {
  if (is_local() || !adopted_ || retired_ || !version()) return;
  publish_timers();
  save_timers(false, nullptr);
}

void ZoneAgent::when_store_is_free(std::function<void()> write) {
  if (store_busy_) {
    change_seldom().store_queue.push_back(std::move(write));
    return;
  }
  store_busy_ = true;
  ++core_.store_writes;
  write();
}

void ZoneAgent::store_is_free() {
  --core_.store_writes;
  store_busy_ = false;
  if (!seldom().store_queue.empty()) {
    auto& queue = seldom_->store_queue;
    const auto next = std::move(queue.front());
    queue.erase(queue.begin());
    when_store_is_free(next);
    return;
  }
  leave_if_retired();
}

// What comes from outside.

void ZoneAgent::take_notify() {
  if (retired_ || core_.stopping) return;
  {
    Lock lock(core_.board.mutex);
    if (facts_.notify_waits) core_.health.end_pause(facts_.notify_from);
  }
  if (!adopted_) return;  // after_work() finds it
  if (!work_) {
    after_work();
  } else if (!work_->started) {
    {
      Lock lock(core_.board.mutex);
      facts_.notify_waits = false;
      work_->notified_by = facts_.notify_from;
      work_->notified_serial = facts_.notify_serial;
    }
    work_->urgent = true;
    if (work_->request.is_waiting()) {
      work_->request.withdraw();
      work_->next = work_->passed_over = 0;
      order_primaries(*work_);
      ask_next(work_);
    }
  }
  // Otherwise it waits for the end of the work that is under way (RFC 1996 section 4.4).
}

void ZoneAgent::command(bool whole, CommandDone done) {
  if (retired_ || core_.stopping) {
    done({fail(Errc::cancelled, "the zone is being removed or the server stops"), ""});
    return;
  }
  for (const PeerSettings& peer : policy_->primaries) core_.health.end_pause(peer.address.address);
  if (work_ && !work_->started) {
    work_->urgent = true;
    work_->commands.push_back(std::move(done));
    work_->whole |= whole;
    core_.probes.make_urgent(work_->request);
    return;
  }
  change_seldom().commands.push_back(std::move(done));
  (whole ? whole_wanted_ : refresh_wanted_) = true;
  if (adopted_ && !work_) after_work();
}

void ZoneAgent::change_settings(ZoneSettings settings) {
  if (retired_) return;
  if (!adopted_) {
    change_seldom().late_settings = std::make_unique<ZoneSettings>(std::move(settings));
    return;
  }
  const std::shared_ptr<const ZonePolicySettings> before = std::exchange(policy_, std::move(settings.policy));
  if (policy_->access != before->access) slot_->set_access(policy_->access);
  const bool was_from_file = is_local();
  set_local(settings);
  if (was_from_file || is_local() || policy_->primaries != before->primaries ||
      policy_->limits.max_octets != before->limits.max_octets) {
    core_.compactor.give_up(*this, "it has other settings");
    core_.compactor.consider(*this, version());
  }
  const Moment now = core_.now();
  schedule_.set_bounds(policy_->bounds, now);
  if (was_from_file && !is_local()) {
    // From now on its age counts; nothing has confirmed it at a primary yet.
    if (const auto held = version())
      schedule_.confirmed(held->soa(), now, core_.random_part());
    else
      schedule_.start_empty(now);
  }
  if (is_local()) {
    refresh_wanted_ = true;  // reads it only if it was written
  } else if (was_from_file || policy_->primaries != before->primaries) {
    refresh_wanted_ = true;
    if (work_ && !work_->committing) stop_work();
  }
  show_expiry();
  if (!is_local() && schedule_.expired() && !(work_ && work_->committing)) expire();
  if (!work_) after_work();
  set_timer();
}

// The end.

void ZoneAgent::stop_work() {
  const WorkPtr work = work_;
  if (!work || work->cancelled) return;
  work->cancelled = true;
  if (work->request.is_waiting()) {
    work->request.withdraw();
    note_given_up(*work);
    finish(work, {fail(Errc::cancelled, name().text()), ""});
    return;
  }
  understudy::cancel(work->cancel);
}

void ZoneAgent::retire(bool forget_stored, std::function<void()> gone) {
  retired_ = true;
  forget_stored_ = forget_stored;
  change_seldom().gone = std::move(gone);
  core_.timers.remove(*this);
  core_.notifier.forget(name());
  cancel();
  leave_if_retired();
}

void ZoneAgent::cancel() {
  core_.timers.remove(*this);
  core_.compactor.give_up(*this, "it is being removed");
  stop_waiting();
  stop_work();
  for (const CommandDone& done : take_commands()) {
    done({fail(Errc::cancelled, "the zone is being removed or the server stops"), ""});
  }
}

void ZoneAgent::leave_if_retired() {
  if (!retired_ || !adopted_ || work_ || store_busy_ || !seldom().gone) return;
  if (std::exchange(forget_stored_, false)) {
    when_store_is_free([this] {
      core_.run_job(
          core_.writes, JobPool::Urgency::urgent,
          [this, self = shared_from_this()] {
            if (const Result<void> removed = core_.store.remove(name()); !removed) {
              log_error("zone {}: its stored data could not be removed: {}", name().text(), removed.error().text());
            }
          },
          [this, self = shared_from_this()] { store_is_free(); });
    });
    return;
  }
  {
    Lock lock(core_.board.mutex);
    --core_.board.counters.zones_by_state[static_cast<std::size_t>(facts_.state)];
  }
  std::exchange(seldom_->gone, nullptr)();
}

}  // namespace understudy
