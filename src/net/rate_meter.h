// Watches the average rate of an answer (ReceiveLimits::minimum_rate). Time is what was spent waiting for the peer, so
// a busy reader does not blame the peer.
#pragma once

#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <string>

#include "net/client_socket.h"
#include "net/exchange.h"

namespace understudy {

class RateMeter {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  void reset() { *this = {}; }

  /// When the window ends with too little, seen from a wait that begins now; max if enough has come.
  [[nodiscard]] TimePoint too_slow_at(const ReceiveLimits& limits, TimePoint now) const {
    if (octets_ >= needed(limits)) return TimePoint::max();
    return now + (limits.rate_window - waited_);
  }

  /// False if a window has ended with too little.
  bool add(const ReceiveLimits& limits, std::chrono::nanoseconds waited, std::size_t octets) {
    waited_ += waited;
    octets_ += octets;
    if (waited_ < limits.rate_window) return true;
    const bool enough = octets_ >= needed(limits);
    if (enough) reset();
    return enough;
  }

  [[nodiscard]] std::string text(const ReceiveLimits& limits) const {
    return fmt::format("{} octets in {}, required are {} octets a second", octets_, client::seconds_text(waited_),
                       limits.minimum_rate);
  }

 private:
  static std::uint64_t needed(const ReceiveLimits& limits) {
    return limits.minimum_rate * static_cast<std::uint64_t>(limits.rate_window.count()) / 1000;
  }

  std::chrono::nanoseconds waited_{0};
  std::uint64_t octets_ = 0;
};

}  // namespace understudy
