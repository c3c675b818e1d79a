#include "transfer/notifier.h"

#include <gmock/gmock.h>

#include "transfer/fixture.h"

namespace understudy {
namespace {

using NotifierTest = EngineTest;

TEST_F(NotifierTest, RepeatsUntilItIsAcknowledged) {
  ScriptedPrimary primary, target;
  primary.serve({.serial = 5});
  target.acknowledge = false;
  start();
  set_zones({zone("example.", {peer(primary)}, {peer(target, "down")})});
  ASSERT_TRUE(eventually([&] { return target.notifies == 2; }));
  target.acknowledge = true;
  ASSERT_TRUE(eventually([&] { return target.notifies == 3; }));
  std::this_thread::sleep_for(1s);
  EXPECT_EQ(target.notifies, 3);
  EXPECT_EQ(engine_->counters().notifies_failed, 0U);
}

TEST_F(NotifierTest, GivesUpAfterTheSetTries) {
  settings_.notify_timeout = 20ms;
  settings_.notify_tries = 4;
  ScriptedPrimary primary, target;
  primary.serve({.serial = 5});
  target.acknowledge = false;
  start();
  ::testing::internal::CaptureStderr();
  set_zones({zone("example.", {peer(primary)}, {peer(target, "down")})});
  EXPECT_TRUE(eventually([&] { return engine_->counters().notifies_failed == 1; }));
  EXPECT_EQ(target.notifies, 4);
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, ::testing::HasSubstr("NOTIFY of serial 5 to down"));
  EXPECT_THAT(log, ::testing::HasSubstr("4 tries"));
}

TEST_F(NotifierTest, ANewerVersionTakesThePlaceOfTheOneBefore) {
  settings_.notify_timeout = 5s;
  ScriptedPrimary primary, target;
  primary.serve({.serial = 5});
  target.acknowledge = false;
  start();
  set_zones({zone("example.", {peer(primary)}, {peer(target, "down")})});
  ASSERT_TRUE(eventually([&] { return target.notifies == 1; }));
  target.acknowledge = true;
  primary.serve({.serial = 6});
  notify(6);
  ASSERT_TRUE(eventually([&] { return target.notifies == 2; }, 3s)) << "it does not wait for the first to time out";
  EXPECT_EQ(target.notified_serials().back(), Serial{6});
}

TEST_F(NotifierTest, SendsSoManyASecondAndOnlyTheNewestOfWhatWaits) {
  settings_.notifies_per_second = 10;
  ScriptedPrimary primary, target;
  std::vector<ZoneSettings> zones;
  for (int i = 0; i < 9; ++i) {
    const std::string name = "z" + std::to_string(i) + ".test.";
    primary.serve({.name = name, .serial = 5});
    zones.push_back(zone(name, {peer(primary)}, {peer(target, "down")}));
  }
  primary.serve({.serial = 100});
  zones.push_back(zone("example.", {peer(primary)}, {peer(target, "down")}));
  start();
  const auto began = std::chrono::steady_clock::now();
  set_zones(zones);
  ASSERT_TRUE(eventually([&] { return target.notifies == 10; }));
  EXPECT_GE(std::chrono::steady_clock::now() - began, 700ms);
  for (std::uint32_t serial = 101; serial <= 110; ++serial) {
    primary.serve({.serial = serial});
    notify(serial);
    ASSERT_TRUE(waits_for(serial));
  }
  ASSERT_TRUE(eventually([&] { return target.notified_serials().back() == Serial{110}; }));
  EXPECT_LE(target.notifies, 10 + 6) << "of ten versions within a few tenths of a second";
}

TEST_F(NotifierTest, SignsWithTheTargetsKey) {
  auto key = std::make_shared<TsigKey>();
  key->name = *Name::parse("down.example.");
  key->secret = Bytes(32, 9);
  ScriptedPrimary primary, target;
  target.set_key(key);
  primary.serve({.serial = 5});
  start();
  set_zones({zone("example.", {peer(primary)}, {peer(target, "down", key)})});
  ASSERT_TRUE(eventually([&] { return target.notifies == 1; }));
  std::this_thread::sleep_for(500ms);
  EXPECT_EQ(target.notifies, 1) << "the signed acknowledgement counts";
}

TEST_F(NotifierTest, ComesFromTheSourceAddress) {
  ScriptedPrimary primary, target;
  primary.serve({.serial = 5});
  PeerSettings from = peer(target, "target");
  from.source = IpAddress::v4(127, 0, 0, 78);
  start();
  set_zones({zone("example.", {peer(primary)}, {from})});
  ASSERT_TRUE(eventually([&] { return target.notifies == 1; }));
  EXPECT_EQ(target.last_client(), IpAddress::v4(127, 0, 0, 78));
}

TEST_F(NotifierTest, ATargetThatIsGoneIsTriedAgain) {
  ScriptedPrimary primary, target;
  primary.serve({.serial = 5});
  target.stop();
  start();
  set_zones({zone("example.", {peer(primary)}, {peer(target, "down")})});
  ASSERT_TRUE(waits_for(5));
  std::this_thread::sleep_for(50ms);
  target.resume();
  EXPECT_TRUE(eventually([&] { return target.notifies >= 1; }));
}

TEST_F(NotifierTest, AnnouncesAfterARestart) {
  ScriptedPrimary primary, target;
  primary.serve({.serial = 5});
  const std::vector<ZoneSettings> zones{zone("example.", {peer(primary)}, {peer(target, "down")})};
  start();
  set_zones(zones);
  ASSERT_TRUE(eventually([&] { return target.notifies == 1; }));
  primary.stop();
  stop();
  start();
  set_zones(zones);
  EXPECT_TRUE(eventually([&] { return target.notifies == 2; })) << "the last announcement may have been lost";
}

/// Stands for an allocation that fails while a NOTIFY is signed.
class WallWithoutMemory final : public Clock {
 public:
  [[nodiscard]] std::int64_t wall_ms() const override { throw std::bad_alloc(); }
  [[nodiscard]] std::int64_t mono_ns() const override { return clock_.mono_ns(); }

 private:
  const SystemClock clock_;
};

TEST_F(NotifierTest, MemoryThatRunsOutIsAFailedTry) {
  ScriptedPrimary primary, target;
  primary.serve({.serial = 5});
  start();
  set_zones({zone("example.", {peer(primary)})});
  ASSERT_TRUE(waits_for(5));
  boost::asio::io_context io;
  const WallWithoutMemory clock;
  StatusBoard board;
  Notifier notifier(io, clock, board, {.notify_timeout = 10ms, .notify_tries = 2});
  const auto key = std::make_shared<const TsigKey>(
      TsigKey{*Name::parse("key."), TsigAlgorithm::hmac_sha256, Bytes(32, std::uint8_t{7})});
  const std::vector<PeerSettings> targets{peer(target, "target", key)};
  notifier.announce(targets, engine_->version(*Name::parse("example.")), true);
  io.run();
  Lock lock(board.mutex);
  EXPECT_EQ(board.counters.notifies_failed, 1U);
  EXPECT_TRUE(notifier.is_idle());
}

}  // namespace
}  // namespace understudy
