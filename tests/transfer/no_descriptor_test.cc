// What happens to checks and NOTIFYs when the process has no file descriptor left.
#include <gmock/gmock.h>

#include "net/no_descriptors.h"
#include "transfer/fixture.h"

namespace understudy {
namespace {

using ::testing::HasSubstr;

class NoDescriptor : public EngineTest {
 protected:
  void SetUp() override {
#if __has_feature(undefined_behavior_sanitizer)
    GTEST_SKIP() << "that sanitizer opens pipes to look at objects and takes them for damaged if it cannot";
#endif
  }
  static std::string name(int i) { return "zone" + std::to_string(i) + ".example."; }
  template <typename F>
  bool for_all(F&& f) {
    return eventually([&] {
      for (int i = 0; i < count; ++i) {
        if (!f(*status(name(i)))) return false;
      }
      return true;
    });
  }
  static constexpr int count = 100;
};

TEST_F(NoDescriptor, ChecksFailAndTheZonesComeWhenThereAreSomeAgain) {
  ScriptedPrimary first, second;
  std::vector<ZoneSettings> zones;
  for (int i = 0; i < count; ++i) {
    second.serve({.name = name(i), .serial = 3});
    zones.push_back(zone(name(i), {peer(first, "first"), peer(second, "second")}));
  }
  start();
  {
    const NoDescriptors none;
    set_zones(std::move(zones));
    ASSERT_TRUE(for_all([](const ZoneStatus& zone) { return zone.failures > 0; }));
  }
  EXPECT_TRUE(for_all([](const ZoneStatus& zone) { return zone.serial == Serial{3}; }));
}

TEST_F(NoDescriptor, ReloadsAndStopsInBetween) {
  ScriptedPrimary first, second;
  std::vector<ZoneSettings> before, after;
  for (int i = 0; i < count; ++i) {
    before.push_back(zone(name(i), {peer(first), peer(second)}));
    after.push_back(zone(name(i), {peer(second), peer(first)}));
  }
  start();
  const NoDescriptors none;
  for (int i = 0; i < 10; ++i) {
    set_zones(before);
    set_zones(after);
  }
  engine_->stop();
  EXPECT_EQ(engine_->list(std::nullopt, count).size(), static_cast<std::size_t>(count));
}

TEST_F(NoDescriptor, NotifiesAreRepeated) {
  ScriptedPrimary primary, target;
  primary.serve({.serial = 1});
  start();
  set_zones({zone("example.", {peer(primary)})});
  ASSERT_TRUE(waits_for(1));
  {
    const NoDescriptors none;
    set_zones({zone("example.", {peer(primary)}, {peer(target)})});
  }
  primary.serve({.serial = 2});
  notify();
  EXPECT_TRUE(eventually([&] { return target.notifies > 0; }));
}

}  // namespace
}  // namespace understudy
