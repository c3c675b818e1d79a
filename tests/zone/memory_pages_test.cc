#include "zone/memory_pages.h"

#include <gtest/gtest.h>

#include <cstring>

#include "zone/layout.h"

namespace understudy {
namespace {

TEST(MemoryPagesTest, TheChosenModeIsInBrackets) {
  EXPECT_EQ(huge_page_mode("always [madvise] never\n"), "madvise");
  EXPECT_EQ(huge_page_mode("[always] madvise never"), "always");
  EXPECT_EQ(huge_page_mode("always madvise [never]"), "never");
  EXPECT_EQ(huge_page_mode(""), "");
  EXPECT_EQ(huge_page_mode("always [madvise"), "");
}

TEST(MemoryPagesTest, LargeZonesLieOnLargePages) {
  const std::string mode = huge_page_mode();
  if (mode != "always" && mode != "madvise") GTEST_SKIP() << "this system gives no pages of 2 MiB";
  const ZoneMemory memory = ZoneMemory::allocate(std::size_t{64} << 20);
  std::memset(memory.data(), 1, memory.capacity());
  // The system may be short of large pages; a part of them must have come.
  EXPECT_GE(huge_page_octets(), std::uint64_t{2} << 20);
}

}  // namespace
}  // namespace understudy
