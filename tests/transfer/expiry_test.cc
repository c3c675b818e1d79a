// What happens to a version that nobody confirms in time.
#include <gmock/gmock.h>

#include "transfer/fixture.h"

namespace understudy {
namespace {

class Expiry : public EngineTest {
 protected:
  /// The zone is held and expires within two seconds; its primary is gone.
  void let_expire(ExpiryPolicy policy, std::chrono::seconds serve_for = 0s) {
    primary_.serve({.serial = 1, .refresh = 1, .retry = 1, .expire = 2});
    start();
    set_zones({settings(policy, serve_for)});
    ASSERT_TRUE(waits_for(1));
    primary_.stop();
  }
  ZoneSettings settings(ExpiryPolicy policy, std::chrono::seconds serve_for = 0s) {
    return with(zone("example.", {peer(primary_)}), [&](ZonePolicySettings& to) {
      to.on_expire = policy;
      to.serve_for = serve_for;
    });
  }
  bool has_state(ZoneState state, std::chrono::milliseconds limit = 20s) {
    return eventually([&] { return status()->state == state; }, limit);
  }
  bool is_stale() {
    const QsbrReader reader;
    const Name name = *Name::parse("example.");
    return engine_->table()->find_exact(HashedName(name.view()))->is_stale();
  }
  ScriptedPrimary primary_;
};

TEST_F(Expiry, EndsTheAnswersByDefault) {
  let_expire(ExpiryPolicy::servfail);
  ASSERT_TRUE(has_state(ZoneState::expired));
  EXPECT_EQ(served(), std::nullopt);
}

TEST_F(Expiry, AnswersGoOnByTheOperatorsWish) {
  let_expire(ExpiryPolicy::serve);
  ASSERT_TRUE(has_state(ZoneState::stale));
  EXPECT_EQ(served(), 1U);
  EXPECT_TRUE(is_stale());
  EXPECT_EQ(engine_->counters().zones_by_state[static_cast<std::size_t>(ZoneState::stale)], 1U);
  stop();
  start();
  set_zones({settings(ExpiryPolicy::serve)});
  EXPECT_EQ(status()->state, ZoneState::stale) << "also after a restart";
  EXPECT_TRUE(is_stale());
  primary_.resume();
  ASSERT_TRUE(has_state(ZoneState::ok));
  EXPECT_EQ(served(), 1U);
  EXPECT_FALSE(is_stale());
}

TEST_F(Expiry, AnswersGoOnForAWhile) {
  let_expire(ExpiryPolicy::serve_for, 2s);
  ASSERT_TRUE(has_state(ZoneState::stale));
  EXPECT_EQ(served(), 1U);
  ASSERT_TRUE(has_state(ZoneState::expired, 10s));
  EXPECT_EQ(served(), std::nullopt);
  stop();
  start();
  set_zones({settings(ExpiryPolicy::serve_for, 2s)});
  EXPECT_EQ(status()->state, ZoneState::expired);
  EXPECT_EQ(served(), std::nullopt);
}

TEST_F(Expiry, AnotherPolicyTakesEffectAtOnce) {
  let_expire(ExpiryPolicy::servfail);
  ASSERT_TRUE(has_state(ZoneState::expired));
  set_zones({settings(ExpiryPolicy::serve)});
  ASSERT_TRUE(has_state(ZoneState::stale));
  EXPECT_EQ(served(), 1U);
  set_zones({settings(ExpiryPolicy::servfail)});
  ASSERT_TRUE(has_state(ZoneState::expired));
  EXPECT_EQ(served(), std::nullopt);
}

TEST_F(Expiry, ThePrimarysOwnTimeCounts) {
  primary_.serve({.serial = 1, .refresh = 1000, .retry = 1000, .expire = 100'000});
  primary_.expire_option = 5000;
  start();
  set_zones({zone("example.", {peer(primary_)})});
  ASSERT_TRUE(waits_for(1) && rests());
  const auto left = [this] { return status()->expires_at - system_clock_.wall_seconds(); };
  EXPECT_NEAR(static_cast<double>(left()), 5000, 10);
  primary_.expire_option = 50'000;
  refresh();
  EXPECT_NEAR(static_cast<double>(left()), 50'000, 10) << "a confirmation lengthens it";
  primary_.expire_option = 20;
  refresh();
  EXPECT_NEAR(static_cast<double>(left()), 50'000, 10) << "and never shortens it";
  const QsbrReader reader;
  const Name name = *Name::parse("example.");
  const double told = engine_->table()->find_exact(HashedName(name.view()))->expires() -
                      static_cast<double>(system_clock_.mono_ns()) / 1e9;
  EXPECT_NEAR(told, static_cast<double>(left()), 2);
}

// Else every secondary of a chain would begin the whole time anew.
TEST_F(Expiry, ThePrimarysOwnTimeCountsIfOnlyItsSoaTellsIt) {
  primary_.serve({.serial = 1, .refresh = 1000, .retry = 1000, .expire = 100'000});
  primary_.expire_option = 5000;
  primary_.expire_with_soa_only = true;
  start();
  set_zones({zone("example.", {peer(primary_)})});
  ASSERT_TRUE(waits_for(1) && rests());
  const auto left = [this] { return static_cast<double>(status()->expires_at - system_clock_.wall_seconds()); };
  EXPECT_NEAR(left(), 5000, 10) << "after the SOA and AXFR";
  primary_.serve({.serial = 2, .refresh = 1000, .retry = 1000, .expire = 100'000});
  primary_.expire_option = 6000;
  primary_.ixfr = Ixfr::differences;
  refresh();
  ASSERT_EQ(served(), 2U);
  EXPECT_NEAR(left(), 6000, 10) << "after the SOA and IXFR";
  primary_.ixfr = Ixfr::refused;
  primary_.serve({.serial = 3, .refresh = 1000, .retry = 1000, .expire = 100'000});
  primary_.expire_option = 8000;
  refresh();
  ASSERT_EQ(served(), 3U);
  EXPECT_NEAR(left(), 8000, 10) << "after the SOA, IXFR in vain and AXFR";
}

// The lines about its checks say nothing where a limit of our own is what holds them up.
TEST_F(Expiry, WhileItsCheckWaitsForItsTurnIsSaidAndSoIsWhatAStopLeaves) {
  settings_.soa_queries_per_second = 1;
  std::vector<ZoneSettings> zones;
  for (int i = 0; i < 20; ++i) {
    const std::string name = "z" + std::to_string(i) + ".";
    primary_.serve({.name = name, .serial = 1, .refresh = 1, .retry = 1, .expire = 3});
    zones.push_back(zone(name, {peer(primary_)}));
  }
  start();
  ::testing::internal::CaptureStderr();
  set_zones(zones);
  const bool expired =
      eventually([&] { return engine_->counters().zones_by_state[static_cast<std::size_t>(ZoneState::expired)] > 0; });
  stop();
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_TRUE(expired);
  EXPECT_THAT(log, ::testing::ContainsRegex("expired: .* its check waits for its turn"));
  EXPECT_THAT(log, ::testing::ContainsRegex("[0-9]+ checks and transfers had not had their turn"));
  EXPECT_THAT(log, ::testing::Not(::testing::HasSubstr("given up"))) << "no line for each";
}

}  // namespace
}  // namespace understudy
