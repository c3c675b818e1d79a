#include "zone/chunk_encoder.h"

#include <gtest/gtest.h>

#include "dns/message.h"
#include "zone/layout.h"
#include "zone/random_records.h"

namespace understudy {
namespace {

using namespace zone_fixture;

struct Encoded {
  std::vector<std::uint64_t> memory;  // aligned
  std::size_t size = 0;

  [[nodiscard]] const Chunk& chunk() const { return *reinterpret_cast<const Chunk*>(memory.data()); }
};

Encoded encode(const Name& owner, NameView apex, RRType type, const std::vector<Record>& data,
               const std::vector<Record>& signatures = {}) {
  std::vector<StagedRecord> records, signing;
  for (const Record& r : data) records.push_back({r.type, r.ttl, r.rdata});
  for (const Record& r : signatures) signing.push_back({r.type, r.ttl, r.rdata});
  const std::size_t most = max_chunk_size(records, signing);
  EXPECT_EQ(most % 8, 0U);
  Encoded out;
  out.memory.assign(most / 8 + 1, 0xeeee'eeee'eeee'eeee);
  out.size = encode_chunk(reinterpret_cast<std::uint8_t*>(out.memory.data()), owner, apex, type, records, signing);
  EXPECT_LE(out.size, most);
  EXPECT_EQ(out.size % 8, 0U);
  EXPECT_EQ(out.memory[most / 8], 0xeeee'eeee'eeee'eeee) << "written behind the end";
  return out;
}

// A message whose question is the chunk's owner, with the chunk copied behind it.
std::vector<Record> as_answer(const Name& owner, RRType type, const Chunk& chunk) {
  Bytes message(header_size);
  message[2] = 0x80;
  message[5] = 1;
  store_u16(&message[6], static_cast<std::uint16_t>(chunk.record_count() + chunk.signature_count()));
  append(message, owner.wire());
  append_u16(message, number(type));
  append_u16(message, number(RRClass::IN));
  append(message, {chunk.records(), chunk.record_octets()});
  append(message, {chunk.signatures(), chunk.signature_octets()});
  std::vector<Record> out;
  const auto view = MessageView::parse(message);
  EXPECT_TRUE(view) << view.error().text();
  if (!view) return out;
  view->for_each_record([&](const RecordView& r) {
    const auto rdata = r.rdata();
    EXPECT_TRUE(rdata) << rdata.error().text();
    if (rdata) out.push_back({r.owner(), r.type, r.klass, r.ttl, *rdata});
    return true;
  });
  return out;
}

std::vector<Record> some(RandomRecords& random, const Name& owner, RRType type, std::size_t count) {
  std::vector<Record> out;
  for (std::size_t i = 0; i < count; ++i) {
    out.push_back({owner, type, RRClass::IN, 60, random.rdata(type, name("example."))});
  }
  return out;
}

// Copied behind the question, the octets of a chunk are the answer.
TEST(ChunkEncoderTest, ChunksAreAnswers) {
  RandomRecords random(11);
  for (int round = 0; round < 2000; ++round) {
    const Name owner = random.name_below(name("example."), 5);
    const RRType type = random.type();
    const auto data = some(random, owner, type, 1 + random.below(random.once_in(10) ? 250 : 5));
    std::vector<Record> signatures;
    for (std::size_t i = random.below(3); i > 0; --i) signatures.push_back(random.signature(owner, type));
    const Encoded encoded = encode(owner, name("example."), type, data, signatures);
    if (encoded.chunk().is_extended()) continue;
    auto expected = data;
    expected.insert(expected.end(), signatures.begin(), signatures.end());
    const auto answer = as_answer(owner, type, encoded.chunk());
    ASSERT_EQ(answer.size(), expected.size());
    for (std::size_t i = 0; i < answer.size(); ++i) {
      EXPECT_EQ(answer[i], expected[i]);
      EXPECT_EQ(answer[i].rdata, expected[i].rdata) << "octets, case included";
    }
  }
}

TEST(ChunkEncoderTest, NamesAreSharedWithTheQuestionAndEachOther) {
  const Name owner = name("www.example.");
  const auto data = records("www 60 MX 1 mail.www\nwww 60 MX 2 mail.www\nwww 60 MX 3 a.mail.www\nwww 60 MX 4 www\n");
  const Encoded encoded = encode(owner, name("example."), RRType::MX, data);
  const Chunk& chunk = encoded.chunk();
  EXPECT_EQ(chunk.patch_count_, 4);
  EXPECT_EQ(chunk.target_count_, 4);
  EXPECT_EQ(chunk.record_octets(), 4 * 14U + (5 + 2) + 2 + (2 + 2) + 2);
  EXPECT_EQ(chunk.patch(0) & Chunk::patch_in_chunk, 0) << "mail + the question";
  EXPECT_NE(chunk.patch(1) & Chunk::patch_in_chunk, 0) << "the first exchange";
  EXPECT_EQ(chunk.patch(3) & Chunk::patch_in_chunk, 0);
  EXPECT_EQ(chunk.target(0), 14);
}

TEST(ChunkEncoderTest, CaseThatDiffersIsNotShared) {
  const Name owner = name("www.example.");
  const Encoded encoded =
      encode(owner, name("example."), RRType::NS, records("www 60 NS ns.EXAMPLE.\nwww 60 NS ns.example.\n"));
  EXPECT_EQ(encoded.chunk().patch_count_, 1);
  EXPECT_EQ(encoded.chunk().target_count_, 2) << "targets compare without case";
}

TEST(ChunkEncoderTest, AWildcardsOwnLabelIsNotInTheQuestion) {
  const Name owner = name("*.w.example.");
  const Encoded encoded = encode(owner, name("example."), RRType::NS, records("*.w 60 NS *.w\n*.w 60 NS x.*.w\n"));
  const Chunk& chunk = encoded.chunk();
  ASSERT_EQ(chunk.patch_count_, 2);
  EXPECT_EQ(load_u16(chunk.records() + chunk.patch(0)), 0xc000 | (header_octets + 2)) << "w.example., not *.w.example.";
  EXPECT_NE(chunk.patch(1) & Chunk::patch_in_chunk, 0);
}

TEST(ChunkEncoderTest, TargetsAreInZoneNames) {
  const Name owner = name("x.example.");
  EXPECT_EQ(encode(owner, name("example."), RRType::MX, records("x 60 MX 1 a\nx 60 MX 2 b.elsewhere.\nx 60 MX 3 @\n"))
                .chunk()
                .target_count_,
            2);
  EXPECT_EQ(encode(owner, name("example."), RRType::SRV, records("x 60 SRV 1 2 3 a\nx 60 SRV 1 2 3 b.elsewhere.\n"))
                .chunk()
                .target_count_,
            1);
  EXPECT_EQ(encode(owner, name("example."), RRType::PTR, records("x 60 PTR a\n")).chunk().target_count_, 0);
}

TEST(ChunkEncoderTest, TheLowestTtlForAll) {
  const Encoded encoded =
      encode(name("x.example."), name("example."), RRType::A, records("x 300 A 192.0.2.1\nx 60 A 192.0.2.2\n"),
             records("x 900 RRSIG A 8 2 60 20300101000000 20200101000000 1 @ AAAA\n"));
  for (const Record& r : as_answer(name("x.example."), RRType::A, encoded.chunk())) {
    EXPECT_EQ(r.ttl, r.type == RRType::A ? 60U : 900U);
  }
}

TEST(ChunkEncoderTest, OnlySignatures) {
  const Encoded encoded = encode(name("x.example."), name("example."), RRType::A, {},
                                 records("x 900 RRSIG A 8 2 60 20300101000000 20200101000000 1 @ AAAA\n"));
  EXPECT_EQ(encoded.chunk().record_count(), 0U);
  EXPECT_EQ(encoded.chunk().signature_count(), 1U);
  EXPECT_EQ(as_answer(name("x.example."), RRType::A, encoded.chunk()).size(), 1U);
}

TEST(ChunkEncoderTest, ExtendedWhereACopyWouldNotDo) {
  RandomRecords random(4);
  const Name owner = name("x.example.");
  EXPECT_FALSE(encode(owner, name("example."), RRType::A, some(random, owner, RRType::A, 255)).chunk().is_extended());
  const Encoded many = encode(owner, name("example."), RRType::MX, some(random, owner, RRType::MX, 256));
  EXPECT_TRUE(many.chunk().is_extended());
  EXPECT_EQ(many.chunk().record_count(), 256U);
  EXPECT_EQ(many.chunk().patch_count_, 0) << "not compressed";
  const RRType opaque{65280};
  std::vector<Record> large;
  for (int i = 0; i < 2; ++i)
    large.push_back({owner, opaque, RRClass::IN, 60, Bytes(30'500, static_cast<std::uint8_t>(i))});
  const Encoded encoded = encode(owner, name("example."), opaque, large);
  EXPECT_TRUE(encoded.chunk().is_extended());
  EXPECT_EQ(encoded.chunk().record_octets(), 2 * (12 + 30'500U));
}

// Pointers that would lie behind what a patch can say are not made; long names shared with the owner come close.
TEST(ChunkEncoderTest, LargeChunksOfLongNames) {
  // The sizes let the pointer of one target, which begins before the limit, fall behind it.
  const std::string tail = std::string(60, 'o') + "." + std::string(30, 'p') + ".example.";
  const Name owner = name(tail);
  std::vector<Record> data;
  for (int i = 0; i < 220; ++i) {
    const std::string label = std::string(60, 'x') + std::to_string(100 + i);
    data.push_back({owner, RRType::NS, RRClass::IN, 60, {}});
    const Name target = name(label + "." + label + "." + std::string(18, 'y') + std::to_string(100 + i) + "." + tail);
    data.back().rdata.assign(target.wire().begin(), target.wire().end());
  }
  const Encoded encoded = encode(owner, name("example."), RRType::NS, data);
  ASSERT_FALSE(encoded.chunk().is_extended());
  ASSERT_GT(encoded.chunk().record_octets(), std::size_t{Chunk::patch_in_chunk}) << "the case at hand";
  EXPECT_EQ(as_answer(owner, RRType::NS, encoded.chunk()), data);
  for (std::size_t i = 0; i < encoded.chunk().patch_count_; ++i) {
    const std::size_t at = encoded.chunk().patch(i) & ~std::size_t{Chunk::patch_in_chunk};
    EXPECT_GE(encoded.chunk().records()[at], 0xc0) << "a patch is the place of a pointer";
  }
}

}  // namespace
}  // namespace understudy
