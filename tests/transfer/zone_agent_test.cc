#include "transfer/zone_agent.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "transfer/fixture.h"

namespace understudy {
namespace {

using ::testing::HasSubstr;

class ZoneAgentTest : public EngineTest {
 protected:
  ZoneAgentTest() { settings_.probe_timeout = 5s; }
  const Clock& clock() override { return manual_; }
  void pass(std::int64_t seconds) {
    manual_.advance_ms(seconds * 1000);
    engine_->clock_changed();
  }
  ZoneTimers stored_timers() {
    const auto stored = store_->list([](const std::string&) {});
    return stored && !stored->empty() ? stored->front().timers : ZoneTimers{};
  }
  /// What the answering side tells of the time that is left (RFC 7314).
  double told_to_secondaries() {
    const QsbrReader reader;
    const Name name = *Name::parse("example.");
    return engine_->table()->find_exact(HashedName(name.view()))->expires() -
           static_cast<double>(manual_.mono_ns()) / 1e9;
  }
  int probes(const ScriptedPrimary& primary) { return primary.udp_probes; }

  ManualClock manual_;
};

TEST_F(ZoneAgentTest, ChecksByTheClock) {
  ScriptedPrimary primary;
  primary.serve({.serial = 5, .refresh = 1000, .retry = 100, .expire = 10000});
  start();
  set_zones({zone("example.", {peer(primary)})});
  ASSERT_TRUE(waits_for(5) && rests());
  primary.serve({.serial = 6, .refresh = 1000, .retry = 100, .expire = 10000});
  const int before = primary.udp_probes;
  pass(850);  // jitter takes off a tenth at most
  std::this_thread::sleep_for(100ms);
  EXPECT_EQ(primary.udp_probes, before);
  pass(160);
  EXPECT_TRUE(waits_for(6));
}

TEST_F(ZoneAgentTest, RetriesAfterAFailure) {
  ScriptedPrimary primary;
  primary.serve({.serial = 5, .refresh = 1000, .retry = 100, .expire = 10000});
  start();
  set_zones({zone("example.", {peer(primary)})});
  ASSERT_TRUE(waits_for(5) && rests());
  primary.udp = Udp::refused;
  primary.tcp = Tcp::refused;
  pass(1001);
  ASSERT_TRUE(eventually([&] { return status()->state == ZoneState::failing; }) && rests());
  primary.udp = Udp::answer;
  pass(101);
  EXPECT_TRUE(eventually([&] { return status()->state == ZoneState::ok; }));
}

TEST_F(ZoneAgentTest, ExpiresStaysExpiredAndComesBack) {
  ScriptedPrimary primary;
  primary.serve({.serial = 5, .refresh = 100, .retry = 10, .expire = 1000});
  const std::vector<ZoneSettings> zones{zone("example.", {peer(primary)})};
  start();
  set_zones(zones);
  ASSERT_TRUE(waits_for(5) && rests());
  primary.stop();
  pass(999);
  ASSERT_TRUE(eventually([&] { return status()->state == ZoneState::failing; }) && rests());
  EXPECT_EQ(served(), 5U);
  pass(2);
  ASSERT_TRUE(eventually([&] { return status()->state == ZoneState::expired; }));
  EXPECT_EQ(served(), std::nullopt);
  EXPECT_EQ(engine_->version(*Name::parse("example."))->serial(), Serial{5}) << "kept for export";
  EXPECT_EQ(engine_->counters().zones_by_state[static_cast<std::size_t>(ZoneState::expired)], 1U);
  ASSERT_TRUE(eventually([&] { return stored_timers().expired; }));

  stop();
  manual_.jump_wall_seconds(-3000);  // a clock that is set back undoes nothing
  start();
  set_zones(zones);
  EXPECT_EQ(status()->state, ZoneState::expired);
  EXPECT_EQ(served(), std::nullopt);

  primary.resume();
  ASSERT_TRUE(refresh().result);
  EXPECT_EQ(served(), 5U);
  EXPECT_EQ(status()->state, ZoneState::ok);
  EXPECT_FALSE(stored_timers().expired);
  EXPECT_EQ(primary.transfers, 1) << "the same serial needs no transfer";
}

TEST_F(ZoneAgentTest, ExpiresWhileDown) {
  ScriptedPrimary primary;
  primary.serve({.serial = 5, .refresh = 100, .retry = 10, .expire = 1000});
  const std::vector<ZoneSettings> zones{zone("example.", {peer(primary)})};
  start();
  set_zones(zones);
  ASSERT_TRUE(waits_for(5) && rests());
  primary.stop();
  stop();
  manual_.advance_ms(1'001'000);
  start();
  set_zones(zones);
  EXPECT_EQ(served(), std::nullopt);
  EXPECT_EQ(status()->state, ZoneState::expired);
  EXPECT_TRUE(eventually([&] { return stored_timers().expired; }));
}

TEST_F(ZoneAgentTest, AConfirmationIsStoredSoonAndAtAStop) {
  ScriptedPrimary primary;
  primary.serve({.serial = 5, .refresh = 1000, .expire = 10000});
  start();
  set_zones({zone("example.", {peer(primary)})});
  ASSERT_TRUE(waits_for(5) && rests());
  const ZoneTimers before = stored_timers();
  manual_.advance_ms(500'000);
  ASSERT_TRUE(refresh().result);
  EXPECT_TRUE(eventually([&] { return stored_timers().confirmed_at == before.confirmed_at + 500; }));
  EXPECT_EQ(stored_timers().expire_at, before.expire_at + 500);
  manual_.advance_ms(100'000);
  ASSERT_TRUE(refresh().result);
  stop();
  start();
  EXPECT_EQ(stored_timers().confirmed_at, before.confirmed_at + 600);
}

TEST_F(ZoneAgentTest, AClockThatJumpsMovesNothingButWhatIsStored) {
  ScriptedPrimary primary;
  primary.serve({.serial = 5, .refresh = 1000, .expire = 10000});
  const std::vector<ZoneSettings> zones{zone("example.", {peer(primary)})};
  start();
  set_zones(zones);
  ASSERT_TRUE(waits_for(5) && rests());
  const ZoneTimers before = stored_timers();
  const int probed = primary.udp_probes;
  manual_.jump_wall_seconds(1'000'000);
  engine_->clock_changed();
  ASSERT_TRUE(eventually([&] { return stored_timers().expire_at == before.expire_at + 1'000'000; }));
  EXPECT_EQ(served(), 5U);
  EXPECT_EQ(primary.udp_probes, probed);
  primary.stop();
  stop();
  start();
  set_zones(zones);
  EXPECT_EQ(served(), 5U);
}

// RFC 7314: what our own secondaries are told must not follow the wall clock, not even until the jump is noticed.
TEST_F(ZoneAgentTest, AClockThatJumpsMovesNothingThatIsAnswered) {
  ScriptedPrimary primary;
  primary.serve({.serial = 5, .refresh = 1000, .expire = 10000});
  const std::vector<ZoneSettings> zones{zone("example.", {peer(primary)})};
  start();
  set_zones(zones);
  ASSERT_TRUE(waits_for(5) && rests());
  EXPECT_EQ(told_to_secondaries(), 10000);
  pass(100);
  manual_.jump_wall_seconds(-365 * 86'400);
  EXPECT_EQ(told_to_secondaries(), 9900) << "set back a year";
  engine_->clock_changed();
  ASSERT_TRUE(eventually([&] { return stored_timers().confirmed_at < manual_.wall_seconds(); }));
  EXPECT_EQ(told_to_secondaries(), 9900) << "and noticed";
  manual_.jump_wall_seconds(365 * 86'400);
  EXPECT_EQ(told_to_secondaries(), 9900) << "and set right";
  engine_->clock_changed();
  ASSERT_TRUE(eventually([&] { return stored_timers().expire_at == manual_.wall_seconds() + 9900; }));
  primary.stop();
  stop();
  manual_.jump_wall_seconds(-365 * 86'400);
  start();
  set_zones(zones);
  EXPECT_LE(told_to_secondaries(), 10000) << "set back while the server was down";
  EXPECT_GE(told_to_secondaries(), 9000);
  EXPECT_EQ(served(), 5U);
  set_zones({file_zone("example.", "missing.zone")});
  EXPECT_TRUE(eventually([&] { return told_to_secondaries() == ZoneSlot::never; }))
      << "a primary's does not count down";
}

TEST_F(ZoneAgentTest, ARestartDoesNotBeginAnewHowLongPrimariesHaveBeenBehind) {
  ScriptedPrimary primary;
  primary.serve({.serial = 9, .refresh = 5000, .retry = 5000, .expire = 100'000});
  const std::vector<ZoneSettings> zones{with(zone("example.", {peer(primary)}), [](ZonePolicySettings& policy) {
    policy.serial_backwards = BackwardsPolicy::accept_after;
    policy.backwards_after = 1000s;
  })};
  start();
  set_zones(zones);
  ASSERT_TRUE(waits_for(9) && rests());
  primary.serve({.serial = 4, .refresh = 5000, .retry = 5000, .expire = 100'000});
  const WallSeconds began = manual_.wall_seconds();
  EXPECT_FALSE(refresh().result);
  ASSERT_TRUE(eventually([&] { return stored_timers().behind_since == began; }));
  pass(600);
  stop();
  start();
  set_zones(zones);
  EXPECT_FALSE(refresh().result) << "not yet";
  EXPECT_EQ(stored_timers().behind_since, began);
  pass(399);
  ASSERT_TRUE(rests());
  EXPECT_EQ(served(), 9U);
  pass(2);
  ASSERT_TRUE(waits_for(4) && rests());
  EXPECT_EQ(stored_timers().behind_since, 0) << "it counts from the beginning next time";
}

TEST_F(ZoneAgentTest, AnEmptyZoneIsTriedAgainAfterGrowingDelays) {
  ScriptedPrimary primary;
  start();
  set_zones({zone("example.", {peer(primary)})});
  ASSERT_TRUE(eventually([&] { return status()->failures == 1; }) && rests());
  for (unsigned failures = 2; failures < 5; ++failures) {
    pass(1 << (failures - 1));
    ASSERT_TRUE(eventually([&] { return status()->failures == failures; }) && rests());
  }
  EXPECT_EQ(status()->state, ZoneState::empty);
  primary.serve({.serial = 1});
  notify(1);
  EXPECT_TRUE(waits_for(1));
}

// NOTIFY

TEST_F(ZoneAgentTest, NotifiesDuringACheckLeadToOneMore) {
  ScriptedPrimary primary;
  primary.serve({.serial = 5});
  start();
  set_zones({zone("example.", {peer(primary)})});
  ASSERT_TRUE(waits_for(5) && rests());
  primary.probe_delay_ms = 300;
  const int before = primary.udp_probes;
  notify();
  ASSERT_TRUE(eventually([&] { return primary.udp_probes == before + 1; }));
  for (int i = 0; i < 50; ++i) notify();
  ASSERT_TRUE(eventually([&] { return primary.udp_probes == before + 2; }));
  std::this_thread::sleep_for(500ms);
  EXPECT_EQ(primary.udp_probes, before + 2);
}

TEST_F(ZoneAgentTest, ANotifyThatTheRunningCheckAnswersLeadsToNoOther) {
  ScriptedPrimary primary;
  primary.serve({.serial = 5});
  start();
  set_zones({zone("example.", {peer(primary)})});
  ASSERT_TRUE(waits_for(5) && rests());
  primary.serve({.serial = 6});
  primary.probe_delay_ms = 200;
  const int before = primary.udp_probes;
  notify();
  ASSERT_TRUE(eventually([&] { return primary.udp_probes == before + 1; }));
  notify(6);
  ASSERT_TRUE(waits_for(6) && rests());
  std::this_thread::sleep_for(300ms);
  EXPECT_EQ(primary.udp_probes, before + 1);
}

TEST_F(ZoneAgentTest, WhoNotifiesIsAskedFirst) {
  ScriptedPrimary first, second(IpAddress::v4(127, 0, 0, 2));
  first.serve({.serial = 5});
  second.serve({.serial = 6});
  start();
  set_zones({zone("example.", {peer(first, "first"), peer(second, "second")})});
  ASSERT_TRUE(waits_for(5) && rests());
  const int before = first.udp_probes;
  notify(6, "example.", IpAddress::v4(127, 0, 0, 2));
  ASSERT_TRUE(waits_for(6));
  EXPECT_EQ(second.udp_probes, 1);
  EXPECT_EQ(first.udp_probes, before + 1) << "it might have had the new version too, as differences";
  EXPECT_EQ(status()->primary, "second");
}

TEST_F(ZoneAgentTest, NotifiesForNothingDoNotKeepUsAsking) {
  ScriptedPrimary primary;
  primary.serve({.serial = 5});
  start();
  set_zones({zone("example.", {peer(primary)})});
  ASSERT_TRUE(waits_for(5) && rests());
  const int before = primary.udp_probes;
  for (int i = 0; i < 300; ++i) {
    notify(99);
    std::this_thread::sleep_for(1ms);
  }
  EXPECT_GE(primary.udp_probes, before + 1);
  EXPECT_LE(primary.udp_probes, before + 5);
  primary.serve({.serial = 6});
  pass(1);
  EXPECT_TRUE(waits_for(6)) << "what was put off is not forgotten";
}

}  // namespace
}  // namespace understudy
