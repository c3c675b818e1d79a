// Several primaries that disagree, fall behind, or cannot be reached.
#include <gmock/gmock.h>

#include "transfer/fixture.h"

namespace understudy {
namespace {

using ::testing::HasSubstr;
using Primaries = EngineTest;
using Steady = std::chrono::steady_clock;

TEST_F(Primaries, AllAreAskedAndTheHighestIsTaken) {
  ScriptedPrimary low, high, middle;
  low.serve({.serial = 3});
  high.serve({.serial = 0x8000'0002});  // newer than 3 by RFC 1982
  middle.serve({.serial = 9});
  start();
  set_zones({with(zone("example.", {peer(low, "low"), peer(high, "high"), peer(middle, "middle")}),
                  [](ZonePolicySettings& policy) { policy.check_all_primaries = true; })});
  ASSERT_TRUE(waits_for(0x8000'0002));
  EXPECT_EQ(status()->primary, "high");
  EXPECT_EQ(low.transfers + middle.transfers, 0);
}

TEST_F(Primaries, TheNextHighestIsTakenIfTheHighestFails) {
  ScriptedPrimary low, high;
  low.serve({.serial = 3});
  high.serve({.serial = 9});
  high.axfr = Axfr::refused;
  start();
  set_zones({with(zone("example.", {peer(low, "low"), peer(high, "high")}),
                  [](ZonePolicySettings& policy) { policy.check_all_primaries = true; })});
  ASSERT_TRUE(waits_for(3));
}

TEST_F(Primaries, AllAgreeingIsAConfirmation) {
  ScriptedPrimary a, b;
  a.serve({.serial = 3});
  b.serve({.serial = 3});
  start();
  set_zones({with(zone("example.", {peer(a, "a"), peer(b, "b")}),
                  [](ZonePolicySettings& policy) { policy.check_all_primaries = true; })});
  ASSERT_TRUE(waits_for(3) && rests());
  const CommandOutcome outcome = refresh();
  EXPECT_TRUE(outcome.result) << outcome.text;
  EXPECT_EQ(a.udp_probes, 2);
  EXPECT_EQ(b.udp_probes, 2);
  EXPECT_EQ(a.transfers + b.transfers, 1);
}

class BehindPrimaries : public Primaries {
 protected:
  void hold_nine(BackwardsPolicy policy, std::chrono::seconds after = 0s) {
    primary_.serve({.serial = 9});
    start();
    set_zones({with(zone("example.", {peer(primary_)}), [&](ZonePolicySettings& settings) {
      settings.serial_backwards = policy;
      settings.backwards_after = after;
    })});
    ASSERT_TRUE(waits_for(9) && rests());
    primary_.serve({.serial = 4});
  }
  ScriptedPrimary primary_;
};

TEST_F(BehindPrimaries, AreNamedAndNotFollowed) {
  hold_nine(BackwardsPolicy::ignore);
  const CommandOutcome outcome = refresh();
  EXPECT_FALSE(outcome.result);
  EXPECT_THAT(outcome.text, HasSubstr("hidden1 has 4, we have 9"));
  EXPECT_EQ(served(), 9U);
  EXPECT_EQ(status()->state, ZoneState::failing);
}

TEST_F(BehindPrimaries, AreFollowedAtOnceWhereThePolicySaysSo) {
  hold_nine(BackwardsPolicy::accept);
  const CommandOutcome outcome = refresh();
  EXPECT_TRUE(outcome.result) << outcome.text;
  EXPECT_EQ(served(), 4U);
  EXPECT_TRUE(engine_->history(*Name::parse("example."))->empty()) << "nothing leads back";
}

TEST_F(BehindPrimaries, AreFollowedAfterAWhile) {
  hold_nine(BackwardsPolicy::accept_after, 1s);
  EXPECT_FALSE(refresh().result);
  EXPECT_EQ(served(), 9U);
  EXPECT_TRUE(waits_for(4, "example.", 10s)) << "without anyone asking";
}

TEST_F(Primaries, WhoHasOurSerialKeepsUsFromGoingBack) {
  ScriptedPrimary behind, current;
  behind.serve({.serial = 9});
  current.serve({.serial = 9});
  start();
  set_zones({with(zone("example.", {peer(behind, "behind"), peer(current, "current")}),
                  [](ZonePolicySettings& policy) { policy.serial_backwards = BackwardsPolicy::accept; })});
  ASSERT_TRUE(waits_for(9) && rests());
  behind.serve({.serial = 4});
  EXPECT_TRUE(refresh().result);
  EXPECT_EQ(served(), 9U);
}

TEST_F(Primaries, WhoIsNotHeardMayHaveOurSerial) {
  ScriptedPrimary behind, gone;
  behind.serve({.serial = 9});
  gone.serve({.serial = 9});
  start();
  set_zones({with(zone("example.", {peer(gone, "gone"), peer(behind, "behind")}),
                  [](ZonePolicySettings& policy) { policy.serial_backwards = BackwardsPolicy::accept; })});
  ASSERT_TRUE(waits_for(9) && rests());
  behind.serve({.serial = 4});
  gone.stop();
  EXPECT_FALSE(refresh().result);
  EXPECT_EQ(served(), 9U);
}

TEST_F(Primaries, SomethingNewerThatCannotBeTakenIsNoConfirmation) {
  ScriptedPrimary first(IpAddress::v4(127, 0, 0, 2)), second(IpAddress::v4(127, 0, 0, 3));
  for (ScriptedPrimary* each : {&first, &second}) each->serve({.serial = 1, .retry = 600, .expire = 100'000});
  start();
  set_zones({zone("example.", {peer(second, "second"), peer(first, "first")})});
  ASSERT_TRUE(waits_for(1) && rests());
  // The first primary has something newer and does not give it; the one that the version is from has the old one.
  first.serve({.serial = 2, .retry = 600, .expire = 100'000});
  first.axfr = Axfr::refused;
  notify(2, "example.", IpAddress::v4(127, 0, 0, 2));
  ASSERT_TRUE(eventually([&] { return status()->state == ZoneState::failing; }) && rests());
  EXPECT_THAT(status()->last_error, HasSubstr("REFUSED"));
  EXPECT_LE(status()->next_check - system_clock_.wall_seconds(), 600) << "RETRY, not REFRESH";
  EXPECT_EQ(served(), 1U);
}

TEST_F(Primaries, WhoCannotBeReachedIsLeftToRestAndThenAllZonesAreChecked) {
  settings_.max_pause = 1s;
  ScriptedPrimary primary;
  constexpr int count = 40;
  const auto name = [](int i) { return "zone" + std::to_string(i) + ".example."; };
  std::vector<ZoneSettings> zones;
  for (int i = 0; i < count; ++i) {
    primary.serve({.name = name(i), .serial = 1, .refresh = 2, .retry = 3600});
    zones.push_back(zone(name(i), {peer(primary)}));
  }
  start();
  set_zones(std::move(zones));
  for (int i = 0; i < count; ++i) ASSERT_TRUE(waits_for(1, name(i))) << i;
  primary.stop();
  ASSERT_TRUE(eventually(
      [&] { return engine_->counters().zones_by_state[static_cast<std::size_t>(ZoneState::failing)] == count; }));
  for (int i = 0; i < count; ++i) primary.serve({.name = name(i), .serial = 2, .refresh = 2, .retry = 3600});
  primary.resume();
  for (int i = 0; i < count; ++i) EXPECT_TRUE(waits_for(2, name(i), 10s)) << i << ": RETRY is an hour";
}

// Its serials come by UDP: zones that are current are confirmed, whatever becomes of the connections for others.
TEST_F(Primaries, WhoRefusesConnectionsIsAskedForSerialsAllTheSame) {
  settings_.max_pause = 60s;
  ScriptedPrimary primary;
  const auto current = [](int i) { return "zone" + std::to_string(i) + ".example."; };
  std::vector<ZoneSettings> zones{zone("example.", {peer(primary)})};
  primary.serve({.serial = 1, .refresh = 3600, .retry = 1});
  for (int i = 0; i < 20; ++i) {
    primary.serve({.name = current(i), .serial = 1, .refresh = 2, .retry = 1});
    zones.push_back(zone(current(i), {peer(primary)}));
  }
  start();
  set_zones(zones);
  ASSERT_TRUE(waits_for(1) && rests());
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(waits_for(1, current(i)) && rests(current(i)));
  primary.close_tcp();
  primary.serve({.serial = 2, .refresh = 3600, .retry = 1});
  const auto end = Steady::now() + 4s;
  while (Steady::now() < end) {
    EXPECT_FALSE(refresh().result) << "the transfer fails, as no connection comes about";
    std::this_thread::sleep_for(50ms);
  }
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(status(current(i))->failures, 0U) << i;
    EXPECT_GE(status(current(i))->checks, 2U) << i;
  }
}

TEST_F(Primaries, ARefusalByUdpIsAnAnswerThoughNoConnectionComesAbout) {
  settings_.max_pause = 60s;
  ScriptedPrimary primary;
  for (const char* name : {"example.", "current."})
    primary.serve({.name = name, .serial = 1, .refresh = 2, .retry = 1});
  start();
  set_zones({zone("current.", {peer(primary)})});
  ASSERT_TRUE(waits_for(1, "current.") && rests("current."));
  primary.close_tcp();
  set_zones({zone("current.", {peer(primary)}), zone("unknown.", {peer(primary)})});
  refresh("unknown.");  // may ask for the zone without asking for its serial
  const auto end = Steady::now() + 3s;
  while (Steady::now() < end) {
    const CommandOutcome outcome = refresh("unknown.");
    ASSERT_FALSE(outcome.result);
    EXPECT_EQ(outcome.result.error().code, Errc::rcode) << outcome.text;
    EXPECT_THAT(outcome.text, HasSubstr("over TCP"));
    std::this_thread::sleep_for(50ms);
  }
  EXPECT_EQ(status("current.")->failures, 0U);
  EXPECT_GE(status("current.")->checks, 2U);
}

class WaitingForAnAnswer : public Primaries {
 protected:
  /// Two primaries for "example.", of which "other." has the first.
  void hold_both(const ZoneSpec& spec) {
    for (ScriptedPrimary* each : {&first_, &second_}) each->serve(spec);
    first_.serve({.name = "other.", .serial = 1, .retry = 3600});
    start();
    set_zones(
        {zone("example.", {peer(first_, "first"), peer(second_, "second")}), zone("other.", {peer(first_, "first")})});
    ASSERT_TRUE(waits_for(1) && rests());
    ASSERT_TRUE(waits_for(1, "other.") && rests("other."));
  }
  ScriptedPrimary first_{IpAddress::v4(127, 0, 0, 2)}, second_{IpAddress::v4(127, 0, 0, 3)};
};

TEST_F(WaitingForAnAnswer, IsNotLostWhileAnotherPrimaryIsAsked) {
  settings_.max_pause = 3600s;
  hold_both({.serial = 1, .refresh = 3, .retry = 3600});
  first_.stop();
  first_.serve({.serial = 2, .retry = 3600});
  second_.udp = Udp::refused;
  second_.tcp = Tcp::refused;
  second_.probe_delay_ms = 1500;
  const int asked = second_.udp_probes;
  // The first rests, or has just failed, when the zone is due; so the second is asked, which takes its time.
  ASSERT_TRUE(eventually([&] {
    EXPECT_FALSE(refresh("other.").result);
    return second_.udp_probes > asked;
  }));
  first_.resume();
  EXPECT_TRUE(refresh("other.").result);
  EXPECT_EQ(status()->failures, 0U) << "its check is still under way";
  EXPECT_TRUE(waits_for(2, "example.", 10s)) << "RETRY is an hour";
}

TEST_F(WaitingForAnAnswer, EndsWhenAnotherPrimaryHasConfirmedTheZone) {
  settings_.max_pause = 3600s;
  hold_both({.serial = 1, .refresh = 3600, .retry = 3600});
  first_.stop();
  second_.stop();
  EXPECT_FALSE(refresh().result);
  second_.resume();
  EXPECT_TRUE(refresh().result);
  ASSERT_TRUE(rests());
  const std::uint32_t checks = status()->checks;
  first_.resume();
  EXPECT_TRUE(refresh("other.").result);
  std::this_thread::sleep_for(500ms);
  EXPECT_EQ(status()->checks, checks) << "nothing is to be found out by another one";
}

TEST_F(Primaries, ACommandDoesNotWaitForTheEndOfAPause) {
  settings_.max_pause = 3600s;
  ScriptedPrimary primary;
  primary.serve({.serial = 1, .retry = 3600});
  start();
  set_zones({zone("example.", {peer(primary)})});
  ASSERT_TRUE(waits_for(1) && rests());
  primary.stop();
  for (int i = 0; i < 6; ++i) EXPECT_FALSE(refresh().result);
  primary.serve({.serial = 2});
  primary.resume();
  EXPECT_TRUE(refresh().result);
  EXPECT_EQ(served(), 2U);
}

TEST_F(Primaries, TheRateOfSoaQueriesHolds) {
  settings_.soa_queries_per_second = 50;
  ScriptedPrimary primary;
  constexpr int count = 240;  // every two seconds: more than twice what the rate allows
  const auto name = [](int i) { return "zone" + std::to_string(i) + ".example."; };
  std::vector<ZoneSettings> zones;
  for (int i = 0; i < count; ++i) {
    primary.serve({.name = name(i), .serial = 1, .refresh = 2});
    zones.push_back(zone(name(i), {peer(primary)}));
  }
  start();
  set_zones(std::move(zones));
  for (int i = 0; i < count; ++i) ASSERT_TRUE(waits_for(1, name(i))) << i;
  std::this_thread::sleep_for(2500ms);  // all have been due
  const int before = primary.udp_probes;
  const auto began = Steady::now();
  std::this_thread::sleep_for(2s);
  const double seconds = std::chrono::duration<double>(Steady::now() - began).count();
  const double rate = (primary.udp_probes - before) / seconds;
  EXPECT_LE(rate, 60);
  EXPECT_GE(rate, 20);
  primary.serve({.name = name(7), .serial = 2});
  const auto notified = Steady::now();
  notify(2, name(7));
  EXPECT_TRUE(waits_for(2, name(7)));
  EXPECT_LT(Steady::now() - notified, 1s) << "a NOTIFY goes before the checks that are due";
}

// The first answer shows that the primary is there; what it has is newer than nothing.
TEST_F(Primaries, ZonesWithoutAVersionAreTakenWithoutAskingForEachSerial) {
  settings_.soa_queries_per_second = 10;
  ScriptedPrimary primary;
  constexpr int count = 300;  // half a minute at that rate
  const auto name = [](int i) { return "zone" + std::to_string(i) + ".example."; };
  std::vector<ZoneSettings> zones;
  for (int i = 0; i < count; ++i) {
    primary.serve({.name = name(i), .serial = 1});
    zones.push_back(zone(name(i), {peer(primary)}));
  }
  start();
  const auto began = Steady::now();
  set_zones(std::move(zones));
  for (int i = 0; i < count; ++i) ASSERT_TRUE(waits_for(1, name(i))) << i;
  EXPECT_LT(Steady::now() - began, 10s);
  EXPECT_LE(primary.udp_probes, 20);
}

// Anyone can send NOTIFYs of newer serials, from the address of a primary.
TEST_F(Primaries, TheRateHoldsForDifferencesThatNotifiesAskFor) {
  ScriptedPrimary primary;
  primary.ixfr = Ixfr::differences;
  constexpr int count = 400;
  const auto name = [](int i) { return "zone" + std::to_string(i) + ".example."; };
  std::vector<ZoneSettings> zones;
  for (int i = 0; i < count; ++i) {
    primary.serve({.name = name(i), .serial = 1});
    zones.push_back(zone(name(i), {peer(primary)}));
  }
  start();
  set_zones(std::move(zones));
  for (int i = 0; i < count; ++i) ASSERT_TRUE(waits_for(1, name(i))) << i;
  for (int i = 0; i < count; ++i) ASSERT_TRUE(rests(name(i))) << i;
  settings_.soa_queries_per_second = 20;
  engine_->set_settings(settings_);
  const int before = primary.udp_probes;
  const auto began = Steady::now();
  for (int i = 0; i < count; ++i) notify(9, name(i));
  std::this_thread::sleep_for(2s);
  const int asked = primary.ixfrs + primary.udp_probes - before;
  const double seconds = std::chrono::duration<double>(Steady::now() - began).count();
  EXPECT_LE(asked, 4 * 20 * (seconds + 0.6)) << "the rate and its burst";
  EXPECT_GE(primary.ixfrs, 4 * 20);
}

TEST_F(Primaries, QueriesComeFromTheSourceAddress) {
  ScriptedPrimary primary;
  primary.serve({.serial = 1});
  start();
  PeerSettings from = peer(primary);
  from.source = IpAddress::v4(127, 0, 0, 77);
  set_zones({zone("example.", {from})});
  EXPECT_TRUE(waits_for(1));
  EXPECT_EQ(primary.last_client(), IpAddress::v4(127, 0, 0, 77));
}

TEST_F(Primaries, EachAddressOfAPrimaryIsTried) {
  ScriptedPrimary gone, good;
  gone.stop();
  good.serve({.serial = 1});
  good.ixfr = Ixfr::differences;
  start();
  set_zones({zone("example.", {peer(gone, "hidden1"), peer(good, "hidden1")})});
  ASSERT_TRUE(waits_for(1) && rests());
  good.serve({.serial = 2});
  refresh();
  EXPECT_EQ(served(), 2U);
  EXPECT_EQ(good.ixfrs, 1) << "it is one primary, whichever address was asked";
}

}  // namespace
}  // namespace understudy
