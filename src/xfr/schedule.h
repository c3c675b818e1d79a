// The refresh, retry and expire rules of a secondary (RFC 1034 section 4.3.5, RFC 1035 section 3.3.13) as a pure state
// machine: facts and times in, times out. No I/O.
//
//   checks run at next_check(); a check ends in confirmed() (same serial), updated() (new version) or failed().
//   failed: next check after retry; confirmed/updated: after refresh; expire counts from the last confirmation, or from
//   what the primary says is left of its own (RFC 7314), so that a chain of secondaries does not add up lifetimes.
//   expired: still checked every retry; confirmed() or updated() bring it back.
//
// While the process runs, time is monotonic (`mono`, seconds), so a clock that jumps moves nothing. Across a restart
// absolute wall times are kept (timers()), bounded on restore() so that a clock set back cannot extend a lifetime past
// the SOA's own values. Jitter only shortens, by up to a tenth. An SOA whose EXPIRE is below twice its REFRESH is
// checked often enough (half of EXPIRE) to have a chance of never expiring, as far as the operator's minimums allow.
// Not thread-safe.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>

#include "zone/timers.h"
#include "zone/zone.h"

namespace understudy {

/// Bounds of the operator for what an SOA may ask for; seconds.
struct TimerBounds {
  std::uint32_t refresh_min = 2, refresh_max = 0xffff'ffff;
  std::uint32_t retry_min = 1, retry_max = 0xffff'ffff;
  std::uint32_t expire_min = 1, expire_max = 0xffff'ffff;
};

/// Monotonic and wall time of one moment, seconds.
struct Moment {
  double mono = 0;
  WallSeconds wall = 0;
};

class RefreshSchedule {
 public:
  explicit RefreshSchedule(TimerBounds bounds) : bounds_(bounds) {}

  /// A zone without any version yet: due at once, then after growing delays (1 s doubling to at most 1 h, jitter
  /// shortens).
  void start_empty(Moment now);
  /// After a restart: continues from stored wall times.
  void restore(const Zone::Soa& soa, const ZoneTimers& saved, Moment now);
  /// `random` in [0,1). `left`: the EXPIRE option of the answer, if there was one; seconds. Confirmed, it can only
  /// lengthen what is left; for a new version it counts instead of the SOA's value, which is the most in any case
  /// (RFC 7314 section 4).
  void confirmed(const Zone::Soa& soa, Moment now, double random, std::optional<std::uint32_t> left = std::nullopt);
  void updated(const Zone::Soa& soa, Moment now, double random, std::optional<std::uint32_t> left = std::nullopt);
  void failed(Moment now, double random);
  /// No primary has our serial, only older ones. Counts from the first time until a version is confirmed or updated.
  void only_older(Moment now) {
    if (behind_since_ == never) behind_since_ = now.mono;
  }
  /// Since when that is so; monotonic seconds.
  [[nodiscard]] std::optional<double> behind_since() const {
    return behind_since_ == never ? std::nullopt : std::optional(behind_since_);
  }
  /// The next check is made at this time if that is earlier; monotonic seconds.
  void check_by(double when) { next_check_ = std::min(next_check_, when); }
  /// Other bounds after a reload; takes effect from the next outcome on, and at once where a wait is now too long.
  void set_bounds(TimerBounds bounds, Moment now);

  /// Monotonic second at which the next check is due.
  [[nodiscard]] double next_check() const { return next_check_; }
  /// Monotonic second of expiry; nullopt without a version or once expired.
  [[nodiscard]] std::optional<double> expires() const;
  /// True exactly when the version may not be answered any more. Call with the current time; becomes sticky.
  bool check_expired(Moment now);
  [[nodiscard]] bool expired() const { return expired_; }
  /// There is a version whose life counts.
  [[nodiscard]] bool has_version() const { return has_version_; }
  /// Monotonic second at which the version expired or will; meaningless without one.
  [[nodiscard]] double expiry() const { return expires_; }
  /// What to store now.
  [[nodiscard]] ZoneTimers timers(Moment now) const;

 private:
  [[nodiscard]] double refresh_wait() const;
  [[nodiscard]] double retry_wait() const;
  [[nodiscard]] double expire_wait() const;
  [[nodiscard]] double life(std::optional<std::uint32_t> left) const;
  void take_times(const Zone::Soa& soa);
  void begin_anew(const Zone::Soa& soa, Moment now);
  void begin_life(Moment now, double random);

  // Every zone has one of these: it is kept small. Monotonic seconds, which may be negative after a restore.
  static constexpr double never = -std::numeric_limits<double>::infinity();
  TimerBounds bounds_;
  std::uint32_t refresh_ = 0, retry_ = 0, expire_ = 0;  // of the version's SOA
  bool has_version_ = false;
  bool expired_ = false;
  std::uint8_t failures_ = 0;  // in a row, as far as they make waits longer
  double next_check_ = 0;
  double expires_ = 0;
  double confirmed_ = 0;
  double checked_ = never;
  double behind_since_ = never;
};

}  // namespace understudy
