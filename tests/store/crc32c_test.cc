#include "store/crc32c.h"

#include <gtest/gtest.h>

namespace understudy {
namespace {

// RFC 3720 appendix B.4; the RFC prints the checksums in the order of their octets on the wire.
TEST(Crc32c, GivesTheValuesOfTheRfc) {
  const Bytes zeros(32, 0), ones(32, 0xff);
  Bytes up, down;
  for (std::uint8_t i = 0; i < 32; ++i) {
    up.push_back(i);
    down.push_back(static_cast<std::uint8_t>(31 - i));
  }
  for (const auto sum : {crc32c, crc32c_portable}) {
    EXPECT_EQ(sum(0, zeros), 0x8a91'36aaU);
    EXPECT_EQ(sum(0, ones), 0x62a8'ab43U);
    EXPECT_EQ(sum(0, up), 0x46dd'794eU);
    EXPECT_EQ(sum(0, down), 0x113f'db5cU);
    EXPECT_EQ(sum(0, {}), 0U);
  }
}

TEST(Crc32c, IsTheSameInPartsAndWithoutTheInstruction) {
  Bytes octets;
  for (int i = 0; i < 300; ++i) octets.push_back(static_cast<std::uint8_t>(i * 37 + i / 7));
  for (std::size_t size = 0; size < octets.size(); size += 13) {
    const ByteView all = ByteView(octets).first(size);
    const std::uint32_t whole = crc32c(0, all);
    EXPECT_EQ(crc32c_portable(0, all), whole);
    for (std::size_t cut = 0; cut <= size; cut += 5) {
      EXPECT_EQ(crc32c(crc32c(0, all.first(cut)), all.subspan(cut)), whole);
    }
  }
}

}  // namespace
}  // namespace understudy
