#include "transfer/catalog_producer.h"

#include <gmock/gmock.h>

#include <cstdio>
#include <random>

#include "transfer/catalog.h"
#include "zone/zone_fixture.h"

namespace understudy {
namespace {

using namespace zone_fixture;

class CatalogProducerTest : public ::testing::Test {
 protected:
  static CatalogProducer make(std::uint64_t random = 42) {
    return CatalogProducer::make(name("catalog.example."), random).value();
  }
  /// Whether something changed; the facts are kept, and the delta must lead from the version before to the one now.
  bool change(const std::vector<ProducedMember>& set, const std::vector<Name>& removed = {}) {
    const auto before = producer_.version();
    const auto update = producer_.change(set, removed, now_);
    EXPECT_TRUE(update) << update.error().text();
    return take(before ? *before : nullptr, *update);
  }
  bool take(const std::shared_ptr<const Zone>& before, const std::optional<CatalogProducer::Update>& update) {
    if (!update) return false;
    for (const Fact& fact : update->facts) {
      if (fact.value) {
        facts_[fact.key] = *fact.value;
      } else {
        facts_.erase(fact.key);
      }
    }
    EXPECT_EQ(update->delta == nullptr, before == nullptr);
    if (before && update->delta) EXPECT_EQ(with_delta(before, *update->delta), sorted_text(content(version())));
    return true;
  }
  static std::vector<std::string> with_delta(const std::shared_ptr<const Zone>& before, const ZoneDelta& delta) {
    std::vector<std::string> lines = sorted_text(content(before));
    delta.for_each_removed([&](const DeltaRecord& r) {
      const auto line = Record{r.owner, r.type, RRClass::IN, r.ttl, Bytes(r.rdata.begin(), r.rdata.end())}.text();
      const auto at = std::ranges::find(lines, line);
      ASSERT_NE(at, lines.end()) << line << " is not there";
      lines.erase(at);
    });
    delta.for_each_added([&](const DeltaRecord& r) {
      lines.push_back(Record{r.owner, r.type, RRClass::IN, r.ttl, Bytes(r.rdata.begin(), r.rdata.end())}.text());
    });
    std::ranges::sort(lines);
    return lines;
  }
  std::shared_ptr<const Zone> version() { return producer_.version().value(); }
  void restart() {
    producer_ = make(77);
    for (const auto& [key, value] : facts_) {
      const auto restored = producer_.restore(key, value);
      EXPECT_TRUE(restored) << restored.error().text();
    }
  }

  WallSeconds now_ = 1'700'000'000;
  std::map<std::string, Bytes> facts_;
  CatalogProducer producer_ = make();
};

TEST_F(CatalogProducerTest, TheZoneIsAValidCatalog) {
  EXPECT_EQ(producer_.version().error().code, Errc::not_found);
  ASSERT_TRUE(change({{name("A.example."), ""}, {name("b.example."), "gold"}, {name("."), ""}}));
  EXPECT_EQ(producer_.serial(), Serial{1'700'000'000});
  const auto read = read_catalog(version());
  ASSERT_TRUE(read) << read.error().text();
  ASSERT_EQ((*read)->size(), 3U);
  const CatalogMember gold = (*read)->member(*(*read)->find(name("b.example.").wire()));
  EXPECT_THAT(gold.groups, ::testing::ElementsAre("gold"));
  EXPECT_EQ(text_of(gold.label), producer_.label_of(name("B.example.")));
  for (const std::string& line : sorted_text(content(version()))) EXPECT_THAT(line, ::testing::HasSubstr(" 0 IN "));
  EXPECT_EQ(version()->record_count(), 3U + 3U + 1U);
}

TEST_F(CatalogProducerTest, AnEmptyOneHasAVersionToo) {
  EXPECT_TRUE(change({}));
  EXPECT_EQ(read_catalog(version()).value()->size(), 0U);
  EXPECT_FALSE(change({}));
}

TEST_F(CatalogProducerTest, SerialsNeverGoBack) {
  ASSERT_TRUE(change({{name("a."), ""}}));
  ASSERT_TRUE(change({{name("b."), ""}}));
  EXPECT_EQ(producer_.serial(), Serial{1'700'000'001}) << "in the same second";
  now_ -= 86400;
  ASSERT_TRUE(change({{name("c."), ""}}));
  EXPECT_EQ(producer_.serial(), Serial{1'700'000'002});
  now_ += 2 * 86400;
  ASSERT_TRUE(change({}, {name("c.")}));
  EXPECT_EQ(producer_.serial(), (Serial{static_cast<std::uint32_t>(now_)}));
  EXPECT_FALSE(change({{name("A."), ""}}, {name("never.there.")})) << "nothing changes";
  EXPECT_EQ(producer_.serial(), (Serial{static_cast<std::uint32_t>(now_)}));
}

TEST_F(CatalogProducerTest, LabelsStayAcrossRestartsAndChangeWhenAZoneComesBack) {
  ASSERT_TRUE(change({{name("a."), ""}, {name("b."), "gold"}}));
  const std::string a = producer_.label_of(name("a.")), b = producer_.label_of(name("b."));
  EXPECT_NE(a, b);
  ASSERT_TRUE(change({{name("b."), "silver"}}));
  EXPECT_EQ(producer_.label_of(name("b.")), b) << "another group is no other zone";
  ASSERT_TRUE(change({}, {name("a.")}));
  const auto before = sorted_text(content(version()));
  restart();
  EXPECT_EQ(sorted_text(content(version())), before);
  ASSERT_TRUE(change({{name("a."), ""}}));
  EXPECT_NE(producer_.label_of(name("a.")), a);
  EXPECT_NE(producer_.label_of(name("a.")), b);
  const std::string again = producer_.label_of(name("a."));
  ASSERT_TRUE(change({{name("a."), ""}}, {name("a.")})) << "removed and added at once";
  EXPECT_NE(producer_.label_of(name("a.")), again);
  EXPECT_EQ(make(1).label_of(name("a.")), "");
}

TEST_F(CatalogProducerTest, TwoProducersHaveDifferentLabels) {
  CatalogProducer other = make(43);
  ASSERT_TRUE(other.change(std::vector<ProducedMember>{{name("a."), ""}}, {}, now_));
  ASSERT_TRUE(change({{name("a."), ""}}));
  EXPECT_NE(producer_.label_of(name("a.")), other.label_of(name("a.")));
}

TEST_F(CatalogProducerTest, ReplaceTakesTheDifference) {
  ASSERT_TRUE(change({{name("a."), ""}, {name("b."), ""}}));
  const std::string b = producer_.label_of(name("b."));
  const auto before = version();
  const auto update = producer_.replace(std::vector<ProducedMember>{{name("c."), ""}, {name("B."), ""}}, {}, now_);
  ASSERT_TRUE(update && *update);
  EXPECT_TRUE(take(before, *update));
  EXPECT_EQ((*update)->facts.size(), 3U);
  EXPECT_EQ((*update)->delta->removed_count(), 2U);
  EXPECT_EQ((*update)->delta->added_count(), 2U);
  EXPECT_EQ(producer_.label_of(name("a.")), "");
  EXPECT_EQ(producer_.label_of(name("b.")), b);
  EXPECT_FALSE(*producer_.replace(std::vector<ProducedMember>{{name("c."), ""}, {name("b."), ""}}, {}, now_));
}

TEST_F(CatalogProducerTest, WhatDoesNotFitIsRefused) {
  EXPECT_EQ(producer_.change(std::vector<ProducedMember>{{name("a."), std::string(256, 'g')}}, {}, now_).error().code,
            Errc::bad_value);
  EXPECT_EQ(producer_.size(), 0U);
  std::string deep;
  for (int i = 0; i < 115; ++i) deep += "a.";
  EXPECT_EQ(CatalogProducer::make(name(deep), 1).error().code, Errc::name_too_long);
  EXPECT_TRUE(CatalogProducer::make(name(deep.substr(2 * 2)), 1));
  EXPECT_EQ(producer_.restore("produced/x", Bytes{1}).error().code, Errc::corrupt);
  EXPECT_EQ(producer_.restore(producer_.fact_prefix(), Bytes{1, 2}).error().code, Errc::corrupt);
  EXPECT_EQ(producer_.restore(producer_.fact_prefix() + "x", Bytes(9, 1)).error().code, Errc::corrupt);
}

double cpu_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

TEST_F(CatalogProducerTest, AChangeCostsWhatItChanges) {
  constexpr int count = 100'000, rounds = 100;
  std::vector<ProducedMember> members;
  for (int i = 0; i < count; ++i) members.push_back({name("member" + std::to_string(i) + ".example."), ""});
  ASSERT_TRUE(producer_.change(members, {}, now_));
  double began = cpu_seconds();
  const auto first = version();
  const double whole = cpu_seconds() - began;
  EXPECT_EQ(first->record_count(), count + 3U);
  began = cpu_seconds();
  for (int i = 0; i < rounds; ++i) {
    const std::vector<Name> removed{name("member" + std::to_string(i) + ".example.")};
    ASSERT_TRUE(producer_.change({{{name("new" + std::to_string(i) + ".example."), "group"}}}, removed, ++now_));
    ASSERT_EQ(version()->serial(), producer_.serial());
  }
  const double each = (cpu_seconds() - began) / rounds;
  std::printf("100,000 members: %.1f ms to build, %.3f ms for a change of two\n", whole * 1e3, each * 1e3);
  EXPECT_EQ(version()->record_count(), count + 3U + rounds);
  EXPECT_LT(each, whole / 20);
}

TEST_F(CatalogProducerTest, WhatWasNotAskedForIsMadeUpFor) {
  ASSERT_TRUE(change({{name("a."), ""}}));
  ASSERT_TRUE(producer_.change({{{name("b."), ""}}}, {}, ++now_));
  ASSERT_TRUE(producer_.change({{{name("c."), ""}}}, std::vector<Name>{name("a.")}, ++now_));
  const auto kept = version();
  ASSERT_TRUE(producer_.change({{{name("d."), ""}}}, {}, ++now_));
  EXPECT_EQ((*read_catalog(version()))->size(), 3U);
  EXPECT_EQ((*read_catalog(kept))->size(), 2U) << "the version before stays as it was";
}

TEST_F(CatalogProducerTest, RandomChanges) {
  std::mt19937 random(5);
  for (int round = 0; round < 500; ++round) {
    std::vector<ProducedMember> set;
    std::vector<Name> removed;
    for (int i = 0; i < 20; ++i) {
      const Name member = name("m" + std::to_string(i) + ".");
      if (random() % 4 == 0) set.push_back({member, random() % 2 == 0 ? "" : "g" + std::to_string(random() % 3)});
      if (random() % 6 == 0) removed.push_back(member);
    }
    change(set, removed);
    if (random() % 20 == 0) restart();
    const auto read = read_catalog(version());
    ASSERT_TRUE(read) << read.error().text();
    ASSERT_EQ((*read)->size(), producer_.size());
  }
}

}  // namespace
}  // namespace understudy
