#include "dns/serial.h"

#include <gtest/gtest.h>

#include <random>

namespace understudy {
namespace {

TEST(Serial, Rfc1982Examples) {
  struct Case {
    std::uint32_t a, b;
    bool newer, older;
  };
  const Case cases[] = {
      {1, 0, true, false},
      {0, 1, false, true},
      {44, 0, true, false},
      {0, 0, false, false},
      {0xffff'ffff, 0xffff'ffff, false, false},
      {0, 0xffff'ffff, true, false},  // wraps
      {0xffff'ffff, 0, false, true},
      {0x7fff'ffff, 0, true, false},   // as far ahead as can be
      {0x8000'0000, 0, false, false},  // neither (section 3.2)
      {0, 0x8000'0000, false, false},
      {0x8000'0001, 0, false, true},
      {2026010100, 2025123199, true, false},
      {0x8000'0000 + 10, 10, false, false},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(Serial{c.a}.is_newer_than(Serial{c.b}), c.newer) << c.a << " " << c.b;
    EXPECT_EQ(Serial{c.a}.is_older_than(Serial{c.b}), c.older) << c.a << " " << c.b;
  }
}

TEST(Serial, AddingUpToHalfTheRingIsNewer) {
  std::mt19937 random(1);
  std::uniform_int_distribution<std::uint32_t> any;
  std::uniform_int_distribution<std::uint32_t> step(1, 0x7fff'ffff);
  for (int i = 0; i < 100'000; ++i) {
    const Serial before{any(random)};
    const Serial after{before.value + step(random)};
    ASSERT_TRUE(after.is_newer_than(before));
    ASSERT_TRUE(before.is_older_than(after));
    ASSERT_FALSE(before.is_newer_than(after));
    ASSERT_FALSE(before == after);
  }
}

}  // namespace
}  // namespace understudy
