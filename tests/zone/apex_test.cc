#include "zone/apex.h"

#include <gtest/gtest.h>

#include "zone/zone_fixture.h"

namespace understudy {
namespace {

using namespace zone_fixture;

TEST(ApexTest, ReadsTheSoaAndItsNegativeForm) {
  const auto zone = build(apex_text() + "@ 7200 RRSIG SOA 8 1 3600 20300101000000 20200101000000 1 @ AAAA\n");
  const auto facts = read_apex(zone->apex_node(), zone->apex());
  ASSERT_TRUE(facts);
  EXPECT_EQ(facts->soa.serial, 1U);
  EXPECT_EQ(facts->soa.ttl, 3600U);
  EXPECT_EQ(facts->soa.minimum, 300U);
  ASSERT_EQ(facts->negative_soa.items.size(), 2U);
  EXPECT_EQ(facts->negative_soa.items[0].ttl, 300U) << "RFC 2308 section 3";
  EXPECT_EQ(facts->negative_soa.items[1].ttl, 300U);
  Bytes out(max_negative_soa_size(*facts));
  const std::size_t size = encode_negative_soa(out.data(), *facts, zone->apex());
  EXPECT_EQ(size, round_up8(reinterpret_cast<const Chunk*>(out.data())->size()));
  EXPECT_TRUE(std::equal(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(size),
                         reinterpret_cast<const std::uint8_t*>(zone->negative_soa())));
}

TEST(ApexTest, WhatMustBeThere) {
  const auto zone = build(apex_text() + "a 60 A 192.0.2.1\nb 60 SOA a b 1 2 3 4 5\n");
  const auto code_of = [&](const Node* node) { return read_apex(node, zone->apex()).error().code; };
  EXPECT_EQ(code_of(nullptr), Errc::no_apex_soa);
  const Name a = name("a.example."), b = name("b.example.");
  EXPECT_EQ(code_of(zone->find(HashedName(a))), Errc::no_apex_soa);
  EXPECT_EQ(code_of(zone->find(HashedName(b))), Errc::no_apex_ns);
}

}  // namespace
}  // namespace understudy
