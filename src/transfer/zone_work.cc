#include "transfer/zone_work.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <numeric>
#include <utility>

#include "base/log.h"
#include "net/alarm.h"
#include "transfer/primary_check.h"

namespace understudy {

namespace asio = boost::asio;
using std::chrono::milliseconds;

namespace {

// Versions that may be on their way to the disk without holding a permit, so that a slow disk bounds the memory.
constexpr unsigned max_commits_ahead = 512;
constexpr std::uint64_t max_octets_ahead = std::uint64_t{256} << 20;  // of these together
// Checks a second and zone that NOTIFYs may cause for nothing.
constexpr unsigned max_idle_checks = 5;

Lanes::Priority priority_of(bool urgent) {
  return urgent ? Lanes::Priority::urgent : Lanes::Priority::normal;
}

// A transfer may take this long while another primary could be asked and no version would expire meanwhile.
constexpr double longest_without_version = 3600;
// So long it may take in any case, or until the version expires.
constexpr double least_longest = 30;

/// How long a transfer may take if there is another primary to ask: half of what is left until the version expires, so
/// that the other has the rest. Seconds.
milliseconds longest_transfer(std::optional<double> left) {
  double longest = longest_without_version;
  if (left) longest = std::max(*left / 2, std::min(*left, least_longest));
  return std::chrono::duration_cast<milliseconds>(std::chrono::duration<double>(std::max(longest, 1.0)));
}

/// Lends a transfer's permit while nothing comes and nothing much is held in memory for it, so that transfers that hang
/// hold up only themselves.
class IdleLender {
 public:
  IdleLender(const asio::any_io_executor& executor, Lanes::Permit& permit, const TransferCounts& counts)
      : permit_(permit), counts_(counts), alarm_(executor, [this] { look(); }) {
    wait();
  }

 private:
  static constexpr std::uint64_t little = 65536;  // octets

  void wait() { alarm_.set(std::chrono::steady_clock::now() + std::chrono::seconds(1)); }
  void look() {
    const std::uint64_t before = std::exchange(seen_, counts_.octets);
    if (seen_ != before) {
      permit_.take_back();
    } else if (seen_ <= little) {
      permit_.lend();
    }
    wait();
  }

  Lanes::Permit& permit_;
  const TransferCounts& counts_;
  std::uint64_t seen_ = 0;
  Alarm alarm_;
};

}  // namespace

// From rest to work and back.

/// RFC 1996 section 4.4: NOTIFYs that came during a check lead to one more, unless that check found what they tell of.
void ZoneAgent::drop_answered_notify() {
  Lock lock(core_.board.mutex);
  if (!facts_.notify_waits || !facts_.notify_serial || !facts_.version) return;
  if (!facts_.notify_serial->is_newer_than(facts_.version->serial())) facts_.notify_waits = false;
}

/// Somebody who announces what is not there must not keep us asking.
bool ZoneAgent::wants_check_for_notify() {
  {
    Lock lock(core_.board.mutex);
    if (!facts_.notify_waits) return false;
  }
  const double now = core_.now().mono;
  if (now - idle_checks_since_ >= 1) {
    idle_checks_since_ = now;
    idle_checks_ = 0;
  }
  if (idle_checks_ < max_idle_checks) return true;
  notify_due_ = idle_checks_since_ + 1;
  return false;
}

void ZoneAgent::after_work() {
  if (!adopted_ || work_) return;
  if (retired_ || core_.stopping) {
    leave_if_retired();
    return;
  }
  if (refresh_wanted_ || whole_wanted_ || wants_check_for_notify()) {
    begin_work(Level::urgent);
    return;
  }
  set_timer();
}

void ZoneAgent::begin_work(Level level) {
  const WorkPtr work = work_ = std::make_shared<Work>();
  ++core_.at_work;
  work->urgent = level == Level::urgent;
  work->whole = std::exchange(whole_wanted_, false);
  work->only_if_written = commands_.empty();
  refresh_wanted_ = false;
  notify_due_.reset();
  work->commands = std::exchange(commands_, {});
  work->policy = policy_;
  {
    Lock lock(core_.board.mutex);
    if (std::exchange(facts_.notify_waits, false)) work->notified_by = facts_.notify_from;
    facts_.activity = ZoneActivity::queued;
  }
  set_timer();
  if (is_from_file()) {
    read_file(work);
  } else {
    order_primaries(*work);
    ask_next(work);
  }
}

/// The configured order, but whoever told us comes first.
void ZoneAgent::order_primaries(Work& work) const {
  work.order.resize(work.policy->primaries.size());
  std::iota(work.order.begin(), work.order.end(), 0U);
  if (!work.notified_by) return;
  std::vector<std::uint32_t> others;
  std::erase_if(work.order, [&](std::uint32_t i) {
    const bool other = work.policy->primaries[i].address.address != *work.notified_by;
    if (other) others.push_back(i);
    return other;
  });
  work.order.insert(work.order.end(), others.begin(), others.end());
}

void ZoneAgent::work_is_over(const WorkPtr& work) {
  work->request.withdraw();
  work_.reset();
  --core_.at_work;
  set_activity(ZoneActivity::idle);
  publish_timers();
}

void ZoneAgent::finish(const WorkPtr& work, CommandOutcome outcome) {
  const bool again = work->cancelled && !retired_ && !core_.stopping;
  work_is_over(work);
  if (again) {
    // Other settings came in between: who waits for the outcome gets that of the next work.
    whole_wanted_ |= work->whole;
    commands_.insert(commands_.end(), work->commands.begin(), work->commands.end());
    refresh_wanted_ = true;
  } else {
    for (const CommandDone& done : work->commands) done(outcome);
    drop_answered_notify();
  }
  after_work();
}

// One primary after the other.

/// Puts the primary whose turn it is behind all others if it hangs, once: what hangs then is asked if they fail. Who
/// told us of a change does not hang.
bool ZoneAgent::pass_over(Work& work) const {
  const auto at = work.order.begin() + static_cast<std::ptrdiff_t>(work.next);
  const Endpoint& primary = work.policy->primaries[*at].address;
  if (work.next + work.passed_over + 1 >= work.order.size() || work.notified_by == primary.address ||
      !core_.health.is_to_be_passed_over(primary, core_.now().mono)) {
    return false;
  }
  std::rotate(at, at + 1, work.order.end());
  ++work.passed_over;
  return true;
}

void ZoneAgent::ask_next(const WorkPtr& work) {
  if (work->cancelled) note_given_up(*work);
  if (work->cancelled || work->next == work->order.size()) {
    finish_failed(work, work->error.value_or(Error{Errc::cancelled, name().text()}));
    return;
  }
  set_activity(ZoneActivity::queued);
  while (pass_over(*work)) continue;
  const PeerSettings& peer = work->policy->primaries[work->order[work->next]];
  work->request = core_.probes.enqueue(
      peer.address, priority_of(work->urgent), [this, self = shared_from_this(), work](Lanes::Permit permit) {
        asio::post(core_.io, [this, self, work, granted = std::move(permit)]() mutable {
          if (work_ == work) start_probe(work, std::move(granted));
        });
      });
}

void ZoneAgent::start_probe(const WorkPtr& work, Lanes::Permit permit) {
  if (work->cancelled) {
    permit.release();
    ask_next(work);
    return;
  }
  if (!work->started) {
    work->started = true;
    if (work->next == 0 && work->passed_over == 0) order_primaries(*work);  // a NOTIFY may have come meanwhile
  }
  if (pass_over(*work)) {
    permit.release();
    ask_next(work);
    return;
  }
  const PeerSettings& peer = work->policy->primaries[work->order[work->next++]];
  work->attempt = std::make_unique<Attempt>();
  work->attempt->zone = name();
  work->attempt->peer = peer;
  if (const auto held = version()) work->attempt->ours = held->serial();
  set_activity(ZoneActivity::checking);
  work->probe_began = core_.now().mono;
  core_.health.begin(peer.address);
  work->cancel = spawn(core_.io, probe(shared_from_this(), work, std::move(permit)));
}

asio::awaitable<void> ZoneAgent::probe(std::shared_ptr<ZoneAgent> self, WorkPtr work, Lanes::Permit permit) {
  co_await asio::this_coro::throw_if_cancelled(false);
  Result<Serial> serial = co_await probe_primary(*work->attempt, self->core_.clock, self->core_.settings.probe_timeout);
  self->note_health(*work, serial);
  permit.release();
  self->probed(work, std::move(serial));
}

void ZoneAgent::note_health(const Work& work, const Result<Serial>& serial) {
  auto outcome = PrimaryHealth::Outcome::answered;
  if (!serial) {
    const Errc code = serial.error().code;
    const bool no_connection = code == Errc::timed_out || code == Errc::connect_failed;
    const bool slow = std::chrono::duration<double>(work.attempt->seconds) >= core_.settings.probe_timeout / 2;
    if (no_connection && slow) outcome = PrimaryHealth::Outcome::hung;
    if (code == Errc::cancelled || code == Errc::io) outcome = PrimaryHealth::Outcome::unknown;
  }
  const PeerSettings& peer = work.attempt->peer;
  core_.health.end(peer.address, peer.name, outcome, work.probe_began, core_.now().mono);
}

void ZoneAgent::probed(const WorkPtr& work, Result<Serial> serial) {
  work->probe_seconds = work->attempt->seconds;
  if (work->cancelled) {
    ask_next(work);
    return;
  }
  if (!serial) {
    attempt_failed(work, serial.error());
    ask_next(work);
    return;
  }
  const std::optional<Serial> ours = work->attempt->ours;
  if (!ours || work->whole || serial->is_newer_than(*ours)) {
    queue_transfer(work);
  } else if (*serial == *ours) {
    finish_current(work);
  } else {
    primary_is_behind(work);
    ask_next(work);
  }
}

void ZoneAgent::primary_is_behind(const WorkPtr& work) {
  const Attempt& attempt = *work->attempt;
  const auto known = std::ranges::find(behind_, attempt.peer.address, &std::pair<Endpoint, Serial>::first);
  bool first_time = true;
  if (known == behind_.end()) {
    behind_.emplace_back(attempt.peer.address, *attempt.announced);
  } else {
    first_time = std::exchange(known->second, *attempt.announced) != *attempt.announced;
  }
  log_behind(attempt, first_time);
  work->error = Error{Errc::serial_backwards, fmt::format("{} has {}, we have {}", attempt.peer.name,
                                                          attempt.announced->value, attempt.ours->value)};
  work->attempt.reset();
}

void ZoneAgent::attempt_failed(const WorkPtr& work, const Error& error) {
  log_failed(*work->attempt, error);
  Error kept{error.code, fmt::format("{}: {}", work->attempt->peer.name, error.detail)};
  if (work->error) kept.detail += fmt::format("; before that, {}", work->error->text());
  work->error = std::move(kept);
  work->attempt.reset();
}

void ZoneAgent::note_given_up(Work& work) const {
  if (!work.attempt) return;
  if (core_.stopping) {
    log_given_up(*work.attempt, "the server stops");
  } else if (retired_) {
    log_given_up(*work.attempt, "the zone is removed");
  } else {
    log_given_up(*work.attempt, "its primaries were changed");
  }
  work.attempt.reset();
}

void ZoneAgent::queue_transfer(const WorkPtr& work) {
  set_activity(ZoneActivity::queued);
  work->request =
      core_.transfers.enqueue(work->attempt->peer.address, priority_of(work->urgent),
                              [this, self = shared_from_this(), work](Lanes::Permit permit) {
                                asio::post(core_.io, [this, self, work, granted = std::move(permit)]() mutable {
                                  if (work_ == work) start_transfer(work, std::move(granted));
                                });
                              });
}

void ZoneAgent::start_transfer(const WorkPtr& work, Lanes::Permit permit) {
  if (work->cancelled) {
    permit.release();
    ask_next(work);
    return;
  }
  set_activity(ZoneActivity::transferring);
  work->cancel = spawn(core_.io, transfer(shared_from_this(), work, std::move(permit)));
}

asio::awaitable<void> ZoneAgent::transfer(std::shared_ptr<ZoneAgent> self, WorkPtr work, Lanes::Permit permit) {
  co_await asio::this_coro::throw_if_cancelled(false);
  const EngineSettings& settings = self->core_.settings;
  TakeOptions options{.limits = work->policy->limits, .stall = settings.stall_timeout, .min_rate = settings.min_rate};
  // A primary that answered the probe and hangs now may cost as little as one that hangs at once, if there is another.
  const auto probed = std::chrono::duration_cast<milliseconds>(std::chrono::duration<double>(work->probe_seconds));
  const milliseconds left = std::max(settings.probe_timeout - probed, settings.probe_timeout / 2);
  const bool is_last = work->next == work->order.size();
  options.first_wait = is_last ? settings.stall_timeout : std::min(left, settings.stall_timeout);
  if (!is_last) {
    const std::optional<double> expires = self->schedule_.expires();
    options.longest = longest_transfer(expires ? std::optional(*expires - self->core_.now().mono) : std::nullopt);
  }
  if (const auto held = self->version()) options.hints = {.nodes = held->node_count(), .octets = held->memory_size()};
  std::optional<IdleLender> lender(std::in_place, self->core_.io.get_executor(), permit, work->attempt->counts);
  Result<ZoneBuilder> builder = co_await take_zone(*work->attempt, self->core_.clock, options);
  lender.reset();
  self->taken(work, std::move(builder), std::move(permit));
}

void ZoneAgent::taken(const WorkPtr& work, Result<ZoneBuilder> builder, Lanes::Permit permit) {
  if (work->cancelled) {
    permit.release();
    ask_next(work);
    return;
  }
  if (!builder) {
    permit.release();
    core_.board.count([](EngineCounters& counters) { ++counters.transfers_failed; });
    attempt_failed(work, builder.error());
    ask_next(work);
    return;
  }
  start_commit(work, *std::move(builder), std::move(permit));
}

// Commit.

void ZoneAgent::start_commit(const WorkPtr& work, ZoneBuilder builder, Lanes::Permit permit) {
  work->committing = true;
  set_activity(ZoneActivity::committing);
  set_timer();
  const std::uint64_t octets = builder.memory_size();
  const bool may_wait_for_disk =
      core_.commits_ahead < max_commits_ahead && core_.octets_ahead + octets <= max_octets_ahead;
  if (may_wait_for_disk) permit.release();
  ++core_.commits_ahead;
  core_.octets_ahead += octets;
  auto task = std::make_shared<CommitTask>(CommitTask{.slot = slot_,
                                                      .builder = std::move(builder),
                                                      .may_go_back = work->whole,
                                                      .ours = work->attempt->ours,
                                                      .source = work->attempt->peer.address.text(),
                                                      .schedule = schedule_,
                                                      .random = core_.random_part()});
  auto held = std::make_shared<Lanes::Permit>(std::move(permit));
  task->done = [this, self = shared_from_this(), work, held, octets](CommitTask&& finished) {
    auto outcome = std::make_shared<CommitTask>(std::move(finished));
    asio::post(core_.io, [this, self, work, held, octets, outcome] {
      held->release();
      --core_.commits_ahead;
      core_.octets_ahead -= octets;
      store_is_free();
      committed(work, *outcome);
    });
  };
  when_store_is_free([this, task] { core_.committer.submit(std::move(*task)); });
}

void ZoneAgent::committed(const WorkPtr& work, CommitTask& task) {
  work->committing = false;
  Attempt& attempt = *work->attempt;
  const ZoneBuilder::Report& report = task.builder->report();
  attempt.counts.duplicates = std::max(attempt.counts.duplicates, report.duplicates);
  if (!task.result) {
    core_.board.count([](EngineCounters& counters) { ++counters.transfers_failed; });
    attempt_failed(work, task.result.error());
    const Errc code = task.result.error().code;
    const bool ours = code == Errc::storage || code == Errc::storage_full || code == Errc::corrupt || code == Errc::io;
    if (ours) work->next = work->order.size();  // another primary would not help
    ask_next(work);
    return;
  }
  schedule_ = task.schedule;
  schedule_.set_bounds(policy_->bounds, core_.now());
  behind_.clear();
  core_.notifier.announce(policy_->notify, task.version, true);
  log_transferred(attempt);
  log_oddities(attempt, report);
  const std::uint64_t records = task.version->record_count();
  std::shared_ptr<const Zone> version = task.version;  // the one before goes after the lock
  {
    Lock lock(core_.board.mutex);
    facts_.version.swap(version);
    facts_.source = attempt.peer.name;
    facts_.last_error.clear();
    ++facts_.checks;
    ++facts_.transfers;
    change_state(ZoneState::ok);
    ++core_.board.counters.checks_ok;
    ++core_.board.counters.transfers_ok;
    core_.board.counters.transferred_records += attempt.counts.records;
    core_.board.counters.transferred_octets += attempt.counts.octets;
  }
  const std::string before = attempt.ours ? std::to_string(attempt.ours->value) : "none";
  finish(work, {{},
                fmt::format("serial {} -> {} from {}, {} records", before, task.version->serial().value,
                            attempt.peer.name, records)});
}

// Outcomes without a new version.

void ZoneAgent::finish_current(const WorkPtr& work) {
  const Attempt& attempt = *work->attempt;
  const std::shared_ptr<const Zone> held = version();
  const bool was_expired = schedule_.expired() || slot_->expired();
  schedule_.confirmed(held->soa(), core_.now(), core_.random_part());
  log_current(attempt);
  if (was_expired) {
    slot_->publish(held);
    log_info("zone {}: serial {} is confirmed by {}: answered again", name().text(), held->serial().value,
             attempt.peer.name);
  }
  if (work->notified_by) ++idle_checks_;
  {
    Lock lock(core_.board.mutex);
    facts_.source = attempt.peer.name;
    facts_.last_error.clear();
    ++facts_.checks;
    change_state(ZoneState::ok);
    ++core_.board.counters.checks_ok;
  }
  CommandOutcome outcome{{}, fmt::format("serial {} is current at {}", attempt.announced->value, attempt.peer.name)};
  work->committing = true;
  set_activity(ZoneActivity::committing);
  set_timer();
  save_timers(was_expired, [this, self = shared_from_this(), work, outcome] {
    work->committing = false;
    finish(work, outcome);
  });
}

void ZoneAgent::finish_failed(const WorkPtr& work, Error error) {
  if (work->cancelled) {
    finish(work, {fail(Errc::cancelled, name().text()), ""});
    return;
  }
  if (work->notified_by) ++idle_checks_;
  if (!is_from_file()) schedule_.failed(core_.now(), core_.random_part());
  {
    Lock lock(core_.board.mutex);
    facts_.last_error = error.text();
    ++facts_.checks;
    ++facts_.failures;
    if (facts_.state == ZoneState::ok) change_state(ZoneState::failing);
    ++core_.board.counters.checks_failed;
  }
  finish(work, {std::unexpected(error), error.text()});
}

// A zone from a file.

void ZoneAgent::read_file(const WorkPtr& work) {
  struct Outcome {
    FileReading reading;
    bool current = false;
  };
  work->started = true;
  set_activity(ZoneActivity::checking);
  auto outcome = std::make_shared<Outcome>();
  const bool only_if_written = work->only_if_written;
  core_.run_job(
      core_.loads, JobPool::Urgency::urgent,
      [self = shared_from_this(), &clock = core_.clock, outcome, only_if_written, path = *file_, held = version(),
       stamp = file_stamp_, limits = policy_->limits] {
        outcome->current = only_if_written && held && file_stamp(path) == stamp;
        if (outcome->current) return;
        outcome->reading = read_file_version(path, self->name(), limits, clock);
        const auto& read = outcome->reading.version;
        outcome->current = read && held && same_content(held, *read);
      },
      [this, self = shared_from_this(), outcome, work] {
        if (work->cancelled || !is_from_file()) {
          work->cancelled = true;
          finish_failed(work, {Errc::cancelled, name().text()});
        } else if (outcome->current) {
          file_is_current(work);
        } else {
          file_was_read(work, outcome->reading);
        }
      });
}

void ZoneAgent::file_is_current(const WorkPtr& work) {
  const std::shared_ptr<const Zone> held = version();
  file_stamp_ = file_stamp(*file_);
  if (slot_->zone() == nullptr) slot_->publish(held);  // had expired as a secondary zone
  {
    Lock lock(core_.board.mutex);
    facts_.source = *file_;
    facts_.last_error.clear();
    ++facts_.checks;
    change_state(ZoneState::ok);
    ++core_.board.counters.checks_ok;
  }
  finish(work, {{}, fmt::format("serial {} is current in {}", held->serial().value, *file_)});
}

void ZoneAgent::file_was_read(const WorkPtr& work, const FileReading& reading) {
  const std::shared_ptr<const Zone> held = version();
  const std::optional<Serial> ours = held ? std::optional(held->serial()) : std::nullopt;
  if (!reading.version) {
    file_stamp_ = {};
    log_file_failed(name(), *file_, ours, reading.version.error());
    finish_failed(work, reading.version.error());
    return;
  }
  work->committing = true;
  set_activity(ZoneActivity::committing);
  CommitTask task{.slot = slot_,
                  .stored = false,
                  .may_go_back = true,
                  .ours = ours,
                  .source = *file_,
                  .schedule = schedule_,
                  .version = *reading.version};
  task.done = [this, self = shared_from_this(), work, reading](CommitTask&& finished) {
    auto outcome = std::make_shared<CommitTask>(std::move(finished));
    asio::post(core_.io, [this, self, work, reading, outcome] { file_committed(work, reading, *outcome); });
  };
  core_.committer.submit(std::move(task));
}

void ZoneAgent::file_committed(const WorkPtr& work, const FileReading& reading, CommitTask& task) {
  work->committing = false;
  file_stamp_ = reading.stamp;
  core_.notifier.announce(policy_->notify, task.version, true);
  log_file_read(name(), task.source, task.ours, reading);
  const WallSeconds now = core_.clock.wall_seconds();
  std::shared_ptr<const Zone> version = task.version;  // the one before goes after the lock
  {
    Lock lock(core_.board.mutex);
    facts_.version.swap(version);
    facts_.source = task.source;
    facts_.last_error.clear();
    facts_.timers.confirmed_at = facts_.timers.checked_at = now;
    ++facts_.checks;
    ++facts_.transfers;
    change_state(ZoneState::ok);
    ++core_.board.counters.checks_ok;
  }
  const std::string before = task.ours ? std::to_string(task.ours->value) : "none";
  finish(work, {{},
                fmt::format("serial {} -> {} from {}, {} records", before, task.version->serial().value, task.source,
                            task.version->record_count())});
}

}  // namespace understudy
