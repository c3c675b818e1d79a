#include "zone/block_encoder.h"

#include <gtest/gtest.h>

#include "zone/zone_fixture.h"

namespace understudy {
namespace {

using namespace zone_fixture;

constexpr std::uint8_t filler = 0xee;  // what the block is written over

class BlockEncoderTest : public testing::Test {
 protected:
  // The block of `owner` with these records; the octets behind it stay as they are.
  const Node* encode(std::string_view owner, const std::vector<Record>& input, std::uint32_t children) {
    staged_.clear();
    octets_.clear();
    for (const Record& r : input) append(octets_, r.rdata);
    std::size_t at = 0;
    for (const Record& r : input) {
      staged_.push_back({r.type, r.ttl, ByteView(octets_).subspan(at, r.rdata.size())});
      at += r.rdata.size();
    }
    owner_ = name(owner);
    const auto most = encoder_.prepare(owner_, staged_);
    EXPECT_TRUE(most);
    block_.assign(*most + 8, filler);
    size_ = encoder_.write(block_.data(), children);
    EXPECT_LE(size_, *most);
    EXPECT_EQ(size_ % 8, 0U);
    EXPECT_EQ(block_[size_], filler);
    return reinterpret_cast<const Node*>(block_.data());
  }
  std::string ttl_and_count(const Node* node, RRType type) const {
    const RRsetView rrset(node, type, node->chunk(type), apex_);
    return std::to_string(rrset.ttl()) + " " + std::to_string(rrset.size());
  }

  const Name apex_ = name("example.");
  BlockEncoder encoder_{apex_};
  Name owner_;
  std::vector<StagedRecord> staged_;
  Bytes octets_;
  alignas(8) Bytes block_;
  std::size_t size_ = 0;
};

TEST_F(BlockEncoderTest, WritesRecordsFlagsAndChildren) {
  const auto input = records("w 60 A 192.0.2.1\nw 30 A 192.0.2.2\nw 60 A 192.0.2.1\nw 5 NS ns\n");
  for (const std::uint32_t children : {0U, 1U, 254U, 255U, 256U, 100'000U}) {
    const Node* node = encode("W.example.", input, children);
    EXPECT_EQ(node->block_size(), size_);
    EXPECT_EQ(node->children(), children);
    EXPECT_EQ(node->flags_only(), Node::cut);
    EXPECT_EQ(node_owner(node, apex_).text(), "W.example.");
    EXPECT_EQ(node->rrset_count, 2);
    EXPECT_EQ(ttl_and_count(node, RRType::A), "30 2");
    EXPECT_EQ(ttl_and_count(node, RRType::NS), "5 1");
  }
  EXPECT_EQ(encoder_.duplicates(), 1U);
  EXPECT_EQ(encoder_.record_count(), 3U);
}

TEST_F(BlockEncoderTest, OwnersOfNsec3WithNamesBelowAreNames) {
  const auto input = records("h 60 NSEC3 1 0 0 - 0123456789abcdefghijklmnopqrstuv A\n");
  EXPECT_TRUE(encode("h.example.", input, 0)->has(Node::nsec3_only));
  EXPECT_FALSE(encode("h.example.", input, 1)->has(Node::nsec3_only));
}

TEST_F(BlockEncoderTest, SameInputSameOctets) {
  const auto input = records("w 60 MX 10 w\nw 60 A 192.0.2.2\n");
  encode("w.example.", input, 300);
  const Bytes first(block_.begin(), block_.begin() + static_cast<std::ptrdiff_t>(size_));
  block_.assign(block_.size(), 0x55);
  encoder_.write(block_.data(), 300);
  EXPECT_TRUE(std::equal(first.begin(), first.end(), block_.begin())) << "nothing is left as it was";
}

TEST_F(BlockEncoderTest, CopiesWithOtherNumbersOfChildren) {
  const auto input = records("w 60 A 192.0.2.1\n");
  for (const std::uint32_t before : {0U, 7U, 254U, 255U, 70'000U}) {
    for (const std::uint32_t after : {0U, 254U, 255U, 70'001U}) {
      const Node* node = encode("w.example.", input, before);
      Bytes copy(copied_block_size(*node, after) + 8, filler);
      const std::size_t size = copy_block(copy.data(), *node, {after, Node::wildcard_child});
      EXPECT_EQ(size + 8, copy.size());
      EXPECT_EQ(copy[size], filler);
      const auto* copied = reinterpret_cast<const Node*>(copy.data());
      EXPECT_EQ(copied->block_size(), size);
      EXPECT_EQ(copied->children(), after);
      EXPECT_EQ(copied->flags_only(), Node::wildcard_child);
      EXPECT_EQ(ttl_and_count(copied, RRType::A), "60 1");
      EXPECT_EQ(node_owner(copied, apex_), name("w.example."));
    }
  }
}

TEST_F(BlockEncoderTest, EmptyBlocks) {
  for (const std::uint32_t children : {1U, 255U}) {
    Bytes out(empty_block_size(4, children) + 8, filler);
    const Bytes relative = {1, '*', 1, 'b'};
    EXPECT_EQ(write_empty_block(out.data(), relative, children) + 8, out.size());
    EXPECT_EQ(out[out.size() - 8], filler);
    const auto* node = reinterpret_cast<const Node*>(out.data());
    EXPECT_EQ(node_owner(node, apex_), name("*.b.example."));
    EXPECT_EQ(node->children(), children);
    EXPECT_EQ(node->rrset_count, 0);
    EXPECT_EQ(node->flags_only(), Node::wildcard);
  }
}

}  // namespace
}  // namespace understudy
