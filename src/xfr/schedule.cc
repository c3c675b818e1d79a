#include "xfr/schedule.h"

#include <algorithm>
#include <cmath>

namespace understudy {
namespace {

constexpr double jitter_share = 0.1;
constexpr double longest_empty_wait = 3600;
constexpr std::uint8_t most_doublings = 12;  // 2^12 s is over longest_empty_wait

double shortened(double wait, double random) {
  return wait * (1 - jitter_share * random);
}

/// The bounds of the operator; a minimum above the maximum yields to it.
double bounded(std::uint32_t value, std::uint32_t low, std::uint32_t high) {
  return std::min(std::max(value, low), high);
}

/// A zone that lives briefly is checked more often, but not beyond what the operator lets its primary ask of us.
double capped(double wait, double cap, double least) {
  return std::max(std::min(wait, cap), least);
}

/// The wall time of a monotonic one, in whole seconds and never later than it.
WallSeconds wall_of(double mono, Moment now) {
  return now.wall + static_cast<WallSeconds>(std::floor(mono - now.mono));
}

}  // namespace

double RefreshSchedule::expire_wait() const {
  return bounded(expire_, bounds_.expire_min, bounds_.expire_max);
}

double RefreshSchedule::refresh_wait() const {
  return capped(bounded(refresh_, bounds_.refresh_min, bounds_.refresh_max), expire_wait() / 2,
                bounded(0, bounds_.refresh_min, bounds_.refresh_max));
}

double RefreshSchedule::retry_wait() const {
  if (!has_version_) return std::min(std::ldexp(1.0, failures_ - 1), longest_empty_wait);
  return capped(bounded(retry_, bounds_.retry_min, bounds_.retry_max), expire_wait() / 2,
                bounded(0, bounds_.retry_min, bounds_.retry_max));
}

void RefreshSchedule::start_empty(Moment now) {
  has_version_ = false;
  checked_ = behind_since_ = never;
  expired_ = false;
  failures_ = 0;
  next_check_ = now.mono;
}

void RefreshSchedule::restore(const Zone::Soa& soa, const ZoneTimers& saved, Moment now) {
  take_times(soa);
  // The latest time ever seen: a clock behind it was set back.
  const WallSeconds wall = std::max({now.wall, saved.confirmed_at, saved.checked_at, saved.behind_since});
  const auto seconds_until = [&](WallSeconds at) { return static_cast<double>(at - wall); };
  confirmed_ = now.mono + seconds_until(saved.confirmed_at != 0 ? saved.confirmed_at : wall);
  checked_ = saved.checked_at == 0 ? never : now.mono + seconds_until(saved.checked_at);
  behind_since_ = saved.behind_since == 0 ? never : now.mono + seconds_until(saved.behind_since);
  const double expire_left = saved.expire_at != 0 ? seconds_until(saved.expire_at) : expire_wait();
  expires_ = now.mono + std::min(expire_left, expire_wait());
  if (saved.expired) expires_ = std::min(expires_, now.mono);
  expired_ = expires_ <= now.mono;
  next_check_ = now.mono;
  if (!expired_) next_check_ += std::clamp(seconds_until(saved.refresh_at), 0.0, refresh_wait());
}

/// How long a version may live from now on if its primary has `left` for it.
double RefreshSchedule::life(std::optional<std::uint32_t> left) const {
  if (!left) return expire_wait();
  return std::min(expire_wait(), bounded(*left, bounds_.expire_min, bounds_.expire_max));
}

void RefreshSchedule::take_times(const Zone::Soa& soa) {
  refresh_ = soa.refresh;
  retry_ = soa.retry;
  expire_ = soa.expire;
  has_version_ = true;
  failures_ = 0;
}

void RefreshSchedule::begin_anew(const Zone::Soa& soa, Moment now) {
  take_times(soa);
  confirmed_ = checked_ = now.mono;
  behind_since_ = never;
}

/// Sets what follows from a version that lives until expires_: a brief life is checked within its half.
void RefreshSchedule::begin_life(Moment now, double random) {
  expired_ = expires_ <= now.mono;
  const double least = bounded(0, bounds_.refresh_min, bounds_.refresh_max);
  next_check_ = now.mono + shortened(capped(refresh_wait(), (expires_ - now.mono) / 2, least), random);
}

void RefreshSchedule::confirmed(const Zone::Soa& soa, Moment now, double random, std::optional<std::uint32_t> left) {
  const double before = has_version_ && !expired_ ? expires_ : now.mono;
  begin_anew(soa, now);
  expires_ = now.mono + life(left);
  if (left) expires_ = std::min(std::max(before, expires_), now.mono + expire_wait());
  begin_life(now, random);
}

void RefreshSchedule::updated(const Zone::Soa& soa, Moment now, double random, std::optional<std::uint32_t> left) {
  begin_anew(soa, now);
  expires_ = now.mono + life(left);
  begin_life(now, random);
}

void RefreshSchedule::failed(Moment now, double random) {
  if (failures_ <= most_doublings) ++failures_;
  checked_ = now.mono;
  next_check_ = now.mono + shortened(retry_wait(), random);
}

void RefreshSchedule::set_bounds(TimerBounds bounds, Moment now) {
  bounds_ = bounds;
  if (!has_version_) return;
  next_check_ = std::min(next_check_, now.mono + (failures_ == 0 && !expired_ ? refresh_wait() : retry_wait()));
  if (!expired_) expires_ = std::min(expires_, confirmed_ + expire_wait());
}

std::optional<double> RefreshSchedule::expires() const {
  if (!has_version_ || expired_) return std::nullopt;
  return expires_;
}

bool RefreshSchedule::check_expired(Moment now) {
  if (has_version_ && !expired_ && now.mono >= expires_) {
    expired_ = true;
    next_check_ = std::min(next_check_, now.mono + retry_wait());
  }
  return expired_;
}

ZoneTimers RefreshSchedule::timers(Moment now) const {
  ZoneTimers timers;
  if (checked_ != never) timers.checked_at = wall_of(checked_, now);
  timers.refresh_at = wall_of(next_check_, now);
  if (has_version_) {
    timers.confirmed_at = wall_of(confirmed_, now);
    if (behind_since_ != never) timers.behind_since = wall_of(behind_since_, now);
    timers.expire_at = wall_of(expires_, now);
    timers.expired = expired_ || now.mono >= expires_;
  }
  return timers;
}

}  // namespace understudy
