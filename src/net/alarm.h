// A deadline that is moved often and rarely met, for one operation after the other on the same object.
//
// Moving it later costs no timer operation: the timer that is under way finds out when it fires. After clear(), or the
// next set(), or destruction, the callback of an earlier set() is never called. Used from one (serial) executor.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

namespace understudy {

class Alarm {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  /// `ring` is called when a deadline is met.
  Alarm(const boost::asio::any_io_executor& executor, std::function<void()> ring)
      : state_(std::make_shared<State>(executor, std::move(ring))) {}
  ~Alarm() {
    state_->ring = nullptr;
    state_->deadline = TimePoint::max();
    state_->timer.cancel();
  }
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;

  void set(TimePoint deadline) {
    state_->has_rung = false;
    state_->deadline = deadline;
    if (!state_->armed || deadline < state_->armed_for) State::arm(state_);
  }
  void clear() { state_->deadline = TimePoint::max(); }
  /// True from the moment the deadline is met until the next set().
  [[nodiscard]] bool has_rung() const { return state_->has_rung; }

 private:
  struct State {
    State(const boost::asio::any_io_executor& executor, std::function<void()> callback)
        : timer(executor), ring(std::move(callback)) {}

    static void arm(const std::shared_ptr<State>& state) {
      state->armed = true;
      state->armed_for = state->deadline;
      state->timer.expires_at(state->deadline);
      // A wait that was complete already when it was replaced still calls back, and is told by its number.
      state->timer.async_wait([state, number = ++state->number](const boost::system::error_code& error) {
        if (error || number != state->number) return;
        state->armed = false;
        if (state->deadline == TimePoint::max()) return;
        if (std::chrono::steady_clock::now() < state->deadline) {
          arm(state);
          return;
        }
        state->deadline = TimePoint::max();
        state->has_rung = true;
        if (const auto ring = state->ring) ring();  // a copy: the callback may destroy the alarm
      });
    }

    boost::asio::steady_timer timer;
    std::function<void()> ring;
    TimePoint deadline = TimePoint::max();
    TimePoint armed_for;
    std::uint64_t number = 0;
    bool armed = false;
    bool has_rung = false;
  };

  std::shared_ptr<State> state_;
};

}  // namespace understudy
