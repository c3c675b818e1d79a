#include "zone/zone.h"

#include <gtest/gtest.h>

#include <map>

#include "zone/random_records.h"

namespace understudy {
namespace {

using namespace zone_fixture;

TEST(ZoneTest, FindsWhatIsThereAndNothingElse) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    RandomRecords random(seed);
    const Name apex = name(seed % 5 == 0 ? "." : "example.");
    const auto input = random.zone(apex, 200);
    const auto zone = build(input, apex.text());
    ASSERT_NE(zone, nullptr);
    std::map<Name, std::map<RRType, std::size_t>> model;
    for (const Record& r : input) {
      for (NameView at = r.owner; at.size() >= apex.size(); at = at.parent()) {
        model[at];
        if (at.is_root()) break;
      }
      if (r.type != RRType::RRSIG) ++model[r.owner][r.type];
    }
    for (int i = 0; i < 500; ++i) {
      const Name asked = random.other_case(random.name_below(apex, 5));
      const HashedName hashed(asked);
      const std::size_t depth = hashed.labels - zone->apex_labels();
      for (std::size_t label = 0; label <= depth; ++label) {
        const Node* node = zone->find(hashed, label);
        const auto expected = model.find(hashed.suffix(label));
        ASSERT_EQ(node != nullptr, expected != model.end()) << hashed.suffix(label).text();
        const auto wildcard = Name::prepend(view_of("*"), hashed.suffix(label));
        const bool has_wildcard = wildcard && model.contains(*wildcard);
        ASSERT_EQ(zone->find_wildcard(hashed, label) != nullptr, has_wildcard);
        if (node == nullptr) continue;
        EXPECT_EQ(zone->owner_of(node), expected->first);
        EXPECT_TRUE(zone->has_depth(depth - label));
        for (const auto& [type, count] : expected->second) {
          const auto rrset = zone->rrset(node, type);
          ASSERT_TRUE(rrset);
          EXPECT_EQ(rrset->size(), count);
        }
        EXPECT_FALSE(zone->rrset(node, RRType::LOC));
      }
    }
  }
}

TEST(ZoneTest, CursorGoesOverEveryRRsetOnce) {
  const auto zone = build(apex_text() +
                          "@ 60 MX 10 mail\n@ 60 A 192.0.2.9\nx.y 60 A 192.0.2.1\n"
                          "sig 60 RRSIG A 8 2 60 20300101000000 20200101000000 1 @ AAAA\n"
                          "x.y 60 TXT \"again\"\n");
  ASSERT_NE(zone, nullptr);
  ZoneCursor cursor(zone);
  std::vector<std::string> seen;
  while (cursor.next()) {
    seen.push_back(cursor.owner().text() + " " + type_text(cursor.rrset().type()) + " " +
                   std::to_string(cursor.rrset().size()) + "+" + std::to_string(cursor.rrset().signature_count()));
  }
  EXPECT_EQ(seen, (std::vector<std::string>{"example. SOA 1+0", "example. A 1+0", "example. NS 1+0", "example. MX 1+0",
                                            "sig.example. A 0+1", "x.y.example. A 1+0", "x.y.example. TXT 1+0"}));
  EXPECT_EQ(&cursor.zone(), zone.get());
}

TEST(ZoneTest, CursorKeepsTheVersionAlive) {
  auto zone = build(apex_text());
  const std::weak_ptr<const Zone> watch = zone;
  auto cursor = std::make_unique<ZoneCursor>(zone);
  zone.reset();
  EXPECT_FALSE(watch.expired());
  EXPECT_TRUE(cursor->next());
  EXPECT_EQ(cursor->rrset().type(), RRType::SOA);
  cursor.reset();
  EXPECT_TRUE(watch.expired());
}

TEST(ZoneTest, PrefetchingAnythingIsHarmless) {
  const auto zone = build(apex_text());
  RandomRecords random(9);
  for (int i = 0; i < 10'000; ++i) {
    const Bytes octets = random.octets(8);
    std::uint64_t hash = 0;
    std::memcpy(&hash, octets.data(), 8);
    zone->prefetch(hash);
    zone->prefetch_node(hash);
  }
}

}  // namespace
}  // namespace understudy
