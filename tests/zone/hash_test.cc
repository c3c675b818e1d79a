#include "zone/hash.h"

#include <gtest/gtest.h>

#include <set>

#include "zone/random_records.h"

namespace understudy {
namespace {

using namespace zone_fixture;

TEST(HashTest, CaseDoesNotMatterAndEverythingElseDoes) {
  RandomRecords random(5);
  for (int i = 0; i < 3000; ++i) {
    const Name at = random.name_below(name("example."), 6);
    EXPECT_EQ(name_hash(at), name_hash(random.other_case(at)));
    EXPECT_EQ(name_hash(at), HashedName(at).hashes[0]);
    const Name other = random.name_below(name("example."), 6);
    EXPECT_EQ(name_hash(at) == name_hash(other), at == other) << at.text() << " " << other.text();
  }
}

TEST(HashTest, SuffixesHaveTheirOwnHashes) {
  const Name whole = name("a.bb.ccc.a-label-of-more-than-eight-octets.example.");
  const HashedName hashed(whole);
  ASSERT_EQ(hashed.labels, 5);
  for (std::size_t i = 0; i <= 5; ++i) {
    EXPECT_EQ(hashed.hashes[i], name_hash(hashed.suffix(i)));
    EXPECT_EQ(hashed.suffix(i).label_count(), 5 - i);
  }
  EXPECT_EQ(hashed.hashes[5], root_hash());
}

// Label boundaries, lengths and padding octets count.
TEST(HashTest, NamesThatLookAlike) {
  std::set<std::uint64_t> seen;
  for (const char* text : {"ab.c.", "a.bc.", "abc.", "a.b.c.", "abc\\000.", "ab\\000c.", "\\000abc.", "abc\\000\\000.",
                           "abcdefgh.", "abcdefgh\\000.", "abcdefg.h.", "a.", "a.a.", "a.a.a.", "."}) {
    EXPECT_TRUE(seen.insert(name_hash(name(text))).second) << text;
  }
}

TEST(HashTest, SpreadsCountedNames) {
  std::set<std::uint32_t> buckets;
  for (int i = 0; i < 1000; ++i) {
    buckets.insert(static_cast<std::uint32_t>(name_hash(name("host" + std::to_string(i) + ".example.")) >> 32) /
                   4'294'968);
  }
  EXPECT_GT(buckets.size(), 550U) << "1000 names in 1000 places: 632 are hit by chance";
}

}  // namespace
}  // namespace understudy
