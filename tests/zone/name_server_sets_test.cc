#include "zone/name_server_sets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "zone/apply.h"
#include "zone/delta_fixture.h"
#include "zone/random_history.h"

namespace understudy {
namespace {

using namespace zone_fixture;

/// The set that the delegation links to, null if it has its own.
const Chunk* set_of(const std::shared_ptr<const Zone>& zone, std::string_view owner) {
  const Name at = name(owner);
  const Node* node = zone->find(HashedName(at));
  EXPECT_NE(node, nullptr) << owner;
  if (node == nullptr) return nullptr;
  const Chunk* chunk = node->rrset_chunk(RRType::NS);
  EXPECT_EQ(node->owns(chunk), node->linked_set() == nullptr);
  EXPECT_EQ(node->chunk(RRType::NS), chunk);
  return node->linked_set();
}

std::string delegations(int from, int count, std::string_view servers) {
  std::string out;
  for (int i = from; i < from + count; ++i) {
    for (std::string_view rest = servers; !rest.empty();) {
      const std::size_t end = rest.find(' ');
      out += "d" + std::to_string(i) + " 60 NS " + std::string(rest.substr(0, end)) + "\n";
      rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    }
  }
  return out;
}

TEST(NameServerSetsTest, ComeFromTheSecondDelegationOn) {
  const auto input = records(apex_text() + delegations(1, 4, "ns1.hoster.test. ns2.hoster.test.") +
                             delegations(5, 1, "ns.other.test."));
  const auto zone = build(input);
  EXPECT_EQ(set_of(zone, "d1.example."), nullptr) << "nobody knew yet";
  EXPECT_EQ(set_of(zone, "d5.example."), nullptr) << "it has no other";
  const Chunk* set = set_of(zone, "d2.example.");
  ASSERT_NE(set, nullptr);
  EXPECT_EQ(set_of(zone, "d3.example."), set);
  EXPECT_EQ(set_of(zone, "d4.example."), set);
  EXPECT_EQ(sorted_text(content(zone)), sorted_text(input));
}

// Names in a set are compressed against the apex alone, whatever the length of the owner.
TEST(NameServerSetsTest, ServersInsideTheZone) {
  const auto input =
      records(apex_text() +
              "a NS ns.hoster\na NS example.\nlonger-name NS ns.hoster\nlonger-name NS example.\n"
              "b.c NS ns.hoster\nb.c NS example.\n*.d NS ns.hoster\n*.d NS example.\nns.hoster A 192.0.2.1\n");
  const auto zone = build(input);
  const Chunk* set = set_of(zone, "longer-name.example.");
  ASSERT_NE(set, nullptr);
  EXPECT_EQ(set_of(zone, "b.c.example."), set);
  EXPECT_EQ(set_of(zone, "*.d.example."), set);
  EXPECT_EQ(set->target_count_, 2);
  EXPECT_EQ(sorted_text(content(zone)), sorted_text(input));
}

TEST(NameServerSetsTest, WhatIsNotTheSame) {
  const auto zone = build(apex_text() + delegations(1, 2, "ns1.hoster.test. ns2.hoster.test.") +
                          delegations(3, 1, "ns2.hoster.test. ns1.hoster.test.") +
                          delegations(4, 1, "ns1.hoster.test. ns2.Hoster.test.") +
                          "d5 61 NS ns1.hoster.test.\nd5 61 NS ns2.hoster.test.\n"
                          "d6 60 NS ns1.hoster.test.\n"
                          "d7 60 NS ns1.hoster.test.\nd7 60 NS ns2.hoster.test.\nd7 60 A 192.0.2.1\n");
  const Chunk* set = set_of(zone, "d2.example.");
  ASSERT_NE(set, nullptr);
  EXPECT_EQ(set_of(zone, "d3.example."), nullptr) << "another order";
  EXPECT_EQ(set_of(zone, "d4.example."), nullptr) << "another case";
  EXPECT_EQ(set_of(zone, "d5.example."), nullptr) << "another TTL";
  EXPECT_EQ(set_of(zone, "d6.example."), nullptr) << "fewer";
  EXPECT_EQ(set_of(zone, "d7.example."), set) << "what else is there does not matter";
}

TEST(NameServerSetsTest, WhatIsNeverShared) {
  const std::string signature = " 60 RRSIG NS 8 2 60 20300101000000 20200101000000 1 example. AAAA\n";
  const auto zone = build(apex_text() + "d1 60 NS ns.d1\nd1 60 NS ns.d2\nd2 60 NS ns.d1\nd2 60 NS ns.d2\n" +
                          delegations(3, 3, "ns.hoster.test.") + "d4" + signature + "d5" + signature +
                          "x.y 60 NS ns.y\nz.y 60 NS ns.y\n"
                          "d6 60 NS ns.example.\n");
  EXPECT_EQ(set_of(zone, "d2.example."), nullptr) << "a server below the cut";
  EXPECT_EQ(set_of(zone, "d5.example."), nullptr) << "signed";
  EXPECT_EQ(set_of(zone, "z.y.example."), nullptr) << "compressed better against the owner";
  EXPECT_EQ(set_of(zone, "d6.example."), nullptr) << "the apex's servers are not a delegation's";
  EXPECT_EQ(set_of(zone, "example."), nullptr);
}

TEST(NameServerSetsTest, ASmallZoneHasNone) {
  ZoneBuilder builder(name("example."));
  add_all(builder, records(apex_text() + delegations(0, 1010, "ns.hoster.test.")));
  const auto zone = builder.finish();
  ASSERT_TRUE(zone);
  EXPECT_EQ(set_of(*zone, "d1000.example."), nullptr);
  EXPECT_NE(set_of(*zone, "d1005.example."), nullptr) << "worth it from here on";
}

TEST(NameServerSetsTest, AThirdOfTheMemory) {
  const auto memory = [](std::size_t first_sets) {
    ZoneBuilder builder(name("example."), {.first_sets = first_sets});
    add_all(builder, records(apex_text()));
    for (int i = 0; i < 100'000; ++i) {
      const Name owner = name("d" + std::to_string(i) + ".example.");
      const std::string hoster = ".hoster" + std::to_string(i * 7919 % 500) + ".test.";
      for (const char* server : {"ns1", "ns2"}) {
        EXPECT_TRUE(builder.add(owner, RRType::NS, 60, name(server + hoster).wire()));
      }
    }
    return (*builder.finish())->memory_size();
  };
  const auto shared = static_cast<double>(memory(0)), own = static_cast<double>(memory(1'000'000));
  EXPECT_LT(shared, 0.45 * own);
}

// Blocks move together while they are built; the sets, and the links to them, move along.
TEST(NameServerSetsTest, BlocksThatMoveAreLinkedAgain) {
  ZoneBuilder builder(name("example."), {.first_sets = 0});
  add_all(builder, records(apex_text()));
  constexpr int count = 20'000;
  const auto owner = [](int i) { return name("d" + std::to_string(i) + ".example."); };
  for (int round = 0; round < 4; ++round) {
    for (int i = 0; i < count; ++i) {
      if (round == i % 2) {
        const std::string hoster = ".hoster" + std::to_string(i % 100) + ".example.";
        for (const char* server : {"ns1", "ns2"}) {
          ASSERT_TRUE(builder.add(owner(i), RRType::NS, 60, name(server + hoster).wire()));
        }
      } else {
        Bytes rdata(100, 7);
        store_u32(rdata.data(), static_cast<std::uint32_t>(round));
        ASSERT_TRUE(builder.add(owner(i), static_cast<RRType>(65280), 60, rdata));
      }
    }
  }
  const auto zone = builder.finish();
  ASSERT_TRUE(zone);
  std::size_t linked = 0;
  for (int i = 0; i < count; ++i) {
    const Name at = owner(i);
    const Node* node = (*zone)->find(HashedName(at));
    ASSERT_NE(node, nullptr);
    linked += node->linked_set() != nullptr ? 1U : 0U;
    std::vector<std::string> servers;
    (*zone)->rrset(node, RRType::NS)->for_each_rdata([&](ByteView rdata) {
      servers.push_back(NameView::trusted(rdata).text());
    });
    const std::string hoster = ".hoster" + std::to_string(i % 100) + ".example.";
    ASSERT_THAT(servers, testing::ElementsAre("ns1" + hoster, "ns2" + hoster)) << i;
  }
  EXPECT_GT(linked, std::size_t{count} * 9 / 10);
}

// A cut with so many names below it that its block is made anew.
TEST(NameServerSetsTest, ManyNamesBelowTheCut) {
  std::string text = apex_text() + delegations(0, 3, "ns.hoster.test.");
  for (int i = 0; i < 400; ++i) text += "g" + std::to_string(i) + ".d2 60 A 192.0.2.1\n";
  const auto zone = build(text);
  ASSERT_NE(set_of(zone, "d1.example."), nullptr);
  EXPECT_EQ(set_of(zone, "d2.example."), set_of(zone, "d1.example."));
  EXPECT_EQ(zone->find(HashedName(name("d2.example.")))->children(), 400U);
}

std::string text_of(unsigned serial, const std::string& text) {
  return soa(serial) + "@ 3600 NS ns.example.\n" + text;
}
std::shared_ptr<const Zone> second(const std::string& text) {
  return build_shared(records(text_of(2, text)), apex());
}

TEST(NameServerSetsTest, UpdatesLinkToSetsThatAreThere) {
  const std::string both = "ns1.hoster.test. ns2.hoster.test.";
  const auto base = shared_zone(delegations(0, 3, both));
  const Chunk* set = set_of(base, "d2.example.");
  ASSERT_NE(set, nullptr);
  const auto next = apply_deltas(
      base, std::array{delta(1, "d1 60 NS ns1.hoster.test.\n",
                             delegations(7, 1, both) + "g.d2 60 A 192.0.2.1\n" + delegations(8, 2, "ns.new.test."))});
  ASSERT_TRUE(next) << next.error().text();
  ASSERT_TRUE((*next)->shared()->shares_with(*base->shared()));
  EXPECT_EQ(set_of(*next, "d7.example."), set);
  EXPECT_EQ(set_of(*next, "d2.example."), set) << "copied, because it has a name below it now";
  EXPECT_EQ(set_of(*next, "d1.example."), nullptr);
  EXPECT_EQ(set_of(*next, "d9.example."), nullptr) << "new sets come when a version is built anew";
  EXPECT_EQ(set_of(base, "d1.example."), set);
  const std::string after = delegations(0, 1, both) + "d1 60 NS ns2.hoster.test.\n" + delegations(2, 1, both) +
                            delegations(7, 1, both) + "g.d2 60 A 192.0.2.1\n" + delegations(8, 2, "ns.new.test.");
  expect_same(*next, build(text_of(2, after)));
}

// What differs is in the sets alone: the blocks are the same to the octet.
TEST(NameServerSetsTest, DifferencesAreFoundThroughLinks) {
  const auto before = shared_zone(delegations(0, 5, "ns1.hoster.test."));
  const auto after = second(delegations(0, 5, "ns2.hoster.test."));
  const auto found = difference(before, after);
  ASSERT_TRUE(found);
  EXPECT_EQ((*found)->removed_count(), 6U);
  EXPECT_EQ((*found)->added_count(), 6U);
}

// The same octets, encoded against different names: "example." in a set, the owner in a block.
TEST(NameServerSetsTest, ASetIsNotWhatItLooksLike) {
  const auto before = shared_zone("a 60 NS example.\nb 60 NS example.\n");
  const auto after = second("a 60 NS example.\nb 60 NS b\n");
  ASSERT_NE(set_of(before, "b.example."), nullptr);
  const auto found = difference(before, after);
  ASSERT_TRUE(found);
  EXPECT_EQ((*found)->removed_count(), 2U);
  const auto next = apply_deltas(before, std::array{*found});
  ASSERT_TRUE(next);
  expect_same(*next, after);
}

TEST(RepeatedSetsTest, RemembersWhatIsFrequent) {
  RepeatedSets repeated(0);
  const auto set = [](std::uint32_t i, std::uint32_t ttl = 60) {
    Bytes out(12);
    store_u32(out.data(), i);
    return std::pair(out, ttl);
  };
  const auto comes_again = [&](const std::pair<Bytes, std::uint32_t>& of) {
    const StagedRecord record{RRType::NS, of.second, of.first};
    return repeated.comes_again(RepeatedSets::mark_of({&record, 1}));
  };
  EXPECT_FALSE(comes_again(set(1)));
  EXPECT_TRUE(comes_again(set(1)));
  EXPECT_FALSE(comes_again(set(1, 61)));
  std::size_t again = 0;
  for (std::uint32_t i = 0; i < 3'000'000; ++i) {
    comes_again(set(1000 + i));
    if (i % 1000 == 0) again += comes_again(set(7)) ? 1U : 0U;
  }
  EXPECT_GT(again, 2900U) << "of 3,000, among three million others";
}

}  // namespace
}  // namespace understudy
