#include "base/clock.h"

#include <gtest/gtest.h>

#include <ctime>

namespace understudy {
namespace {

TEST(ManualClock, MovesOnlyWhenTold) {
  ManualClock clock(1'000);
  EXPECT_EQ(clock.wall_ms(), 1'000'000);
  EXPECT_EQ(clock.wall_seconds(), 1'000);
  EXPECT_EQ(clock.mono_ns(), 0);
  clock.advance_ms(1'500);
  EXPECT_EQ(clock.wall_ms(), 1'001'500);
  EXPECT_EQ(clock.wall_seconds(), 1'001);
  EXPECT_EQ(clock.mono_ns(), 1'500'000'000);
}

TEST(ManualClock, AJumpOfWallTimeLeavesMonotonicTime) {
  ManualClock clock(1'000);
  clock.jump_wall_seconds(-500);
  EXPECT_EQ(clock.wall_seconds(), 500);
  EXPECT_EQ(clock.mono_ns(), 0);
}

TEST(JumpWatch, TellsEachJumpOnceAndNoSlowDrift) {
  ManualClock clock(1'000'000);
  JumpWatch watch(clock);
  clock.advance_ms(5'000'000);
  EXPECT_EQ(watch.take(), 0);
  clock.jump_wall_seconds(1);
  EXPECT_EQ(watch.take(), 0) << "small steps are of no interest";
  clock.jump_wall_seconds(-3601);
  EXPECT_NEAR(watch.take(), -3600, 0.01);
  EXPECT_EQ(watch.take(), 0);
  clock.jump_wall_seconds(1);
  clock.jump_wall_seconds(1);
  EXPECT_NEAR(watch.take(), 2, 0.01);
}

TEST(SystemClock, IsTheMachines) {
  const SystemClock clock;
  const auto before = static_cast<WallSeconds>(std::time(nullptr));
  const WallSeconds now = clock.wall_seconds();
  EXPECT_GE(now, before - 1);
  EXPECT_LE(now, before + 60);
  std::int64_t last = clock.mono_ns();
  for (int i = 0; i < 1'000; ++i) {
    const std::int64_t next = clock.mono_ns();
    ASSERT_GE(next, last);
    last = next;
  }
  timespec since_boot{};  // time in suspension included
  ASSERT_EQ(clock_gettime(CLOCK_BOOTTIME, &since_boot), 0);
  EXPECT_NEAR(static_cast<double>(last) / 1e9, static_cast<double>(since_boot.tv_sec), 2);
}

}  // namespace
}  // namespace understudy
