#include "store/format.h"

#include <gtest/gtest.h>

#include <limits>

#include "zone/zone_fixture.h"

namespace understudy {
namespace {

using zone_fixture::name;

VersionHead some_head() {
  VersionHead head;
  head.name = name("Example.NET.");
  head.version = 0x0102'0304'0506'0708;
  head.large = true;
  head.serial = 4'000'000'000;
  head.blocks = 70'000;
  head.digest = 0xdead'beef;
  head.records = 1ULL << 40;
  head.nodes = 12'345'678;
  head.octets = 0;
  head.timers = {
      .confirmed_at = 1'700'000'000, .checked_at = -5, .refresh_at = 3, .expire_at = 1LL << 40, .expired = true};
  head.source = "192.0.2.1@53";
  head.base = 0x0102'0304'0506'0000;
  head.stored = 5'000'000'000;
  head.history = 77;
  head.first = 3;
  head.chain = 200;
  head.end = 70'000;
  head.history_octets = 12'345;
  head.chain_octets = 1ULL << 33;
  head.link = 0xcafe'f00d;
  head.keep = {.versions = 4, .octets = 1 << 20};
  return head;
}

TEST(StoreFormat, HeadsComeBack) {
  const VersionHead head = some_head();
  const std::string key = head_key(head.name);
  const Bytes value = encode_head(key, head);
  const auto back = decode_head(key, text_of(value));
  ASSERT_TRUE(back) << back.error().text();
  EXPECT_TRUE(back->name.view().identical(head.name));
  EXPECT_EQ(back->version, head.version);
  EXPECT_EQ(back->large, head.large);
  EXPECT_EQ(back->serial, head.serial);
  EXPECT_EQ(back->blocks, head.blocks);
  EXPECT_EQ(back->digest, head.digest);
  EXPECT_EQ(back->records, head.records);
  EXPECT_EQ(back->nodes, head.nodes);
  EXPECT_EQ(back->octets, head.octets);
  EXPECT_EQ(back->timers, head.timers);
  EXPECT_EQ(back->source, head.source);
  EXPECT_EQ(back->base, head.base);
  EXPECT_EQ(back->stored, head.stored);
  EXPECT_EQ(back->history, head.history);
  EXPECT_EQ(back->first, head.first);
  EXPECT_EQ(back->chain, head.chain);
  EXPECT_EQ(back->end, head.end);
  EXPECT_EQ(back->history_octets, head.history_octets);
  EXPECT_EQ(back->chain_octets, head.chain_octets);
  EXPECT_EQ(back->link, head.link);
  EXPECT_EQ(back->keep.versions, head.keep.versions);
  EXPECT_EQ(back->keep.octets, head.keep.octets);
}

// What servers wrote before there were deltas.
TEST(StoreFormat, HeadsOfTheFirstFormatAreRead) {
  const VersionHead head = some_head();
  const std::string key = head_key(head.name);
  Bytes value = {1, 1};
  append_u64(value, head.version);
  for (const std::uint32_t number : {head.serial, head.blocks, head.digest}) append_u32(value, number);
  for (const std::uint64_t number : {head.records, head.nodes, std::uint64_t{1000}}) append_varint(value, number);
  for (const std::uint64_t time : {1, 2, 3, 4}) append_u64(value, time);
  append_u8(value, 0);
  append(value, head.name.wire());
  append_text(value, head.source);
  seal(key, value);
  const auto back = decode_head(key, text_of(value));
  ASSERT_TRUE(back) << back.error().text();
  EXPECT_EQ(back->version, head.version);
  EXPECT_EQ(back->base, head.version) << "the blocks have the version's number";
  EXPECT_TRUE(back->large);
  EXPECT_EQ(back->serial, head.serial);
  EXPECT_EQ(back->blocks, head.blocks);
  EXPECT_EQ(back->digest, head.digest);
  EXPECT_EQ(back->records, head.records);
  EXPECT_EQ(back->timers.expire_at, 4);
  EXPECT_EQ(back->source, head.source);
  EXPECT_EQ(back->stored, 500U);
  EXPECT_EQ(back->history, 0U);
  EXPECT_EQ(back->end, 0U);
}

TEST(StoreFormat, EveryFlippedBitAndEveryCutIsFound) {
  const VersionHead head = some_head();
  const std::string key = head_key(head.name);
  const std::string value(text_of(encode_head(key, head)));
  for (std::size_t bit = 0; bit < value.size() * 8; ++bit) {
    std::string damaged = value;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    EXPECT_FALSE(decode_head(key, damaged)) << "bit " << bit;
  }
  for (std::size_t size = 0; size < value.size(); ++size) {
    EXPECT_FALSE(decode_head(key, value.substr(0, size))) << "size " << size;
  }
  const std::string timers = timers_key(head.name);
  const std::string timers_value(text_of(encode_timers(timers, head.timers)));
  EXPECT_EQ(decode_timers(timers, timers_value).value(), head.timers);
  for (std::size_t bit = 0; bit < timers_value.size() * 8; ++bit) {
    std::string damaged = timers_value;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    EXPECT_FALSE(decode_timers(timers, damaged)) << "bit " << bit;
  }
}

TEST(StoreFormat, AValueUnderAnotherKeyIsRefused) {
  const VersionHead head = some_head();
  const Bytes value = encode_head(head_key(head.name), head);
  EXPECT_EQ(decode_head(head_key(name("example.org.")), text_of(value)).error().code, Errc::corrupt);
  Bytes block{1, 2, 3};
  seal(block_key(head.name, 7, 1), block);
  EXPECT_TRUE(unseal(block_key(head.name, 7, 1), text_of(block)));
  EXPECT_FALSE(unseal(block_key(head.name, 7, 2), text_of(block)));
  EXPECT_FALSE(unseal(block_key(head.name, 8, 1), text_of(block)));
  EXPECT_FALSE(unseal(large_block_key(7, 1), text_of(block)));
}

TEST(StoreFormat, AnotherFormatNumberIsRefusedInWords) {
  const VersionHead head = some_head();
  const std::string key = head_key(head.name);
  Bytes value = encode_head(key, head);
  value.resize(value.size() - 4);
  value[0] = 3;
  seal(key, value);
  EXPECT_NE(decode_head(key, text_of(value)).error().detail.find("format"), std::string::npos);
}

TEST(StoreFormat, KeysIgnoreCaseAndSayTheirZone) {
  EXPECT_EQ(head_key(name("EXAMPLE.net.")), head_key(name("example.NET.")));
  EXPECT_EQ(zone_of_key(head_key(name("Example.net."))), name("example.net."));
  EXPECT_EQ(zone_of_key(block_key(name("."), 1, 2)), name("."));
  EXPECT_EQ(zone_of_key("x"), std::nullopt);
  EXPECT_EQ(zone_of_key(head_key(name("a.")) + "x"), std::nullopt);
  EXPECT_EQ(zone_of_key(block_key(name("a."), 1, 2) + "x"), std::nullopt);
  EXPECT_EQ(version_of_large_key(large_block_key(9, 3)), 9U);
  EXPECT_EQ(version_of_large_key("short"), std::nullopt);
  EXPECT_EQ(zone_of_key(delta_key(name("a."), 1, 2, 3)), std::nullopt);
  EXPECT_EQ(place_of_delta_key(delta_key(name("a."), 1, 1ULL << 40, 3)), std::pair(std::uint64_t{1} << 40, 3U));
  EXPECT_TRUE(delta_key(name("A."), 1, 2, 3).starts_with(history_key(name("a."), 1)));
  EXPECT_EQ(last_u64(transfer_index_key(name("a."), 99)), 99U);
  EXPECT_LT(large_block_key(255, 1), large_block_key(256, 0));
  EXPECT_LT(large_block_key(1, 255), large_block_key(1, 256));
}

TEST(StoreFormat, CompareKeyIsTheOrderOfKeys) {
  const std::vector<std::string> names = {".", "a.", "B.", "aa.", "a.b.", "A.bb.", "zz.example.", "\\255.x."};
  for (const std::string& a : names) {
    for (const std::string& b : names) {
      EXPECT_EQ(compare_key(head_key(name(a)), name(b)), head_key(name(a)) <=> head_key(name(b))) << a << ' ' << b;
    }
  }
}

TEST(StoreFormat, VarintsComeBackAndOverlongOnesFail) {
  for (const std::uint64_t value : {std::uint64_t{0}, std::uint64_t{127}, std::uint64_t{128}, std::uint64_t{1} << 35,
                                    std::numeric_limits<std::uint64_t>::max()}) {
    Bytes octets;
    append_varint(octets, value);
    EXPECT_LE(octets.size(), max_varint_size);
    ByteReader in(octets);
    EXPECT_EQ(read_varint(in), value);
    EXPECT_TRUE(in.ok() && in.at_end());
  }
  const Bytes endless(11, 0xff);
  ByteReader in(endless);
  read_varint(in);
  EXPECT_FALSE(in.ok());
}

}  // namespace
}  // namespace understudy
