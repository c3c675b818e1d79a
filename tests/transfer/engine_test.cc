#include "transfer/engine.h"

#include <gmock/gmock.h>

#include "transfer/fixture.h"

namespace understudy {
namespace {

using ::testing::HasSubstr;

TEST_F(EngineTest, TakesServesStoresAndAnnouncesAZone) {
  ScriptedPrimary primary, downstream;
  primary.serve({.serial = 5, .hosts = 500});
  start();
  set_zones({zone("example.", {peer(primary)}, {peer(downstream, "down")})});
  ASSERT_TRUE(waits_for(5));
  ASSERT_TRUE(rests());
  EXPECT_EQ(status()->state, ZoneState::ok);
  EXPECT_EQ(status()->records, 505U);
  EXPECT_EQ(status()->primary, "hidden1");
  EXPECT_GT(status()->expires_at, 0);
  EXPECT_TRUE(eventually([&] { return downstream.notifies == 1; }));
  EXPECT_EQ(downstream.notified_serials().front(), Serial{5});
  EXPECT_EQ(store_->load(*Name::parse("example."))->version->serial(), Serial{5});

  primary.serve({.serial = 6});
  notify(6);
  ASSERT_TRUE(waits_for(6));
  EXPECT_TRUE(eventually([&] { return downstream.notifies == 2; }));
  EXPECT_EQ(engine_->counters().transfers_ok, 2U);
  EXPECT_EQ(engine_->counters().notifies_received, 1U);
}

TEST_F(EngineTest, ComesBackAfterARestartWithoutItsPrimary) {
  auto primary = std::make_unique<ScriptedPrimary>();
  primary->serve({.serial = 7});
  const PeerSettings where = peer(*primary);
  start();
  set_zones({zone("example.", {where})});
  ASSERT_TRUE(waits_for(7));
  primary.reset();
  stop();
  start();
  set_zones({zone("example.", {where})});
  EXPECT_EQ(served(), 7U);
  EXPECT_TRUE(engine_->all_loaded());
  EXPECT_EQ(status()->state, ZoneState::ok);
}

TEST_F(EngineTest, WhatWasServedIsThereAfterAKill) {
  ScriptedPrimary primary;
  primary.serve({.serial = 1});
  start();
  set_zones({zone("example.", {peer(primary)})});
  ASSERT_TRUE(waits_for(1));
  for (std::uint32_t serial = 2; serial < 8; ++serial) {
    primary.serve({.serial = serial, .hosts = 10 * serial});
    notify(serial);
    ASSERT_TRUE(waits_for(serial));
    // What is on the disk now is what a killed process leaves behind.
    const std::string copy = (folder_ / ("copy" + std::to_string(serial))).string();
    std::filesystem::copy(folder_ / "store", copy, std::filesystem::copy_options::recursive);
    const auto left = ZoneStore::open(copy);
    ASSERT_TRUE(left) << left.error().text();
    const auto version = (*left)->load(*Name::parse("example."));
    ASSERT_TRUE(version) << version.error().text();
    EXPECT_EQ(version->version->serial(), Serial{serial});
    EXPECT_EQ(version->version->record_count(), 5 + 10 * serial);
  }
}

TEST_F(EngineTest, ReloadAddsRemovesAndChanges) {
  ScriptedPrimary primary, second;
  primary.serve({.name = "a.", .serial = 1});
  primary.serve({.name = "b.", .serial = 1});
  primary.serve({.name = "c.", .serial = 1});
  second.serve({.name = "b.", .serial = 9});
  start();
  set_zones({zone("b.", {peer(primary)}), zone("a.", {peer(primary)})});
  ASSERT_TRUE(waits_for(1, "a.") && waits_for(1, "b."));
  const int transfers = primary.transfers;

  set_zones({zone("b.", {peer(second, "second")}), zone("c.", {peer(primary)})});
  EXPECT_FALSE(status("a."));
  EXPECT_EQ(served("a."), std::nullopt);
  EXPECT_NE(served("b."), std::nullopt) << "a zone that only changes goes on being answered";
  EXPECT_TRUE(waits_for(1, "c."));
  EXPECT_TRUE(waits_for(9, "b.")) << "another primary is asked at once";
  EXPECT_EQ(primary.transfers, transfers + 1);

  primary.stop();
  set_zones({zone("a.", {peer(primary)})});
  EXPECT_EQ(served("a."), 1U) << "its data were kept";
}

TEST_F(EngineTest, RemovedZonesAreForgottenIfToldSo) {
  ScriptedPrimary primary;
  primary.serve({.serial = 1});
  start();
  set_zones({zone("example.", {peer(primary)})});
  ASSERT_TRUE(waits_for(1));
  set_zones({}, true);
  primary.stop();
  set_zones({zone("example.", {peer(primary)})});
  EXPECT_EQ(served(), std::nullopt);
  const auto stored = store_->list([](const std::string&) {});
  EXPECT_TRUE(stored && stored->empty());
}

TEST_F(EngineTest, APartOfTheZonesChanges) {
  ScriptedPrimary primary, second;
  for (const char* name : {"a.", "b.", "c.", "d."}) primary.serve({.name = name, .serial = 1});
  second.serve({.name = "b.", .serial = 9});
  start();
  set_zones({zone("a.", {peer(primary)}), zone("b.", {peer(primary)}), zone("c.", {peer(primary)})});
  ASSERT_TRUE(waits_for(1, "a.") && waits_for(1, "b.") && waits_for(1, "c."));
  const auto change = [&](std::vector<ZoneSettings> set, std::vector<Name> removed, bool forget = false) {
    std::promise<void> loaded;
    engine_->change_zones(std::move(set), std::move(removed), forget, [&] { loaded.set_value(); });
    ASSERT_EQ(loaded.get_future().wait_for(20s), std::future_status::ready);
  };
  change({zone("d.", {peer(primary)}), zone("b.", {peer(second, "second")})}, {*Name::parse("C."), *Name::parse("x.")});
  EXPECT_TRUE(waits_for(1, "d."));
  EXPECT_TRUE(waits_for(9, "b."));
  EXPECT_EQ(served("a."), 1U);
  EXPECT_EQ(served("c."), std::nullopt);
  EXPECT_EQ(engine_->list(std::nullopt, 10).size(), 3U);

  primary.stop();
  change({zone("c.", {peer(primary)})}, {});
  EXPECT_EQ(served("c."), 1U) << "its data were kept";
  change({zone("c.", {peer(primary)})}, {*Name::parse("c.")}, true);
  EXPECT_EQ(served("c."), std::nullopt) << "taken away and back: without its data";
  EXPECT_TRUE(status("c."));
  change({}, {*Name::parse("a.")}, true);
  change({zone("a.", {peer(primary)})}, {});
  EXPECT_EQ(served("a."), std::nullopt);
}

TEST_F(EngineTest, AResetWaitsForAnEarlierSelfThatWasTakenAwayBefore) {
  ScriptedPrimary primary;
  primary.serve({.serial = 5});
  start();
  set_zones({zone("example.", {peer(primary)})});
  ASSERT_TRUE(waits_for(5));
  ASSERT_TRUE(rests());
  const Name name = *Name::parse("example.");
  // Nobody leaves as long as the transfer thread is held up.
  std::promise<void> held_up, go_on;
  engine_->refresh(*Name::parse("unknown."), [&](const CommandOutcome&) {
    held_up.set_value();
    go_on.get_future().wait();
  });
  held_up.get_future().wait();
  engine_->change_zones({}, {name}, false, nullptr);
  EXPECT_FALSE(status());
  auto reset = std::async(std::launch::async, [&] { return engine_->reset_zones({zone("example.", {})}, {name}); });
  EXPECT_EQ(reset.wait_for(300ms), std::future_status::timeout);
  EXPECT_TRUE(store_->load(name)) << "the earlier self may still write, so nothing is deleted yet";
  go_on.set_value();
  EXPECT_TRUE(reset.get());
  EXPECT_FALSE(store_->load(name));
  EXPECT_TRUE(status());
}

TEST_F(EngineTest, ReloadsInQuickSuccessionEndWithTheLast) {
  ScriptedPrimary primary, second;
  std::vector<ZoneSettings> before, after;
  for (int i = 0; i < 50; ++i) {
    const std::string name = "z" + std::to_string(i) + ".";
    primary.serve({.name = name, .serial = 1});
    second.serve({.name = name, .serial = 2});
    before.push_back(zone(name, {peer(primary)}));
    after.push_back(zone(name, {peer(second, "second")}));
  }
  start();
  for (int i = 0; i < 5; ++i) {
    engine_->set_zones(before, false, nullptr);
    engine_->set_zones({}, false, nullptr);
    engine_->set_zones(before, false, nullptr);
    engine_->set_zones(after, false, nullptr);
  }
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(waits_for(2, "z" + std::to_string(i) + "."));
  EXPECT_TRUE(eventually([&] { return engine_->all_loaded(); }));
  const EngineCounters counters = engine_->counters();
  EXPECT_EQ(counters.zones_by_state[static_cast<std::size_t>(ZoneState::ok)], 50U);
  EXPECT_EQ(counters.zones_by_state[static_cast<std::size_t>(ZoneState::loading)], 0U);
}

TEST_F(EngineTest, AReloadThatChangesNothingStartsNothing) {
  const auto key = [] {
    auto made = std::make_shared<TsigKey>();
    made->name = *Name::parse("transfer.example.");
    made->secret = Bytes(32, 7);
    return made;
  };
  ScriptedPrimary primary;
  primary.set_key(key());
  primary.serve({.serial = 1});
  start();
  set_zones({zone("example.", {peer(primary, "hidden1", key())})});
  ASSERT_TRUE(waits_for(1) && rests());
  const int probes = primary.udp_probes;
  set_zones({zone("example.", {peer(primary, "hidden1", key())})});
  std::this_thread::sleep_for(200ms);
  EXPECT_EQ(primary.udp_probes, probes);
}

TEST_F(EngineTest, ARemovedZoneEndsItsTransfer) {
  settings_.stall_timeout = 60s;
  ScriptedPrimary primary;
  primary.serve({.serial = 1});
  primary.axfr = Axfr::silent;
  start();
  set_zones({zone("example.", {peer(primary)})});
  ASSERT_TRUE(eventually([&] { return primary.transfers_open == 1; }));
  ::testing::internal::CaptureStderr();
  set_zones({});
  EXPECT_TRUE(eventually([&] { return primary.transfers_open == 0; }, 5s));
  stop();
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              ::testing::ContainsRegex("example.: AXFR from .* given up: the zone is removed"));
}

TEST_F(EngineTest, WhatOnePrimaryAnsweredIsToldIfTheZoneGoesBeforeTheOthersDo) {
  settings_.probe_timeout = 60s;
  ScriptedPrimary quick, silent;
  quick.serve({.serial = 7});
  silent.serve({.serial = 7});
  silent.udp = Udp::silent;
  start();
  ::testing::internal::CaptureStderr();
  set_zones({with(zone("example.", {peer(quick, "quick"), peer(silent, "silent")}),
                  [](ZonePolicySettings& to) { to.check_all_primaries = true; })});
  const bool asked = eventually([&] { return silent.udp_probes > 0; });
  set_zones({});
  stop();
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_TRUE(asked);
  EXPECT_THAT(log, ::testing::ContainsRegex("SOA at quick .* given up: the zone is removed; ours none, announced 7"));
  EXPECT_THAT(log, ::testing::ContainsRegex("SOA at silent .* given up: the zone is removed"));
}

TEST_F(EngineTest, OtherPrimariesEndAHungTransferAndItsCommandsGoOn) {
  settings_.stall_timeout = 60s;
  ScriptedPrimary hung, good;
  hung.serve({.serial = 1});
  hung.axfr = Axfr::silent;
  good.serve({.serial = 2});
  start();
  set_zones({zone("example.", {peer(hung)})});
  ASSERT_TRUE(eventually([&] { return hung.transfers_open == 1; }));
  std::promise<CommandOutcome> outcome;
  engine_->refresh(*Name::parse("example."), [&](CommandOutcome got) { outcome.set_value(std::move(got)); });
  set_zones({zone("example.", {peer(good, "good")})});
  EXPECT_TRUE(waits_for(2));
  EXPECT_TRUE(outcome.get_future().get().result);
}

TEST_F(EngineTest, StopsInTheMiddleOfEverything) {
  settings_.stall_timeout = 60s;
  settings_.probe_timeout = 60s;
  settings_.notify_timeout = 60s;
  ScriptedPrimary hung, silent, good, deaf;
  deaf.acknowledge = false;
  std::vector<ZoneSettings> zones;
  for (int i = 0; i < 40; ++i) {
    const std::string name = "z" + std::to_string(i) + ".";
    hung.serve({.name = name});
    good.serve({.name = name});
    zones.push_back(zone(name, {peer(i % 3 == 0 ? hung : i % 3 == 1 ? silent : good)}, {peer(deaf, "deaf")}));
  }
  hung.axfr = Axfr::half_then_silent;
  silent.udp = Udp::silent;
  start();
  set_zones(zones);
  ASSERT_TRUE(eventually([&] { return hung.transfers_open > 5 && silent.udp_probes > 5 && deaf.notifies > 5; }));
  std::promise<CommandOutcome> outcome;
  engine_->refresh(*Name::parse("z0."), [&](CommandOutcome got) { outcome.set_value(std::move(got)); });
  const auto began = std::chrono::steady_clock::now();
  engine_->stop();
  EXPECT_LT(std::chrono::steady_clock::now() - began, 8s);
  const CommandOutcome got = outcome.get_future().get();
  ASSERT_FALSE(got.result);
  EXPECT_EQ(got.result.error().code, Errc::cancelled);
  EXPECT_FALSE(refresh("z1.").result) << "a late command is answered as well";
}

TEST_F(EngineTest, CommandsOnUnknownZonesFail) {
  start();
  const CommandOutcome outcome = refresh("absent.");
  ASSERT_FALSE(outcome.result);
  EXPECT_EQ(outcome.result.error().code, Errc::not_found);
  EXPECT_THAT(outcome.result.error().text(), HasSubstr("absent."));
  EXPECT_FALSE(status("absent."));
  EXPECT_EQ(engine_->version(*Name::parse("absent.")), nullptr);
  notify(1, "absent.");
}

TEST_F(EngineTest, ManyZonesComeAreListedAndComeBack) {
  ScriptedPrimary primary;
  std::vector<ZoneSettings> zones;
  for (int i = 0; i < 600; ++i) {
    const std::string name = "z" + std::to_string(1000 + i) + ".";
    primary.serve({.name = name, .serial = 4, .hosts = 2});
    zones.push_back(zone(name, {peer(primary)}));
  }
  start();
  set_zones(zones);
  ASSERT_TRUE(eventually([&] { return engine_->counters().transfers_ok == 600; }, 60s));
  EXPECT_EQ(engine_->list(std::nullopt, 10'000).size(), 600U);
  const std::vector<ZoneStatus> page = engine_->list(*Name::parse("z1300."), 2);
  ASSERT_EQ(page.size(), 2U);
  EXPECT_EQ(page[0].name.text(), "z1300.");
  EXPECT_EQ(page[1].name.text(), "z1301.");
  EXPECT_EQ(engine_->table()->size(), 600U);
  primary.stop();
  stop();
  start();
  set_zones(zones);
  EXPECT_EQ(engine_->counters().zones_by_state[static_cast<std::size_t>(ZoneState::ok)], 600U);
  EXPECT_EQ(served("z1599."), 4U);
}

}  // namespace
}  // namespace understudy
