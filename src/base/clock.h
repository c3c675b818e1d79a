// Time, injectable. Wall time is seconds and milliseconds since 1970 (UTC) and may jump; monotonic time never does.
// Code that keeps promises across restarts (refresh, retry, expire) stores wall time; code that measures uses
// monotonic.
#pragma once

#include <time.h>

#include <atomic>
#include <chrono>
#include <cstdint>

namespace understudy {

/// Seconds since 1970-01-01 UTC.
using WallSeconds = std::int64_t;

class Clock {
 public:
  virtual ~Clock() = default;
  /// Milliseconds since 1970-01-01 UTC.
  [[nodiscard]] virtual std::int64_t wall_ms() const = 0;
  /// Nanoseconds of a clock that never goes back and goes on while the machine is suspended, so that what expires then
  /// has expired when it wakes.
  [[nodiscard]] virtual std::int64_t mono_ns() const = 0;

  [[nodiscard]] WallSeconds wall_seconds() const { return wall_ms() / 1000; }
};

/// The machine's clock. Thread-safe.
class SystemClock final : public Clock {
 public:
  [[nodiscard]] std::int64_t wall_ms() const override {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
        .count();
  }
  [[nodiscard]] std::int64_t mono_ns() const override {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
  }
};

/// Tells when wall time was set: it and monotonic time then drift apart. What a process counts by wall time is to be
/// moved by as much, so that waits stay as long as they were. Not thread-safe.
class JumpWatch {
 public:
  explicit JumpWatch(const Clock& clock) : clock_(clock), offset_(offset()) {}
  /// By how many seconds since it was asked last, forward if positive; 0: not at all.
  [[nodiscard]] double take() {
    constexpr double unnoticed = 2;
    const double now = offset();
    const double jump = now - offset_;
    if (jump > -unnoticed && jump < unnoticed) return 0;
    offset_ = now;
    return jump;
  }

 private:
  [[nodiscard]] double offset() const {
    return static_cast<double>(clock_.wall_ms()) / 1e3 - static_cast<double>(clock_.mono_ns()) / 1e9;
  }

  const Clock& clock_;
  double offset_;
};

/// A clock that a test moves. Thread-safe.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(WallSeconds start = 1'700'000'000) : wall_ms_(start * 1000) {}
  [[nodiscard]] std::int64_t wall_ms() const override { return wall_ms_; }
  [[nodiscard]] std::int64_t mono_ns() const override { return mono_ns_; }
  void advance_ms(std::int64_t ms) {
    wall_ms_ += ms;
    mono_ns_ += ms * 1'000'000;
  }
  /// Moves wall time only, as an administrator or NTP would.
  void jump_wall_seconds(std::int64_t s) { wall_ms_ += s * 1000; }

 private:
  std::atomic<std::int64_t> wall_ms_;
  std::atomic<std::int64_t> mono_ns_{0};
};

}  // namespace understudy
