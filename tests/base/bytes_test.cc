#include "base/bytes.h"

#include <gtest/gtest.h>

namespace understudy {
namespace {

TEST(LoadStore, NetworkOrder) {
  std::uint8_t octets[6];
  store_u16(octets, 0x8102);
  EXPECT_EQ(octets[0], 0x81);
  EXPECT_EQ(octets[1], 0x02);
  EXPECT_EQ(load_u16(octets), 0x8102);
  store_u32(octets, 0x8102'0304);
  EXPECT_EQ(octets[0], 0x81);
  EXPECT_EQ(octets[3], 0x04);
  EXPECT_EQ(load_u32(octets), 0x8102'0304U);
  store_u48(octets, 0x8102'0304'0506);
  EXPECT_EQ(octets[0], 0x81);
  EXPECT_EQ(octets[5], 0x06);
  EXPECT_EQ(load_u48(octets), 0x8102'0304'0506U);
}

TEST(Append, GrowsAVector) {
  Bytes out;
  append_u8(out, 1);
  append_u16(out, 0x0203);
  append_u32(out, 0x0405'0607);
  append_u48(out, 0x0809'0a0b'0c0d);
  append(out, view_of("\x0e\x0f"));
  append(out, {});
  EXPECT_EQ(out, (Bytes{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}));
  EXPECT_EQ(text_of(view_of("text")), "text");
}

TEST(ByteReader, ReadsInOrder) {
  const Bytes data{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  ByteReader reader(data);
  EXPECT_EQ(reader.u8(), 1);
  EXPECT_EQ(reader.u16(), 0x0203);
  EXPECT_EQ(reader.u32(), 0x0405'0607U);
  EXPECT_EQ(reader.u48(), 0x0809'0a0b'0c0dU);
  EXPECT_EQ(reader.position(), 13U);
  EXPECT_EQ(reader.remaining(), 3U);
  reader.skip(1);
  EXPECT_EQ(reader.bytes(1)[0], 15);
  EXPECT_EQ(reader.rest().size(), 1U);
  EXPECT_TRUE(reader.at_end());
  EXPECT_TRUE(reader.ok());
  reader.seek(2);
  EXPECT_EQ(reader.u8(), 3);
}

TEST(ByteReader, AFailureSticksAndKeepsThePosition) {
  const Bytes data{1, 2, 3};
  for (const auto& read : {+[](ByteReader& r) { return r.u32() == 0; }, +[](ByteReader& r) { return r.u48() == 0; },
                           +[](ByteReader& r) { return r.bytes(4).empty(); },
                           +[](ByteReader& r) {
                             r.skip(SIZE_MAX);
                             return true;
                           }}) {
    ByteReader reader(data);
    EXPECT_TRUE(read(reader));
    EXPECT_FALSE(reader.ok());
    EXPECT_EQ(reader.position(), 0U);
    EXPECT_EQ(reader.remaining(), 0U);
    EXPECT_EQ(reader.u8(), 0);  // would have fitted
    EXPECT_FALSE(reader.ok());
  }
}

TEST(ByteReader, PositionsOutsideFail) {
  const Bytes data{1, 2, 3};
  EXPECT_TRUE(ByteReader(data, 3).ok());
  EXPECT_FALSE(ByteReader(data, 4).ok());
  ByteReader reader(data);
  reader.seek(4);
  EXPECT_FALSE(reader.ok());
  ByteReader marked(data);
  marked.fail();
  EXPECT_TRUE(marked.bytes(1).empty());
  ByteReader empty{ByteView()};
  EXPECT_TRUE(empty.at_end());
  EXPECT_TRUE(empty.rest().empty());
  EXPECT_TRUE(empty.ok());
}

TEST(ByteWriter, WritesUpToTheEnd) {
  Bytes buffer(16, 0xee);
  ByteWriter writer(MutableBytes(buffer).first(15));
  writer.u8(1);
  writer.u16(0x0203);
  writer.u32(0x0405'0607);
  writer.u48(0x0809'0a0b'0c0d);
  writer.bytes({});
  writer.bytes(view_of("\x0e\x0f"));
  EXPECT_TRUE(writer.ok());
  EXPECT_EQ(writer.remaining(), 0U);
  EXPECT_EQ(buffer, (Bytes{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0xee}));
  writer.u8(16);
  EXPECT_FALSE(writer.ok());
  EXPECT_EQ(buffer[15], 0xee);
  writer.patch_u16(0, 0xaabb);
  EXPECT_EQ(writer.written()[1], 0xbb);
}

TEST(ByteWriter, RewindForgetsAFailure) {
  Bytes buffer(4);
  ByteWriter writer(buffer);
  writer.u16(1);
  writer.u32(2);
  EXPECT_FALSE(writer.ok());
  EXPECT_EQ(writer.position(), 2U);
  writer.u8(3);  // would fit, but the failure sticks
  EXPECT_EQ(writer.position(), 2U);
  writer.rewind(0);
  writer.u32(0x0102'0304);
  EXPECT_TRUE(writer.ok());
  EXPECT_EQ(buffer, (Bytes{1, 2, 3, 4}));
}

}  // namespace
}  // namespace understudy
