// How much goes on at once: a bound in all and one for each peer, with a queue that lets no peer hold up another.
//
// Requests are granted first come, first served, urgent ones before the others; those whose peer is at its bound are
// passed over until it has room, so a peer that hangs fills its own lane only. A peer is an address with its port.
// The last quarter of the bound in all is for peers with nothing under way (as far as one peer may not use all of it
// anyway), so that a few that hang cannot fill it.
// A permit whose work stands still can be lent: other peers' requests and urgent ones of the same peer use its room.
// What can be lent is bounded, in number and by the octets that it holds. What stands still beyond that (it is stuck)
// makes room for some requests of known peers only: those whose last work came to its end and of which none stands
// still now, for what is urgent or if they have nothing under way. So a known peer does not wait for others that hang,
// however many they are. A peer that was never granted anything gets a little room of its own for a first try then; a
// first try that stands still makes way for the next one, so that neither does who is new wait for those that hang.
// A rate bounds how many are granted a second for each peer. Urgent requests count but have a rate of their own, a
// multiple of it; however many they are, the others get a part of the rate.
// Waiting costs one small object and no coroutine. Not thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "base/address.h"

namespace understudy {

class Lanes {
 public:
  enum class Priority : std::uint8_t { urgent, normal };

  /// The right to work with one peer. Given back when destroyed. Must not outlive its Lanes.
  class Permit {
   public:
    Permit() = default;
    Permit(Permit&& other) noexcept
        : lanes_(std::exchange(other.lanes_, nullptr)), peer_(other.peer_), held_(other.held_) {}
    Permit& operator=(Permit&& other) noexcept {
      release();
      lanes_ = std::exchange(other.lanes_, nullptr);
      peer_ = other.peer_;
      held_ = other.held_;
      return *this;
    }
    ~Permit() { release(); }
    /// Its work came to its end, or stands still.
    void release() { give_back(held_.state == State::active); }
    /// Nothing came of its work in time, though it was not seen to stand still.
    void give_back_in_vain() { give_back(false); }
    /// Its work was not begun, or this server ended it: unless it stood still, that says nothing about the peer.
    void give_back_unused() { give_back(held_.state == State::active ? std::nullopt : std::optional(false)); }
    /// Its work stands still and holds so many octets: others have the room, all of them as long as not too much is
    /// lent, else known peers only. To be called again as long as it stands still.
    void lend(std::uint64_t octets = 0);
    /// Somebody who is not kept waiting by this peer itself would use the room.
    [[nodiscard]] bool is_wanted() const {
      return lanes_ != nullptr && held_.state != State::lent && lanes_->is_wanted(peer_);
    }
    /// For work that has stood still for long: it is to be given up for the first try of another peer. True for as many
    /// as are needed.
    [[nodiscard]] bool makes_way();
    /// Work goes on; the bounds may be exceeded for a while.
    void take_back();
    [[nodiscard]] explicit operator bool() const { return lanes_ != nullptr; }

   private:
    friend class Lanes;
    enum class State : std::uint8_t { active, stuck, lent };  // stuck: it would be lent, but too much is
    /// As what it counts.
    struct Held {
      State state = State::active;
      bool is_trial = false;     // in the room for first tries; not if lent
      bool is_leaving = false;   // it makes way
      std::uint64_t octets = 0;  // if lent
    };
    Permit(Lanes* lanes, const Endpoint& peer, bool is_trial)
        : lanes_(lanes), peer_(peer), held_({.is_trial = is_trial}) {}
    void become(State state, std::uint64_t octets);
    void give_back(std::optional<bool> got_on) {
      if (Lanes* lanes = std::exchange(lanes_, nullptr)) lanes->release(peer_, held_, got_on);
    }

    Lanes* lanes_ = nullptr;
    Endpoint peer_;
    Held held_;
  };

  using Granted = std::function<void(Permit)>;

  /// Handle of a request that waits. Destroying it withdraws the request.
  class Request {
   public:
    Request() = default;
    Request(Request&&) noexcept = default;
    Request& operator=(Request&& other) noexcept {
      withdraw();
      waiting_ = std::move(other.waiting_);
      return *this;
    }
    ~Request() { withdraw(); }
    void withdraw();
    [[nodiscard]] bool is_waiting() const;

   private:
    friend class Lanes;
    struct Waiting;
    std::shared_ptr<Waiting> waiting_;
  };

  Lanes(unsigned total, unsigned per_peer) : total_limit_(total), per_peer_limit_(per_peer) {}
  /// `now` gives monotonic seconds; `wake_at` is told when tick() must be called (at the latest).
  Lanes(unsigned total, unsigned per_peer, std::function<double()> now, std::function<void(double)> wake_at)
      : total_limit_(total), per_peer_limit_(per_peer), now_(std::move(now)), wake_at_(std::move(wake_at)) {}
  Lanes(const Lanes&) = delete;
  Lanes& operator=(const Lanes&) = delete;

  /// Takes effect at once where there is now more room; what runs is left alone.
  void set_limits(unsigned total, unsigned per_peer);
  /// Grants a second for each peer, after a burst of a tenth of a second's; 0: any number. Only with a clock. Urgent
  /// requests get `urgent_multiple` times as many, after a burst of half a second's; others at least an eighth.
  void set_rate(double per_second);
  /// Grants a second to all peers together, after the same burst, whatever their priority; 0: any number. Only with a
  /// clock.
  void set_total_rate(double per_second);
  /// Grants what had to wait for a rate.
  void tick();
  /// `granted` is called once, with the permit: at once if there is room, else when there is.
  [[nodiscard]] Request enqueue(const Endpoint& peer, Priority priority, Granted granted);
  /// Moves a waiting request to the end of the urgent ones.
  void make_urgent(Request& request);

  /// Permits that are out, lent ones included.
  [[nodiscard]] unsigned active() const { return active_ + trials_ + lent_; }

  static constexpr double urgent_multiple = 4;
  static constexpr std::uint64_t max_lent_octets = std::uint64_t{256} << 20;

 private:
  using Queue = std::deque<std::shared_ptr<Request::Waiting>>;
  struct Lane {
    unsigned active = 0;  // lent ones not counted
    unsigned stuck = 0;   // of the active ones
    unsigned lent = 0;
    bool is_known = false;
    bool is_new = false;                      // nothing of it ever came to an end
    std::array<Queue, 2> queues;              // by Priority
    std::array<std::uint64_t, 2> ready_as{};  // under which number this lane is in ready_; 0: it is not
    std::array<std::uint64_t, 2> fresh_as{};  // likewise in fresh_
    std::array<std::uint64_t, 2> known_as{};  // likewise in known_
    std::array<std::uint64_t, 2> new_as{};    // likewise in new_
    double spent_until = 0;                   // monotonic seconds: what was granted is paid for by then
    double urgent_spent_until = 0;            // likewise, of the urgent ones and at their rate
    double normal_since = 0;                  // the last of the others was granted, or the first began to wait
    double paced_as = 0;                      // under which time this lane is in paced_; 0: it is not
  };
  using LaneEntry = std::pair<const Endpoint, Lane>;
  // Lanes with room and somebody waiting, by the number of their first request: one set for each priority.
  using Ready = std::array<std::set<std::pair<std::uint64_t, LaneEntry*>>, 2>;

  void release(const Endpoint& peer, const Permit::Held& held, std::optional<bool> got_on);
  void count(Lane& lane, const Permit::Held& held, int change);
  void learn(LaneEntry& lane, bool got_on);
  [[nodiscard]] unsigned extra() const;
  [[nodiscard]] unsigned extra_room() const;
  [[nodiscard]] bool makes_way(Permit::Held& held);
  [[nodiscard]] const Ready* next_ready() const;
  [[nodiscard]] bool has_room(const Lane& lane, std::size_t priority) const;
  void update(LaneEntry& lane);
  [[nodiscard]] double waits_until(const Lane& lane, std::size_t priority) const;
  [[nodiscard]] bool is_wanted(const Endpoint& peer) const;
  void pace(LaneEntry& lane, double until);
  void spend(Lane& lane, std::size_t priority);
  [[nodiscard]] unsigned reserved() const;
  [[nodiscard]] bool waits_for_total_rate() const;
  void pump();

  unsigned total_limit_;
  unsigned per_peer_limit_;
  unsigned active_ = 0;  // neither lent nor a first try in the room for these
  unsigned stuck_ = 0;   // of the active ones
  unsigned trials_ = 0;
  unsigned leaving_ = 0;  // of the first tries
  unsigned lent_ = 0;
  std::uint64_t lent_octets_ = 0;
  std::uint64_t last_number_ = 0;
  bool pumping_ = false;
  std::map<Endpoint, Lane> lanes_;
  std::map<Endpoint, bool> seen_peers_;  // whose work came to an end; whether it got on
  std::function<double()> now_;
  std::function<void(double)> wake_at_;
  double per_second_ = 0;
  double total_per_second_ = 0;
  double total_spent_until_ = 0;                   // as in Lane
  std::set<std::pair<double, LaneEntry*>> paced_;  // lanes to look at again, by time
  Ready ready_;
  Ready fresh_;  // those of them that have nothing under way
  Ready known_;  // those of them that may use the room of what is stuck
  Ready new_;    // those of them that may use the room for first tries
};

}  // namespace understudy
