#include "zone/part.h"

#include <gtest/gtest.h>

#include "zone/random_records.h"

namespace understudy {
namespace {

using namespace zone_fixture;

/// One name with its records, as a part takes them.
struct Owned {
  Name owner;
  std::vector<Record> records;
};

std::vector<Owned> by_owner(const std::vector<Record>& input) {
  std::map<Name, std::size_t> places;
  std::vector<Owned> names;
  for (const Record& r : input) {
    const auto [place, is_new] = places.try_emplace(r.owner, names.size());
    if (is_new) names.push_back({r.owner, {}});
    names[place->second].records.push_back(r);
  }
  return names;
}

Result<void> add(ZonePart& part, const Owned& name) {
  Bytes octets;
  std::vector<std::size_t> ends;
  for (const Record& r : name.records) {
    append(octets, r.rdata);
    ends.push_back(octets.size());
    octets.push_back(0);  // where there is no RDATA, places tell the order of arrival
  }
  std::vector<StagedRecord> staged;
  std::size_t at = 0;
  for (std::size_t i = 0; i < ends.size(); at = ends[i++] + 1) {
    staged.push_back({name.records[i].type, name.records[i].ttl, ByteView(octets).subspan(at, ends[i] - at)});
  }
  return part.add_name(name.owner, staged);
}

TEST(ZonePart, RandomZonesAreAsIfTheyCameRecordByRecord) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    RandomRecords random(seed);
    const Name apex = name(seed % 5 == 0 ? "." : "example.");
    const std::vector<Owned> names = by_owner(random.zone(apex, 5 * seed));
    ZoneBuilder builder(apex, {.first_sets = 0}), plain(apex);
    ZonePart part(apex);
    for (const Owned& each : names) {
      for (const Record& r : each.records) ASSERT_TRUE(plain.add(r.owner, r.type, r.ttl, r.rdata));
      if (random.once_in(4)) {
        for (const Record& r : each.records) ASSERT_TRUE(builder.add(r.owner, r.type, r.ttl, r.rdata));
      } else {
        ASSERT_TRUE(add(part, each));
      }
      if (random.once_in(10)) {
        ASSERT_TRUE(builder.add_part(part));
        part.clear();
      }
    }
    ASSERT_TRUE(builder.add_part(part));
    const auto zone = builder.finish().value(), expected = plain.finish().value();
    EXPECT_EQ(sorted_text(content(zone)), sorted_text(content(expected))) << "seed " << seed;
    EXPECT_EQ(zone->record_count(), expected->record_count());
    EXPECT_EQ(zone->node_count(), expected->node_count());
    expected->for_each_node(nullptr, [&](const Node& node) {
      const Name owner = node_owner(&node, apex);
      const Node* found = zone->find(HashedName(owner));
      ASSERT_NE(found, nullptr) << owner.text();
      EXPECT_EQ(found->flags, node.flags) << owner.text();
      EXPECT_EQ(found->children(), node.children()) << owner.text();
    });
  }
}

// Name-server sets are found again across parts, and in names that came one by one.
TEST(ZonePart, DelegationsShareTheirServers) {
  ZoneBuilder builder(name("example."), {.first_sets = 0});
  add_all(builder, records(apex_text()));
  std::vector<Record> all = records(apex_text());
  ZonePart part(name("example."));
  for (int i = 0; i < 300; ++i) {
    const std::string owner = "d" + std::to_string(i), hoster = "hoster" + std::to_string(i % 7);
    const std::vector<Record> of =
        records(i % 10 == 3   ? owner + " 60 A 192.0.2.1\n"
                : i % 10 == 4 ? owner + " 60 NS ns." + owner + "\n"
                              : owner + " 60 NS ns1." + hoster + ".test.\n" + owner + " 60 NS ns2." + hoster + "\n" +
                                    owner + " 60 DS 1 8 2 " + std::string(64, 'A') + "\n");
    all.insert(all.end(), of.begin(), of.end());
    if (i < 20) {
      for (const Record& r : of) ASSERT_TRUE(builder.add(r.owner, r.type, r.ttl, r.rdata));
      continue;
    }
    ASSERT_TRUE(add(part, {of[0].owner, of}));
    if (i % 37 == 0) {
      ASSERT_TRUE(builder.add_part(part));
      part.clear();
    }
  }
  ASSERT_TRUE(builder.add_part(part));
  const auto zone = builder.finish().value();
  EXPECT_EQ(sorted_text(content(zone)), sorted_text(all));
  std::map<const Chunk*, std::size_t> sets;
  zone->for_each_node(nullptr, [&](const Node& node) {
    if (const Chunk* set = node.linked_set()) ++sets[set];
  });
  EXPECT_EQ(sets.size(), 7U);
  std::size_t links = 0;
  for (const auto& [set, count] : sets) links += count;
  EXPECT_EQ(links, 240U - 7U) << "all but the first of each hoster";
}

// In whatever way the same name came before, its records are merged, the first first; a record that is there is one.
TEST(ZonePart, ANameThatComesAgainIsMerged) {
  const Owned first{name("www.example."), records("www 60 A 192.0.2.1\nwww 60 A 192.0.2.2\nwww 60 MX 1 m\n")};
  const Owned again{name("WWW.example."), records("WWW 60 A 192.0.2.3\nWWW 60 A 192.0.2.1\nWWW 60 TXT x\n")};
  const Owned other{name("other.example."), records("other 60 A 192.0.2.4\n")};
  const auto add_plainly = [](ZoneBuilder& builder, const Owned& to) { add_all(builder, to.records); };
  const auto add_encoded = [](ZoneBuilder& builder, std::initializer_list<Owned> names) {
    ZonePart part(name("example."));
    for (const Owned& each : names) ASSERT_TRUE(add(part, each));
    ASSERT_TRUE(builder.add_part(part));
  };
  for (int way = 0; way < 4; ++way) {
    ZoneBuilder builder(name("example."));
    add_all(builder, records(apex_text()));
    if (way == 0) add_encoded(builder, {first, again, other});
    if (way == 1) add_encoded(builder, {first}), add_encoded(builder, {other, again});
    if (way == 2) add_plainly(builder, first), add_plainly(builder, other), add_encoded(builder, {again});
    if (way == 3) add_encoded(builder, {first, other}), add_plainly(builder, again);
    const auto finished = builder.finish();
    ASSERT_TRUE(finished);
    const std::shared_ptr<const Zone>& zone = *finished;
    const Name owner = name("www.example.");
    const Node* node = zone->find(HashedName(owner));
    ASSERT_NE(node, nullptr) << way;
    std::vector<std::string> addresses;
    zone->rrset(node, RRType::A)->for_each_rdata([&](ByteView r) { addresses.push_back(std::to_string(r[3])); });
    EXPECT_EQ(addresses, (std::vector<std::string>{"1", "2", "3"})) << way;
    EXPECT_NE(node->rrset_chunk(RRType::MX), nullptr) << way;
    EXPECT_NE(node->rrset_chunk(RRType::TXT), nullptr) << way;
    EXPECT_EQ(node_owner(node, zone->apex()).text(), "www.example.") << way;
    EXPECT_EQ(zone->node_count(), 3U) << way;
    EXPECT_EQ(zone->record_count(), 8U) << way;
    EXPECT_EQ(content(zone).size(), 8U) << way;
    EXPECT_EQ(builder.report().duplicates, 1U) << way;
  }
}

// So often that what waits is merged meanwhile, and what was replaced is thrown out.
TEST(ZonePart, ManyNamesThatComeAgain) {
  constexpr unsigned names = 4000, rounds = 4;
  ZoneBuilder builder(name("example."));
  add_all(builder, records(apex_text()));
  ZonePart part(name("example."));
  for (unsigned round = 0; round < rounds; ++round) {
    for (unsigned i = 0; i < names; ++i) {
      const Name owner = name("h" + std::to_string(i) + ".example.");
      Bytes rdata(1000, static_cast<std::uint8_t>(round));
      ASSERT_TRUE(add(part, {owner, {{owner, static_cast<RRType>(65280), RRClass::IN, 60, rdata}}}));
      if (i % 100 != 99) continue;
      ASSERT_TRUE(builder.add_part(part));
      part.clear();
    }
  }
  const auto zone = builder.finish().value();
  EXPECT_EQ(zone->node_count(), names + 1);
  EXPECT_EQ(zone->record_count(), names * rounds + 2);
  const auto all = content(zone);
  EXPECT_EQ(all.size(), names * rounds + 2);
  for (std::size_t i = 2; i < all.size(); ++i) EXPECT_EQ(all[i].rdata[0], (i - 2) % rounds);
}

TEST(ZonePart, Bounds) {
  ZonePart part(name("example."));
  Bytes octets(65'535);
  std::vector<StagedRecord> staged(1025, {static_cast<RRType>(65280), 60, octets});
  EXPECT_EQ(part.add_name(name("x.example."), staged).error().code, Errc::record_limit);
  part.clear();
  ZoneBuilder small(name("example."), {.max_octets = 100'000});
  ASSERT_TRUE(small.add_part(part)) << "an empty one";
  for (int i = 0; i < 10; ++i) {
    staged = {{static_cast<RRType>(65280), 60, ByteView(octets).first(20'000)}};
    ASSERT_TRUE(part.add_name(name("x" + std::to_string(i) + ".example."), staged));
  }
  EXPECT_EQ(small.add_part(part).error().code, Errc::byte_limit);
}

}  // namespace
}  // namespace understudy
