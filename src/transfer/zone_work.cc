// Work of an agent up to the decision what to take from whom, and its end.
#include "transfer/zone_work.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <numeric>
#include <utility>

#include "base/log.h"
#include "transfer/primary_check.h"

namespace understudy {

namespace asio = boost::asio;
using std::chrono::milliseconds;

namespace {

constexpr double recently = 10;  // seconds
// Checks a second and zone that NOTIFYs of each kind may cause for nothing.
constexpr unsigned max_idle_checks = 5;

}  // namespace

milliseconds time_left(milliseconds timeout, double waited) {
  const auto left = timeout - std::chrono::duration_cast<milliseconds>(std::chrono::duration<double>(waited));
  return std::max(left, timeout / 10);
}

namespace {

Lanes::Priority priority_of(bool urgent) {
  return urgent ? Lanes::Priority::urgent : Lanes::Priority::normal;
}

}  // namespace

// From rest to work and back.

/// RFC 1996 section 4.4: NOTIFYs that came during a check lead to one more, unless that check found what they tell of.
void ZoneAgent::drop_answered_notify() {
  Lock lock(core_.board.mutex);
  if (facts_.notify_serial && facts_.version && !is_newer_than_held(facts_.notify_serial)) facts_.notify_waits = false;
}

bool ZoneAgent::is_newer_than_held(std::optional<Serial> serial) const {
  return serial && facts_.version && serial->is_newer_than(facts_.version->serial());
}

/// Somebody who announces what is not there must not keep us asking.
bool ZoneAgent::wants_check_for_notify() {
  bool is_newer = false;
  {
    Lock lock(core_.board.mutex);
    if (!facts_.notify_waits) return false;
    is_newer = is_newer_than_held(facts_.notify_serial);
  }
  Seldom& notes = change_seldom();
  IdleChecks& checks = is_newer ? notes.idle_newer_checks : notes.idle_checks;
  const double now = core_.mono();
  if (now - checks.since >= 1) checks = {.since = now};
  if (checks.count < max_idle_checks) return true;
  notes.notify_due = checks.since + 1;
  return false;
}

void ZoneAgent::note_idle_check(const Work& work) {
  if (!work.notified_by) return;
  Seldom& notes = change_seldom();
  Lock lock(core_.board.mutex);
  ++(is_newer_than_held(work.notified_serial) ? notes.idle_newer_checks : notes.idle_checks).count;
}

void ZoneAgent::after_work() {
  if (!adopted_ || work_) return;
  if (retired_ || core_.stopping) {
    leave_if_retired();
    return;
  }
  const bool for_notify = wants_check_for_notify();
  if (refresh_wanted_ || whole_wanted_ || (local_ && local_->put_version) || for_notify) {
    // Other settings alone, which may be those of very many zones, are nothing urgent.
    begin_work(for_notify || whole_wanted_ || !seldom().commands.empty() ? Level::urgent : Level::normal);
    return;
  }
  drop_seldom();
  set_timer();
}

void ZoneAgent::begin_work(Level level) {
  stop_waiting();  // it sees for itself
  const WorkPtr work = work_ = std::make_shared<Work>();
  ++core_.at_work;
  work->urgent = level == Level::urgent;
  work->whole = std::exchange(whole_wanted_, false);
  refresh_wanted_ = false;
  if (seldom_) seldom_->notify_due.reset();
  work->commands = take_commands();
  work->only_if_written = work->commands.empty();
  work->policy = policy_;
  {
    Lock lock(core_.board.mutex);
    if (std::exchange(facts_.notify_waits, false)) {
      work->notified_by = facts_.notify_from;
      work->notified_serial = facts_.notify_serial;
      core_.health.end_pause(facts_.notify_from);
    }
    facts_.activity = ZoneActivity::queued;
  }
  set_timer();
  if (is_local()) {
    read_file(work);
  } else {
    order_primaries(*work);
    ask_next(work);
  }
}

/// The configured order, but whoever told us comes first.
void ZoneAgent::order_primaries(Work& work) const {
  work.order.resize(work.policy->primaries.size());
  work.until = work.order.size();
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
  stop_waiting(WaitsFor::first_answer);
  work->request.withdraw();
  work_.reset();
  --core_.at_work;
  {
    Lock lock(core_.board.mutex);
    facts_.activity = ZoneActivity::idle;
    facts_.works_for_notifier = false;  // after_work() looks for a NOTIFY that came until now
  }
  publish_timers();
}

void ZoneAgent::finish(const WorkPtr& work, CommandOutcome outcome) {
  const bool again = work->cancelled && !retired_ && !core_.stopping;
  work_is_over(work);
  if (again) {
    // Other settings came in between: who waits for the outcome gets that of the next work.
    whole_wanted_ |= work->whole;
    if (!work->commands.empty()) {
      auto& commands = change_seldom().commands;
      commands.insert(commands.end(), work->commands.begin(), work->commands.end());
    }
    refresh_wanted_ = true;
  } else {
    if (outcome.result) stop_waiting();
    for (const CommandDone& done : work->commands) done(outcome);
    drop_answered_notify();
  }
  after_work();
}

// Whom to ask.

/// Puts the primary whose turn it is behind all others if it hangs, once: what hangs then is asked if they fail. Who
/// told us of a change does not hang.
bool ZoneAgent::pass_over(Work& work) const {
  const auto at = work.order.begin() + static_cast<std::ptrdiff_t>(work.next);
  const Endpoint& primary = work.policy->primaries[*at].address;
  if (work.next + work.passed_over + 1 >= work.until || work.notified_by == primary.address ||
      !core_.health.is_to_be_passed_over(primary, core_.mono())) {
    return false;
  }
  std::rotate(at, at + 1, work.order.begin() + static_cast<std::ptrdiff_t>(work.until));
  ++work.passed_over;
  return true;
}

/// Leaves out the primary whose turn it is if it could not be reached and the time to try again has not come; not if
/// somebody insists.
bool ZoneAgent::leave_to_rest(Work& work) {
  if (work.urgent) return false;
  const PeerSettings& peer = work.policy->primaries[work.order[work.next]];
  const double now = core_.mono();
  const std::optional<double> until = core_.health.rests_until(peer.address, now);
  if (!until) return false;
  add_error(work, {Errc::connect_failed,
                   fmt::format("{} ({}) was not asked: it could not be reached and is tried again in {:.0f} s",
                               peer.name, peer.address.text(), std::max(*until - now, 1.0))});
  wait_for(peer);
  ++work.next;
  work.unanswered = true;
  return true;
}

/// It may answer before this work is over.
void ZoneAgent::wait_for(const PeerSettings& peer) {
  if (!retired_ && !core_.stopping) core_.health.wait(peer.address, *this);
}

/// Without a version, whatever a primary has is newer, so one that answers others need not be asked twice. A NOTIFY
/// from this primary says that it has something newer: its answer to a request for differences says all that its SOA
/// would.
bool ZoneAgent::needs_no_probe(const Work& work, const PeerSettings& peer) const {
  if (work.policy->check_all_primaries || work.differences_failed(peer) || !work.newer.empty()) return false;
  if (!version()) return !failed_before_ && core_.health.has_answered_since(peer.address, core_.mono() - recently);
  if (!work.notified_serial || work.whole) return false;
  if (work.notified_by != peer.address.address) return false;
  const auto held = version();
  return held && work.notified_serial->is_newer_than(held->serial()) && may_take_differences(peer);
}

void ZoneAgent::begin_attempt(Work& work, const PeerSettings& peer) const {
  work.attempt = std::make_unique<Attempt>();
  work.attempt->zone = name();
  work.attempt->peer = peer;
  if (const auto held = version()) work.attempt->ours = held->serial();
}

void ZoneAgent::ask_next(const WorkPtr& work) {
  stop_waiting(WaitsFor::first_answer);
  if (work->started) heed_notifier_again();
  if (work->cancelled) {
    note_given_up(*work);
    finish_failed(work);
    return;
  }
  while (work->next < work->until) {
    if (!pass_over(*work) && !leave_to_rest(*work)) break;
  }
  if (work->next == work->until) {
    decide(work);
    return;
  }
  set_activity(ZoneActivity::queued);
  const PeerSettings& peer = work->policy->primaries[work->order[work->next]];
  if (!version()) {
    if (needs_no_probe(*work, peer)) {
      transfer_unprobed(work);
      return;
    }
    // Many may wait for the first answer, which spares all of them the question.
    const bool would_do = !work->started && !failed_before_ && !work->policy->check_all_primaries;
    if (would_do) core_.health.wait_for_answer(peer.address, *this);
  }
  // What takes the place of an SOA query waits as that would: anyone can send NOTIFYs of newer serials.
  work->request = core_.probes.enqueue(
      peer.address, priority_of(work->urgent), [this, self = shared_from_this(), work](Lanes::Permit permit) {
        asio::post(core_.io, [this, self, work, granted = std::move(permit)]() mutable {
          if (work_ == work) {
            start_probe(work, std::move(granted));
          } else {
            granted.give_back_unused();
          }
        });
      });
}

/// It was asked, and that was not the end of it: another NOTIFY from there is a sign of life.
void ZoneAgent::heed_notifier_again() {
  Lock lock(core_.board.mutex);
  facts_.works_for_notifier = false;
}

void ZoneAgent::note_start(Work& work) {
  work.started = true;
  if (!work.notified_by) return;
  Lock lock(core_.board.mutex);
  facts_.works_for_notifier = facts_.notify_from == *work.notified_by;
}

void ZoneAgent::transfer_unprobed(const WorkPtr& work) {
  ++work->next;
  note_start(*work);
  queue_transfer(work);  // the attempt begins when it is its turn: very many may wait
}

void ZoneAgent::start_probe(const WorkPtr& work, Lanes::Permit permit) {
  stop_waiting(WaitsFor::first_answer);
  if (work->cancelled) {
    permit.give_back_unused();
    ask_next(work);
    return;
  }
  if (!work->started) {
    note_start(*work);
    if (work->next == 0 && work->passed_over == 0) order_primaries(*work);  // a NOTIFY may have come meanwhile
  }
  if (pass_over(*work) || leave_to_rest(*work)) {
    permit.give_back_unused();
    ask_next(work);
    return;
  }
  if (needs_no_probe(*work, work->policy->primaries[work->order[work->next]])) {
    permit.give_back_unused();
    transfer_unprobed(work);
    return;
  }
  const PeerSettings& peer = work->policy->primaries[work->order[work->next++]];
  begin_attempt(*work, peer);
  work->attempt->waited = std::exchange(work->waited, 0);
  set_activity(ZoneActivity::checking);
  work->probe_began = core_.mono();
  core_.health.begin(peer.address, PrimaryHealth::Kind::check, core_.mono());
  work->cancel = spawn(core_.io, probe(shared_from_this(), work, std::move(permit)));
}

asio::awaitable<void> ZoneAgent::probe(std::shared_ptr<ZoneAgent> self, WorkPtr work, Lanes::Permit permit) {
  co_await asio::this_coro::throw_if_cancelled(false);
  const milliseconds longest = self->core_.settings.probe_timeout;
  const milliseconds timeout = work->asks_last() ? longest : time_left(longest, work->attempt->waited);
  Result<Serial> serial = co_await probe_primary(self->core_.primaries(), *work->attempt, timeout);
  self->note_check(*work, serial ? std::nullopt : std::optional(serial.error().code));
  permit.release();
  self->probed(work, std::move(serial));
}

PrimaryHealth::Outcome ZoneAgent::outcome_of(const Work& work, std::optional<Errc> failure) const {
  using Outcome = PrimaryHealth::Outcome;
  if (failure == Errc::timed_out || failure == Errc::connect_failed) {
    const std::chrono::duration<double> waited(work.attempt->waited + work.attempt->seconds);
    return waited >= core_.settings.probe_timeout / 2 ? Outcome::hung : Outcome::unreachable;
  }
  return failure == Errc::cancelled || failure == Errc::io ? Outcome::unknown : Outcome::answered;
}

void ZoneAgent::check_again_at(Work& work, std::optional<double> when) {
  if (when) work.again = work.again ? std::min(*work.again, *when) : *when;
}

/// What the end of a check says about the primary; `failure` if it failed.
void ZoneAgent::note_check(Work& work, std::optional<Errc> failure) {
  using Outcome = PrimaryHealth::Outcome;
  const PeerSettings& peer = work.attempt->peer;
  const Outcome outcome = outcome_of(work, failure);
  check_again_at(work, core_.health.end(peer.address, peer.name, outcome, work.probe_began, core_.mono()));
  if (outcome == Outcome::hung || outcome == Outcome::unreachable) wait_for(peer);
}

/// The same of a transfer; null: it came to its end.
void ZoneAgent::note_transfer(Work& work, const Error* failure, Tells tells) {
  using Outcome = PrimaryHealth::Outcome;
  Outcome check = Outcome::answered, transfer = Outcome::answered;
  if (failure != nullptr) {
    const Errc code = failure->code;
    const bool heard = work.attempt->counts.messages > 0;
    const bool closed = code == Errc::connection_closed || code == Errc::bad_transfer_end;
    const bool stands = code == Errc::stalled || code == Errc::too_slow || (closed && !heard);
    check = outcome_of(work, code);
    transfer = check == Outcome::answered ? Outcome::refused : check;
    if (stands) transfer = closed ? Outcome::unreachable : Outcome::hung;
    // That a connection came about, or none did, or it was ended, says nothing about whether serials are answered.
    if (stands || check == Outcome::hung || check == Outcome::unreachable) check = Outcome::unknown;
    if (heard) check = Outcome::answered;
    if (tells == Tells::of_itself) transfer = Outcome::unknown;
  }
  const PeerSettings& peer = work.attempt->peer;
  check_again_at(work,
                 core_.health.end_transfer(peer.address, peer.name, check, transfer, work.probe_began, core_.mono()));
  if (transfer == Outcome::hung || transfer == Outcome::unreachable) wait_for(peer);
}

/// Leaves out a transfer from a primary of which none came to its end, unless somebody insists: other primaries are
/// asked first, and one zone at a time finds out whether they do again.
bool ZoneAgent::leave_transfer_to_rest(Work& work) {
  if (work.urgent) return false;
  const PeerSettings& peer = work.attempt->peer;
  const double now = core_.mono();
  const bool has_other = !work.asks_last();
  const bool rests = core_.health.rests_until(peer.address, now, PrimaryHealth::Kind::transfer).has_value();
  if (!rests && !(has_other && core_.health.is_to_be_passed_over(peer.address, now))) return false;
  if (!has_other) check_again_at(work, core_.health.claim_next_try(peer.address, now));
  add_error(work, {Errc::stalled, fmt::format("{} ({}) was not asked for the zone: nothing came of the last transfers "
                                              "from it, and one at a time is tried",
                                              peer.name, peer.address.text())});
  log_not_asked(*work.attempt, "nothing came of the last transfers from it, and one at a time is tried");
  wait_for(peer);
  work.newer_failed |= !work.goes_back;
  work.attempt.reset();
  return true;
}

// What was found.

void ZoneAgent::probed(const WorkPtr& work, Result<Serial> serial) {
  work->attempt->waited += work->attempt->seconds;
  if (work->cancelled) {
    ask_next(work);
    return;
  }
  if (!serial) {
    work->unanswered = true;
    attempt_failed(work, serial.error());
    ask_next(work);
    return;
  }
  const std::optional<Serial> ours = work->attempt->ours;
  if (!ours || work->whole || serial->is_newer_than(*ours)) {
    found_newer(work);
  } else if (*serial != *ours) {
    primary_is_behind(work);
    ask_next(work);
  } else if (work->policy->check_all_primaries && work->next < work->until) {
    if (!work->confirmed) work->confirmed = std::move(work->attempt);
    work->attempt.reset();
    ask_next(work);
  } else {
    work->confirmed = std::move(work->attempt);
    decide(work);
  }
}

/// Takes it, or first looks at what others have: all of them where the operator wants that; else the one that our
/// version is from, as it can send differences that fit.
void ZoneAgent::found_newer(const WorkPtr& work) {
  const bool differences_fit = !work->attempt->ours || work->whole || is_origin(work->attempt->peer);
  work->newer.push_back(std::move(work->attempt));
  if (!work->policy->check_all_primaries) {
    const auto begin = work->order.begin() + static_cast<std::ptrdiff_t>(work->next);
    const auto end = work->order.begin() + static_cast<std::ptrdiff_t>(work->until);
    const auto origin =
        std::find_if(begin, end, [&](std::uint32_t i) { return is_origin(work->policy->primaries[i]); });
    const bool asks_origin = !differences_fit && origin != end;
    if (asks_origin) std::rotate(begin, origin, origin + 1);
    work->until = work->next + (asks_origin ? 1 : 0);
  }
  ask_next(work);
}

void ZoneAgent::decide(const WorkPtr& work) {
  if (!work->newer.empty()) {
    const auto worse = [this](const std::unique_ptr<Attempt>& a, const std::unique_ptr<Attempt>& b) {
      if (*a->announced != *b->announced) return b->announced->is_newer_than(*a->announced);
      return is_origin(b->peer) && !is_origin(a->peer);
    };
    const auto best = std::max_element(work->newer.begin(), work->newer.end(), worse);
    work->attempt = std::move(*best);
    work->newer.erase(best);
    if (leave_transfer_to_rest(*work)) {
      ask_next(work);
    } else {
      queue_transfer(work);
    }
  } else if (work->confirmed && !work->newer_failed) {
    work->attempt = std::move(work->confirmed);
    finish_current(work);
  } else if (work->until < work->order.size()) {
    work->until = work->order.size();
    ask_next(work);
  } else if (work->behind && !work->newer_failed && may_follow_back(*work)) {
    work->attempt = std::move(work->behind);
    work->goes_back = true;
    log_info("zone {}: no primary has serial {} any more: {} with {} is followed (serial-backwards)", name().text(),
             work->attempt->ours->value, work->attempt->peer.name, work->attempt->announced->value);
    queue_transfer(work);
  } else {
    finish_failed(work);
  }
}

void ZoneAgent::primary_is_behind(const WorkPtr& work) {
  const Attempt& attempt = *work->attempt;
  auto& behind = change_seldom().behind;
  const auto known = std::ranges::find(behind, attempt.peer.address, &std::pair<Endpoint, Serial>::first);
  bool first_time = true;
  if (known == behind.end()) {
    behind.emplace_back(attempt.peer.address, *attempt.announced);
  } else {
    first_time = std::exchange(known->second, *attempt.announced) != *attempt.announced;
  }
  log_behind(attempt, first_time);
  add_error(*work, {Errc::serial_backwards, fmt::format("{} has {}, we have {}", attempt.peer.name,
                                                        attempt.announced->value, attempt.ours->value)});
  const bool newest = !work->behind || attempt.announced->is_newer_than(*work->behind->announced);
  if (newest) work->behind = std::move(work->attempt);
  work->attempt.reset();
}

/// Whether the policy lets us go back now; where it lets us later, the check is made then. At once only if all
/// primaries were heard: who does not answer may have what we have.
bool ZoneAgent::may_follow_back(const Work& work) {
  if (policy_->serial_backwards == BackwardsPolicy::ignore) return false;
  if (policy_->serial_backwards == BackwardsPolicy::accept) return !work.unanswered;
  const Moment now = core_.now();
  if (!schedule_.behind_since()) {
    schedule_.only_older(now);
    save_timers(false, nullptr);  // a restart does not begin anew
  }
  return now.mono - *schedule_.behind_since() >= static_cast<double>(policy_->backwards_after.count());
}

void ZoneAgent::add_error(Work& work, Error error) {
  if (work.error) error.detail += fmt::format("; before that, {}", work.error->text());
  work.error = std::move(error);
}

void ZoneAgent::attempt_failed(const WorkPtr& work, const Error& error) {
  log_failed(*work->attempt, error);
  note_attempt(*work->attempt, &error);
  add_error(*work, {error.code, fmt::format("{}: {}", work->attempt->peer.name, error.detail)});
  work->attempt.reset();
}

/// What was begun, or found something newer, has a line. A check whose turn had not come has none of its own: with
/// other primaries the next one begins at once, a removal is told anyway, and what waits when the server stops, which
/// may be very many, is counted for one line.
void ZoneAgent::note_given_up(Work& work) const {
  const char* const why = core_.stopping ? "the server stops"
                          : retired_     ? "the zone is removed"
                                         : "its primaries were changed";
  if (work.attempt) work.newer.push_back(std::move(work.attempt));
  if (work.newer.empty() && core_.stopping) ++core_.checks_left;
  for (const auto& attempt : work.newer) log_given_up(*attempt, why);
  work.newer.clear();
}

// Outcomes without a new version.

void ZoneAgent::finish_current(const WorkPtr& work) {
  const Attempt& attempt = *work->attempt;
  const std::shared_ptr<const Zone> held = version();
  const bool was_expired = schedule_.expired() || slot_->expired();
  schedule_.confirmed(held->soa(), core_.now(), core_.random_part(), attempt.expire_left);
  log_current(attempt);
  const bool lives = !schedule_.expired();
  if (was_expired && lives) {
    slot_->publish(held, history());
    core_.compactor.consider(*this, held);
    if (core_.events.published) core_.events.published(held);
    log_info("zone {}: serial {} is confirmed by {}: answered again", name().text(), held->serial().value,
             attempt.peer.name);
  }
  note_idle_check(*work);
  const std::string* source = core_.texts.get(attempt.peer.name);
  {
    Lock lock(core_.board.mutex);
    facts_.source = source;
    facts_.last_error.reset();
    ++facts_.checks;
    if (lives) change_state(ZoneState::ok);
    ++core_.board.counters.checks_ok;
  }
  CommandOutcome outcome{{}, fmt::format("serial {} is current at {}", attempt.announced->value, attempt.peer.name)};
  const bool revived = was_expired && lives;
  if (!revived && !work->urgent) {  // who insists is told once it is stored
    save_timers_soon();
    finish(work, outcome);
    return;
  }
  work->committing = true;
  set_activity(ZoneActivity::committing);
  set_timer();
  save_timers(revived, [this, self = shared_from_this(), work, outcome] {
    work->committing = false;
    finish(work, outcome);
  });
}

void ZoneAgent::finish_failed(const WorkPtr& work) {
  const Error error = work->error.value_or(Error{Errc::cancelled, name().text()});
  if (work->cancelled) {
    finish(work, {fail(Errc::cancelled, name().text()), ""});
    return;
  }
  note_idle_check(*work);
  failed_before_ = true;
  if (!is_local()) {
    // That one primary has our serial counts, though another one has something newer that could not be taken.
    if (const auto held = version(); held && work->confirmed && !slot_->expired() && !slot_->is_stale()) {
      schedule_.confirmed(held->soa(), core_.now(), core_.random_part(), work->confirmed->expire_left);
    }
    schedule_.failed(core_.now(), core_.random_part());
    if (work->again) schedule_.check_by(*work->again);
    const std::optional<double> behind_since = schedule_.behind_since();
    if (behind_since && policy_->serial_backwards == BackwardsPolicy::accept_after) {
      schedule_.check_by(*behind_since + static_cast<double>(policy_->backwards_after.count()));
    }
  }
  {
    Lock lock(core_.board.mutex);
    facts_.last_error = std::make_unique<const std::string>(error.text());
    ++facts_.checks;
    ++facts_.failures;
    if (facts_.state == ZoneState::ok) change_state(ZoneState::failing);
    ++core_.board.counters.checks_failed;
  }
  finish(work, {std::unexpected(error), error.text()});
}

}  // namespace understudy
