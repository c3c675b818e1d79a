#include "transfer/limits.h"

#include <algorithm>

namespace understudy {

struct Lanes::Request::Waiting {
  std::uint64_t number;
  Endpoint peer;
  Priority priority;
  Granted granted;  // empty once granted or withdrawn
};

namespace {

constexpr unsigned max_lent_share = 2;  // of the bound in all
constexpr double burst = 0.1;           // seconds' worth of grants that may come at once
constexpr double urgent_burst = 0.5;    // likewise, of urgent ones
constexpr double longest_debt = 5;      // seconds for which urgent requests can hold up the others
constexpr double least_share = 8;       // one in so many of the rate is for the others in any case
constexpr unsigned reserved_share = 4;  // one in so many of the bound in all is for peers with nothing under way
constexpr unsigned extra_share = 4;  // so much beyond the bound in all may known peers have instead of what is stuck,
                                     // and as much those that are new
constexpr std::size_t max_seen_peers = 100'000;

std::size_t index_of(Lanes::Priority priority) {
  return static_cast<std::size_t>(priority);
}

}  // namespace

void Lanes::Request::withdraw() {
  if (waiting_) waiting_->granted = nullptr;  // the queue drops it when its turn comes
  waiting_.reset();
}

bool Lanes::Request::is_waiting() const {
  return waiting_ && waiting_->granted;
}

void Lanes::set_limits(unsigned total, unsigned per_peer) {
  total_limit_ = total;
  per_peer_limit_ = per_peer;
  for (auto lane = lanes_.begin(); lane != lanes_.end();) update(*lane++);  // update() may erase it
  pump();
}

void Lanes::set_rate(double per_second) {
  if (!now_) return;
  per_second_ = per_second;
  for (auto lane = lanes_.begin(); lane != lanes_.end();) update(*lane++);
  pump();
}

void Lanes::set_total_rate(double per_second) {
  if (!now_) return;
  total_per_second_ = per_second;
  pump();
}

/// Asks to be called again if so.
bool Lanes::waits_for_total_rate() const {
  if (total_per_second_ <= 0) return false;
  const double until = total_spent_until_ - burst;
  if (until <= now_()) return false;
  wake_at_(until);
  return true;
}

void Lanes::spend(Lane& lane, std::size_t priority) {
  if (total_per_second_ > 0) total_spent_until_ = std::max(total_spent_until_, now_()) + 1 / total_per_second_;
  if (per_second_ <= 0) return;
  const double now = now_();
  lane.spent_until = std::min(std::max(lane.spent_until, now) + 1 / per_second_, now + longest_debt);
  if (priority == index_of(Priority::urgent)) {
    lane.urgent_spent_until = std::max(lane.urgent_spent_until, now) + 1 / (urgent_multiple * per_second_);
  } else {
    lane.normal_since = now;
  }
}

/// The time from which the rate lets the next request of this priority pass.
double Lanes::waits_until(const Lane& lane, std::size_t priority) const {
  if (per_second_ <= 0) return 0;
  if (priority == index_of(Priority::urgent)) return lane.urgent_spent_until - urgent_burst;
  return std::min(lane.spent_until - burst, lane.normal_since + least_share / per_second_);
}

void Lanes::pace(LaneEntry& entry, double until) {
  double& paced_as = entry.second.paced_as;
  if (paced_as == until) return;
  if (paced_as != 0) paced_.erase({paced_as, &entry});
  paced_as = until;
  if (until == 0) return;
  paced_.emplace(until, &entry);
  if (paced_.begin()->second == &entry) wake_at_(until);
}

void Lanes::tick() {
  if (!now_) return;
  const double now = now_();
  while (!paced_.empty() && paced_.begin()->first <= now) {
    LaneEntry& entry = *paced_.begin()->second;
    pace(entry, 0);
    update(entry);
  }
  pump();
  if (!paced_.empty()) wake_at_(paced_.begin()->first);
}

Lanes::Request Lanes::enqueue(const Endpoint& peer, Priority priority, Granted granted) {
  Request request;
  request.waiting_ = std::make_shared<Request::Waiting>(++last_number_, peer, priority, std::move(granted));
  const auto [found, is_new] = lanes_.try_emplace(peer);
  LaneEntry& lane = *found;
  if (is_new) {
    const auto seen = seen_peers_.find(peer);
    lane.second.is_known = seen != seen_peers_.end() && seen->second;
    lane.second.is_new = seen == seen_peers_.end() && seen_peers_.size() < max_seen_peers;
  }
  if (now_ && priority == Priority::normal && lane.second.queues[index_of(priority)].empty()) {
    lane.second.normal_since = now_();
  }
  lane.second.queues[index_of(priority)].push_back(request.waiting_);
  update(lane);
  pump();
  return request;
}

void Lanes::make_urgent(Request& request) {
  if (!request.is_waiting() || request.waiting_->priority == Priority::urgent) return;
  Request::Waiting& old = *request.waiting_;
  request = enqueue(old.peer, Priority::urgent, std::exchange(old.granted, nullptr));
}

void Lanes::count(Lane& lane, const Permit::Held& held, int change) {
  const auto add = [change](unsigned& to) { to += static_cast<unsigned>(change); };
  if (held.is_leaving) add(leaving_);
  if (held.state == Permit::State::lent) {
    add(lane.lent);
    add(lent_);
    lent_octets_ += change < 0 ? -held.octets : held.octets;
    return;
  }
  add(lane.active);
  add(held.is_trial ? trials_ : active_);
  if (held.state != Permit::State::stuck) return;
  add(lane.stuck);
  if (!held.is_trial) add(stuck_);
}

/// Work at the peer came to its end, or stood still until it did.
void Lanes::learn(LaneEntry& entry, bool got_on) {
  if (entry.second.is_known == got_on && !entry.second.is_new) return;
  entry.second.is_known = got_on;
  entry.second.is_new = false;
  if (seen_peers_.size() < max_seen_peers || seen_peers_.contains(entry.first)) {
    seen_peers_.insert_or_assign(entry.first, got_on);
  }
}

void Lanes::release(const Endpoint& peer, const Permit::Held& held, std::optional<bool> got_on) {
  const auto found = lanes_.find(peer);
  count(found->second, held, -1);
  if (got_on) learn(*found, *got_on);
  update(*found);
  pump();
}

void Lanes::Permit::become(State state, std::uint64_t octets) {
  const auto found = lanes_->lanes_.find(peer_);
  lanes_->count(found->second, held_, -1);
  held_.state = state;
  held_.octets = octets;
  held_.is_leaving = false;
  if (state == State::lent) held_.is_trial = false;
  lanes_->count(found->second, held_, 1);
  lanes_->update(*found);
}

void Lanes::Permit::lend(std::uint64_t octets) {
  if (lanes_ == nullptr || held_.state == State::lent) return;
  const bool has_bounds = lanes_->lent_ < max_lent_share * lanes_->total_limit_ && octets <= max_lent_octets &&
                          lanes_->lent_octets_ <= max_lent_octets - octets;
  const State state = has_bounds ? State::lent : State::stuck;
  if (state == held_.state) return;
  become(state, state == State::lent ? octets : 0);
  lanes_->pump();
}

void Lanes::Permit::take_back() {
  if (lanes_ == nullptr || held_.state == State::active) return;
  become(State::active, 0);
}

bool Lanes::Permit::makes_way() {
  return lanes_ != nullptr && lanes_->makes_way(held_);
}

bool Lanes::makes_way(Permit::Held& held) {
  if (held.is_leaving) return true;
  const bool is_full = trials_ >= extra_room();
  if (!held.is_trial || held.state != Permit::State::stuck || !is_full) return false;
  if (leaving_ >= new_[0].size() + new_[1].size()) return false;
  held.is_leaving = true;
  ++leaving_;
  return true;
}

/// A peer that does not get on with what it has is not given more of the same, except what cannot wait.
bool Lanes::has_room(const Lane& lane, std::size_t priority) const {
  const unsigned counted = priority == index_of(Priority::urgent) ? lane.active : lane.active + lane.lent;
  return counted < per_peer_limit_;
}

/// Whoever could begin but for the bound in all, and has nothing under way; or what is urgent at a known peer that does
/// not hang, or at the same peer.
bool Lanes::is_wanted(const Endpoint& peer) const {
  if (!fresh_[0].empty() || !fresh_[1].empty() || !known_[0].empty()) return true;
  const auto found = lanes_.find(peer);
  return found != lanes_.end() && std::ranges::any_of(found->second.queues[index_of(Priority::urgent)],
                                                      [](const auto& waiting) { return bool(waiting->granted); });
}

/// Puts the lane into ready_ under the number of whoever is first in it, or takes it out.
void Lanes::update(LaneEntry& entry) {
  Lane& lane = entry.second;
  const double now = per_second_ > 0 ? now_() : 0;
  double wake = 0;  // 0: never
  const auto move = [&entry](auto& set, std::uint64_t& present, std::uint64_t number) {
    if (number == present) return;
    if (present != 0) set.erase({present, &entry});
    if (number != 0) set.emplace(number, &entry);
    present = number;
  };
  const bool is_fresh = lane.active == 0 && lane.lent == 0;
  const bool is_known = lane.is_known && lane.stuck == 0 && lane.lent == 0;
  for (std::size_t i = 0; i < lane.queues.size(); ++i) {
    Queue& queue = lane.queues[i];
    while (!queue.empty() && !queue.front()->granted) queue.pop_front();
    const double until = waits_until(lane, i);
    if (!queue.empty() && until > now) wake = wake == 0 ? until : std::min(wake, until);
    const std::uint64_t number = queue.empty() || !has_room(lane, i) || until > now ? 0 : queue.front()->number;
    move(ready_[i], lane.ready_as[i], number);
    move(fresh_[i], lane.fresh_as[i], is_fresh ? number : 0);
    const bool may_use_extra = is_known && (is_fresh || i == index_of(Priority::urgent));
    move(known_[i], lane.known_as[i], may_use_extra ? number : 0);
    move(new_[i], lane.new_as[i], is_fresh && lane.is_new ? number : 0);
  }
  // A lane without requests stays as long as what was granted there counts.
  const double spent_until = std::max(lane.spent_until, lane.urgent_spent_until);
  const bool counts = per_second_ > 0 && spent_until > now;
  if (wake == 0 && counts) wake = spent_until;
  pace(entry, wake);
  const bool unused = lane.active == 0 && lane.lent == 0 && lane.queues[0].empty() && lane.queues[1].empty();
  if (unused && !counts) lanes_.erase(entry.first);
}

/// One peer alone may use all that is its.
unsigned Lanes::reserved() const {
  return std::min(total_limit_ / reserved_share, total_limit_ - std::min(per_peer_limit_, total_limit_));
}

/// What gets on stays within the bound in all.
unsigned Lanes::extra() const {
  return std::min(stuck_, extra_room());
}

unsigned Lanes::extra_room() const {
  return std::max(total_limit_ / extra_share, 1U);
}

/// Those one of which is to be granted something now, if any.
const Lanes::Ready* Lanes::next_ready() const {
  const auto has_any = [](const Ready& ready) { return !ready[0].empty() || !ready[1].empty(); };
  if (active_ < total_limit_) {
    const bool is_reserved = active_ >= total_limit_ - reserved();
    const Ready& ready = is_reserved ? fresh_ : ready_;
    if (has_any(ready)) return &ready;
  }
  if (active_ < total_limit_ + extra() && has_any(known_)) return &known_;
  return stuck_ != 0 && trials_ < extra_room() && has_any(new_) ? &new_ : nullptr;
}

void Lanes::pump() {
  if (pumping_) return;  // whoever is granted something may release it before granted() returns
  pumping_ = true;
  while (const Ready* ready = next_ready()) {
    if (waits_for_total_rate()) break;
    const std::size_t i = (*ready)[0].empty() ? 1 : 0;
    LaneEntry& entry = *(*ready)[i].begin()->second;
    const std::shared_ptr<Request::Waiting> first = entry.second.queues[i].front();
    entry.second.queues[i].pop_front();
    Granted granted = std::exchange(first->granted, nullptr);
    if (!granted) {  // withdrawn after it had become the first
      update(entry);
      continue;
    }
    Permit permit(this, first->peer, ready == &new_);
    count(entry.second, permit.held_, 1);
    spend(entry.second, i);
    update(entry);
    granted(std::move(permit));
  }
  pumping_ = false;
}

}  // namespace understudy
