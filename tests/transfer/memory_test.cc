// What a zone at rest costs.
#include <gtest/gtest.h>
#include <malloc.h>

#include <cstdio>

#include "transfer/fixture.h"

namespace understudy {
namespace {

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define UNDERSTUDY_COUNTS_OTHERWISE
#endif
#endif

using Memory = EngineTest;

TEST_F(Memory, AZoneAtRestTakesAboutOneKibibyte) {
#ifdef UNDERSTUDY_COUNTS_OTHERWISE
  GTEST_SKIP() << "a sanitizer has its own memory";
#else
  constexpr std::size_t count = 20'000;
  start();
  std::vector<ZoneSettings> zones;
  const ZoneSettings one = zone("example.", {});
  for (std::size_t i = 0; i < count; ++i) {
    ZoneSettings next = one;
    next.name = *Name::parse("customer-zone-" + std::to_string(i) + ".example.");
    next.produced = true;  // nobody is asked for it
    zones.push_back(std::move(next));
  }
  const std::size_t before = ::mallinfo2().uordblks;
  set_zones(zones);
  qsbr_drain();
  const std::size_t each = (::mallinfo2().uordblks - before) / count;
  RecordProperty("octets", static_cast<int>(each));
  std::printf("%zu octets a zone: its agent, slot, place in the table and in the directory\n", each);
  EXPECT_LT(each, 1100U);
#endif
}

}  // namespace
}  // namespace understudy
