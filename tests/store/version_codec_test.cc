#include "store/version_codec.h"

#include <gtest/gtest.h>

#include "store/store_fixture.h"
#include "zone/mixed_ttls.h"

namespace understudy {
namespace {

using namespace store_fixture;

std::vector<Bytes> blocks_of(const std::shared_ptr<const Zone>& zone) {
  std::vector<Bytes> blocks;
  Bytes room(100, 0xaa);  // what is left of another version
  const auto take = [&](ByteView block) -> Result<void> {
    EXPECT_LE(block.size(), max_block_size);
    blocks.emplace_back(block.begin(), block.end());
    return {};
  };
  const auto encoded = encode_version(zone, take, room);
  EXPECT_TRUE(encoded) << encoded.error().text();
  return blocks;
}

std::shared_ptr<const Zone> zone_of(const std::vector<Bytes>& blocks, NameView apex) {
  ZoneBuilder builder(apex);
  for (const Bytes& block : blocks) {
    const auto decoded = decode_block(block, apex, builder);
    EXPECT_TRUE(decoded) << decoded.error().text();
  }
  return builder.finish().value();
}

// The same in the way of large versions.
std::shared_ptr<const Zone> encoded_zone_of(const std::vector<Bytes>& blocks, NameView apex) {
  ZoneBuilder builder(apex);
  EncodedBlock encoded(apex);
  for (const Bytes& block : blocks) {
    const auto read = encoded.read(block);
    EXPECT_TRUE(read) << read.error().text();
    EXPECT_TRUE(encoded.add_to(builder));
  }
  return builder.finish().value();
}

TEST(VersionCodec, RandomZonesComeBackRecordForRecord) {
  for (std::uint32_t seed = 1; seed <= 40; ++seed) {
    RandomZones random(seed);
    const std::string apex = seed % 5 == 0 ? "." : seed % 2 == 0 ? "Example.net." : "a.very.deep.zone.example.";
    const auto zone = random.zone(apex, seed, seed % 8 == 0 ? 3000 : seed * 4);
    const auto back = zone_of(blocks_of(zone), zone->apex());
    EXPECT_EQ(back->record_count(), zone->record_count()) << "seed " << seed;
    EXPECT_EQ(back->node_count(), zone->node_count()) << "seed " << seed;
    EXPECT_TRUE(content(back) == content(zone)) << "seed " << seed;
    const auto encoded = encoded_zone_of(blocks_of(zone), zone->apex());
    EXPECT_TRUE(content(encoded) == content(zone)) << "seed " << seed;
    EXPECT_EQ(encoded->node_count(), zone->node_count()) << "seed " << seed;
  }
}

// doc/storage-format.md shows these octets.
TEST(VersionCodec, TheWorkedExampleIsAsDocumented) {
  const auto zone = zone_fixture::build(
      "@ 3600 IN SOA ns.a. h.a. 1 2 3 4 5\n"
      "@ 3600 IN NS ns.a.\n"
      "www 60 IN A 192.0.2.1\n"
      "www 60 IN A 192.0.2.2\n",
      "a.");
  const auto blocks = blocks_of(zone);
  ASSERT_EQ(blocks.size(), 1U);
  const Bytes expected = {0x00,                                                 // the apex
                          0x04, 0x06, 0x90, 0x1c, 31,                           // SOA, TTL 3600, 31 octets
                          2,    'n',  's',  1,    'a', 0,   1, 'h', 1, 'a', 0,  //
                          0,    0,    0,    1,    0,   0,   0, 2,   0, 0,   0,   3, 0, 0, 0, 4, 0, 0, 0, 5,  //
                          0x07, 0x02, 6,    2,    'n', 's', 1, 'a', 0,                      // NS, same TTL, last
                          0x04, 3,    'w',  'w',  'w',                                      // www
                          0x01, 0x01, 60,   0x02, 4,   192, 0, 2,   1, 4,   192, 0, 2, 2};  // A, TTL 60, two, last
  EXPECT_EQ(blocks[0], expected);
}

// The RRset is served with the lowest, and that there were several stays known: no difference is to be applied to it.
TEST(VersionCodec, SeveralTtlsOfAnRRset) {
  const auto zone = zone_fixture::build(
      "@ 3600 IN SOA ns.a. h.a. 1 2 3 4 5\n@ 3600 IN NS ns.a.\n"
      "www 300 IN A 192.0.2.1\nwww 60 IN A 192.0.2.2\nwww 300 IN A 192.0.2.3\nx 60 IN A 192.0.2.1\n",
      "a.");
  const auto back = zone_of(blocks_of(zone), zone->apex());
  EXPECT_TRUE(content(back) == content(zone));
  const auto chunk_of = [&](const char* owner) {
    const Name at = name(owner);
    return back->rrset(back->find(HashedName(at)), RRType::A)->chunk();
  };
  EXPECT_TRUE(has_mixed_ttls(*chunk_of("www.a.")));
  EXPECT_FALSE(has_mixed_ttls(*chunk_of("x.a.")));
}

// One name, 4000 records of which each expands from a few octets to over 200: far more than a block.
TEST(VersionCodec, AnRRsetLargerThanABlockIsCut) {
  ZoneBuilder builder(name("example."));
  const Name apex = name("example.");
  ASSERT_TRUE(builder.add(apex, RRType::SOA, 60, soa_rdata(apex, 1)));
  std::string tail = ".";
  for (int i = 0; i < 3; ++i) tail += std::string(60, 'x') + ".";
  for (int i = 0; i < 4000; ++i) {
    ASSERT_TRUE(builder.add(apex, RRType::NS, 60, name("n" + std::to_string(i) + tail + "example.").wire()));
  }
  for (int i = 0; i < 100; ++i) {
    Bytes text(60'000, static_cast<std::uint8_t>(i));
    ASSERT_TRUE(builder.add(name("big.example."), static_cast<RRType>(65281), 60, text));
  }
  const auto zone = builder.finish().value();
  const auto blocks = blocks_of(zone);
  EXPECT_GT(blocks.size(), 50U);
  EXPECT_TRUE(content(zone_of(blocks, zone->apex())) == content(zone));
  EXPECT_TRUE(content(encoded_zone_of(blocks, zone->apex())) == content(zone));
}

TEST(VersionCodec, RRsetsUpToTheCompressionLimitStayWithinABlock) {
  for (const int count : {2, 100, 200, 254, 255, 256, 300}) {
    ZoneBuilder builder(name("example."));
    const Name apex = name("example.");
    std::string deep;
    for (int i = 0; i < 3; ++i) deep += std::string(59, static_cast<char>('a' + i)) + ".";
    const Name owner = name(deep + "example.");
    ASSERT_TRUE(builder.add(apex, RRType::SOA, 60, soa_rdata(apex, 1)));
    ASSERT_TRUE(builder.add(apex, RRType::NS, 60, apex.wire()));
    for (int i = 0; i < count; ++i) {
      const Name target = Name::prepend(view_of("t" + std::to_string(i)), owner).value();
      ASSERT_TRUE(builder.add(owner, RRType::NS, 60, target.wire()));
    }
    const auto zone = builder.finish().value();
    EXPECT_TRUE(content(zone_of(blocks_of(zone), apex)) == content(zone)) << count;
  }
}

TEST(VersionCodec, AnErrorOfTheSinkEndsTheEncoding) {
  RandomZones random(3);
  const auto zone = random.zone("example.", 1, 5000);
  int calls = 0;
  Bytes room;
  const auto refuse = [&](ByteView) -> Result<void> {
    return ++calls == 2 ? fail(Errc::storage_full, "enough") : Result<void>{};
  };
  const auto encoded = encode_version(zone, refuse, room);
  EXPECT_EQ(encoded.error().detail, "enough");
  EXPECT_EQ(calls, 2);
}

TEST(VersionCodec, CutBlocksAreRefused) {
  RandomZones random(4);
  const auto zone = random.zone("example.", 1, 20);
  const Bytes block = blocks_of(zone).at(0);
  std::size_t whole_prefixes = 0;
  for (std::size_t size = 0; size < block.size(); size += size < 400 ? 1 : 97) {
    ZoneBuilder builder(zone->apex());
    const auto decoded = decode_block(ByteView(block).first(size), zone->apex(), builder);
    if (decoded) ++whole_prefixes;  // a cut behind an owner leaves a block; the head's count of records finds that
  }
  EXPECT_LE(whole_prefixes, zone->node_count() + 1);
}

TEST(VersionCodec, ImpossibleBlocksAreRefused) {
  const std::vector<std::pair<const char*, Bytes>> blocks = {
      {"owner longer than its labels", {2, 5, 'a', 5, 1, 60, 4, 1, 2, 3, 4}},
      {"empty label", {1, 0, 5, 1, 60, 4, 1, 2, 3, 4}},
      {"unknown flag", {0, 8 + 5, 1, 60, 4, 1, 2, 3, 4}},
      {"no TTL before", {0, 7, 1, 4, 1, 2, 3, 4}},
      {"no records", {0, 1, 1, 60, 0}},
      {"meta type", {0, 5, 0xff, 1, 60, 4, 1, 2, 3, 4}},
      {"type too large", {0, 5, 0x80, 0x80, 0x04, 60, 4, 1, 2, 3, 4}},
      {"TTL too large", {0, 5, 1, 0x80, 0x80, 0x80, 0x80, 0x10, 4, 1, 2, 3, 4}},
      {"RDATA past the end", {0, 5, 1, 60, 5, 1, 2, 3, 4}},
      {"RDATA that no address has", {0, 5, 1, 60, 3, 1, 2, 3}},
      {"ends before the last piece", {0, 4, 1, 60, 4, 1, 2, 3, 4}},
  };
  for (const auto& [what, block] : blocks) {
    ZoneBuilder builder(name("example."));
    const auto decoded = decode_block(block, name("example."), builder);
    ASSERT_FALSE(decoded) << what;
    EXPECT_EQ(decoded.error().code, Errc::corrupt) << what;
    EncodedBlock encoded(name("example."));
    EXPECT_EQ(encoded.read(block).error().text(), decoded.error().text()) << what;
  }
  // An owner that does not fit in front of a long apex.
  std::string long_apex;
  for (int i = 0; i < 4; ++i) long_apex += std::string(60, 'x') + ".";
  Bytes block = {12, 11, 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a', 5, 1, 60, 4, 1, 2, 3, 4};
  ZoneBuilder builder(name(long_apex));
  EXPECT_FALSE(decode_block(block, name(long_apex), builder));
}

}  // namespace
}  // namespace understudy
