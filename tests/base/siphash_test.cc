#include "base/siphash.h"

#include <gtest/gtest.h>

#include <numeric>

namespace understudy {
namespace {

// The example of the paper's appendix: key 00..0f, input 00..0e.
TEST(SipHashTest, PaperExample) {
  Bytes key(16), input(15);
  std::iota(key.begin(), key.end(), std::uint8_t{0});
  std::iota(input.begin(), input.end(), std::uint8_t{0});
  EXPECT_EQ(siphash_2_4(SipKey::from(key), input), 0xa129ca6149be45e5ULL);
}

// The first of the vectors that come with the authors' program: the empty input.
TEST(SipHashTest, EmptyInput) {
  Bytes key(16);
  std::iota(key.begin(), key.end(), std::uint8_t{0});
  EXPECT_EQ(siphash_2_4(SipKey::from(key), {}), 0x726fdb47dd0e0e31ULL);
}

TEST(SipHashTest, EveryOctetAndTheLengthCount) {
  const SipKey key{1, 2};
  for (std::size_t size = 0; size < 40; ++size) {
    Bytes input(size);
    const std::uint64_t plain = siphash_2_4(key, input);
    for (std::size_t i = 0; i < size; ++i) {
      input[i] = 1;
      EXPECT_NE(siphash_2_4(key, input), plain) << size << " " << i;
      input[i] = 0;
    }
    input.push_back(0);
    EXPECT_NE(siphash_2_4(key, input), plain) << size;
  }
  EXPECT_NE(siphash_2_4({1, 3}, {}), siphash_2_4(key, {}));
}

}  // namespace
}  // namespace understudy
