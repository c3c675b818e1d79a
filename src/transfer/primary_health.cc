#include "transfer/primary_health.h"

#include <utility>

#include "base/log.h"

namespace understudy {
namespace {

// Those that had queued for it while it was not known to hang have gone elsewhere after this time; seconds.
constexpr double pause = 1;

void log_hanging(const std::string& name, const Endpoint& primary) {
  log_warning(
      "primary {} ({}) hangs: zones that have another primary ask that one first until this one answers; check that it "
      "runs and that address, port and firewall are right",
      name, primary.text());
}

}  // namespace

bool PrimaryHealth::is_to_be_passed_over(const Endpoint& primary, double now) const {
  const auto found = states_.find(primary);
  if (found == states_.end() || !found->second.hangs) return false;
  return found->second.under_way != 0 || now < found->second.hung_at + pause;
}

void PrimaryHealth::begin(const Endpoint& primary) {
  ++states_[primary].under_way;
}

void PrimaryHealth::end(const Endpoint& primary, const std::string& name, Outcome outcome, double began, double now) {
  const auto found = states_.find(primary);
  if (found == states_.end()) return;
  State& state = found->second;
  --state.under_way;
  if (outcome == Outcome::answered) {
    state.answered_at = now;
    if (std::exchange(state.hangs, false)) log_info("primary {} ({}) answers again", name, primary.text());
  } else if (outcome == Outcome::hung && state.answered_at < began) {
    state.hung_at = now;
    if (!std::exchange(state.hangs, true)) log_hanging(name, primary);
  }
  if (state.under_way == 0 && !state.hangs) states_.erase(found);
}

}  // namespace understudy
