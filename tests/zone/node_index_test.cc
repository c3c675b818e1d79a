#include "zone/node_index.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace understudy {
namespace {

std::uint32_t find(const NodeIndex& index, std::uint64_t hash, std::uint32_t wanted) {
  return index.find(hash, [&](std::uint32_t ref) { return ref == wanted; });
}

TEST(NodeIndexTest, FindsWhatWasInserted) {
  std::mt19937_64 random(1);
  constexpr std::uint32_t count = 10'000;
  NodeIndex index(count);
  std::vector<std::uint64_t> hashes(count + 1);
  for (std::uint32_t ref = 1; ref <= count; ++ref) index.insert(hashes[ref] = random(), ref);
  EXPECT_EQ(index.size(), count);
  for (std::uint32_t ref = 1; ref <= count; ++ref) ASSERT_EQ(find(index, hashes[ref], ref), ref);
  EXPECT_EQ(find(index, hashes[1], count + 1), 0U);
}

// All in one bucket, with one tag: the others overflow into the next ones, around the end.
TEST(NodeIndexTest, CollisionsOverflow) {
  for (const std::uint64_t high : {std::uint64_t{0}, std::uint64_t{0xffff'ffff}, std::uint64_t{0x8000'0000}}) {
    NodeIndex index(900);
    ASSERT_EQ(index.bucket_count(), 100U);
    const std::uint64_t hash = high << 32 | 0x42;
    for (std::uint32_t ref = 1; ref <= 200; ++ref) index.insert(hash, ref);
    for (std::uint32_t ref = 1; ref <= 200; ++ref) ASSERT_EQ(find(index, hash, ref), ref);
    EXPECT_EQ(find(index, hash, 201), 0U) << "the search ends at the first bucket without overflow";
    // Names that belong to a bucket that others have filled.
    const std::uint64_t next = hash + (std::uint64_t{0x1'0000'0000} / 100 << 32);
    index.insert(next, 300);
    EXPECT_EQ(find(index, next, 300), 300U);
    EXPECT_EQ(find(index, hash, 150), 150U);
  }
}

TEST(NodeIndexTest, ReplacesOneOfMany) {
  NodeIndex index(900);
  const std::uint64_t hash = 0x1234'5678'0000'0001;
  for (std::uint32_t ref = 1; ref <= 50; ++ref) index.insert(hash, ref);
  index.replace(hash, 37, 1000);
  EXPECT_EQ(find(index, hash, 1000), 1000U);
  EXPECT_EQ(find(index, hash, 37), 0U);
  EXPECT_EQ(find(index, hash, 36), 36U);
  EXPECT_EQ(index.size(), 50U);
}

TEST(NodeIndexTest, SmallTables) {
  for (const std::uint64_t names : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{12}}) {
    NodeIndex index(names);
    EXPECT_EQ(index.bucket_count(), 1U);
    for (std::uint32_t ref = 1; ref <= 10; ++ref) {
      EXPECT_FALSE(index.is_full());
      index.insert(ref * 0x9e37'79b9'7f4a'7c15U, ref);
    }
    EXPECT_TRUE(index.is_full());
    for (std::uint32_t ref = 1; ref <= 10; ++ref) EXPECT_EQ(find(index, ref * 0x9e37'79b9'7f4a'7c15U, ref), ref);
  }
}

TEST(NodeIndexTest, KnowsWhetherItsSizeIsRight) {
  NodeIndex large(10'000);
  for (std::uint32_t ref = 1; ref <= 100; ++ref) large.insert(std::uint64_t{ref} << 33, ref);
  EXPECT_FALSE(large.is_well_sized());
  NodeIndex right(100);
  for (std::uint32_t ref = 1; ref <= 100; ++ref) right.insert(std::uint64_t{ref} << 25 << 32, ref);
  EXPECT_TRUE(right.is_well_sized());
  EXPECT_NE(right.data(), nullptr);
}

}  // namespace
}  // namespace understudy
