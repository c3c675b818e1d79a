#include "transfer/notifier.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "net/no_descriptors.h"
#include "transfer/fixture.h"
#include "zone/builder.h"

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

/// Many zones with a Notifier and its loop, on one thread.
class NotifierOfMany : public NotifierTest {
 protected:
  explicit NotifierOfMany(std::chrono::milliseconds timeout = 5s)
      : notifier_(io_, system_clock_, board_, {.notify_timeout = timeout, .notify_tries = 2}) {}

  class Announcing final : public Notifier::Announcer {
   public:
    Announcing(NotifierOfMany& all, std::shared_ptr<const Zone> version) : version(std::move(version)), all_(all) {}
    void announce_now(bool urgent) override {
      ++announced;
      all_.notifier_.announce(all_.targets_, version, urgent);
      all_.most_pending_ = std::max(all_.most_pending_, all_.notifier_.pending());
      all_.most_pending_to_silent_ = std::max(all_.most_pending_to_silent_, all_.notifier_.pending_to_silent());
    }
    std::shared_ptr<const Zone> version;
    int announced = 0;

   private:
    NotifierOfMany& all_;
  };

  static std::shared_ptr<const Zone> version(const std::string& name, std::uint32_t serial) {
    const std::vector<Record> records = zone_records({.name = name, .serial = serial, .hosts = 0});
    ZoneBuilder builder(*Name::parse(name));
    for (const Record& r : records) EXPECT_TRUE(builder.add(r.owner, r.type, r.ttl, r.rdata));
    return *builder.finish();
  }
  void add_zones(int count) {
    for (int i = 0; i < count; ++i) {
      zones_.push_back(std::make_shared<Announcing>(*this, version("z" + std::to_string(i) + ".", 1)));
    }
  }
  void announce(const std::shared_ptr<Announcing>& zone, bool urgent) {
    notifier_.announce_in_turn(zone, zone->version->apex(), urgent);
  }

  boost::asio::io_context io_;
  StatusBoard board_;
  Notifier notifier_;
  std::vector<PeerSettings> targets_;
  std::vector<std::shared_ptr<Announcing>> zones_;
  std::size_t most_pending_ = 0, most_pending_to_silent_ = 0;
};

TEST_F(NotifierOfMany, OnlySomeArePendingAtATime) {
  ScriptedPrimary target;
  targets_ = {peer(target, "target")};
  add_zones(3000);
  for (const auto& zone : zones_) announce(zone, false);
  EXPECT_LE(notifier_.pending(), 512U);
  // One that stands far behind has a newer version, and another one as well: one announcement each, of the newest.
  zones_.back()->version = version("z2999.", 2);
  announce(zones_.back(), true);
  zones_.back()->version = version("z2999.", 3);
  announce(zones_.back(), true);
  io_.run();
  EXPECT_LE(most_pending_, 512U);
  EXPECT_EQ(target.notifies, 3000);
  EXPECT_TRUE(std::ranges::all_of(zones_, [](const auto& zone) { return zone->announced == 1; }));
  const std::vector<Serial> serials = target.notified_serials();
  const auto changed = std::ranges::find(serials, Serial{3});
  ASSERT_NE(changed, serials.end());
  EXPECT_LT(changed - serials.begin(), 1500) << "changes go before what is only repeated";
  EXPECT_EQ(notifier_.pending(), 0U);
}

// Long enough for a target that is only slow, as under a sanitizer.
class NotifierOfManyToTheSilent : public NotifierOfMany {
 protected:
  NotifierOfManyToTheSilent() : NotifierOfMany(400ms) {}
};

TEST_F(NotifierOfManyToTheSilent, ATargetThatIsSilentHoldsUpNoOther) {
  ScriptedPrimary silent, target;
  silent.acknowledge = false;
  targets_ = {peer(silent, "silent"), peer(target, "target")};
  add_zones(3000);
  ::testing::internal::CaptureStderr();
  for (const auto& zone : zones_) announce(zone, false);
  io_.run();
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(target.notifies, 3000);
  EXPECT_LE(silent.notifies, 2 * (512 + 64));
  EXPECT_THAT(log, ::testing::HasSubstr("silent"));
  // A change is worth a try all the same, and shows that it is there again.
  silent.acknowledge = true;
  announce(zones_.front(), true);
  io_.restart();
  const int before = silent.notifies;
  io_.run();
  EXPECT_EQ(silent.notifies, before + 1);
}

TEST_F(NotifierOfManyToTheSilent, ChangesThatWaitForItAreBounded) {
  ScriptedPrimary silent, target;
  silent.acknowledge = false;
  targets_ = {peer(silent, "silent"), peer(target, "target")};
  add_zones(3000);
  ::testing::internal::CaptureStderr();
  for (const auto& zone : zones_) announce(zone, true);
  io_.run();
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(target.notifies, 3000) << "the other one is told of all";
  EXPECT_LE(most_pending_to_silent_, 512U);
  const std::size_t said = log.find("too many changes wait");
  EXPECT_NE(said, std::string::npos);
  EXPECT_EQ(log.find("too many changes wait", said + 1), std::string::npos) << "once";
  EXPECT_EQ(notifier_.pending_to_silent(), 0U);
  Lock lock(board_.mutex);
  EXPECT_EQ(board_.counters.notifies_failed, 3000U) << "given up or left out, each is counted";
}

// Where nobody listens, which is known at once.
class NotifierOfManyToNobody : public NotifierOfMany {
 protected:
  NotifierOfManyToNobody() : NotifierOfMany(20ms) {}
};

TEST_F(NotifierOfManyToNobody, ChangesForAllThatAreSilentAreBoundedTogether) {
  for (std::uint8_t i = 0; i < 12; ++i) {
    targets_.push_back({"silent" + std::to_string(i), {IpAddress::v4(127, 0, 1, i), 9}, nullptr});
  }
  add_zones(1500);
  for (const auto& zone : zones_) announce(zone, true);
  io_.run();
  EXPECT_LE(most_pending_to_silent_, 4096U + 12 * 64);
  EXPECT_GE(most_pending_to_silent_, 4096U);
}

TEST_F(NotifierOfManyToNobody, ALackOfDescriptorsIsNotTheTargetsSilence) {
#if __has_feature(undefined_behavior_sanitizer)
  GTEST_SKIP() << "that sanitizer opens pipes to look at objects and takes them for damaged if it cannot";
#endif
  ScriptedPrimary target;
  targets_ = {peer(target, "target")};
  add_zones(200);
  ::testing::internal::CaptureStderr();
  {
    const NoDescriptors none;
    for (const auto& zone : zones_) announce(zone, true);
    io_.run();
  }
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, ::testing::HasSubstr("descriptor"));
  EXPECT_THAT(log, ::testing::Not(::testing::HasSubstr("acknowledges no NOTIFY")));
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
