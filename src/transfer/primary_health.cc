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

void log_hanging(const std::string& name, const Endpoint& primary) {
  log_warning(
      "primary {} ({}) hangs: zones that have another primary ask that one first until this one answers; check that it "
      "runs and that address, port and firewall are right",
      name, primary.text());
}

}  // namespace

const PrimaryHealth::State* PrimaryHealth::find(const Endpoint& primary) const {
  const auto found = states_.find(primary);
  return found == states_.end() ? nullptr : &found->second;
}

bool PrimaryHealth::is_to_be_passed_over(const Endpoint& primary, double now) const {
  const State* state = find(primary);
  if (state == nullptr || !state->hangs) return false;
  return state->under_way != 0 || now < state->failed_at + shortest_pause;
}

bool PrimaryHealth::has_answered_since(const Endpoint& primary, double when) const {
  const State* state = find(primary);
  return state != nullptr && state->answered_at >= when && state->answered_at > state->failed_at;
}

std::optional<double> PrimaryHealth::rests_until(const Endpoint& primary, double now) const {
  const State* state = find(primary);
  if (state == nullptr || state->failures == 0 || longest_pause_ <= 0) return std::nullopt;
  if (now < state->rests_until) return state->rests_until;
  if (state->under_way != 0) return now + shortest_pause;
  return std::nullopt;
}

void PrimaryHealth::end_pause(const IpAddress& address) {
  for (auto at = states_.lower_bound({address, 0}); at != states_.end() && at->first.address == address; ++at) {
    at->second.rests_until = -1;
    at->second.failures = std::min(at->second.failures, 1U);
  }
}

void PrimaryHealth::wait(const Endpoint& primary, const std::shared_ptr<Waiter>& waiter) {
  const auto found = states_.find(primary);
  if (found != states_.end() && found->second.failures != 0) found->second.waiters.emplace(waiter.get(), waiter);
}

void PrimaryHealth::wait_for_answer(const Endpoint& primary, const std::shared_ptr<Waiter>& waiter) {
  states_[primary].waiters.emplace(waiter.get(), waiter);
}

void PrimaryHealth::begin(const Endpoint& primary) {
  ++states_[primary].under_way;
}

/// Several checks that were under way at once and fail together are one failure.
double PrimaryHealth::failed(State& state, double now) const {
  state.failed_at = now;
  if (now >= state.rests_until) {
    ++state.failures;
    const double doubled = std::ldexp(shortest_pause, static_cast<int>(std::min(state.failures - 1, most_doublings)));
    state.rests_until = now + std::min(doubled, std::max(longest_pause_, shortest_pause));
  }
  return state.rests_until;
}

std::optional<double> PrimaryHealth::end(const Endpoint& primary, const std::string& name, Outcome outcome,
                                         double began, double now) {
  const auto found = states_.find(primary);
  if (found == states_.end()) return std::nullopt;
  State& state = found->second;
  --state.under_way;
  std::optional<double> again;
  std::unordered_map<Waiter*, std::weak_ptr<Waiter>> answered;
  if (outcome == Outcome::answered) {
    state.answered_at = now;
    state.failures = 0;
    state.rests_until = -1;
    answered.swap(state.waiters);
    if (std::exchange(state.hangs, false)) log_info("primary {} ({}) answers again", name, primary.text());
  } else if (outcome != Outcome::unknown && state.answered_at < began) {
    again = failed(state, now);
    if (outcome == Outcome::hung && !std::exchange(state.hangs, true)) log_hanging(name, primary);
  }
  const bool is_known = state.under_way != 0 || state.failures != 0 || state.answered_at >= 0;
  if (!is_known) states_.erase(found);
  for (const auto& [key, waiter] : answered) {
    if (const auto held = waiter.lock()) held->primary_answers();
  }
  if (longest_pause_ <= 0) again.reset();
  return again;
}

}  // namespace understudy
