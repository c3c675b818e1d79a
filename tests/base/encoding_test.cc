#include "base/encoding.h"

#include <gtest/gtest.h>

#include <random>

namespace understudy {
namespace {

std::string text(const std::optional<Bytes>& bytes) {
  return bytes ? std::string(text_of(*bytes)) : "(refused)";
}

// RFC 4648 section 10; base32hex without its padding.
struct Vector {
  std::string_view plain, base64, base32hex, hex;
};
constexpr Vector vectors[] = {
    {"", "", "", ""},
    {"f", "Zg==", "co", "66"},
    {"fo", "Zm8=", "cpng", "666f"},
    {"foo", "Zm9v", "cpnmu", "666f6f"},
    {"foob", "Zm9vYg==", "cpnmuog", "666f6f62"},
    {"fooba", "Zm9vYmE=", "cpnmuoj1", "666f6f6261"},
    {"foobar", "Zm9vYmFy", "cpnmuoj1e8", "666f6f626172"},
};

TEST(Encoding, VectorsOfRfc4648BothWays) {
  for (const Vector& v : vectors) {
    EXPECT_EQ(base64_encode(view_of(v.plain)), v.base64);
    EXPECT_EQ(base32hex_encode(view_of(v.plain)), v.base32hex);
    EXPECT_EQ(hex_encode(view_of(v.plain)), v.hex);
    EXPECT_EQ(text(base64_decode(v.base64)), v.plain);
    EXPECT_EQ(text(base32hex_decode(v.base32hex)), v.plain);
    EXPECT_EQ(text(hex_decode(v.hex)), v.plain);
  }
}

TEST(Encoding, DigitsOfEitherCaseWhereCaseCarriesNothing) {
  EXPECT_EQ(text(base32hex_decode("CPNMUOJ1E8")), "foobar");
  EXPECT_EQ(hex_encode(*hex_decode("aAbBcCdDeEfF")), "aabbccddeeff");
}

TEST(Encoding, MalformedTextIsRefused) {
  for (const char* bad : {"Z", "Zg", "Zg=", "Zg===", "=", "====", "Z===", "Zg==Zg==", "Zm8=x", "Zm9v=", "Zg==\n",
                          " Zg==", "Zm9*", "Zh==", "Zm9=", "Zm-_"}) {
    EXPECT_FALSE(base64_decode(bad)) << bad;
  }
  for (const char* bad : {"c", "cpn", "cpnmuo", "cw", "co==", "c o", "cp", "cpnh"}) {
    EXPECT_FALSE(base32hex_decode(bad)) << bad;
  }
  for (const char* bad : {"a", "abc", "0g", "a b", "0x00", "ab\n"}) EXPECT_FALSE(hex_decode(bad)) << bad;
}

TEST(Encoding, WhatWasEncodedDecodesToTheSame) {
  std::mt19937 random(1);
  for (std::size_t size = 0; size < 200; ++size) {
    Bytes data(size);
    for (auto& octet : data) octet = static_cast<std::uint8_t>(random());
    EXPECT_EQ(base64_decode(base64_encode(data)), data);
    EXPECT_EQ(base32hex_decode(base32hex_encode(data)), data);
    EXPECT_EQ(hex_decode(hex_encode(data)), data);
  }
}

TEST(Encoding, PiecesMayEndAnywhere) {
  for (std::size_t cut = 0; cut <= 8; ++cut) {
    Bytes out;
    Base64Decoder base64(out);
    const std::string_view whole = "Zm9vYg==";
    EXPECT_TRUE(base64.feed(whole.substr(0, cut)));
    EXPECT_EQ(base64.finish(), cut % 4 == 0) << cut;
    EXPECT_TRUE(base64.feed(whole.substr(cut)));
    EXPECT_TRUE(base64.finish());
    EXPECT_EQ(text(out), "foob");
  }
  Bytes out;
  HexDecoder hex(out);
  EXPECT_TRUE(hex.feed("6"));
  EXPECT_FALSE(hex.finish());
  EXPECT_TRUE(hex.feed("66f"));
  EXPECT_TRUE(hex.finish());
  EXPECT_EQ(text(out), "fo");
}

}  // namespace
}  // namespace understudy
