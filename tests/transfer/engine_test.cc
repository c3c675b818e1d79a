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
  EXPECT_EQ(store_->load(*Name::parse("example."))->get()->serial(), Serial{5});

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

}  // namespace
}  // namespace understudy
