#include "zone/hash.h"

#include <gtest/gtest.h>

#include <set>

#include "zone/random_records.h"

namespace understudy {
namespace {

using namespace zone_fixture;

TEST(HashTest, LowersEveryOctet) {
  constexpr std::uint64_t ones = 0x0101'0101'0101'0101;
  for (unsigned octet = 0; octet < 256; ++octet) {
    const std::uint64_t lower = ascii_lower(static_cast<std::uint8_t>(octet));
    EXPECT_EQ(hash_detail::lower8(ones * octet), ones * lower) << octet;
    // beside octets that a carry could come from
    EXPECT_EQ(hash_detail::lower8(0x00ff'ff00'7f80'405bU | std::uint64_t{octet} << 32),
              0x00ff'ff00'7f80'405bU | lower << 32)
        << octet;
  }
}

TEST(HashTest, LoadsUpToEightOctets) {
  const std::uint8_t octets[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  for (std::size_t n = 1; n <= 8; ++n) {
    std::uint64_t expected = 0;
    for (std::size_t i = 0; i < n; ++i) expected |= std::uint64_t{octets[i]} << (8 * i);
    EXPECT_EQ(hash_detail::load8(octets, n), expected) << n;
  }
}

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
