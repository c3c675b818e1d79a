#include <gmock/gmock.h>

#include "transfer/fixture.h"

namespace understudy {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

using ZoneWork = EngineTest;
using Steady = std::chrono::steady_clock;

TEST_F(ZoneWork, ThePrimaryThatIsGoneIsPassedOver) {
  ScriptedPrimary gone, good;
  good.serve({.serial = 3});
  gone.stop();
  start();
  set_zones({zone("example.", {peer(gone, "gone"), peer(good, "good")})});
  ASSERT_TRUE(waits_for(3));
  EXPECT_EQ(status()->primary, "good");
}

TEST_F(ZoneWork, APrimaryThatHangsCostsTheProbeTimeout) {
  settings_.probe_timeout = 1s;
  ScriptedPrimary hung, good;
  hung.serve({.serial = 9});
  hung.udp = Udp::silent;
  hung.tcp = Tcp::silent;
  good.serve({.serial = 3});
  start();
  const auto began = Steady::now();
  set_zones({zone("example.", {peer(hung, "hung"), peer(good, "good")})});
  ASSERT_TRUE(waits_for(3));
  const auto took = Steady::now() - began;
  EXPECT_GE(took, 900ms);
  EXPECT_LT(took, 8s);
  EXPECT_EQ(hung.udp_probes, 2) << "a lost datagram is repeated";
  EXPECT_EQ(hung.tcp_probes, 1) << "UDP may be filtered";
}

TEST_F(ZoneWork, APrimaryThatHangsCostsManyZonesNoMoreThanOne) {
  ScriptedPrimary hung, good;
  hung.udp = Udp::silent;
  hung.tcp = Tcp::silent;
  const auto name = [](int i) { return "zone" + std::to_string(i) + ".example."; };
  constexpr int count = 300;  // several times as many as ask one primary at once
  std::vector<ZoneSettings> zones;
  for (int i = 0; i < count; ++i) {
    good.serve({.name = name(i), .serial = 3});
    zones.push_back(zone(name(i), {peer(hung, "hung"), peer(good, "good")}));
  }
  settings_.probe_timeout = 3s;
  start();
  const auto began = Steady::now();
  set_zones(std::move(zones));
  for (int i = 0; i < count; ++i) ASSERT_TRUE(waits_for(3, name(i))) << i;
  EXPECT_LT(Steady::now() - began, 12s) << "in steps it takes 15 s";
  EXPECT_LT(hung.udp_probes, 2 * 80);
}

TEST_F(ZoneWork, APrimaryThatAnswersAgainIsAskedFirstAgain) {
  ScriptedPrimary first, second;
  first.serve({.serial = 3});
  second.serve({.serial = 3});
  first.udp = Udp::silent;
  first.tcp = Tcp::silent;
  start();
  set_zones({zone("example.", {peer(first, "first"), peer(second, "second")})});
  ASSERT_TRUE(waits_for(3));
  EXPECT_EQ(status()->primary, "second");
  first.udp = Udp::answer;
  EXPECT_EQ(refresh().text, "serial 3 is current at second") << "right after it hung";
  std::this_thread::sleep_for(1100ms);
  EXPECT_EQ(refresh().text, "serial 3 is current at first");
  EXPECT_EQ(refresh().text, "serial 3 is current at first");
}

TEST_F(ZoneWork, APrimaryThatHangsInTheTransferCostsNoMoreThanThat) {
  settings_.probe_timeout = 1s;
  settings_.stall_timeout = 60s;
  ScriptedPrimary hung, good;
  hung.serve({.serial = 9});
  hung.axfr = Axfr::silent;
  good.serve({.serial = 3});
  start();
  const auto began = Steady::now();
  set_zones({zone("example.", {peer(hung, "hung"), peer(good, "good")})});
  ASSERT_TRUE(waits_for(3));
  EXPECT_LT(Steady::now() - began, 8s);
}

TEST_F(ZoneWork, AnOlderPrimaryIsNotFollowedAndTheNextIsAsked) {
  ScriptedPrimary first, second;
  first.serve({.serial = 5});
  second.serve({.serial = 7});
  start();
  set_zones({zone("example.", {peer(first, "first"), peer(second, "second")})});
  ASSERT_TRUE(waits_for(5));
  first.serve({.serial = 4});
  const CommandOutcome outcome = refresh();
  EXPECT_TRUE(outcome.result) << outcome.text;
  EXPECT_EQ(outcome.text, "serial 5 -> 7 from second, 8 records");
  EXPECT_EQ(served(), 7U);
}

TEST_F(ZoneWork, WithOlderPrimariesOnlyTheCheckFails) {
  ScriptedPrimary primary;
  primary.serve({.serial = 5});
  start();
  set_zones({zone("example.", {peer(primary)})});
  ASSERT_TRUE(waits_for(5));
  primary.serve({.serial = 4});
  const CommandOutcome outcome = refresh();
  ASSERT_FALSE(outcome.result);
  EXPECT_EQ(outcome.result.error().code, Errc::serial_backwards);
  EXPECT_EQ(status()->state, ZoneState::failing);
  EXPECT_EQ(served(), 5U);
  EXPECT_EQ(primary.transfers, 1);
}

TEST_F(ZoneWork, RetransferGoesBackBecauseTheOperatorSaysSo) {
  ScriptedPrimary primary;
  primary.serve({.serial = 5});
  start();
  set_zones({zone("example.", {peer(primary)})});
  ASSERT_TRUE(waits_for(5));
  primary.serve({.serial = 4});
  const CommandOutcome outcome = retransfer();
  EXPECT_TRUE(outcome.result) << outcome.text;
  EXPECT_THAT(outcome.text, HasSubstr("serial 5 -> 4 from hidden1"));
  EXPECT_EQ(served(), 4U);
  EXPECT_EQ(store_->load(*Name::parse("example."))->version->serial(), Serial{4});
}

TEST_F(ZoneWork, UpToDateIsAnOutcomeAndNoTransfer) {
  ScriptedPrimary primary;
  primary.serve({.serial = 5});
  start();
  set_zones({zone("example.", {peer(primary)})});
  ASSERT_TRUE(waits_for(5));
  const CommandOutcome outcome = refresh();
  EXPECT_TRUE(outcome.result);
  EXPECT_EQ(outcome.text, "serial 5 is current at hidden1");
  EXPECT_EQ(primary.transfers, 1);
}

TEST_F(ZoneWork, ATransferOlderThanTheProbeIsRefused) {
  ScriptedPrimary primary, other;
  primary.serve({.serial = 5});
  start();
  set_zones({zone("example.", {peer(primary)})});
  ASSERT_TRUE(waits_for(5));
  primary.serve({.serial = 7});
  primary.axfr = Axfr::older_serial;
  const CommandOutcome outcome = refresh();
  ASSERT_FALSE(outcome.result);
  EXPECT_EQ(outcome.result.error().code, Errc::serial_backwards) << outcome.text;
  EXPECT_EQ(served(), 5U);
}

class BrokenTransfer : public EngineTest, public ::testing::WithParamInterface<std::pair<Axfr, Errc>> {};

TEST_P(BrokenTransfer, LeavesTheOldVersionAndSaysWhy) {
  settings_.stall_timeout = 300ms;
  ScriptedPrimary primary;
  primary.serve({.serial = 5});
  start();
  set_zones({zone("example.", {peer(primary)})});
  ASSERT_TRUE(waits_for(5));
  primary.serve({.serial = 6, .hosts = 20});
  primary.axfr = GetParam().first;
  const CommandOutcome outcome = refresh();
  ASSERT_FALSE(outcome.result);
  EXPECT_EQ(outcome.result.error().code, GetParam().second) << outcome.text;
  EXPECT_EQ(served(), 5U);
  EXPECT_EQ(status()->state, ZoneState::failing);
  EXPECT_FALSE(status()->last_error.empty());
  EXPECT_EQ(engine_->counters().transfers_failed, 1U);
  primary.axfr = Axfr::whole;
  EXPECT_TRUE(refresh().result);
  EXPECT_EQ(served(), 6U);
  EXPECT_TRUE(status()->last_error.empty());
}

INSTANTIATE_TEST_SUITE_P(All, BrokenTransfer,
                         ::testing::Values(std::pair{Axfr::silent, Errc::stalled},
                                           std::pair{Axfr::half_then_close, Errc::bad_transfer_end},
                                           std::pair{Axfr::half_then_silent, Errc::stalled},
                                           std::pair{Axfr::refused, Errc::rcode}));

TEST_F(ZoneWork, AFailedTransferLeadsToTheNextPrimary) {
  ScriptedPrimary broken, good;
  broken.serve({.serial = 5});
  broken.axfr = Axfr::half_then_close;
  good.serve({.serial = 5});
  start();
  set_zones({zone("example.", {peer(broken, "broken"), peer(good, "good")})});
  ASSERT_TRUE(waits_for(5));
  EXPECT_EQ(status()->primary, "good");
}

TEST_F(ZoneWork, TheFailuresOfAllPrimariesAreTold) {
  ScriptedPrimary first, second;
  first.stop();
  second.serve({.serial = 1});
  second.udp = Udp::refused;
  second.tcp = Tcp::refused;
  start();
  set_zones({zone("example.", {peer(first, "first"), peer(second, "second")})});
  const CommandOutcome outcome = refresh();
  ASSERT_FALSE(outcome.result);
  EXPECT_THAT(outcome.result.error().text(), HasSubstr("first"));
  EXPECT_THAT(outcome.result.error().text(), HasSubstr("connect"));
  EXPECT_THAT(outcome.result.error().text(), HasSubstr("second"));
  EXPECT_THAT(outcome.result.error().text(), HasSubstr("REFUSED"));
  EXPECT_EQ(status()->state, ZoneState::empty);
}

TEST_F(ZoneWork, TooManyRecordsAreRefused) {
  ScriptedPrimary primary;
  primary.serve({.serial = 5, .hosts = 200});
  start();
  set_zones({zone("example.", {peer(primary)}, {}, {.max_records = 100})});
  const CommandOutcome outcome = refresh();
  ASSERT_FALSE(outcome.result);
  EXPECT_EQ(outcome.result.error().code, Errc::record_limit);
  EXPECT_EQ(served(), std::nullopt);
}

TEST_F(ZoneWork, OctetsNowAndThenAreProgress) {
  settings_.stall_timeout = 300ms;
  ScriptedPrimary primary;
  primary.serve({.serial = 5, .hosts = 0});
  primary.axfr = Axfr::trickle;
  start();
  set_zones({zone("example.", {peer(primary)})});
  EXPECT_TRUE(waits_for(5)) << "the rate is looked at over 30 s only";
  EXPECT_EQ(engine_->counters().transfers_failed, 0U);
}

TEST_F(ZoneWork, ATransferFromTheOnlyPrimaryHasALongestTimeToo) {
  settings_.max_time = 1s;
  ScriptedPrimary primary;
  primary.serve({.serial = 5, .hosts = 2000});
  primary.axfr = Axfr::trickle;  // it would take minutes
  start();
  set_zones({zone("example.", {peer(primary)})});
  ASSERT_TRUE(eventually([&] { return engine_->counters().transfers_failed == 1; }, 10s));
  EXPECT_THAT(status()->last_error, ::testing::HasSubstr("no transfer may take longer"));
}

TEST_F(ZoneWork, ATransferThatWouldOutliveTheVersionMakesRoomForAnotherPrimary) {
  settings_.stall_timeout = 5s;
  settings_.min_rate = 0;
  ScriptedPrimary slow, good;
  const ZoneSpec first{.serial = 1, .refresh = 3600, .expire = 4};
  slow.serve(first);
  good.serve(first);
  start();
  set_zones({zone("example.", {peer(slow, "slow"), peer(good, "good")})});
  ASSERT_TRUE(waits_for(1));
  const ZoneSpec second{.serial = 2, .hosts = 2000, .refresh = 3600, .expire = 86400};
  slow.axfr = Axfr::trickle;  // it would take minutes
  slow.serve(second);
  good.serve(second);
  ASSERT_TRUE(waits_for(2));
  EXPECT_EQ(status()->primary, "good");
}

TEST_F(ZoneWork, HungTransfersOfOnePrimaryDoNotDelayAnother) {
  settings_.stall_timeout = 60s;
  ScriptedPrimary hung, good;
  std::vector<ZoneSettings> zones;
  for (int i = 0; i < 120; ++i) {
    const std::string name = "z" + std::to_string(i) + ".";
    hung.serve({.name = name, .hosts = 1});
    zones.push_back(zone(name, {peer(hung, "hung")}));
  }
  hung.axfr = Axfr::silent;
  good.serve({.serial = 3});
  start();
  set_zones(zones);
  ASSERT_TRUE(eventually([&] { return hung.transfers_open >= 16; }));
  zones.push_back(zone("example.", {peer(good, "good")}));
  const auto began = Steady::now();
  set_zones(zones);
  ASSERT_TRUE(waits_for(3));
  EXPECT_LT(Steady::now() - began, 8s);
}

// Its serials come, its zones do not: that must not cost every zone a transfer that hangs.
TEST_F(ZoneWork, ZonesDoNotPileUpAtAPrimaryWhoseTransfersHang) {
  settings_.stall_timeout = 500ms;
  settings_.max_pause = 60s;
  settings_.max_transfers_per_primary = 4;
  ScriptedPrimary hung;
  std::vector<ZoneSettings> zones;
  for (int i = 0; i < 40; ++i) {
    const std::string name = "z" + std::to_string(i) + ".";
    hung.serve({.name = name, .hosts = 1});
    zones.push_back(zone(name, {peer(hung, "hung")}));
  }
  hung.axfr = Axfr::silent;
  start();
  ::testing::internal::CaptureStderr();
  set_zones(zones);
  std::this_thread::sleep_for(3500ms);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              ::testing::ContainsRegex("SOA at hung .*: not asked for the zone: nothing came .*announced 1"));
  EXPECT_LE(hung.transfers, 4 + 3) << "four at once, then one after each pause";
  EXPECT_GE(hung.transfers, 4 + 1);
  hung.axfr = Axfr::whole;
  for (const ZoneSettings& each : zones) EXPECT_TRUE(waits_for(1, each.name.text()));
}

TEST_F(ZoneWork, AnotherPrimaryIsTheBetterChoiceThanOneWhoseTransfersHang) {
  settings_.stall_timeout = 1s;
  settings_.probe_timeout = 1s;
  ScriptedPrimary hung, good;
  hung.axfr = Axfr::silent;
  std::vector<ZoneSettings> zones;
  for (int i = 0; i < 40; ++i) {
    const std::string name = "z" + std::to_string(i) + ".";
    hung.serve({.name = name, .hosts = 1});
    good.serve({.name = name, .hosts = 1});
    zones.push_back(zone(name, {peer(hung, "hung"), peer(good, "good")}));
  }
  start();
  set_zones(zones);
  for (const ZoneSettings& each : zones) ASSERT_TRUE(waits_for(1, each.name.text()));
  EXPECT_LE(hung.transfers, 16 + 1) << "as many as may be under way at once, before it is known";
}

TEST_F(ZoneWork, APrimaryThatIsNewDoesNotWaitForAnyNumberOfHungTransfers) {
  settings_.stall_timeout = 60s;
  settings_.max_transfers = 8;
  settings_.max_transfers_per_primary = 8;
  std::vector<std::unique_ptr<ScriptedPrimary>> hung;
  std::vector<ZoneSettings> zones;
  for (int i = 0; i < 4; ++i) {
    hung.push_back(std::make_unique<ScriptedPrimary>());
    hung.back()->axfr = Axfr::silent;
    for (int j = 0; j < 8; ++j) {
      const std::string name = "z" + std::to_string(j) + ".h" + std::to_string(i) + ".";
      hung.back()->serve({.name = name, .hosts = 1});
      zones.push_back(zone(name, {peer(*hung.back(), "hung" + std::to_string(i))}));
    }
  }
  start();
  set_zones(zones);
  ASSERT_TRUE(eventually([&] {
    int open = 0;
    for (const auto& each : hung) open += each->transfers_open;
    return open >= 3 * 8;
  }));
  std::this_thread::sleep_for(1500ms);
  // Some that hang like the others, more than there is room for; and one that does not.
  std::vector<std::unique_ptr<ScriptedPrimary>> good;
  for (int i = 0; i < 3; ++i) {
    good.push_back(std::make_unique<ScriptedPrimary>());
    const std::string name = "good" + std::to_string(i) + ".";
    good.back()->serve({.name = name});
    zones.push_back(zone(name, {peer(*good.back(), "good" + std::to_string(i))}));
    const auto began = Steady::now();
    set_zones(zones);
    ASSERT_TRUE(waits_for(1, name));
    EXPECT_LT(Steady::now() - began, 2s) << i;  // some milliseconds on a machine with nothing else to do
  }
}

// What is ended to make way was given a second, which says little.
TEST_F(ZoneWork, AFirstTryThatMakesWayIsNoFailureOfItsPrimary) {
  settings_.stall_timeout = 60s;
  settings_.max_transfers = 4;
  settings_.max_transfers_per_primary = 4;
  std::vector<std::unique_ptr<ScriptedPrimary>> hung;
  std::vector<ZoneSettings> zones;
  const auto add = [&](const std::string& name, int count) {
    hung.push_back(std::make_unique<ScriptedPrimary>());
    hung.back()->axfr = Axfr::silent;
    for (int i = 0; i < count; ++i) {
      const std::string zone_name = "z" + std::to_string(i) + "." + name + ".";
      hung.back()->serve({.name = zone_name, .hosts = 1});
      zones.push_back(zone(zone_name, {peer(*hung.back(), name)}));
    }
  };
  for (int i = 0; i < 3; ++i) add("hung" + std::to_string(i), 4);
  start();
  set_zones(zones);
  const auto open = [&] {
    int all = 0;
    for (const auto& each : hung) all += each->transfers_open;
    return all;
  };
  ASSERT_TRUE(eventually([&] { return open() >= 12; }));
  ::testing::internal::CaptureStderr();
  for (int i = 0; i < 3; ++i) add("try" + std::to_string(i), 1);
  set_zones(zones);
  const bool gave_way =
      eventually([&] { return hung.back()->transfers + hung[4]->transfers + hung[3]->transfers >= 3; });
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_TRUE(gave_way);
  EXPECT_THAT(log, HasSubstr("wait for the room"));
  EXPECT_THAT(log, Not(HasSubstr("nothing comes of transfers")));
}

TEST_F(ZoneWork, HungTransfersDoNotDelayWhatThePrimaryAnnounces) {
  settings_.stall_timeout = 60s;
  ScriptedPrimary primary;
  std::vector<ZoneSettings> zones{zone("example.", {peer(primary)})};
  primary.serve({.serial = 3});
  start();
  set_zones(zones);
  ASSERT_TRUE(waits_for(3));
  for (int i = 0; i < 120; ++i) {
    const std::string name = "z" + std::to_string(i) + ".";
    primary.serve({.name = name, .hosts = 1});
    primary.set_axfr(name, i % 2 == 0 ? Axfr::silent : Axfr::half_then_silent);
    zones.push_back(zone(name, {peer(primary)}));
  }
  set_zones(zones);
  ASSERT_TRUE(eventually([&] { return primary.transfers_open >= 16; }));
  primary.serve({.serial = 4});
  const auto began = Steady::now();
  notify(4);
  ASSERT_TRUE(waits_for(4));
  EXPECT_LT(Steady::now() - began, 8s);
  EXPECT_LE(primary.most_transfers_open, 17) << "what hangs is not given more of the same";
}

TEST_F(ZoneWork, HungTransfersDoNotUseUpTheBoundInAll) {
  settings_.stall_timeout = 60s;
  settings_.max_transfers = 4;
  ScriptedPrimary hung, good;
  std::vector<ZoneSettings> zones;
  for (int i = 0; i < 8; ++i) {
    const std::string name = "z" + std::to_string(i) + ".";
    hung.serve({.name = name, .hosts = 1});
    zones.push_back(zone(name, {peer(hung, "hung")}));
  }
  hung.axfr = Axfr::silent;
  good.serve({.serial = 3});
  start();
  set_zones(zones);
  ASSERT_TRUE(eventually([&] { return hung.transfers_open == 4; }));
  zones.push_back(zone("example.", {peer(good, "good")}));
  set_zones(zones);
  EXPECT_TRUE(waits_for(3, "example.", 10s));
}

TEST_F(ZoneWork, TransfersOfOnePrimaryAreBounded) {
  settings_.max_transfers_per_primary = 4;
  ScriptedPrimary primary;
  std::vector<ZoneSettings> zones;
  for (int i = 0; i < 100; ++i) {
    const std::string name = "z" + std::to_string(i) + ".";
    primary.serve({.name = name, .hosts = 1});
    zones.push_back(zone(name, {peer(primary)}));
  }
  start();
  set_zones(zones);
  ASSERT_TRUE(eventually([&] { return engine_->counters().transfers_ok == 100; }));
  EXPECT_LE(primary.most_transfers_open, 4);
}

TEST_F(ZoneWork, SignedTransfersNeedTheRightKey) {
  auto key = std::make_shared<TsigKey>();
  key->name = *Name::parse("transfer.example.");
  key->secret = Bytes(32, 7);
  ScriptedPrimary primary;
  primary.set_key(key);
  primary.serve({.serial = 5});
  start();
  set_zones({zone("example.", {peer(primary, "hidden1", key)})});
  ASSERT_TRUE(waits_for(5));
  EXPECT_EQ(primary.tcp_probes, 0);

  primary.serve({.serial = 6});
  primary.udp = Udp::unsigned_answer;
  EXPECT_TRUE(refresh().result) << "an unsigned datagram may be anybody's: TCP decides";
  EXPECT_EQ(served(), 6U);
  EXPECT_EQ(primary.tcp_probes, 1);

  auto other = std::make_shared<TsigKey>(*key);
  other->secret[0] = 8;
  set_zones({zone("example.", {peer(primary, "hidden1", other)})});
  EXPECT_FALSE(refresh().result);
  EXPECT_EQ(served(), 6U);
}

TEST_F(ZoneWork, ATruncatedProbeIsRepeatedOverTcp) {
  ScriptedPrimary primary;
  primary.serve({.serial = 5});
  primary.udp = Udp::truncated;
  start();
  set_zones({zone("example.", {peer(primary)})});
  ASSERT_TRUE(waits_for(5));
  EXPECT_EQ(primary.udp_probes, 1);
  EXPECT_EQ(primary.tcp_probes, 1);
}

TEST_F(ZoneWork, WhereSomebodyGuessesTheSerialIsAskedOverTcp) {
  ScriptedPrimary primary;
  primary.serve({.serial = 5});
  primary.udp = Udp::strange;
  start();
  set_zones({zone("example.", {peer(primary)})});
  ASSERT_TRUE(waits_for(5));
  EXPECT_EQ(primary.udp_probes, 1);
  EXPECT_EQ(primary.tcp_probes, 1);
}

TEST_F(ZoneWork, DroppedAndOddRecordsAreWarnedOfOnce) {
  ScriptedPrimary primary;
  primary.serve({.serial = 5, .extra = "both CNAME h0\nboth A 192.0.2.9\nother.test. A 192.0.2.9\nh0 A 10.0.0.0\n"});
  start();
  ::testing::internal::CaptureStderr();
  set_zones({zone("example.", {peer(primary)})});
  ASSERT_TRUE(waits_for(5));
  ASSERT_TRUE(rests());
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr("1 outside the zone"));
  EXPECT_THAT(log, HasSubstr("1 duplicate"));
  EXPECT_THAT(log, HasSubstr("both.example."));
  EXPECT_EQ(log.find("worth a look"), log.rfind("worth a look"));
}

}  // namespace
}  // namespace understudy
