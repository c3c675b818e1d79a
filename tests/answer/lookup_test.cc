#include "answer/lookup.h"

#include <gtest/gtest.h>

#include <cctype>

#include "zone/random_history.h"

namespace understudy {
namespace {

using zone_fixture::apex_text;
using zone_fixture::name;

// What look_up() says, in words: outcome, owner of the node found, label, and whether a chunk is there.
std::string look(const std::shared_ptr<const Zone>& zone, std::string_view qname, RRType type = RRType::A) {
  const char* const outcomes[] = {"answer", "cname", "dname", "referral", "nodata", "name_error"};
  const Name asked = name(qname);
  const HashedName hashed(asked);
  const Lookup found = look_up(*zone, hashed, type);
  std::string out = outcomes[static_cast<int>(found.found)];
  if (found.node != nullptr) out += " " + zone->owner_of(found.node).text();
  if (found.wildcard) out += " wildcard";
  out += " " + std::to_string(found.label);
  if (found.chunk != nullptr) out += " chunk";
  return out;
}

class LookupTest : public testing::Test {
 protected:
  void SetUp() override {
    zone_ = zone_fixture::build(apex_text() + R"(
ns                 A     192.0.2.1
b.c.ent            A     192.0.2.2
alias              CNAME ns
*.wild             A     192.0.2.3
*.wild             TXT   "x"
*.aliased          CNAME ns
x.wild             TXT   "blocks the wildcard"
cut                NS    ns.cut
cut                DS    1 8 2 00
ns.cut             A     192.0.2.4
deep.in.cut        A     192.0.2.5
deeper.cut         NS    ns
d                  DNAME ns
under.d            A     192.0.2.6
above.d2           A     192.0.2.7
d2                 DNAME ns
h4sh               NSEC3 1 0 0 - 0123456789abcdefghijklmnopqrstuv A
orphan             RRSIG A 8 2 3600 20300101000000 20200101000000 1 example. AAAA
)");
    ASSERT_NE(zone_, nullptr);
  }
  [[nodiscard]] std::string at(std::string_view qname, RRType type = RRType::A) const {
    return look(zone_, qname, type);
  }

  std::shared_ptr<const Zone> zone_;
};

TEST_F(LookupTest, ExactNames) {
  EXPECT_EQ(at("ns.example."), "answer ns.example. 0 chunk");
  EXPECT_EQ(at("NS.eXample."), "answer ns.example. 0 chunk");
  EXPECT_EQ(at("ns.example.", RRType::AAAA), "nodata ns.example. 0");
  EXPECT_EQ(at("example.", RRType::SOA), "answer example. 0 chunk");
  EXPECT_EQ(at("example.", RRType::NS), "answer example. 0 chunk");
  EXPECT_EQ(at("alias.example."), "cname alias.example. 0 chunk");
  EXPECT_EQ(at("alias.example.", RRType::CNAME), "answer alias.example. 0 chunk");
  EXPECT_EQ(at("ns.example.", RRType::ANY), "answer ns.example. 0");
  EXPECT_EQ(at("*.wild.example."), "answer *.wild.example. 0 chunk");
}

TEST_F(LookupTest, MissingNames) {
  EXPECT_EQ(at("x.example."), "name_error 1");
  EXPECT_EQ(at("a.b.x.example."), "name_error 3");
  EXPECT_EQ(at("x.ns.example."), "name_error 1");
  EXPECT_EQ(at("ent.example."), "nodata ent.example. 0");
  EXPECT_EQ(at("c.ent.example.", RRType::ANY), "nodata c.ent.example. 0");
  EXPECT_EQ(at("a.c.ent.example."), "name_error 1");
}

TEST_F(LookupTest, Wildcards) {
  EXPECT_EQ(at("y.wild.example."), "answer *.wild.example. wildcard 1 chunk");
  EXPECT_EQ(at("z.y.wild.example."), "answer *.wild.example. wildcard 2 chunk");
  EXPECT_EQ(at("y.wild.example.", RRType::MX), "nodata *.wild.example. wildcard 1");
  EXPECT_EQ(at("x.wild.example."), "nodata x.wild.example. 0");
  EXPECT_EQ(at("y.x.wild.example."), "name_error 1");
  EXPECT_EQ(at("y.*.wild.example."), "name_error 1");
  EXPECT_EQ(at("y.aliased.example."), "cname *.aliased.example. wildcard 1 chunk");
}

TEST_F(LookupTest, ZoneCuts) {
  EXPECT_EQ(at("cut.example."), "referral cut.example. 0 chunk");
  EXPECT_EQ(at("cut.example.", RRType::NS), "referral cut.example. 0 chunk");
  EXPECT_EQ(at("cut.example.", RRType::DS), "answer cut.example. 0 chunk");
  EXPECT_EQ(at("ns.cut.example."), "referral cut.example. 1 chunk");
  EXPECT_EQ(at("x.y.cut.example."), "referral cut.example. 2 chunk");
  EXPECT_EQ(at("in.cut.example."), "referral cut.example. 1 chunk");
  EXPECT_EQ(at("x.deeper.cut.example."), "referral cut.example. 2 chunk");
  EXPECT_EQ(at("deeper.cut.example.", RRType::DS), "referral cut.example. 1 chunk");
}

TEST_F(LookupTest, Dnames) {
  EXPECT_EQ(at("d.example."), "nodata d.example. 0");
  EXPECT_EQ(at("d.example.", RRType::DNAME), "answer d.example. 0 chunk");
  EXPECT_EQ(at("x.d.example."), "dname d.example. 1 chunk");
  EXPECT_EQ(at("under.d.example."), "dname d.example. 1 chunk");
  EXPECT_EQ(at("x.under.d.example."), "dname d.example. 2 chunk");
  EXPECT_EQ(at("above.d2.example.", RRType::DNAME), "dname d2.example. 1 chunk");
}

TEST_F(LookupTest, DnssecNames) {
  EXPECT_EQ(at("h4sh.example.", RRType::NSEC3), "name_error 1");
  EXPECT_EQ(at("x.h4sh.example."), "name_error 2");
  EXPECT_EQ(at("orphan.example."), "nodata orphan.example. 0");
  EXPECT_EQ(at("orphan.example.", RRType::RRSIG), "answer orphan.example. 0");
  EXPECT_EQ(at("ns.example.", RRType::RRSIG), "nodata ns.example. 0");
}

TEST(LookupRootTest, TheRootIsAZoneLikeOthers) {
  const auto zone = zone_fixture::build(
      ". 60 IN SOA a. b. 1 2 3 4 5\n. 60 IN NS a.\na. 60 IN A 192.0.2.1\n*.w. 60 IN A 192.0.2.2\ncom. 60 IN NS "
      "ns.com.\n",
      ".");
  ASSERT_NE(zone, nullptr);
  EXPECT_EQ(look(zone, ".", RRType::SOA), "answer . 0 chunk");
  EXPECT_EQ(look(zone, "."), "nodata . 0");
  EXPECT_EQ(look(zone, "a."), "answer a. 0 chunk");
  EXPECT_EQ(look(zone, "b."), "name_error 1");
  EXPECT_EQ(look(zone, "x.w."), "answer *.w. wildcard 1 chunk");
  EXPECT_EQ(look(zone, "x.y.com."), "referral com. 2 chunk");
}

// A version that came about by changes says what one that was built from the same records says.
TEST(LookupHistoryTest, TheWayToAVersionDoesNotMatter) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    const Name apex = name("example.");
    zone_fixture::RandomHistory history(seed, apex, 40);
    auto zone = zone_fixture::build_shared(history.records(), apex);
    for (int i = 0; i < 20; ++i) {
      const DeltaPtr step = history.step(1 + history.random().below(8));
      const auto next = apply_deltas(zone, {&step, 1});
      ASSERT_TRUE(next) << next.error().text();
      zone = *next;
      const auto expected = zone_fixture::build(history.records());
      for (int k = 0; k < 60; ++k) {
        const std::string asked = history.random().name_below(apex, 5).lowered().text();
        const RRType type = k % 10 == 0 ? RRType::DS : history.random().type();
        const auto lower = [](std::string text) {
          std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
          return text;
        };
        ASSERT_EQ(lower(look(zone, asked, type)), lower(look(expected, asked, type)))
            << asked << " " << type_text(type) << " seed " << seed << " step " << i;
      }
    }
  }
}

TEST(LookupOcclusionTest, WhatLiesAboveDecides) {
  const auto zone = zone_fixture::build(apex_text() +
                                        "cut 60 NS ns.cut\nns.cut 60 A 192.0.2.1\na.b.cut 60 A 192.0.2.1\n"
                                        "d.e 60 DNAME ns\nx.d.e 60 A 192.0.2.1\nplain 60 A 192.0.2.1\n");
  ASSERT_NE(zone, nullptr);
  const auto below = [&](std::string_view owner) {
    const Name asked = name(owner);
    const HashedName hashed(asked);
    return std::pair(is_below_cut(*zone, hashed), is_below_dname(*zone, hashed));
  };
  EXPECT_EQ(below("ns.cut.example."), std::pair(true, false));
  EXPECT_EQ(below("a.b.cut.example."), std::pair(true, false));
  EXPECT_EQ(below("not.there.cut.example."), std::pair(true, false));
  EXPECT_EQ(below("cut.example."), std::pair(false, false));
  EXPECT_EQ(below("x.d.e.example."), std::pair(false, true));
  EXPECT_EQ(below("d.e.example."), std::pair(false, false));
  EXPECT_EQ(below("x.plain.example."), std::pair(false, false));
  EXPECT_EQ(below("example."), std::pair(false, false));
}

TEST(LookupDepthTest, CutsOfEveryDepth) {
  for (const int labels : {1, 61, 62, 63, 64, 90}) {
    std::string deep;
    for (int i = 0; i < labels; ++i) deep += "a.";
    const auto zone = zone_fixture::build(apex_text() + deep + "example. NS ns\n");
    ASSERT_NE(zone, nullptr);
    EXPECT_EQ(look(zone, deep + "example."), "referral " + deep + "example. 0 chunk");
    EXPECT_EQ(look(zone, "x." + deep + "example."), "referral " + deep + "example. 1 chunk");
    EXPECT_EQ(look(zone, "y.x." + deep + "example."), "referral " + deep + "example. 2 chunk");
    EXPECT_EQ(look(zone, "a." + deep + "example."), "referral " + deep + "example. 1 chunk");
    if (labels > 1) EXPECT_EQ(look(zone, deep.substr(2) + "example."), "nodata " + deep.substr(2) + "example. 0");
  }
}

TEST(LookupDepthTest, NamesOfEveryDepth) {
  // 120 labels below the apex: more than the depths that are told apart.
  std::string deep = "x.";
  for (int i = 0; i < 119; ++i) deep += "a.";
  const auto zone = zone_fixture::build(apex_text() + deep + "example. A 192.0.2.1\n");
  ASSERT_NE(zone, nullptr);
  EXPECT_EQ(look(zone, deep + "example."), "answer " + deep + "example. 0 chunk");
  EXPECT_EQ(look(zone, "y." + deep + "example."), "name_error 1");
  std::string other = deep;
  other[0] = 'y';
  EXPECT_EQ(look(zone, other + "example."), "name_error 1");
  EXPECT_EQ(look(zone, "b.a.a.a.example."), "name_error 1");
  EXPECT_EQ(look(zone, "a.a.a.example."), "nodata a.a.a.example. 0");
}

}  // namespace
}  // namespace understudy
