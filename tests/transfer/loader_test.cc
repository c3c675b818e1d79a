#include "transfer/loader.h"

#include <gmock/gmock.h>

#include <fstream>

#include "transfer/fixture.h"

namespace understudy {
namespace {

using LoaderTest = EngineTest;

TEST_F(LoaderTest, StoredZonesFilesAndEmptyOnesAreAllReadBeforeItIsDone) {
  ScriptedPrimary primary;
  std::vector<ZoneSettings> zones;
  for (int i = 0; i < 100; ++i) {
    const std::string name = "z" + std::to_string(i) + ".";
    primary.serve({.name = name, .serial = 4});
    zones.push_back(zone(name, {peer(primary)}));
  }
  start();
  set_zones(zones);
  ASSERT_TRUE(eventually([&] { return engine_->counters().transfers_ok == 100; }));
  primary.stop();
  stop();

  std::ofstream(folder_ / "file.zone") << zone_file_text({.name = "file.", .serial = 9});
  zones.push_back(file_zone("file.", "file.zone"));
  zones.push_back(file_zone("absent.", "absent.zone"));
  zones.push_back(zone("new.", {peer(primary)}));
  start();
  set_zones(zones);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(served("z" + std::to_string(i) + "."), 4U);
  EXPECT_EQ(served("file."), 9U);
  EXPECT_EQ(status("absent.")->state, ZoneState::empty);
  EXPECT_THAT(status("absent.")->last_error, ::testing::HasSubstr("absent.zone"));
  EXPECT_EQ(status("new.")->state, ZoneState::empty);
  EXPECT_EQ(engine_->counters().zones_by_state[static_cast<std::size_t>(ZoneState::loading)], 0U);
}

TEST_F(LoaderTest, ALargeZoneAmongManySmallOnesIsReadToo) {
  ScriptedPrimary primary;
  std::vector<ZoneSettings> zones;
  for (int i = 0; i < 600; ++i) {
    const std::string name = "z" + std::to_string(i) + ".";
    primary.serve({.name = name, .serial = 4, .hosts = i == 300 ? 40'000U : 1U});
    zones.push_back(zone(name, {peer(primary)}));
  }
  start();
  set_zones(zones);
  ASSERT_TRUE(eventually([&] { return engine_->counters().transfers_ok == 600; }));
  primary.stop();
  stop();

  start();
  set_zones(zones);
  for (int i = 0; i < 600; ++i) EXPECT_EQ(served("z" + std::to_string(i) + "."), 4U);
  EXPECT_EQ(engine_->counters().zones_by_state[static_cast<std::size_t>(ZoneState::ok)], 600U);
}

TEST_F(LoaderTest, OnlyLargeZonesAreDoneOnce) {
  ScriptedPrimary primary;
  std::vector<ZoneSettings> zones;
  for (const std::string name : {"a.", "b.", "c."}) {
    primary.serve({.name = name, .serial = 4, .hosts = 40'000U});
    zones.push_back(zone(name, {peer(primary)}));
  }
  start();
  set_zones(zones);
  ASSERT_TRUE(eventually([&] { return engine_->counters().transfers_ok == 3; }));
  primary.stop();
  stop();

  start();
  std::atomic<int> times = 0;
  engine_->set_zones(zones, false, [&] { ++times; });
  ASSERT_TRUE(eventually([&] { return times != 0; }));
  for (const char* name : {"a.", "b.", "c."}) EXPECT_EQ(served(name), 4U);
  EXPECT_TRUE(eventually([&] { return engine_->all_loaded(); }));
  stop();  // after all that still was to be handed over
  EXPECT_EQ(times, 1);
}

TEST_F(LoaderTest, NoZonesAreLoadedAtOnce) {
  start();
  set_zones({});
  EXPECT_TRUE(engine_->all_loaded());
  EXPECT_EQ(engine_->table()->size(), 0U);
}

}  // namespace
}  // namespace understudy
