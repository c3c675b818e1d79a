#include "zone/working_set.h"

#include <gtest/gtest.h>

#include "zone/delta_fixture.h"

namespace understudy {
namespace {

using namespace zone_fixture;

std::vector<std::string> lines(const WorkingSet& set, std::size_t i) {
  std::vector<StagedRecord> records;
  set.records(i, records);
  std::vector<std::string> out;
  for (const StagedRecord& r : records) {
    out.push_back(Record{set.owner(i), r.type, RRClass::IN, r.ttl, Bytes(r.rdata.begin(), r.rdata.end())}.text());
  }
  return out;
}

TEST(WorkingSetTest, KeepsWhatStaysAndAppendsWhatComes) {
  const auto base =
      shared_zone("Www 300 A 192.0.2.1\nwww 300 A 192.0.2.2\nwww 60 MX 10 mail\nnot.touched 60 A 192.0.2.9\n");
  WorkingSet set(*base);
  ASSERT_TRUE(set.apply(*delta(1, "www 300 A 192.0.2.1\n", "wWW 300 A 192.0.2.3\nnew 60 A 192.0.2.4\n")));
  ASSERT_TRUE(set.apply(*delta(2, "new 60 A 192.0.2.4\nwww 300 A 192.0.2.3\n", "www 300 A 192.0.2.1\n")));
  ASSERT_EQ(set.size(), 3U) << "the apex, www, new";
  EXPECT_EQ(set.owner(0), apex());
  EXPECT_EQ(lines(set, 1),
            (std::vector<std::string>{"Www.example. 300 IN A 192.0.2.2", "Www.example. 60 IN MX 10 mail.example.",
                                      "Www.example. 300 IN A 192.0.2.1"}));
  EXPECT_EQ(set.record_count(1), 3U);
  EXPECT_NE(set.before(1), nullptr);
  EXPECT_EQ(set.record_count(2), 0U);
  EXPECT_EQ(set.before(2), nullptr);
  EXPECT_EQ(set.owner(2), name("new.example."));
  EXPECT_EQ(set.hash(2), name_hash(name("new.example.")));
}

TEST(WorkingSetTest, SeveralDeltasAreStrictOneByOne) {
  const auto base = shared_zone("a 60 A 192.0.2.1\n");
  for (const bool there : {true, false}) {
    WorkingSet set(*base);
    ASSERT_TRUE(set.apply(*delta(1, "a 60 A 192.0.2.1\n", there ? "a 60 A 192.0.2.1\n" : "")));
    EXPECT_EQ(set.apply(*delta(2, "a 60 A 192.0.2.1\n", "")).has_value(), there);
  }
}

TEST(WorkingSetTest, NamesOfOtherZonesDoNotFit) {
  const auto base = shared_zone("");
  WorkingSet set(*base);
  ZoneDeltaBuilder out(apex());
  for (const Record& r : records(soa(1))) out.remove(r.owner, r.type, r.ttl, r.rdata);
  for (const Record& r : records(soa(2))) out.add(r.owner, r.type, r.ttl, r.rdata);
  out.add(name("a.elsewhere."), RRType::A, 60, Bytes(4, 1));
  const auto applied = set.apply(**out.finish());
  ASSERT_FALSE(applied);
  EXPECT_EQ(applied.error().code, Errc::bad_delta);
}

TEST(WorkingSetTest, WhatComesBesideOthersHasTheirTtl) {
  const auto base = shared_zone("a 300 A 192.0.2.1\n");
  for (const unsigned ttl : {60U, 300U, 900U}) {
    WorkingSet set(*base);
    const auto done = set.apply(*delta(1, "", "a " + std::to_string(ttl) + " A 192.0.2.2\n"));
    EXPECT_EQ(done.has_value(), ttl == 300) << ttl;
    if (!done) EXPECT_EQ(done.error().code, Errc::bad_delta);
  }
  WorkingSet set(*base);
  ASSERT_TRUE(set.apply(*delta(1, "a 300 A 192.0.2.1\n", "a 900 A 192.0.2.1\n")));
  EXPECT_EQ(lines(set, 1), std::vector<std::string>{"a.example. 900 IN A 192.0.2.1"});
}

// Which of them had the lowest is not known, so nothing may come or go but all of them.
TEST(WorkingSetTest, AnRRsetWithSeveralTtlsChangesAsAWhole) {
  const auto base = shared_zone("a 600 A 192.0.2.1\na 300 A 192.0.2.2\na 60 TXT x\n");
  for (const auto& [removed, added] : std::initializer_list<std::pair<std::string, std::string>>{
           {"a 300 A 192.0.2.2\n", ""}, {"", "a 300 A 192.0.2.3\n"}, {"a 600 A 192.0.2.1\n", "a 300 A 192.0.2.1\n"}}) {
    const auto done = WorkingSet(*base).apply(*delta(1, removed, added));
    ASSERT_FALSE(done) << removed << added;
    EXPECT_EQ(done.error().code, Errc::bad_delta);
  }
  const std::string all = "a 600 A 192.0.2.1\na 300 A 192.0.2.2\n";
  WorkingSet set(*base);
  ASSERT_TRUE(set.apply(*delta(1, all, "a 60 A 192.0.2.3\n")));
  EXPECT_TRUE(set.apply(*delta(2, "", "a 60 A 192.0.2.4\n"))) << "they have one again";
  EXPECT_TRUE(set.apply(*delta(3, "a 60 A 192.0.2.3\na 60 A 192.0.2.4\n", all)));
  EXPECT_FALSE(set.apply(*delta(4, "a 600 A 192.0.2.1\n", ""))) << "and several";
}

// Also where another RRset of the name changes, and a version is built from another.
TEST(WorkingSetTest, ThatAnRRsetHadSeveralTtlsStaysKnown) {
  for (const bool shares : {true, false}) {
    const std::string text = "a 600 A 192.0.2.1\na 300 A 192.0.2.2\na 60 TXT x\nb 60 TXT x\n";
    auto version = shares ? shared_zone(text) : build(records(soa(1) + "@ 3600 NS ns.example.\n" + text));
    unsigned serial = 1;
    for (const char* owner : {"a", "b"}) {
      const DeltaPtr change = delta(serial++, std::string(owner) + " 60 TXT x\n", std::string(owner) + " 60 TXT y\n");
      const auto next = apply_deltas(version, {&change, 1});
      ASSERT_TRUE(next) << next.error().text();
      version = *next;
    }
    const auto a = version->rrset(version->find(HashedName(name("a.example."))), RRType::A);
    EXPECT_EQ(a->ttl(), 300U);
    EXPECT_FALSE(WorkingSet(*version).apply(*delta(serial, "a 300 A 192.0.2.2\n", "")));
  }
}

// A delta knows no order, and the first of them is followed.
TEST(WorkingSetTest, SeveralAliasesOfANameAreNotChosenFrom) {
  const auto base = shared_zone("a 60 CNAME x\nb 60 CNAME x\nb 60 CNAME y\nb 60 CNAME z\n");
  EXPECT_FALSE(WorkingSet(*base).apply(*delta(1, "", "a 60 CNAME y\n")));
  EXPECT_FALSE(WorkingSet(*base).apply(*delta(1, "", "c 60 DNAME y\nc 60 DNAME z\n")));
  EXPECT_FALSE(WorkingSet(*base).apply(*delta(1, "b 60 CNAME x\n", "")));
  EXPECT_TRUE(WorkingSet(*base).apply(*delta(1, "b 60 CNAME x\nb 60 CNAME z\n", ""))) << "one is left";
  EXPECT_TRUE(WorkingSet(*base).apply(*delta(1, "a 60 CNAME x\n", "a 60 CNAME y\n")));
}

}  // namespace
}  // namespace understudy
