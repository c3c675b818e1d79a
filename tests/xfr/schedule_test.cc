#include "xfr/schedule.h"

#include <gtest/gtest.h>

#include "base/clock.h"

namespace understudy {
namespace {

constexpr Zone::Soa soa{.ttl = 3600, .serial = 7, .refresh = 3600, .retry = 600, .expire = 86400, .minimum = 300};
constexpr double almost_one = 0.999999;

/// A schedule and the time it runs on.
class Schedule : public testing::Test {
 protected:
  [[nodiscard]] Moment now() const {
    return {.mono = static_cast<double>(clock_.mono_ns()) / 1e9, .wall = clock_.wall_seconds()};
  }
  void wait(double seconds) { clock_.advance_ms(static_cast<std::int64_t>(seconds * 1000)); }
  [[nodiscard]] double due_in(const RefreshSchedule& s) const { return s.next_check() - now().mono; }
  [[nodiscard]] double expires_in(const RefreshSchedule& s) const { return s.expires().value() - now().mono; }

  /// What a new process makes of what the old one stored. Monotonic time starts anywhere.
  RefreshSchedule restarted(const ZoneTimers& saved, TimerBounds bounds = {}) const {
    RefreshSchedule after(bounds);
    after.restore(soa, saved, now());
    return after;
  }

  ManualClock clock_;
};

TEST_F(Schedule, RefreshRetryAndExpireOfTheSoa) {
  RefreshSchedule s({});
  s.confirmed(soa, now(), 0);
  EXPECT_EQ(due_in(s), 3600);
  EXPECT_EQ(expires_in(s), 86400);
  wait(3600);
  s.failed(now(), 0);
  EXPECT_EQ(due_in(s), 600);
  EXPECT_EQ(expires_in(s), 86400 - 3600) << "expiry counts from the last confirmation";
  wait(600);
  s.failed(now(), 0);
  EXPECT_EQ(due_in(s), 600) << "retries keep their distance";
  wait(600);
  s.updated(soa, now(), 0);
  EXPECT_EQ(due_in(s), 3600);
  EXPECT_EQ(expires_in(s), 86400);
}

TEST_F(Schedule, ExpiresExactlyOnTimeAndStaysSo) {
  RefreshSchedule s({});
  s.confirmed(soa, now(), 0);
  wait(86399.999);
  EXPECT_FALSE(s.check_expired(now()));
  wait(0.001);
  EXPECT_FALSE(s.expired()) << "only check_expired() changes the state";
  EXPECT_TRUE(s.timers(now()).expired) << "but what is stored is the truth";
  EXPECT_TRUE(s.check_expired(now()));
  EXPECT_TRUE(s.expired());
  EXPECT_FALSE(s.expires());
  s.failed(now(), 0);
  EXPECT_TRUE(s.expired());
  EXPECT_EQ(due_in(s), 600) << "an expired zone is still checked every retry";
  wait(600);
  s.confirmed(soa, now(), 0);
  EXPECT_FALSE(s.check_expired(now()));
  EXPECT_EQ(expires_in(s), 86400);
}

TEST_F(Schedule, JitterOnlyShortens) {
  RefreshSchedule s({});
  s.confirmed(soa, now(), almost_one);
  EXPECT_LT(due_in(s), 3600);
  EXPECT_GE(due_in(s), 3240);
  EXPECT_EQ(expires_in(s), 86400) << "expiry has none";
  s.failed(now(), almost_one);
  EXPECT_LT(due_in(s), 600);
  EXPECT_GE(due_in(s), 540);
}

TEST_F(Schedule, BoundsOfTheOperator) {
  struct Case {
    Zone::Soa soa;
    TimerBounds bounds;
    double refresh, retry, expire;
  };
  const auto with = [](std::uint32_t refresh, std::uint32_t retry, std::uint32_t expire) {
    Zone::Soa out = soa;
    out.refresh = refresh;
    out.retry = retry;
    out.expire = expire;
    return out;
  };
  const Case cases[] = {
      {with(0, 0, 86400), {}, 2, 1, 86400},
      {with(0, 0, 0), {}, 2, 1, 1},
      {with(3600, 600, 1), {.refresh_min = 60, .retry_min = 50}, 60, 50, 1},  // a brief EXPIRE is no way around them
      {with(3600, 600, 100), {.refresh_min = 20, .retry_min = 20}, 50, 50, 100},
      {with(0xffff'ffff, 0xffff'ffff, 0xffff'ffff), {}, 4294967295.0 / 2, 4294967295.0 / 2, 4294967295.0},
      {with(10, 10, 10), {.refresh_min = 60, .retry_min = 30, .expire_min = 7200}, 60, 30, 7200},
      {soa, {.refresh_max = 100, .retry_max = 10, .expire_max = 1000}, 100, 10, 1000},
      {with(86400, 7200, 3600), {}, 1800, 1800, 3600},  // an EXPIRE below REFRESH leaves room for checks
      {soa, {.refresh_min = 50, .refresh_max = 20}, 20, 600, 86400},
  };
  for (const Case& c : cases) {
    RefreshSchedule s(c.bounds);
    s.confirmed(c.soa, now(), 0);
    EXPECT_EQ(due_in(s), c.refresh);
    EXPECT_EQ(expires_in(s), c.expire);
    s.failed(now(), 0);
    EXPECT_EQ(due_in(s), c.retry);
  }
}

TEST_F(Schedule, ZoneWithoutVersionIsAskedForAtOnceThenLessAndLess) {
  RefreshSchedule s({});
  s.start_empty(now());
  EXPECT_EQ(due_in(s), 0);
  EXPECT_FALSE(s.expires());
  double expected = 1;
  for (int i = 0; i < 40; ++i) {
    s.failed(now(), 0);
    EXPECT_EQ(due_in(s), expected) << i;
    EXPECT_FALSE(s.check_expired(now())) << "what was never there cannot expire";
    wait(due_in(s));
    expected = std::min(expected * 2, 3600.0);
  }
  s.updated(soa, now(), 0);
  EXPECT_EQ(due_in(s), 3600);
  s.failed(now(), 0);
  EXPECT_EQ(due_in(s), 600);
}

TEST_F(Schedule, WallClockJumpsMoveNothingWhileRunning) {
  RefreshSchedule s({});
  s.confirmed(soa, now(), 0);
  for (const int jump : {10 * 365 * 86400, -20 * 365 * 86400}) {
    clock_.jump_wall_seconds(jump);
    EXPECT_EQ(due_in(s), 3600);
    EXPECT_EQ(expires_in(s), 86400);
    EXPECT_FALSE(s.check_expired(now()));
  }
  wait(86400);
  EXPECT_TRUE(s.check_expired(now()));
}

TEST_F(Schedule, TimersAreWallTimes) {
  RefreshSchedule s({});
  s.start_empty(now());
  EXPECT_EQ(s.timers(now()), (ZoneTimers{.refresh_at = now().wall}));
  wait(10);
  const WallSeconds confirmed_at = now().wall;
  s.confirmed(soa, now(), 0);
  wait(3600);
  s.failed(now(), 0);
  wait(5);
  EXPECT_EQ(s.timers(now()), (ZoneTimers{.confirmed_at = confirmed_at,
                                         .checked_at = confirmed_at + 3600,
                                         .refresh_at = confirmed_at + 4200,
                                         .expire_at = confirmed_at + 86400,
                                         .expired = false}));
  // A clock that was set right meanwhile: the times are given as the clock has them now.
  clock_.jump_wall_seconds(1000);
  EXPECT_EQ(s.timers(now()).expire_at, confirmed_at + 86400 + 1000);
}

TEST_F(Schedule, RestartContinues) {
  RefreshSchedule s({});
  s.confirmed(soa, now(), 0);
  const ZoneTimers saved = s.timers(now());
  wait(1000);
  const RefreshSchedule after = restarted(saved);
  EXPECT_EQ(due_in(after), 2600);
  EXPECT_EQ(expires_in(after), 85400);
  EXPECT_FALSE(after.expired());
  EXPECT_EQ(after.timers(now()), saved) << "nothing is lost by any number of restarts";
}

TEST_F(Schedule, RestartAfterMissedRefreshIsDueAtOnce) {
  RefreshSchedule s({});
  s.confirmed(soa, now(), 0);
  const ZoneTimers saved = s.timers(now());
  wait(5000);
  const RefreshSchedule after = restarted(saved);
  EXPECT_EQ(due_in(after), 0);
  EXPECT_EQ(expires_in(after), 81400);
}

TEST_F(Schedule, RestartAfterExpiryIsExpired) {
  RefreshSchedule s({});
  s.confirmed(soa, now(), 0);
  const ZoneTimers saved = s.timers(now());
  wait(86400);
  RefreshSchedule after = restarted(saved);
  EXPECT_TRUE(after.expired());
  EXPECT_EQ(due_in(after), 0);
  EXPECT_TRUE(after.timers(now()).expired);
  after.confirmed(soa, now(), 0);
  EXPECT_FALSE(after.expired());
}

TEST_F(Schedule, ExpiredStaysExpiredWhenTheClockGoesBack) {
  RefreshSchedule s({});
  s.confirmed(soa, now(), 0);
  wait(86400);
  ASSERT_TRUE(s.check_expired(now()));
  const ZoneTimers saved = s.timers(now());
  clock_.jump_wall_seconds(-86400 * 30);
  RefreshSchedule after = restarted(saved);
  EXPECT_TRUE(after.check_expired(now()));
  EXPECT_TRUE(after.timers(now()).expired);
}

TEST_F(Schedule, ClockSetBackCannotExtendALifetime) {
  RefreshSchedule s({});
  s.confirmed(soa, now(), 0);
  wait(40000);
  s.failed(now(), 0);
  const ZoneTimers saved = s.timers(now());
  clock_.jump_wall_seconds(-86400 * 365);
  const RefreshSchedule after = restarted(saved);
  EXPECT_EQ(expires_in(after), 46400) << "the last check proves that 40,000 s have passed";
  EXPECT_LE(due_in(after), 3600);

  ZoneTimers far = saved;
  far.expire_at += 86400 * 365;  // stored under a clock that was ahead by a year
  far.refresh_at += 86400 * 365;
  const RefreshSchedule bounded = restarted(far);
  EXPECT_EQ(expires_in(bounded), 86400);
  EXPECT_EQ(due_in(bounded), 3600);
}

TEST_F(Schedule, RestartWithoutStoredTimesCountsFromNow) {
  const RefreshSchedule after = restarted(ZoneTimers{});
  EXPECT_EQ(due_in(after), 0);
  EXPECT_EQ(expires_in(after), 86400);
}

TEST_F(Schedule, TighterBoundsShortenAWait) {
  RefreshSchedule s({});
  s.confirmed(soa, now(), 0);
  wait(100);
  s.set_bounds({.refresh_max = 60, .expire_max = 1000}, now());
  EXPECT_EQ(due_in(s), 60);
  EXPECT_EQ(expires_in(s), 900);
  s.set_bounds({}, now());
  EXPECT_EQ(due_in(s), 60) << "wider bounds wait for the next outcome";
  EXPECT_EQ(expires_in(s), 900);
  s.confirmed(soa, now(), 0);
  EXPECT_EQ(due_in(s), 3600);
  s.failed(now(), 0);
  s.set_bounds({.retry_max = 5}, now());
  EXPECT_EQ(due_in(s), 5);
}

TEST_F(Schedule, ExpireOptionIsWhatIsLeftForANewVersion) {
  RefreshSchedule s({});
  s.updated(soa, now(), 0, 50000);
  EXPECT_EQ(expires_in(s), 50000);
  EXPECT_EQ(due_in(s), 3600);
  s.updated(soa, now(), 0, 90000);
  EXPECT_EQ(expires_in(s), 86400) << "the SOA's EXPIRE is the most (RFC 7314 section 4)";
  s.updated(soa, now(), 0, 1000);
  EXPECT_EQ(expires_in(s), 1000);
  EXPECT_EQ(due_in(s), 500) << "checked before it ends";
}

TEST_F(Schedule, ExpireOptionOfAConfirmationOnlyLengthens) {
  RefreshSchedule s({});
  s.updated(soa, now(), 0);
  wait(6400);
  s.confirmed(soa, now(), 0, 1000);
  EXPECT_EQ(expires_in(s), 80000) << "the current timer is longer";
  s.confirmed(soa, now(), 0, 82000);
  EXPECT_EQ(expires_in(s), 82000);
  s.confirmed(soa, now(), 0, 0xffff'ffff);
  EXPECT_EQ(expires_in(s), 86400);
}

TEST_F(Schedule, ChainDoesNotAddUpLifetimes) {
  RefreshSchedule first({}), second({});
  first.updated(soa, now(), 0);
  double left = 86400;
  for (; left > 0; left -= 3600) {
    second.confirmed(soa, now(), 0, static_cast<std::uint32_t>(left));
    wait(3600);
  }
  second.confirmed(soa, now(), 0, 0);
  wait(1);
  EXPECT_TRUE(first.check_expired(now()));
  EXPECT_TRUE(second.check_expired(now())) << "its primary has nothing left";
}

TEST_F(Schedule, OperatorsBoundsHoldForTheExpireOptionToo) {
  RefreshSchedule s({.expire_min = 5000, .expire_max = 20000});
  s.updated(soa, now(), 0, 100);
  EXPECT_EQ(expires_in(s), 5000);
  s.updated(soa, now(), 0, 50000);
  EXPECT_EQ(expires_in(s), 20000);
}

TEST_F(Schedule, CheckByOnlyShortens) {
  RefreshSchedule s({});
  s.updated(soa, now(), 0);
  s.check_by(now().mono + 5000);
  EXPECT_EQ(due_in(s), 3600);
  s.check_by(now().mono + 5);
  EXPECT_EQ(due_in(s), 5);
}

TEST_F(Schedule, RandomHistoriesKeepTheirPromises) {
  std::uint64_t state = 88172645463325252ULL;
  const auto random = [&] {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return static_cast<double>(state >> 11) / 9007199254740992.0;
  };
  for (int history = 0; history < 200; ++history) {
    RefreshSchedule s({});
    s.confirmed(soa, now(), random());
    double confirmed = now().mono;
    for (int step = 0; step < 100; ++step) {
      wait(random() * (random() < 0.05 ? 100000 : 4000));
      EXPECT_EQ(s.check_expired(now()), now().mono - confirmed >= 86400);
      const double kind = random();
      if (kind < 0.3) {
        s.confirmed(soa, now(), random());
        confirmed = now().mono;
        EXPECT_FALSE(s.expired());
      } else if (kind < 0.8) {
        s.failed(now(), random());
        EXPECT_LE(due_in(s), 600);
      } else {
        const bool expired = s.expired();
        RefreshSchedule after({});
        after.restore(soa, s.timers(now()), now());
        EXPECT_EQ(after.expired(), expired);
        if (!expired) EXPECT_NEAR(after.expires().value(), s.expires().value(), 1.001);
        if (!expired) EXPECT_LE(after.expires().value(), s.expires().value()) << "a restart never extends a lifetime";
      }
      EXPECT_GE(s.next_check(), 0);
    }
  }
}

}  // namespace
}  // namespace understudy
