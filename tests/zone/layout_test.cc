#include "zone/layout.h"

#include <gtest/gtest.h>

#include <numeric>

#include "dns/rdata_table.h"
#include "zone/random_records.h"

namespace understudy {
namespace {

using namespace zone_fixture;

void fill(ZoneMemory& memory, std::size_t from, std::size_t to) {
  for (std::size_t i = from; i < to; ++i) memory.data()[i] = static_cast<std::uint8_t>(i * 7 + i / 251);
}
bool holds(const ZoneMemory& memory, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) {
    if (memory.data()[i] != static_cast<std::uint8_t>(i * 7 + i / 251)) return false;
  }
  return true;
}
bool is_zero(const ZoneMemory& memory, std::size_t from, std::size_t to) {
  return std::all_of(memory.data() + from, memory.data() + to, [](std::uint8_t octet) { return octet == 0; });
}

TEST(ZoneMemoryTest, GrowsFromHeapToPages) {
  std::size_t filled = 0;
  ZoneMemory memory = ZoneMemory::allocate(100);
  for (const std::size_t size : {std::size_t{100}, std::size_t{1000}, std::size_t{1} << 20, (std::size_t{1} << 20) + 1,
                                 std::size_t{5} << 20, std::size_t{9} << 20}) {
    memory.grow(size);
    ASSERT_GE(memory.capacity(), size);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory.data()) % 64, 0U);
    EXPECT_TRUE(holds(memory, filled)) << size;
    EXPECT_TRUE(is_zero(memory, filled, size)) << size;
    fill(memory, filled, size);
    filled = size;
  }
  const std::uint8_t* at = memory.data();
  memory.grow(std::size_t{64} << 20);
  EXPECT_EQ(memory.data(), at) << "pages do not move";
  memory.grow(10);
  EXPECT_GE(memory.capacity(), std::size_t{64} << 20) << "never smaller";
}

TEST(ZoneMemoryTest, Shrinks) {
  for (const std::size_t size : {std::size_t{10'000}, std::size_t{3} << 20}) {
    ZoneMemory memory = ZoneMemory::allocate(size);
    fill(memory, 0, size);
    memory.shrink(5000);
    EXPECT_GE(memory.capacity(), 5000U);
    EXPECT_LE(memory.capacity(), 8192U);
    EXPECT_TRUE(holds(memory, 5000));
    memory.shrink(100'000);
    EXPECT_TRUE(holds(memory, 5000)) << "shrinking to more does nothing";
    memory.shrink(0);
    memory.reset();
    EXPECT_EQ(memory.capacity(), 0U);
  }
}

TEST(ZoneMemoryTest, Moves) {
  ZoneMemory memory = ZoneMemory::allocate(100);
  fill(memory, 0, 100);
  ZoneMemory other = std::move(memory);
  EXPECT_EQ(memory.data(), nullptr);  // NOLINT(bugprone-use-after-move): it is empty
  EXPECT_TRUE(holds(other, 100));
  ZoneMemory large = ZoneMemory::allocate(2 << 20);
  large = std::move(other);
  EXPECT_TRUE(holds(large, 100));
  ZoneMemory& self = large;
  large = std::move(self);
  EXPECT_TRUE(holds(large, 100));
}

// Twice as much as there is would be more than the address space set aside; what is needed is not.
TEST(ZoneMemoryTest, ExtendsUpToTheReservation) {
  ZoneMemory memory = ZoneMemory::allocate(2 << 20);
  memory.extend(std::size_t{20} << 30);
  memory.extend(std::size_t{31} << 30);
  EXPECT_GE(memory.capacity(), std::size_t{31} << 30);
  EXPECT_THROW(memory.extend(std::size_t{1} << 60), std::bad_alloc);
}

TEST(ZoneMemoryTest, DiscardedOctetsAreZero) {
  for (const std::size_t size : {std::size_t{1000}, std::size_t{3} << 20}) {
    ZoneMemory memory = ZoneMemory::allocate(size);
    fill(memory, 0, size);
    memory.discard(500, size - 100);
    EXPECT_TRUE(is_zero(memory, 500, size - 100));
    ZoneMemory whole = ZoneMemory::allocate(size);
    fill(whole, 0, size);
    EXPECT_EQ(std::memcmp(memory.data(), whole.data(), 500), 0);
    EXPECT_FALSE(is_zero(whole, 500, size - 100));
  }
}

TEST(ZoneMemoryTest, MoreThanAReservation) {
  ZoneMemory memory = ZoneMemory::allocate(2 << 20);
  EXPECT_THROW(memory.grow(std::size_t{33} << 30), std::bad_alloc);
  EXPECT_GE(memory.capacity(), std::size_t{2} << 20);
}

TEST(LayoutTest, BucketsCoverTheRange) {
  for (const std::uint32_t count : {1U, 2U, 3U, 1000U, 0xffff'ffffU}) {
    EXPECT_EQ(bucket_index(0, count), 0U);
    EXPECT_EQ(bucket_index(~std::uint64_t{0}, count), count - 1);
  }
}

// The types whose names are compressed in chunks are those whose names may be compressed in messages (RFC 3597 s. 4).
TEST(LayoutTest, CompressedTypesAgreeWithTheTable) {
  for (const RdataLayout& layout : all_layouts()) {
    std::size_t names = 0, prefix = 0;
    bool before = true;
    for (const Field field : layout.fields()) {
      if (field == Field::name_compressible) {
        ++names;
        before = false;
      } else if (before && field == Field::u16) {
        prefix += 2;
      }
    }
    const CompressedLayout expected = compressed_layout(layout.type);
    EXPECT_EQ(expected.names, names) << type_text(layout.type);
    if (names != 0) {
      EXPECT_EQ(expected.prefix, prefix) << type_text(layout.type);
    }
  }
}

TEST(LayoutTest, ExpandsPointersIntoOwnerAndChunk) {
  const Name owner = name("www.example.");
  const std::size_t start = answer_offset(owner.size());
  // mail + pointer to "example." of the question; a + pointer to "mail" above
  Bytes records = {4, 'm', 'a', 'i', 'l', 0xc0, 16, 1, 'a', 0xc0, static_cast<std::uint8_t>(start), 0};
  std::uint8_t out[max_name_size];
  std::size_t after = 0;
  std::size_t size = expand_chunk_name(records.data(), 0, owner, out, &after);
  EXPECT_EQ(NameView::trusted({out, size}).text(), "mail.example.");
  EXPECT_EQ(after, 7U);
  size = expand_chunk_name(records.data(), 7, owner, out, &after);
  EXPECT_EQ(NameView::trusted({out, size}).text(), "a.mail.example.");
  EXPECT_EQ(after, 11U);
  size = expand_chunk_name(records.data(), 11, owner, out, &after);
  EXPECT_EQ(size, 1U) << "the root";
  EXPECT_EQ(after, 12U);
}

TEST(ZoneMemoryTest, MappedMemoryMayKeepRoomBehindIt) {
  constexpr std::size_t mib = std::size_t{1} << 20;
  ZoneMemory memory = ZoneMemory::allocate(4 * mib);
  ASSERT_TRUE(memory.is_mapped());
  std::uint8_t* const data = memory.data();
  std::memset(data, 0x55, 4 * mib);
  memory.shrink(mib + 1, 8 * mib);
  EXPECT_EQ(memory.data(), data);
  EXPECT_EQ(memory.room(), 8 * mib);
  EXPECT_EQ(memory.capacity(), mib + 4096);
  EXPECT_EQ(data[mib], 0x55);
  EXPECT_EQ(data[2 * mib], 0) << "what lay behind went back to the system";
  data[8 * mib - 1] = 1;
  memory.give_back(4096 + 1, 3 * 4096 - 1);
  EXPECT_EQ(data[2 * 4096 - 1], 0x55) << "no whole page lies in between";
  memory.give_back(4096, 3 * 4096);
  EXPECT_EQ(data[4096 - 1], 0x55);
  EXPECT_EQ(data[4096], 0);
  EXPECT_FALSE(ZoneMemory::allocate(1000).is_mapped());
  EXPECT_EQ(ZoneMemory::allocate(1000).room(), 1024U);
}

TEST(TablePagesTest, TheLastPageIsShorter) {
  EXPECT_EQ(table_pages(1), 1U);
  EXPECT_EQ(table_page_size(1, 0), 64U);
  EXPECT_EQ(table_pages(64), 1U);
  EXPECT_EQ(table_page_size(64, 0), 4096U);
  EXPECT_EQ(table_pages(65), 2U);
  EXPECT_EQ(table_page_size(65, 0), 4096U);
  EXPECT_EQ(table_page_size(65, 1), 64U);
}

}  // namespace
}  // namespace understudy
