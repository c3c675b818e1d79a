#include "transfer/directory.h"

#include <gtest/gtest.h>

#include "transfer/fixture.h"

namespace understudy {
namespace {

using DirectoryTest = EngineTest;

TEST_F(DirectoryTest, FindsByNameWithoutCaseAndListsInCanonicalOrder) {
  ScriptedPrimary primary;
  std::vector<ZoneSettings> zones;
  for (const char* name : {"z.example.", "example.", "a.example.", "yljkjljk.a.example.", "b.test."}) {
    zones.push_back(zone(name, {peer(primary)}));
  }
  zones.push_back(zone("EXAMPLE.", {peer(primary)}));
  start();
  set_zones(zones);
  std::vector<std::string> names;
  for (const ZoneStatus& each : engine_->list(std::nullopt, 100)) names.push_back(each.name.text());
  EXPECT_EQ(names.size(), 5U) << "each name once";
  // RFC 4034 section 6.1: a name before those below it, and by labels from the right.
  EXPECT_EQ(names[1], "a.example.");
  EXPECT_EQ(names[2], "yljkjljk.a.example.");
  EXPECT_EQ(names[3], "z.example.");
  EXPECT_EQ(names[4], "b.test.");
  EXPECT_TRUE(engine_->status(*Name::parse("Z.Example.")));
  EXPECT_FALSE(engine_->status(*Name::parse("y.example.")));
  EXPECT_EQ(engine_->list(*Name::parse("b.example."), 100).front().name.text(), "z.example.");
  EXPECT_TRUE(engine_->list(*Name::parse("zz."), 100).empty());
}

}  // namespace
}  // namespace understudy
