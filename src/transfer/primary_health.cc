#include "transfer/primary_health.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/log.h"

namespace understudy {
namespace {

// Those that had queued for it while it was not known to hang have gone elsewhere after this time; seconds.
constexpr double shortest_pause = 1;
constexpr unsigned most_doublings = 20;
constexpr std::size_t told_at_once = 128;  // before other events get their turn
// One that is under way for so long gets on, or is about to be given up: others need not wait for how it ends; seconds.
constexpr double longest_trial = 10;

void log_hanging(const std::string& name, const Endpoint& primary) {
  log_warning(
      "primary {} ({}) hangs: zones that have another primary ask that one first until this one answers; check that it "
      "runs and that address, port and firewall are right",
      name, primary.text());
}

void log_hanging_transfers(const std::string& name, const Endpoint& primary) {
  log_warning(
      "primary {} ({}) answers for its serials, but nothing comes of transfers: zones that have another primary ask "
      "that "
      "one first, and the others try one at a time, until one comes; check that TCP to that port is not blocked and "
      "that "
      "the primary is not out of resources",
      name, primary.text());
}

}  // namespace

const PrimaryHealth::State* PrimaryHealth::find(const Endpoint& primary) const {
  const auto found = states_.find(primary);
  return found == states_.end() ? nullptr : &found->second;
}

bool PrimaryHealth::is_to_be_passed_over(const Endpoint& primary, double now) const {
  const State* state = find(primary);
  return state != nullptr && (state->checks.is_to_be_passed_over(now) || state->transfers.is_to_be_passed_over(now));
}

bool PrimaryHealth::Track::is_to_be_passed_over(double now) const {
  return hangs && (under_way != 0 || now < failed_at + shortest_pause);
}

bool PrimaryHealth::has_answered_since(const Endpoint& primary, double when) const {
  const State* state = find(primary);
  return state != nullptr && state->checks.answered_at >= when && state->checks.answered_at > state->checks.failed_at &&
         state->transfers.answered_at >= state->transfers.failed_at;
}

std::optional<double> PrimaryHealth::rests_until(const Endpoint& primary, double now, Kind kind) const {
  const State* state = find(primary);
  if (state == nullptr || longest_pause_ <= 0) return std::nullopt;
  const Track& track = kind == Kind::check ? state->checks : state->transfers;
  if (track.failures == 0) return std::nullopt;
  if (now < track.rests_until) return track.rests_until;
  if (track.under_way != 0 && now < track.began_at + longest_trial) return now + shortest_pause;
  return std::nullopt;
}

std::optional<double> PrimaryHealth::claim_next_try(const Endpoint& primary, double now) {
  const auto found = states_.find(primary);
  if (found == states_.end() || std::exchange(found->second.transfers.is_next_claimed, true)) return std::nullopt;
  return std::max(found->second.transfers.rests_until, now + shortest_pause);
}

void PrimaryHealth::end_pause(const IpAddress& address) {
  for (auto at = states_.lower_bound({address, 0}); at != states_.end() && at->first.address == address; ++at) {
    at->second.checks.end_pause();
    at->second.transfers.end_pause();
  }
}

void PrimaryHealth::Track::end_pause() {
  rests_until = -1;
  failures = std::min(failures, 1U);
}

void PrimaryHealth::wait(const Endpoint& primary, Waiter& waiter) {
  const auto found = states_.find(primary);
  if (found == states_.end()) return;
  for (Track* track : {&found->second.checks, &found->second.transfers}) {
    if (track->failures == 0) continue;
    track->waiters.add(waiter, WaitsFor::another_check);
    return;
  }
}

void PrimaryHealth::wait_for_answer(const Endpoint& primary, Waiter& waiter) {
  states_[primary].checks.waiters.add(waiter, WaitsFor::first_answer);
}

void PrimaryHealth::tell(Track& track) {
  if (track.waiters.empty()) return;
  const bool is_first = told_.empty();
  told_.take_all(track.waiters);
  if (is_first) tell_later_();
}

void PrimaryHealth::tell_some() {
  told_.tell(told_at_once);
  if (!told_.empty()) tell_later_();
}

void PrimaryHealth::begin(const Endpoint& primary, Kind kind, double now) {
  State& state = states_[primary];
  for (Track* track : {&state.checks, &state.transfers}) {
    if (track == &state.transfers && kind != Kind::transfer) continue;
    ++track->under_way;
    track->began_at = now;
  }
}

/// Several that were under way at once and fail together are one failure.
double PrimaryHealth::failed(Track& track, double now) const {
  track.failed_at = now;
  if (now >= track.rests_until) {
    ++track.failures;
    const double doubled = std::ldexp(shortest_pause, static_cast<int>(std::min(track.failures - 1, most_doublings)));
    track.rests_until = now + std::min(doubled, std::max(longest_pause_, shortest_pause));
    track.is_next_claimed = false;
  }
  return track.rests_until;
}

/// Returns until when it rests from now on, if it failed. Who waited for an answer is going to be told.
std::optional<double> PrimaryHealth::note(Track& track, Outcome outcome, double began, double now) {
  --track.under_way;
  if (outcome == Outcome::answered) {
    track.answered_at = now;
    track.failures = 0;
    track.rests_until = -1;
    tell(track);
  } else if (outcome == Outcome::refused) {
    track.failed_at = now;
    tell(track);  // they may be given what this one was not
  } else if (outcome != Outcome::unknown && track.answered_at < began) {
    return failed(track, now);
  }
  track.is_next_claimed = false;  // it may have been this one's
  return std::nullopt;
}

std::optional<double> PrimaryHealth::end(const Endpoint& primary, const std::string& name, Outcome outcome,
                                         double began, double now) {
  const auto found = states_.find(primary);
  if (found == states_.end()) return std::nullopt;
  State& state = found->second;
  std::optional<double> again = note(state.checks, outcome, began, now);
  if (outcome == Outcome::answered && std::exchange(state.checks.hangs, false)) {
    log_info("primary {} ({}) answers again", name, primary.text());
  }
  if (again && outcome == Outcome::hung && !std::exchange(state.checks.hangs, true)) log_hanging(name, primary);
  if (!state.checks.is_known() && !state.transfers.is_known()) states_.erase(found);
  if (longest_pause_ <= 0) again.reset();
  return again;
}

std::optional<double> PrimaryHealth::end_transfer(const Endpoint& primary, const std::string& name, Outcome check,
                                                  Outcome transfer, double began, double now) {
  const auto found = states_.find(primary);
  if (found == states_.end()) return std::nullopt;
  Track& transfers = found->second.transfers;
  std::optional<double> again = note(transfers, transfer, began, now);
  if (transfer == Outcome::answered && std::exchange(transfers.hangs, false)) {
    log_info("primary {} ({}) transfers again", name, primary.text());
  }
  if (again && transfer == Outcome::hung && !std::exchange(transfers.hangs, true)) log_hanging_transfers(name, primary);
  if (again) *again += shortest_pause;                                              // after whoever claims the next try
  const std::optional<double> check_again = end(primary, name, check, began, now);  // may forget the primary
  if (longest_pause_ <= 0) again.reset();
  return check_again ? check_again : again;
}

}  // namespace understudy
