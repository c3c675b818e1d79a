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

TEST(WorkingSetTest, TheLowestTtlStaysUntilAllOfTheRRsetGoes) {
  const auto base = shared_zone("a 300 A 192.0.2.1\n");
  WorkingSet set(*base);
  ASSERT_TRUE(set.apply(*delta(1, "", "a 60 A 192.0.2.2\n")));
  ASSERT_TRUE(set.apply(*delta(2, "a 60 A 192.0.2.2\n", "")));
  EXPECT_EQ(lines(set, 1), std::vector<std::string>{"a.example. 60 IN A 192.0.2.1"}) << "as in a version in between";
  ASSERT_TRUE(set.apply(*delta(3, "a 60 A 192.0.2.1\n", "a 900 A 192.0.2.1\n")));
  EXPECT_EQ(lines(set, 1), std::vector<std::string>{"a.example. 900 IN A 192.0.2.1"});
}

}  // namespace
}  // namespace understudy
