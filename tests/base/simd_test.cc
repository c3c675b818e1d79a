#include "base/simd.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <vector>

namespace understudy {
namespace {

std::uint8_t lower(std::uint8_t octet) {
  return octet >= 'A' && octet <= 'Z' ? static_cast<std::uint8_t>(octet + 32) : octet;
}

TEST(SimdTest, BothTwinsFindTheSameOctets) {
  std::mt19937 random(1);
  std::array<std::uint8_t, 16 + 3> octets;  // at any alignment
  for (int round = 0; round < 20'000; ++round) {
    for (auto& octet : octets) octet = static_cast<std::uint8_t>(random() % (round % 2 == 0 ? 4 : 256) + 253);
    const std::uint8_t* at = octets.data() + round % 4;
    const std::uint8_t wanted = at[random() % 16];
    std::uint32_t expected = 0;
    for (unsigned i = 0; i < 16; ++i) {
      if (at[i] == wanted) expected |= 1U << i;
    }
    ASSERT_EQ(matching_octets16(at, wanted), expected);
    ASSERT_EQ(portable::matching_octets16(at, wanted), expected);
  }
}

TEST(SimdTest, WordsHoldTheirOctetsInOrder) {
  const std::vector<std::uint8_t> octets = {1, 2, 3, 4, 5, 6, 7, 8};
  EXPECT_EQ(load_word(octets.data()), 0x0807'0605'0403'0201U);
  for (std::size_t size = 0; size < 8; ++size) {
    // Exactly as long as it says, so that a sanitizer sees what is read beyond.
    const std::vector<std::uint8_t> some(octets.begin(), octets.begin() + static_cast<long>(size));
    std::uint64_t expected = 0;
    for (std::size_t i = 0; i < size; ++i) expected |= std::uint64_t{some[i]} << 8 * i;
    EXPECT_EQ(load_short_word(some.data(), size), expected) << size;
  }
}

TEST(SimdTest, OctetsBelowABound) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 20'000; ++round) {
    // Few small octets, so that there is often none, and often one just at the bound.
    std::uint64_t word = random() | 0x0404'0404'0404'0404;
    if (round % 3 == 0) word ^= (random() % 8) << 8 * (random() % 8);
    for (const unsigned bound : {1U, 2U, 4U, 5U, 128U}) {
      bool expected = false;
      for (unsigned i = 0; i < 8; ++i) expected |= (word >> 8 * i & 255) < bound;
      ASSERT_EQ(has_octet_below(word, static_cast<std::uint8_t>(bound)), expected) << std::hex << word << " " << bound;
    }
  }
}

TEST(SimdTest, LettersAloneBecomeLower) {
  for (unsigned octet = 0; octet < 256; ++octet) {
    for (unsigned place = 0; place < 8; ++place) {
      const std::uint64_t around = 0x4041'5a5b'c0ff'00daU & ~(std::uint64_t{255} << 8 * place);
      const std::uint64_t word = lower_word(around | std::uint64_t{octet} << 8 * place);
      EXPECT_EQ(word >> 8 * place & 255, lower(static_cast<std::uint8_t>(octet)));
      for (unsigned other = 0; other < 8; ++other) {
        if (other == place) continue;
        EXPECT_EQ(word >> 8 * other & 255, lower(static_cast<std::uint8_t>(around >> 8 * other)));
      }
    }
  }
}

TEST(SimdTest, EqualWithoutCase) {
  std::mt19937 random(2);
  for (std::size_t size = 0; size < 40; ++size) {
    for (int round = 0; round < 200; ++round) {
      std::vector<std::uint8_t> a(size);
      for (auto& octet : a) octet = static_cast<std::uint8_t>(random());
      std::vector<std::uint8_t> b = a;
      for (auto& octet : b) {
        if (random() % 2 == 0) octet = lower(octet);
      }
      EXPECT_TRUE(equal_without_case(a.data(), b.data(), size));
      if (size == 0) continue;
      const std::size_t at = random() % size;
      b[at] = static_cast<std::uint8_t>(b[at] ^ (1 + random() % 255));
      EXPECT_EQ(equal_without_case(a.data(), b.data(), size), lower(a[at]) == lower(b[at]));
    }
  }
}

}  // namespace
}  // namespace understudy
