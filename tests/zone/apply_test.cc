#include "zone/apply.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <thread>

#include "base/qsbr.h"
#include "zone/delta_fixture.h"
#include "zone/random_history.h"
#include "zone/zone_table.h"

namespace understudy {
namespace {

using namespace zone_fixture;
using testing::HasSubstr;

std::shared_ptr<const Zone> applied(const std::shared_ptr<const Zone>& base, const DeltaPtr& by) {
  auto made = apply_deltas(base, {&by, 1});
  EXPECT_TRUE(made) << made.error().text();
  return made ? *made : nullptr;
}

std::string error_of(const std::shared_ptr<const Zone>& base, const DeltaPtr& by, Errc code = Errc::bad_delta) {
  const auto made = apply_deltas(base, {&by, 1});
  if (made) return "no error";
  EXPECT_EQ(made.error().code, code) << made.error().text();
  return made.error().detail;
}

// Both ways of making versions: in shared memory, and in memory of their own.
TEST(ApplyTest, RandomHistoriesLeadWhereBuildingLeads) {
  unsigned steps = 0, refused = 0;
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    SCOPED_TRACE(seed);
    const Name at = name(seed % 7 == 0 ? "." : "example.");
    const bool is_odd = seed % 2 == 0;
    RandomHistory history(seed, at, seed % 100 == 0 ? 300 : 10,
                          is_odd ? RandomHistory::Data::odd : RandomHistory::Data::regular);
    auto shared = build_shared(history.records(), at);
    auto own = build(history.records(), at.text());
    for (int i = 0; i < 5; ++i) {
      const DeltaPtr step = history.step(1 + history.random().below(i % 5 == 4 ? 20 : 4));
      const auto expected = build(history.records(), at.text());
      ++steps;
      const auto next = apply_deltas(shared, {&step, 1});
      if (!next && is_odd) {  // it comes whole
        ++refused;
        EXPECT_EQ(next.error().code, Errc::bad_delta);
        EXPECT_EQ(error_of(own, step), next.error().detail);
        shared = build_shared(history.records(), at);
        own = expected;
        continue;
      }
      ASSERT_TRUE(next) << next.error().text();
      shared = *next;
      own = applied(own, step);
      ASSERT_NE(own, nullptr);
      expect_same(shared, expected);
      expect_same(own, expected);
      if (testing::Test::HasFailure()) return;
    }
    EXPECT_NE(shared->shared(), nullptr);
    if (seed % 100 != 0) EXPECT_EQ(own->shared(), nullptr) << "a small zone has its memory for itself";
  }
  EXPECT_GT(refused, 20U);
  EXPECT_LT(refused, steps / 4);
}

TEST(ApplyTest, SeveralDeltasAtOnceBackAndCondensed) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    RandomHistory history(seed, apex(), 20);
    const auto first = build_shared(history.records(), apex());
    std::vector<DeltaPtr> steps;
    auto last = first;
    for (int i = 0; i < 8; ++i) {
      steps.push_back(history.step(1 + history.random().below(10)));
      last = applied(last, steps.back());
      ASSERT_NE(last, nullptr);
    }
    const auto at_once = apply_deltas(first, steps);
    ASSERT_TRUE(at_once) << at_once.error().text();
    expect_same(*at_once, last);
    const auto condensed = condense(apex(), steps);
    ASSERT_TRUE(condensed) << condensed.error().text();
    EXPECT_EQ((*condensed)->from(), first->serial());
    EXPECT_EQ((*condensed)->to(), last->serial());
    expect_same(applied(first, *condensed), last);
    expect_same(applied(last, inverse(apex(), **condensed)), first);
    const auto found = difference(first, last);
    ASSERT_TRUE(found) << found.error().text();
    expect_same(applied(first, *found), last);
    expect_same(applied(last, inverse(apex(), **found)), first);
    const auto rebuilt = build(history.records());
    const auto between_rebuilt = difference(first, rebuilt);
    ASSERT_TRUE(between_rebuilt) << "versions that share nothing";
    EXPECT_EQ((*between_rebuilt)->removed_count(), (*found)->removed_count());
    EXPECT_EQ((*between_rebuilt)->added_count(), (*found)->added_count());
    auto back = last;
    for (std::size_t i = steps.size(); i-- > 0;) back = applied(back, inverse(apex(), *steps[i]));
    expect_same(back, first);
    if (testing::Test::HasFailure()) return;
  }
}

// The address sanitizer sees it if a version looks at memory that was given back.
TEST(ApplyTest, OldVersionsStayAsTheyWere) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    RandomHistory history(seed, apex(), 25);
    struct Kept {
      std::shared_ptr<const Zone> zone;
      std::vector<std::string> content;
    };
    std::vector<Kept> kept;
    auto current = build_shared(history.records(), apex());
    for (int i = 0; i < 40; ++i) {
      kept.push_back({current, plain_content(current)});
      current = applied(current, history.step(1 + history.random().below(6)));
      ASSERT_NE(current, nullptr);
      while (!kept.empty() && history.random().below(5) < 2) {
        kept.erase(kept.begin() + static_cast<std::ptrdiff_t>(history.random().below(kept.size())));
      }
      for (int k = 0; k < 3 && !kept.empty(); ++k) {
        const Kept& one = kept[history.random().below(kept.size())];
        ASSERT_EQ(plain_content(one.zone), one.content);
      }
    }
  }
}

TEST(ApplyTest, TheCostFollowsTheChange) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "h" + std::to_string(i) + " 60 A 192.0.2.1\n";
  const auto base = shared_zone(text);
  const auto next = applied(base, delta(1, "h17 60 A 192.0.2.1\n", "h17 60 A 192.0.2.2\n"));
  ASSERT_NE(next, nullptr);
  const std::uint64_t grown = next->memory_size() - base->memory_size();
  EXPECT_LT(grown, 3 * buckets_in_page * sizeof(NodeBucket));
  EXPECT_TRUE(base->shared()->shares_with(*next->shared()));
  EXPECT_FALSE(base->shared()->is_newest());
  EXPECT_TRUE(next->shared()->is_newest());
}

TEST(ApplyTest, MemoryDoesNotGrowWithTheNumberOfUpdates) {
  std::string text;
  for (int i = 0; i < 2000; ++i) text += "h" + std::to_string(i) + " 60 A 192.0.2.1\n";
  auto zone = shared_zone(text);
  const auto pinned = zone;
  const auto content_of_pinned = plain_content(pinned);
  std::string now = "192.0.2.1";
  std::uint64_t settled = 0;
  for (unsigned i = 0; i < 20'000; ++i) {
    const std::string host = "h" + std::to_string(i * 7 % 2000);
    const std::string before = i < 2000 ? "192.0.2.1" : "10.0." + std::to_string((i - 2000) / 2000 % 250) + ".1";
    const std::string after = "10.0." + std::to_string(i / 2000 % 250) + ".1";
    zone = applied(zone, delta(i + 1, host + " 60 A " + before + "\n", host + " 60 A " + after + "\n"));
    ASSERT_NE(zone, nullptr);
    if (i == 4000) settled = zone->memory_size();
  }
  EXPECT_LE(zone->memory_size(), settled + settled / 10) << "also while an old version is held";
  EXPECT_TRUE(zone->shared()->shares_with(*pinned->shared()));
  EXPECT_EQ(plain_content(pinned), content_of_pinned);
}

TEST(ApplyTest, AFailedUpdateLeavesNothingBehind) {
  const auto base = shared_zone("a 60 A 192.0.2.1\nb.c 60 A 192.0.2.1\n");
  const auto content_before = content(base);
  const std::size_t used = base->shared()->arena().used(), free = base->shared()->arena().free();
  EXPECT_THAT(error_of(base, delta(1, "a 60 A 192.0.2.2\n", "")), HasSubstr("a.example. A is to be removed"));
  EXPECT_THAT(error_of(base, delta(1, "x 60 A 192.0.2.2\n", "")), HasSubstr("x.example. A is to be removed"));
  EXPECT_THAT(error_of(base, delta(1, "a 60 A 192.0.2.1\na 60 A 192.0.2.1\n", "")), HasSubstr("not there"));
  EXPECT_THAT(error_of(base, delta(1, "", "a 70 A 192.0.2.1\n")), HasSubstr("a.example. A is to be added"));
  EXPECT_THAT(error_of(base, delta(1, "", "x 60 A 192.0.2.1\nx 60 A 192.0.2.1\n")), HasSubstr("there already"));
  EXPECT_THAT(error_of(base, delta(2, "", "")), HasSubstr("begins at serial 2, not at 1"));
  EXPECT_EQ(error_of(base, delta(1, "@ 3600 NS ns.example.\n", "x 60 A 192.0.2.9\n"), Errc::no_apex_ns), "example.");
  EXPECT_THAT(error_of(base, delta(1, "", soa(3)), Errc::no_apex_soa), HasSubstr("2 SOA"));
  const std::vector<DeltaPtr> gap = {delta(1, "", "x 60 A 192.0.2.1\n"), delta(3, "", "")};
  EXPECT_FALSE(apply_deltas(base, gap));
  EXPECT_EQ(base->shared()->arena().used(), used);
  EXPECT_EQ(base->shared()->arena().free(), free);
  EXPECT_EQ(content(base), content_before);
  EXPECT_TRUE(base->shared()->is_newest());
}

TEST(ApplyTest, WithoutDeltasNothingChanges) {
  const auto base = shared_zone("a 60 A 192.0.2.1\n");
  const auto same = apply_deltas(base, {});
  ASSERT_TRUE(same);
  EXPECT_EQ(*same, base);
}

TEST(ApplyTest, AVersionThatIsThrownAwayGivesItsMemoryBack) {
  const auto base = shared_zone("a 60 A 192.0.2.1\n");
  const auto content_before = content(base);
  const std::size_t used = base->shared()->arena().used();
  for (int i = 0; i < 100; ++i) {
    auto candidate =
        applied(base, delta(1, "a 60 A 192.0.2.1\n", "b 60 TXT " + std::string(1 + i * 2 % 200, 'x') + "\n"));
    ASSERT_NE(candidate, nullptr);
    EXPECT_EQ(content(candidate).size(), 3U);
    candidate.reset();
    EXPECT_EQ(base->shared()->arena().used() - base->shared()->arena().free(), used);
  }
  EXPECT_EQ(content(base), content_before);
}

TEST(ApplyTest, TwoVersionsOfOneBase) {
  const auto base = shared_zone("a 60 A 192.0.2.1\n");
  const auto one = applied(base, delta(1, "a 60 A 192.0.2.1\n", "b 60 A 192.0.2.2\n"));
  const auto other = applied(base, delta(1, "a 60 A 192.0.2.1\n", "c 60 A 192.0.2.3\n"));
  ASSERT_NE(one, nullptr);
  ASSERT_NE(other, nullptr);
  const auto after_one = applied(one, delta(2, "", "d 60 A 192.0.2.4\n"));
  const auto after_other = applied(other, delta(2, "", "e 60 A 192.0.2.5\n"));
  EXPECT_THAT(content(after_one), testing::SizeIs(4));
  EXPECT_EQ(content(base).size(), 3U);
  const auto both = difference(after_one, after_other);
  ASSERT_TRUE(both);
  EXPECT_EQ((*both)->removed_count(), 3U);
  EXPECT_EQ((*both)->added_count(), 3U);
}

TEST(ApplyTest, NamesInBetweenComeAndGo) {
  const auto base = shared_zone("x.y.z 60 A 192.0.2.1\nq 60 A 192.0.2.1\n");
  const auto has = [](const std::shared_ptr<const Zone>& zone, const char* owner) {
    const Name asked = name(owner);
    return zone->find(HashedName(asked)) != nullptr;
  };
  const auto without = applied(base, delta(1, "x.y.z 60 A 192.0.2.1\n", ""));
  EXPECT_FALSE(has(without, "x.y.z.example."));
  EXPECT_FALSE(has(without, "y.z.example."));
  EXPECT_FALSE(has(without, "z.example."));
  const auto wild = applied(without, delta(2, "q 60 A 192.0.2.1\n", "a.*.q 60 A 192.0.2.1\nz 60 A 192.0.2.1\n"));
  EXPECT_TRUE(has(wild, "q.example."));
  EXPECT_TRUE(has(wild, "*.q.example."));
  EXPECT_TRUE(has(wild, "z.example."));
  const Name q = name("q.example.");
  EXPECT_TRUE(wild->find(HashedName(q))->has(Node::wildcard_child));
  const auto plain = applied(wild, delta(3, "a.*.q 60 A 192.0.2.1\n", "w.q 60 A 192.0.2.1\n"));
  EXPECT_FALSE(plain->find(HashedName(q))->has(Node::wildcard_child));
  EXPECT_EQ(plain->node_count(), 4U);
}

TEST(ApplyTest, TtlsOfRRsets) {
  const auto ttl_of = [](const std::shared_ptr<const Zone>& zone) {
    const Name a = name("a.example.");
    return zone->rrset(zone->find(HashedName(a)), RRType::A)->ttl();
  };
  const auto base = shared_zone("a 300 A 192.0.2.1\na 300 A 192.0.2.2\n");
  EXPECT_THAT(error_of(base, delta(1, "", "a 60 A 192.0.2.3\n")), HasSubstr("TTL 60 beside records with TTL 300"));
  EXPECT_EQ(ttl_of(applied(base, delta(1, "", "b 60 A 192.0.2.3\n"))), 300U);
  EXPECT_EQ(ttl_of(applied(base, delta(1, "a 1 A 192.0.2.1\na 2 A 192.0.2.2\n", "a 600 A 192.0.2.1\n"))), 600U)
      << "nothing of the old one is left; what TTL goes does not matter";
}

// What was accepted by an older server, and stored, is served again.
TEST(ApplyTest, StoredDeltasFollowLaxerRules) {
  const auto base = shared_zone("www 300 A 192.0.2.1\nold CNAME www\n");
  const DeltaPtr by = delta(1, "", "www 600 A 192.0.2.2\nold CNAME elsewhere\n");
  EXPECT_FALSE(apply_deltas(base, std::span(&by, 1)));
  const auto version = apply_stored_deltas(base, std::span(&by, 1));
  ASSERT_TRUE(version);
  EXPECT_EQ((*version)->record_count(), base->record_count() + 2);
}

TEST(ApplyTest, CaseOfOwners) {
  const auto base = shared_zone("Www 60 A 192.0.2.1\n");
  const auto owner_of = [](const std::shared_ptr<const Zone>& zone) {
    const Name www = name("www.example.");
    return zone->owner_of(zone->find(HashedName(www))).text();
  };
  EXPECT_EQ(owner_of(applied(base, delta(1, "", "wWW 60 A 192.0.2.2\n"))), "Www.example.");
  EXPECT_EQ(owner_of(applied(base, delta(1, "www 60 A 192.0.2.1\n", "wWW 60 A 192.0.2.2\n"))), "wWW.example.");
  EXPECT_EQ(owner_of(applied(base, delta(1, "www 60 A 192.0.2.1\n", "wWW 60 A 192.0.2.1\n"))), "wWW.example.");
}

TEST(ApplyTest, TheTableGrows) {
  auto zone = shared_zone("a 60 A 192.0.2.1\n");
  std::string all;
  for (unsigned step = 0; step < 60; ++step) {
    std::string added;
    for (unsigned i = 0; i < 40; ++i) added += "h" + std::to_string(step * 40 + i) + ".p 60 A 192.0.2.1\n";
    zone = applied(zone, delta(step + 1, "", added));
    ASSERT_NE(zone, nullptr);
    all += added;
  }
  const auto expected = build(soa(61) + "@ 3600 NS ns.example.\na 60 A 192.0.2.1\n" + all);
  expect_same(zone, expected);
  const Name parent = name("p.example.");
  EXPECT_EQ(zone->find(HashedName(parent))->children(), 2400U) << "more than fit into the flags";
}

TEST(ApplyTest, ManyRecordsAtOneName) {
  std::string text;
  for (unsigned i = 0; i < 20'000; ++i) text += "big 60 TXT \"" + std::to_string(i) + "\"\n";
  const auto base = shared_zone(text);
  std::string added, removed;
  for (unsigned i = 0; i < 10'000; ++i) removed += "big 60 TXT \"" + std::to_string(i * 2) + "\"\n";
  for (unsigned i = 0; i < 10'000; ++i) added += "big 60 TXT \"n" + std::to_string(i) + "\"\n";
  const DeltaPtr by = delta(1, removed, added);
  const auto begin = std::chrono::steady_clock::now();
  const auto next = applied(base, by);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
  ASSERT_NE(next, nullptr);
  EXPECT_EQ(next->record_count(), base->record_count());
  const auto found = difference(base, next);
  ASSERT_TRUE(found);
  EXPECT_EQ((*found)->added_count(), 10'001U);
  EXPECT_EQ(content(next)[2].rdata, (Bytes{1, '1'})) << "what stays comes first, in its order";
}

TEST(ApplyTest, LimitsHold) {
  const auto base = shared_zone("a 60 A 192.0.2.1\n");
  const DeltaPtr by = delta(1, "", "b 60 TXT " + std::string(200, 'x') + "\n");
  const auto refused = apply_deltas(base, {&by, 1}, 256);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::byte_limit);
  ZoneDeltaBuilder huge(apex());
  for (const Record& r : records(soa(1))) huge.remove(r.owner, r.type, r.ttl, r.rdata);
  for (const Record& r : records(soa(2))) huge.add(r.owner, r.type, r.ttl, r.rdata);
  Bytes rdata(60'000);
  for (std::uint32_t i = 0; i < 1200; ++i) {
    store_u32(rdata.data(), i);
    huge.add(name("big.example."), static_cast<RRType>(65280), 60, rdata);
  }
  EXPECT_THAT(error_of(base, huge.finish().value(), Errc::record_limit), HasSubstr("64 MiB"));
}

TEST(ApplyTest, TheNegativeSoaIsTheApexsAsLongAsTheirTtlsAreTheSame) {
  const auto soa_of = [](unsigned serial, unsigned minimum) {
    return "@ 300 SOA ns.example. admin.example. " + std::to_string(serial) + " 7200 3600 1209600 " +
           std::to_string(minimum) + "\n";
  };
  auto zone = build_shared(records(soa_of(1, 300) + "@ 3600 NS ns.example.\n"), apex());
  unsigned minimum = 300, serial = 1;
  for (const unsigned next : {400U, 60U, 60U, 300U, 300U, 20U}) {
    ZoneDeltaBuilder change(apex());
    for (const Record& r : records(soa_of(serial, minimum))) change.remove(r.owner, r.type, r.ttl, r.rdata);
    for (const Record& r : records(soa_of(serial + 1, next))) change.add(r.owner, r.type, r.ttl, r.rdata);
    zone = applied(zone, change.finish().value());
    ASSERT_NE(zone, nullptr);
    minimum = next;
    ++serial;
    ASSERT_NE(zone->shared(), nullptr);
    EXPECT_EQ(zone->negative_soa() == zone->apex_node()->chunk(RRType::SOA), minimum >= 300) << serial;
    const RRsetView view(zone->apex_node(), RRType::SOA, zone->negative_soa(), zone->apex());
    EXPECT_EQ(view.ttl(), std::min(minimum, 300U));
    view.for_each_rdata([&](ByteView rdata) { EXPECT_EQ(soa_view(rdata).serial, serial); });
  }
}

TEST(ApplyTest, MostOfAZoneGoes) {
  std::string hosts, gone;
  for (unsigned i = 0; i < 100'000; ++i) {
    const std::string line = "h" + std::to_string(i) + " 60 TXT " + std::string(150, 'x') + "\n";
    hosts += line;
    if (i % 10 != 0) gone += line;
  }
  auto zone = build(soa(1) + "@ 3600 NS ns.example.\n" + hosts);
  ASSERT_NE(zone->shared(), nullptr) << "a large zone shares its memory";
  const std::uint64_t before = zone->memory_size();
  zone = applied(zone, delta(1, gone, ""));
  zone = applied(zone, delta(2, "", "x 60 A 192.0.2.1\n"));
  EXPECT_LT(zone->memory_size(), before / 3);
  EXPECT_EQ(zone->record_count(), 10'003U);
}

TEST(ApplyTest, OdditiesOfNamesThatChanged) {
  const auto base = shared_zone("a 60 CNAME b\na 60 A 192.0.2.1\nb 60 CNAME x\n");
  for (const bool alone : {true, false}) {
    const std::string at_a = alone ? "" : "a 60 TXT x\n";
    const DeltaPtr by = delta(1, "", at_a + "b 60 A 192.0.2.2\n");
    ZoneBuilder::Report report;
    ASSERT_TRUE(apply_deltas(base, {&by, 1}, ~std::uint64_t{0}, &report));
    EXPECT_EQ(report.oddities, std::vector<std::string>{"b.example.: CNAME beside other data"}) << "a was odd before";
    EXPECT_EQ(report.oddity_count, 1U);
  }
}

// The two addresses change together: a reader sees both as they were or both as they are.
TEST(ApplyTest, ReadersLookUpWhileVersionsCome) {
  std::string text = "a 60 A 10.0.0.0\nb 60 A 10.0.0.0\n";
  for (int i = 0; i < 300; ++i) text += "h" + std::to_string(i) + " 60 A 192.0.2.1\n";
  ZoneSlot slot(apex(), std::make_shared<ZoneAccess>());
  slot.publish(shared_zone(text));
  std::atomic<bool> stop{false};
  std::atomic<unsigned> seen{0};
  const auto read = [&] {
    const QsbrReader reader;
    const std::array owners = {name("a.example."), name("b.example.")};
    while (!stop) {
      const Zone* zone = slot.zone();
      std::array<Bytes, 2> found;
      for (std::size_t i = 0; i < 2; ++i) {
        const auto rrset = zone->rrset(zone->find(HashedName(owners[i])), RRType::A);
        rrset->for_each_rdata([&](ByteView rdata) { found[i].assign(rdata.begin(), rdata.end()); });
      }
      EXPECT_EQ(found[0], found[1]);
      EXPECT_EQ(load_u32(found[0].data()) - 0x0a00'0000, zone->serial().value - 1);
      ++seen;
      QsbrReader::quiescent();
    }
  };
  std::thread first(read), second(read);
  for (unsigned i = 0; i < 3000; ++i) {
    const auto addresses = [](unsigned value) {
      const std::string address = "10.0." + std::to_string(value / 256) + "." + std::to_string(value % 256) + "\n";
      return "a 60 A " + address + "b 60 A " + address;
    };
    slot.publish(applied(slot.current(), delta(i + 1, addresses(i), addresses(i + 1))));
  }
  while (seen < 10) std::this_thread::yield();
  stop = true;
  first.join();
  second.join();
  qsbr_drain();
  EXPECT_LT(slot.current()->memory_size(), std::size_t{1} << 20);
}

}  // namespace
}  // namespace understudy
