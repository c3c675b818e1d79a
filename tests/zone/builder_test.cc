#include "zone/builder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <set>

#include "zone/random_records.h"

namespace understudy {
namespace {

using namespace zone_fixture;
using testing::ElementsAre;

const Node* find(const std::shared_ptr<const Zone>& zone, std::string_view owner) {
  const Name at = name(owner);
  const HashedName hashed(at);
  return zone->find(hashed);
}

TEST(ZoneBuilderTest, KeepsRecordsInOrder) {
  const auto input = records(apex_text() + "www A 192.0.2.2\nwww A 192.0.2.1\nwww AAAA 2001:db8::1\nalpha TXT \"x\"\n");
  const auto zone = build(input);
  ASSERT_NE(zone, nullptr);
  const auto output = content(zone);
  EXPECT_EQ(output, input);
  EXPECT_EQ(zone->record_count(), 6U);
  EXPECT_EQ(zone->node_count(), 3U);
  EXPECT_EQ(zone->serial().value, 1U);
  EXPECT_EQ(zone->soa().minimum, 300U);
  EXPECT_EQ(zone->soa().ttl, 3600U);
  EXPECT_EQ(zone->apex().text(), "example.");
}

TEST(ZoneBuilderTest, MergesRecordsScatteredOverTheStream) {
  auto input = records(apex_text());
  for (int round = 0; round < 5; ++round) {
    for (int host = 0; host < 50; ++host) {
      input.push_back(record("h" + std::to_string(host) + " 60 A 10.0.0." + std::to_string(round)));
      input.push_back(record("h" + std::to_string(host) + " 60 MX " + std::to_string(round) + " mail"));
    }
  }
  const auto zone = build(input);
  ASSERT_NE(zone, nullptr);
  EXPECT_EQ(sorted_text(content(zone)), sorted_text(input));
  EXPECT_EQ(zone->record_count(), input.size());
  EXPECT_EQ(zone->node_count(), 51U);
  // In the order of their coming within an RRset.
  const auto rrset = zone->rrset(find(zone, "h7.example."), RRType::A);
  ASSERT_TRUE(rrset);
  std::vector<int> order;
  rrset->for_each_rdata([&](ByteView rdata) { order.push_back(rdata[3]); });
  EXPECT_THAT(order, ElementsAre(0, 1, 2, 3, 4));
}

TEST(ZoneBuilderTest, ApexThatComesLastAndInPieces) {
  const auto input = records(
      "www 60 A 192.0.2.1\n@ 60 NS ns\na.b 60 A 192.0.2.2\n@ 60 SOA ns admin 7 1 2 3 4\nwww 60 A 192.0.2.3\n"
      "@ 60 NS ns2\n");
  const auto zone = build(input);
  ASSERT_NE(zone, nullptr);
  EXPECT_EQ(sorted_text(content(zone)), sorted_text(input));
  EXPECT_EQ(content(zone)[0].type, RRType::SOA) << "the cursor begins with the SOA";
  EXPECT_EQ(zone->serial().value, 7U);
}

// A version changes from the heap to mapped memory as it grows, wherever that happens: names, trees, or its table.
TEST(ZoneBuilderTest, OneThatBecomesLargeAtItsEndGoesBackToWhereItCameFrom) {
  constexpr int hosts = 15'000;
  const auto build_with = [&](std::uint64_t octets) {
    ZoneBuilder builder(name("example."), {.octets = octets});
    add_all(builder, records(apex_text()));
    for (int i = 0; i < hosts; ++i) {
      const Bytes address = {10, 0, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)};
      EXPECT_TRUE(builder.add(name("h" + std::to_string(i) + ".example."), RRType::A, 60, address));
    }
    return builder.finish().value();
  };
  const std::uint64_t whole = build_with(0)->memory_size();
  ASSERT_GT(whole, 600U << 10);  // twice as much is over the heap's share
  ASSERT_LT(whole, 1000U << 10);
  for (std::uint64_t missing = 0; missing < whole - (520U << 10); missing += 16U << 10) {
    EXPECT_EQ(build_with(whole - missing)->record_count(), hosts + 2U) << missing;
  }
}

TEST(ZoneBuilderTest, CountsDuplicates) {
  ZoneBuilder::Report report;
  auto input = records(apex_text() +
                       "www 60 A 192.0.2.1\nwww 60 A 192.0.2.1\nwww 60 A 192.0.2.2\nx 60 A 192.0.2.3\n"
                       "www 60 A 192.0.2.2\nWWW 60 A 192.0.2.1\nm 60 MX 1 Mail\nm 60 MX 1 mAIL\n");
  for (int i = 0; i < 40; ++i) input.push_back(record("many 60 NS n" + std::to_string(i % 20)));
  const auto zone = build(input, "example.", &report);
  ASSERT_NE(zone, nullptr);
  EXPECT_EQ(report.duplicates, 4U + 20U);
  EXPECT_EQ(zone->record_count(), input.size() - report.duplicates);
  EXPECT_EQ(content(zone).size(), zone->record_count());
  const auto mail = zone->rrset(find(zone, "m.example."), RRType::MX);
  ASSERT_TRUE(mail);
  EXPECT_EQ(mail->size(), 1U);
  mail->for_each_rdata([](ByteView rdata) {
    EXPECT_EQ(NameView::trusted(rdata.subspan(2)).text(), "Mail.example.") << "the first stays";
  });
}

TEST(ZoneBuilderTest, DropsWhatIsOutsideTheZone) {
  ZoneBuilder builder(name("example."));
  add_all(builder, records(apex_text()));
  for (const char* outside : {"com.", ".", "notexample.", "xexample.", "a.b.example.com."}) {
    const auto added = builder.add(name(outside), RRType::A, 60, Bytes{192, 0, 2, 1});
    ASSERT_TRUE(added);
    EXPECT_EQ(*added, AddOutcome::out_of_zone) << outside;
  }
  const auto inside = builder.add(name("a.EXAMPLE."), RRType::A, 60, Bytes{192, 0, 2, 1});
  ASSERT_TRUE(inside);
  EXPECT_EQ(*inside, AddOutcome::added);
  const auto zone = builder.finish();
  ASSERT_TRUE(zone);
  EXPECT_EQ(builder.report().out_of_zone, 5U);
  EXPECT_EQ((*zone)->record_count(), 3U);
}

TEST(ZoneBuilderTest, EveryNameInBetweenExists) {
  const auto zone = build(apex_text() +
                          "a.b.c 60 A 192.0.2.1\nx.b.c 60 A 192.0.2.2\n*.w 60 A 192.0.2.3\n"
                          "y.*.v 60 A 192.0.2.4\n");
  ASSERT_NE(zone, nullptr);
  for (const char* empty : {"b.c.example.", "c.example.", "w.example.", "*.v.example.", "v.example."}) {
    const Node* node = find(zone, empty);
    ASSERT_NE(node, nullptr) << empty;
    EXPECT_EQ(node->rrset_count, 0) << empty;
  }
  EXPECT_EQ(zone->node_count(), 10U);
  EXPECT_TRUE(find(zone, "w.example.")->has(Node::wildcard_child));
  EXPECT_TRUE(find(zone, "*.w.example.")->has(Node::wildcard));
  EXPECT_TRUE(find(zone, "v.example.")->has(Node::wildcard_child));
  EXPECT_TRUE(find(zone, "*.v.example.")->has(Node::wildcard));
  EXPECT_FALSE(find(zone, "c.example.")->has(Node::wildcard_child));
  EXPECT_FALSE(zone->apex_node()->has(Node::wildcard_child));
  EXPECT_EQ(find(zone, "x.c.example."), nullptr);
  for (std::size_t depth = 0; depth <= 3; ++depth) EXPECT_TRUE(zone->has_depth(depth)) << depth;
  EXPECT_FALSE(zone->has_depth(4));
}

TEST(ZoneBuilderTest, WildcardAtTheApex) {
  for (const char* text : {"* 60 A 192.0.2.1\n", "x.* 60 A 192.0.2.1\n"}) {
    const auto zone = build(apex_text() + text);
    ASSERT_NE(zone, nullptr);
    EXPECT_TRUE(zone->apex_node()->has(Node::wildcard_child));
    const Name apex = name("example.");
    const HashedName hashed(apex);
    EXPECT_EQ(zone->find_wildcard(hashed, 0), find(zone, "*.example."));
  }
}

TEST(ZoneBuilderTest, MarksCutsAndDnames) {
  const auto zone = build(apex_text() +
                          "cut 60 NS ns.cut\nns.cut 60 A 192.0.2.1\na.b.cut 60 A 192.0.2.2\n"
                          "low.cut 60 NS ns.cut\nc.b.d 60 DNAME ns\nalias 60 CNAME ns\n"
                          "cut2 60 A 192.0.2.4\nx.cut2 60 A 192.0.2.5\ncut2 60 NS ns\n");
  ASSERT_NE(zone, nullptr);
  EXPECT_TRUE(find(zone, "cut.example.")->has(Node::cut));
  EXPECT_FALSE(find(zone, "ns.cut.example.")->has(Node::cut));
  EXPECT_TRUE(find(zone, "low.cut.example.")->has(Node::cut));
  EXPECT_TRUE(find(zone, "c.b.d.example.")->has(Node::dname));
  EXPECT_TRUE(find(zone, "alias.example.")->has(Node::cname));
  EXPECT_TRUE(find(zone, "cut2.example.")->has(Node::cut)) << "NS that came later";
  EXPECT_FALSE(zone->apex_node()->has(Node::cut)) << "NS at the apex is no cut";
  EXPECT_EQ(zone->cut_depths(), 0b0110U) << "depths where to look for cuts";
  EXPECT_EQ(zone->dname_depths(), 0b1000U);
}

TEST(ZoneBuilderTest, CountsTheNamesDirectlyBelow) {
  for (const std::uint32_t many : {254U, 255U, 256U, 1000U}) {
    std::string text = "p 60 A 192.0.2.1\na.b.q 60 A 192.0.2.1\nc.b.q 60 TXT x\nd.q 60 TXT x\n*.q 60 TXT x\n";
    for (std::uint32_t i = 0; i < many; ++i) {
      text += "h" + std::to_string(i) + ".p 60 A 192.0.2.1\n";
      text += "x.h" + std::to_string(i) + ".empty 60 A 192.0.2.1\n";
    }
    const auto zone = build(apex_text() + text);
    ASSERT_NE(zone, nullptr);
    EXPECT_EQ(find(zone, "p.example.")->children(), many);
    EXPECT_EQ(find(zone, "empty.example.")->children(), many);
    EXPECT_EQ(find(zone, "h0.empty.example.")->children(), 1U);
    EXPECT_EQ(find(zone, "h0.p.example.")->children(), 0U);
    EXPECT_EQ(find(zone, "b.q.example.")->children(), 2U);
    EXPECT_EQ(find(zone, "q.example.")->children(), 3U) << "a wildcard is a name";
    EXPECT_TRUE(find(zone, "q.example.")->has(Node::wildcard_child));
    EXPECT_EQ(zone->apex_node()->children(), 0U) << "the apex needs none";
    EXPECT_TRUE(zone->rrset(find(zone, "p.example."), RRType::A));
    EXPECT_EQ(sorted_text(content(zone)), sorted_text(records(apex_text() + text)));
  }
}

TEST(ZoneBuilderTest, OwnersOfNsec3OnlyAreNoNames) {
  const std::string nsec3 = " 60 NSEC3 1 0 0 - 0123456789abcdefghijklmnopqrstuv A\n";
  const std::string sig = " 60 RRSIG NSEC3 8 2 60 20300101000000 20200101000000 1 example. AAAA\n";
  const auto zone =
      build(apex_text() + "only" + nsec3 + "only" + sig + "both" + nsec3 + "both 60 A 192.0.2.1\nparent" + nsec3 +
            "x.parent 60 A 192.0.2.1\nsig 60 RRSIG A 8 2 60 20300101000000 20200101000000 1 @ AAAA\n");
  ASSERT_NE(zone, nullptr);
  EXPECT_TRUE(find(zone, "only.example.")->has(Node::nsec3_only));
  EXPECT_FALSE(find(zone, "both.example.")->has(Node::nsec3_only));
  EXPECT_FALSE(find(zone, "parent.example.")->has(Node::nsec3_only));
  EXPECT_FALSE(find(zone, "sig.example.")->has(Node::nsec3_only)) << "a signature of nothing is still a record";
  EXPECT_EQ(content(zone).size(), 9U);
}

TEST(ZoneBuilderTest, TtlsOfAnRRset) {
  const auto zone = build(apex_text() +
                          "www 300 A 192.0.2.1\nwww 60 A 192.0.2.2\nx 60 A 192.0.2.1\nwww 30 A 192.0.2.3\n"
                          "www 500 RRSIG A 8 2 60 20300101000000 20200101000000 1 @ AAAA\n"
                          "www 400 RRSIG A 8 2 60 20300101000000 20200101000000 1 @ BBBB\n");
  ASSERT_NE(zone, nullptr);
  const auto rrset = zone->rrset(find(zone, "www.example."), RRType::A);
  ASSERT_TRUE(rrset);
  EXPECT_EQ(rrset->ttl(), 30U) << "the lowest (RFC 2181 section 5.2)";
  std::vector<std::uint32_t> ttls;
  rrset->for_each_signature([&](std::uint32_t ttl, ByteView) { ttls.push_back(ttl); });
  EXPECT_THAT(ttls, ElementsAre(500, 400)) << "signatures keep their own";
}

// Of records that are there twice, the first counts, with its TTL; also where there are no octets to tell them apart.
TEST(ZoneBuilderTest, TtlOfDuplicates) {
  for (const Bytes& rdata : {Bytes(), Bytes{1, 2, 3}}) {
    for (const bool scattered : {false, true}) {
      auto input = records(apex_text());
      for (std::uint32_t i = 0; i < 40; ++i) {
        input.push_back({name("x.example."), static_cast<RRType>(65280), RRClass::IN, 900 - i, rdata});
        if (scattered) input.push_back(record("y 60 A 192.0.2.1"));
      }
      const auto zone = build(input);
      ASSERT_NE(zone, nullptr);
      EXPECT_EQ(zone->rrset(find(zone, "x.example."), static_cast<RRType>(65280))->ttl(), 900U);
      EXPECT_EQ(zone->record_count(), scattered ? 4U : 3U);
    }
  }
}

TEST(ZoneBuilderTest, BigRRsets) {
  auto input = records(apex_text());
  for (int i = 0; i < 300; ++i) {
    input.push_back(record("many 60 A 10.0." + std::to_string(i / 256) + "." + std::to_string(i % 256)));
  }
  for (int i = 0; i < 300; ++i) {
    input.push_back(record("large 60 TXT " + std::string(240, 'x') + std::to_string(1000 + i)));
  }
  for (int i = 0; i < 300; ++i) input.push_back(record("mail 60 MX " + std::to_string(i) + " m.mail"));
  input.push_back({name("whole.example."), static_cast<RRType>(65280), RRClass::IN, 60, Bytes(65535, 0xaa)});
  const auto zone = build(input);
  ASSERT_NE(zone, nullptr);
  EXPECT_EQ(sorted_text(content(zone)), sorted_text(input));
  EXPECT_TRUE(zone->rrset(find(zone, "many.example."), RRType::A)->chunk()->is_extended()) << "over 255 records";
  const auto large = zone->rrset(find(zone, "large.example."), RRType::TXT);
  EXPECT_TRUE(large->chunk()->is_extended());
  EXPECT_GT(large->chunk()->record_octets(), 70'000U);
  EXPECT_EQ(large->size(), 300U);
}

TEST(ZoneBuilderTest, NamesWithManyTypes) {
  for (const unsigned types : {300U, 600U, 40'000U}) {
    auto input = records(apex_text());
    for (unsigned i = 0; i < types; ++i) {
      const auto type = static_cast<RRType>(1000 + i);
      input.push_back({name("wide.example."), type, RRClass::IN, 60, Bytes{1, static_cast<std::uint8_t>(i)}});
    }
    const auto zone = build(input);
    ASSERT_NE(zone, nullptr);
    EXPECT_EQ(content(zone), input) << types;
    const Node* node = find(zone, "wide.example.");
    EXPECT_EQ(node->rrset_count, types);
    EXPECT_EQ(node->has(Node::wide), types >= 600);
    EXPECT_NE(node->rrset_chunk(static_cast<RRType>(1000 + types - 1)), nullptr);
    EXPECT_EQ(node->rrset_chunk(static_cast<RRType>(999)), nullptr);
    EXPECT_EQ(node->rrset_chunk(static_cast<RRType>(1000 + types)), nullptr);
    for (unsigned i = 0; i < types; ++i) {
      ASSERT_EQ(node->rrset_chunk(static_cast<RRType>(1000 + i)), node->chunk_at(i)) << i << " of " << types;
    }
  }
}

TEST(ZoneBuilderTest, MoreTypesThanADirectoryHolds) {
  RandomRecords random(1);
  ZoneBuilder builder(name("example."));
  add_all(builder, records(apex_text()));
  for (unsigned i = 0; i < 65'536; ++i) {
    const Record r = random.signature(name("x.example."), static_cast<RRType>(i));
    ASSERT_TRUE(builder.add(r.owner, r.type, r.ttl, r.rdata));
  }
  const auto zone = builder.finish();
  ASSERT_FALSE(zone);
  EXPECT_EQ(zone.error().code, Errc::record_limit);
}

TEST(ZoneBuilderTest, OneNameHasABound) {
  const Bytes large(65'535, 1);
  const auto fill = [&](bool scattered) {
    ZoneBuilder builder(name("example."));
    add_all(builder, records(apex_text()));
    for (std::uint32_t i = 0; i < 1030; ++i) {
      Bytes rdata = large;
      store_u32(rdata.data(), i);
      if (auto added = builder.add(name("x.example."), static_cast<RRType>(65280), 60, rdata); !added) {
        return added.error().code;
      }
      if (scattered) EXPECT_TRUE(builder.add(name("y.example."), RRType::A, 60, Bytes(4, 1)));
    }
    const auto zone = builder.finish();
    return zone ? Errc::internal : zone.error().code;
  };
  EXPECT_EQ(fill(false), Errc::record_limit);
  EXPECT_EQ(fill(true), Errc::record_limit);
}

// Exits with 0 if memory that runs out is an error as others are.
[[noreturn]] void fill_little_memory() {
  std::size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  rlimit limits{};
  limits.rlim_cur = limits.rlim_max = pages * 4096 + (std::size_t{24} << 20);
  ::setrlimit(RLIMIT_AS, &limits);
  ZoneBuilder builder(name("example."));
  const std::array<std::uint8_t, 4> rdata{};
  for (unsigned i = 0; i < 10'000'000; ++i) {
    const auto added = builder.add(name("h" + std::to_string(i) + ".example."), RRType::A, 60, rdata);
    if (!added) std::_Exit(added.error().code == Errc::io ? 0 : 1);
  }
  std::_Exit(2);
}

// Address space runs out in whatever needs it next: blocks, the table, the staged records.
TEST(ZoneBuilderDeathTest, MemoryThatRunsOutIsAnError) {
  EXPECT_EXIT(fill_little_memory(), testing::ExitedWithCode(0), "");
}

// Little on the wire may be much in memory: names below many that exist only because of them, compressed names.
TEST(ZoneBuilderTest, MemoryHasABound) {
  const auto build_bounded = [](std::uint64_t bound, bool deep) -> Result<void> {
    ZoneBuilder builder(name("example."), {.max_octets = bound});
    add_all(builder, records(apex_text()));
    std::string between;
    for (int i = 0; deep && i < 50; ++i) between += "a.";
    for (int i = 0; i < 500; ++i) {
      US_TRY(builder.add(name(between + "h" + std::to_string(i) + ".example."), RRType::A, 60, Bytes(4)));
    }
    US_TRY(builder.finish());
    return {};
  };
  EXPECT_TRUE(build_bounded(200'000, false));
  EXPECT_TRUE(build_bounded(4'000'000, true));
  const auto many = build_bounded(10'000, false), deep = build_bounded(200'000, true);
  ASSERT_FALSE(many);
  EXPECT_EQ(many.error().code, Errc::byte_limit);
  ASSERT_FALSE(deep);
  EXPECT_EQ(deep.error().code, Errc::byte_limit);
}

TEST(ZoneBuilderTest, HintsThatNoMemoryHoldsAreDropped) {
  ZoneBuilder builder(name("example."), {.nodes = 0, .octets = std::uint64_t{1} << 60});
  add_all(builder, records(apex_text()));
  EXPECT_TRUE(builder.finish());
}

TEST(ZoneBuilderTest, KeepsTheCaseOfNames) {
  const auto input = records(
      "EXAmple. 60 IN SOA NS.example. Admin.EXAMPLE. 1 2 3 4 5\nEXAmple. 60 NS NS.EXAmple.\n"
      "WWW.exAMPLE. 60 A 192.0.2.1\nwww.EXAmple. 60 MX 10 Mail.WWW.exAMPLE.\n"
      "MiXeD.exAMPLE. 60 CNAME mIxEd.Example.\n");
  const auto zone = build(input);
  ASSERT_NE(zone, nullptr);
  const auto lines = sorted_text(content(zone));
  EXPECT_THAT(lines, testing::Contains("WWW.example. 60 IN A 192.0.2.1"))
      << "labels as first received, the apex as configured";
  EXPECT_THAT(lines, testing::Contains("WWW.example. 60 IN MX 10 Mail.WWW.exAMPLE."));
  EXPECT_THAT(lines, testing::Contains("example. 60 IN NS NS.EXAmple."));
  EXPECT_THAT(lines, testing::Contains("MiXeD.example. 60 IN CNAME mIxEd.Example."));
  EXPECT_THAT(lines, testing::Contains("example. 60 IN SOA NS.example. Admin.EXAMPLE. 1 2 3 4 5"));
  EXPECT_EQ(zone->node_count(), 3U);
}

TEST(ZoneBuilderTest, TheRootAsApex) {
  const auto input =
      records(". 60 IN SOA a. b. 1 2 3 4 5\n. 60 NS a.\na. 60 A 192.0.2.1\nx.y.z. 60 A 192.0.2.2\n", ".");
  const auto zone = build(input, ".");
  ASSERT_NE(zone, nullptr);
  EXPECT_EQ(sorted_text(content(zone)), sorted_text(input));
  EXPECT_EQ(zone->node_count(), 5U);
  EXPECT_NE(find(zone, "y.z."), nullptr);
  EXPECT_EQ(find(zone, "."), zone->apex_node());
}

TEST(ZoneBuilderTest, AVeryLongApex) {
  const std::string label(61, 'a');
  const std::string apex = label + "." + label + "." + label + "." + label + ".";
  const auto input = records("@ 60 SOA ns admin 1 2 3 4 5\n@ 60 NS ns\nns 60 A 192.0.2.1\n", apex);
  const auto zone = build(input, apex);
  ASSERT_NE(zone, nullptr);
  EXPECT_EQ(sorted_text(content(zone)), sorted_text(input));
}

TEST(ZoneBuilderTest, ManyNames) {
  for (const std::uint64_t expected : {std::uint64_t{0}, std::uint64_t{100'000}, std::uint64_t{1'000'000}}) {
    ZoneBuilder builder(name("example."), {.nodes = expected, .octets = expected * 40});
    add_all(builder, records(apex_text()));
    constexpr std::uint32_t count = 100'000;
    for (std::uint32_t i = 0; i < count; ++i) {
      Bytes rdata(4);
      store_u32(rdata.data(), i);
      const Name owner = name("host" + std::to_string(i) + ".example.");
      ASSERT_TRUE(builder.add(owner, RRType::A, 60, rdata));
    }
    EXPECT_GT(builder.memory_size(), count * 40U);
    const auto zone = builder.finish();
    ASSERT_TRUE(zone);
    EXPECT_EQ((*zone)->node_count(), count + 1);
    EXPECT_LT((*zone)->memory_size(), count * 100U) << "a table of the right size, whatever was expected";
    for (std::uint32_t i = 0; i < count; i += 37) {
      const Node* node = find(*zone, "HOST" + std::to_string(i) + ".example.");
      ASSERT_NE(node, nullptr) << i;
      const auto rrset = (*zone)->rrset(node, RRType::A);
      ASSERT_TRUE(rrset);
      rrset->for_each_rdata([&](ByteView rdata) { EXPECT_EQ(load_u32(rdata.data()), i); });
      EXPECT_EQ(find(*zone, "host" + std::to_string(i) + "x.example."), nullptr);
    }
  }
}

TEST(ZoneBuilderTest, CompactsWhatWasEncodedTwice) {
  ZoneBuilder builder(name("example."));
  add_all(builder, records(apex_text()));
  constexpr int count = 20'000;
  const Bytes filler(100, 7);
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < count; ++i) {
      Bytes rdata = filler;
      store_u32(rdata.data(), static_cast<std::uint32_t>(round));
      ASSERT_TRUE(builder.add(name("h" + std::to_string(i) + ".example."), static_cast<RRType>(65280), 60, rdata));
    }
  }
  const auto zone = builder.finish();
  ASSERT_TRUE(zone);
  EXPECT_EQ((*zone)->record_count(), 3U * count + 2);
  EXPECT_LT((*zone)->memory_size(), count * 420U)
      << "three records of 112 octets, a header, a name, a place in the table";
  std::uint64_t seen = 0;
  ZoneCursor cursor(*zone);
  while (cursor.next()) seen += cursor.rrset().size();
  EXPECT_EQ(seen, (*zone)->record_count());
  for (int i = 0; i < count; i += 17) {
    ASSERT_NE(find(*zone, "h" + std::to_string(i) + ".example."), nullptr);
  }
}

// Owners that come round again and again: what waits and what lies dead stay a share of the version.
TEST(ZoneBuilderTest, ScatteredRecordsTakeLittleMoreThanTheVersion) {
  ZoneBuilder builder(name("example."));
  add_all(builder, records(apex_text()));
  constexpr std::uint32_t count = 4'000, rounds = 8;
  Bytes rdata(1000, 7);
  std::uint64_t added = 0;
  for (std::uint32_t round = 0; round < rounds; ++round) {
    store_u32(rdata.data(), round);
    for (std::uint32_t i = 0; i < count; ++i) {
      ASSERT_TRUE(builder.add(name("h" + std::to_string(i) + ".example."), static_cast<RRType>(65280), 60, rdata));
      added += rdata.size() + 40;
      ASSERT_LE(builder.memory_size(), added * 3 / 2 + (10U << 20)) << round << " " << i;
    }
  }
  const auto zone = builder.finish();
  ASSERT_TRUE(zone);
  EXPECT_EQ((*zone)->record_count(), count * rounds + 2);
  EXPECT_EQ((*zone)->node_count(), count + 1);
  for (std::uint32_t i = 0; i < count; ++i) {
    const Node* node = find(*zone, "h" + std::to_string(i) + ".example.");
    ASSERT_NE(node, nullptr) << i;
    const auto rrset = (*zone)->rrset(node, static_cast<RRType>(65280));
    ASSERT_TRUE(rrset);
    std::uint32_t round = 0;
    rrset->for_each_rdata([&](ByteView got) { EXPECT_EQ(load_u32(got.data()), round++); });
    ASSERT_EQ(round, rounds) << i;
  }
}

TEST(ZoneBuilderTest, WhatCannotBeServed) {
  const auto outcome = [](std::string_view text) {
    ZoneBuilder builder(name("example."));
    add_all(builder, records(text));
    const auto zone = builder.finish();
    return zone ? Errc::internal : zone.error().code;
  };
  EXPECT_EQ(outcome(""), Errc::no_apex_soa);
  EXPECT_EQ(outcome("@ 60 NS ns\n"), Errc::no_apex_soa);
  EXPECT_EQ(outcome("x 60 SOA a b 1 2 3 4 5\nx 60 NS ns\n"), Errc::no_apex_soa);
  EXPECT_EQ(outcome("@ 60 SOA a b 1 2 3 4 5\nx 60 A 192.0.2.1\n"), Errc::no_apex_ns);
  EXPECT_EQ(outcome("@ 60 SOA a b 1 2 3 4 5\n@ 60 SOA a b 2 2 3 4 5\n@ 60 NS ns\n"), Errc::no_apex_soa);
  EXPECT_EQ(outcome("@ 60 SOA a b 1 2 3 4 5\n@ 60 NS ns\nx 60 A 192.0.2.1\n@ 60 SOA a b 2 2 3 4 5\n"),
            Errc::no_apex_soa);
  EXPECT_EQ(outcome("@ 60 SOA a b 1 2 3 4 5\n@ 60 NS ns\n@ 60 SOA a b 1 2 3 4 5\n"), Errc::internal)
      << "the same twice is one";
}

TEST(ZoneBuilderTest, SaysWhatIsOddOnce) {
  ZoneBuilder::Report report;
  const auto zone = build(apex_text() +
                              "a 60 CNAME x\na 60 TXT \"t\"\nb 60 CNAME x\nb 60 CNAME y\nc 60 DNAME x\nc 60 DNAME y\n"
                              "d 60 SOA a b 1 2 3 4 5\nfine 60 CNAME x\nfine 60 NSEC x CNAME\n"
                              "fine 60 RRSIG CNAME 8 2 60 20300101000000 20200101000000 1 @ AAAA\n"
                              "a 60 TXT \"later\"\nb 60 TXT \"later\"\n",
                          "example.", &report);
  ASSERT_NE(zone, nullptr);
  EXPECT_THAT(report.oddities, ElementsAre("a.example.: CNAME beside other data", "b.example.: more than one CNAME",
                                           "c.example.: more than one DNAME", "d.example.: SOA below the apex",
                                           "b.example.: CNAME beside other data"));
  EXPECT_EQ(report.oddity_count, 5U);
  EXPECT_EQ(content(zone).size(), 14U) << "odd, but kept";
}

TEST(ZoneBuilderTest, OdditiesAreBounded) {
  std::string text = apex_text();
  for (int i = 0; i < 100; ++i)
    text += "a" + std::to_string(i) + " 60 CNAME x\na" + std::to_string(i) + " 60 A 192.0.2.1\n";
  ZoneBuilder::Report report;
  ASSERT_NE(build(text, "example.", &report), nullptr);
  EXPECT_EQ(report.oddities.size(), 8U);
  EXPECT_EQ(report.oddity_count, 100U);
}

TEST(ZoneBuilderTest, NegativeSoa) {
  const auto zone = build(
      "@ 3600 SOA ns admin 1 2 3 4 60\n@ 3600 NS ns\n@ 3600 RRSIG SOA 8 1 3600 20300101000000 "
      "20200101000000 1 @ AAAA\n@ 30 RRSIG SOA 8 1 3600 20300101000000 20200101000000 2 @ BBBB\n");
  ASSERT_NE(zone, nullptr);
  const RRsetView soa(zone->apex_node(), RRType::SOA, zone->negative_soa(), zone->apex());
  EXPECT_EQ(soa.ttl(), 60U);
  std::vector<std::uint32_t> ttls;
  soa.for_each_signature([&](std::uint32_t ttl, ByteView) { ttls.push_back(ttl); });
  EXPECT_THAT(ttls, ElementsAre(60, 30));
  EXPECT_NE(zone->negative_soa(), zone->apex_node()->chunk(RRType::SOA));
}

TEST(ZoneBuilderTest, NegativeSoaThatIsTheApexs) {
  const std::string apex = "@ 60 SOA ns admin 1 2 3 4 60\n@ 3600 NS ns\n";
  for (const char* signature_ttl : {"60", "30", "61"}) {
    const auto zone = build(apex + "@ " + signature_ttl + " RRSIG SOA 8 1 60 20300101000000 20200101000000 1 @ AAAA\n");
    ASSERT_NE(zone, nullptr);
    const bool is_shared = zone->negative_soa() == zone->apex_node()->chunk(RRType::SOA);
    EXPECT_EQ(is_shared, std::string_view(signature_ttl) != "61") << "its TTL is lowered in negative answers";
    EXPECT_EQ(RRsetView(zone->apex_node(), RRType::SOA, zone->negative_soa(), zone->apex()).ttl(), 60U);
  }
}

// The whole contract at once: what goes in comes out, whatever the order.
TEST(ZoneBuilderTest, RandomZonesComeBack) {
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    RandomRecords random(seed);
    const Name apex = name(seed % 5 == 0 ? "." : seed % 7 == 0 ? "a.long.apex.of.example." : "example.");
    auto input = random.zone(apex, seed % 3 == 0 ? 300 : 30);
    if (seed % 2 == 0) random.shuffle(input);
    const std::size_t repeated = seed % 4 == 0 ? input.size() / 3 : 0;
    auto stream = input;
    for (std::size_t i = 0; i < repeated; ++i) stream.push_back(input[random.below(input.size())]);
    ZoneBuilder::Report report;
    const auto zone = build(stream, apex.text(), &report);
    ASSERT_NE(zone, nullptr);
    EXPECT_EQ(report.duplicates, repeated);
    EXPECT_EQ(zone->record_count(), input.size());
    EXPECT_EQ(sorted_text(content(zone)), sorted_text(input)) << "seed " << seed;
    std::set<Name> names;
    for (const Record& r : input) {
      for (NameView at = r.owner; at.size() >= apex.size(); at = at.parent()) {
        names.insert(at);
        if (at.is_root()) break;
      }
    }
    EXPECT_EQ(zone->node_count(), names.size()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace understudy
