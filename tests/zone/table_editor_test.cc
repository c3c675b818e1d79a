#include "zone/table_editor.h"

#include <gtest/gtest.h>

#include <set>

#include "zone/delta_fixture.h"

namespace understudy {
namespace {

using namespace zone_fixture;

// References in the table whose list of pages is at `list`.
std::multiset<std::uint32_t> refs_of(const ArenaUpdate& update, std::uint32_t list, std::uint32_t bucket_count) {
  std::multiset<std::uint32_t> out;
  const auto* pages = reinterpret_cast<const std::uint32_t*>(update.at(list));
  for (std::uint32_t i = 0; i < bucket_count; ++i) {
    const auto* page = reinterpret_cast<const NodeBucket*>(update.at(pages[i >> buckets_in_page_log2]));
    const NodeBucket& bucket = page[i & (buckets_in_page - 1)];
    out.insert(bucket.refs, bucket.refs + bucket.count);
  }
  return out;
}

std::shared_ptr<const Zone> zone_of(unsigned names) {
  std::string text;
  for (unsigned i = 0; i < names; ++i) text += "h" + std::to_string(i) + " 60 A 192.0.2.1\n";
  return shared_zone(text);
}

std::multiset<std::uint32_t> refs_of(const Zone& zone) {
  std::multiset<std::uint32_t> out;
  zone.for_each_node(nullptr, [&](const Node& node) { out.insert(zone.ref_of(&node)); });
  return out;
}

constexpr std::uint64_t no_limit = ~std::uint64_t{0};

TEST(TableEditorTest, ChangesACopy) {
  const auto base = zone_of(2000);
  const auto before = refs_of(*base);
  ArenaUpdate update(*base->shared(), no_limit);
  TableEditor table(*base, update);
  const Name gone = name("h5.example."), moved = name("h6.example.");
  const std::uint32_t gone_ref = base->ref_of(base->find(HashedName(gone)));
  const std::uint32_t moved_ref = base->ref_of(base->find(HashedName(moved)));
  ASSERT_TRUE(table.remove(name_hash(gone), gone_ref));
  ASSERT_TRUE(table.replace(name_hash(moved), moved_ref, 77));
  ASSERT_TRUE(table.insert(name_hash(name("new.example.")), 78));
  const std::uint32_t list = table.finish();
  ASSERT_NE(list, 0U);
  auto expected = before;
  expected.erase(gone_ref);
  expected.erase(moved_ref);
  expected.insert({77, 78});
  EXPECT_EQ(refs_of(update, list, table.bucket_count()), expected);
  EXPECT_EQ(refs_of(*base), before);
}

TEST(TableEditorTest, FullBucketsOverflow) {
  const auto base = zone_of(3);
  ArenaUpdate update(*base->shared(), no_limit);
  TableEditor table(*base, update);
  ASSERT_TRUE(table.make_room(40));
  EXPECT_GT(table.bucket_count(), 2U);
  auto expected = refs_of(*base);
  for (std::uint32_t ref = 1000; ref < 1030; ++ref) {
    ASSERT_TRUE(table.insert(0, ref));  // all into the first bucket
    expected.insert(ref);
  }
  for (std::uint32_t ref = 1029; ref >= 1000; ref -= 2) {
    ASSERT_TRUE(table.replace(0, ref, ref + 5000));
    ASSERT_TRUE(table.remove(0, ref - 1));
    expected.erase(ref);
    expected.erase(ref - 1);
    expected.insert(ref + 5000);
  }
  EXPECT_EQ(refs_of(update, table.finish(), table.bucket_count()), expected);
}

TEST(TableEditorTest, WithoutRoomItSaysSo) {
  const auto base = zone_of(2000);
  ArenaUpdate update(*base->shared(), 64);
  TableEditor table(*base, update);
  EXPECT_FALSE(table.insert(1, 77));
  EXPECT_EQ(TableEditor(*base, update).finish(), 0U);
  EXPECT_FALSE(TableEditor(*base, update).make_room(1'000'000));
}

}  // namespace
}  // namespace understudy
