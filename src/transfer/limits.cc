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
constexpr double longest_debt = 5;      // seconds for which urgent requests can hold up the others

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

void Lanes::spend(Lane& lane) const {
  if (per_second_ <= 0) return;
  const double now = now_();
  lane.spent_until = std::min(std::max(lane.spent_until, now) + 1 / per_second_, now + longest_debt);
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
  LaneEntry& lane = *lanes_.try_emplace(peer).first;
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

void Lanes::release(const Endpoint& peer, bool lent) {
  const auto found = lanes_.find(peer);
  --(lent ? found->second.lent : found->second.active);
  --(lent ? lent_ : active_);
  update(*found);
  pump();
}

void Lanes::Permit::lend() {
  if (lanes_ == nullptr || lent_ || lanes_->lent_ >= max_lent_share * lanes_->total_limit_) return;
  lent_ = true;
  const auto found = lanes_->lanes_.find(peer_);
  --found->second.active;
  --lanes_->active_;
  ++found->second.lent;
  ++lanes_->lent_;
  lanes_->update(*found);
  lanes_->pump();
}

void Lanes::Permit::take_back() {
  if (lanes_ == nullptr || !lent_) return;
  lent_ = false;
  const auto found = lanes_->lanes_.find(peer_);
  ++found->second.active;
  ++lanes_->active_;
  --found->second.lent;
  --lanes_->lent_;
  lanes_->update(*found);
}

/// A peer that does not get on with what it has is not given more of the same, except what cannot wait.
bool Lanes::has_room(const Lane& lane, std::size_t priority) const {
  const unsigned counted = priority == index_of(Priority::urgent) ? lane.active : lane.active + lane.lent;
  return counted < per_peer_limit_;
}

/// Puts the lane into ready_ under the number of whoever is first in it, or takes it out.
void Lanes::update(LaneEntry& entry) {
  Lane& lane = entry.second;
  const double now = per_second_ > 0 ? now_() : 0;
  const bool is_spent = per_second_ > 0 && lane.spent_until - burst > now;
  for (std::size_t i = 0; i < lane.queues.size(); ++i) {
    Queue& queue = lane.queues[i];
    while (!queue.empty() && !queue.front()->granted) queue.pop_front();
    const bool too_early = i != index_of(Priority::urgent) && is_spent;
    const std::uint64_t number = queue.empty() || !has_room(lane, i) || too_early ? 0 : queue.front()->number;
    if (number == lane.ready_as[i]) continue;
    if (lane.ready_as[i] != 0) ready_[i].erase({lane.ready_as[i], &entry});
    if (number != 0) ready_[i].emplace(number, &entry);
    lane.ready_as[i] = number;
  }
  // A lane without requests stays as long as what was granted there counts.
  const bool counts = per_second_ > 0 && lane.spent_until > now;
  const bool waits = is_spent && !lane.queues[index_of(Priority::normal)].empty();
  pace(entry, waits ? lane.spent_until - burst : counts ? lane.spent_until : 0);
  const bool unused = lane.active == 0 && lane.lent == 0 && lane.queues[0].empty() && lane.queues[1].empty();
  if (unused && !counts) lanes_.erase(entry.first);
}

void Lanes::pump() {
  if (pumping_) return;  // whoever is granted something may release it before granted() returns
  pumping_ = true;
  while (active_ < total_limit_) {
    const std::size_t i = ready_[0].empty() ? 1 : 0;
    if (ready_[i].empty()) break;
    LaneEntry& entry = *ready_[i].begin()->second;
    const std::shared_ptr<Request::Waiting> first = entry.second.queues[i].front();
    entry.second.queues[i].pop_front();
    Granted granted = std::exchange(first->granted, nullptr);
    if (!granted) {  // withdrawn after it had become the first
      update(entry);
      continue;
    }
    ++entry.second.active;
    ++active_;
    spend(entry.second);
    update(entry);
    granted(Permit(this, first->peer));
  }
  pumping_ = false;
}

}  // namespace understudy
