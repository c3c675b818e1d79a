#include "transfer/catalog_registry.h"

#include <gmock/gmock.h>

#include <random>
#include <set>
#include <sstream>

#include "transfer/catalog_facts.h"
#include "zone/zone_fixture.h"

namespace understudy {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using zone_fixture::name;

constexpr WallSeconds day = 86400;

/// Members as "NAME label [>NEWCATALOG] [group...]", one a line or separated by ";".
CatalogContent::Ptr list(std::string_view catalog, const std::string& text) {
  CatalogContentBuilder builder(name(catalog));
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line, ';');) {
    std::istringstream words(line);
    std::string member, label;
    if (!(words >> member >> label)) continue;
    Name coo;
    std::vector<std::string> groups;
    for (std::string word; words >> word;) {
      if (word[0] == '>') {
        coo = name(word.substr(1));
      } else {
        groups.push_back(word);
      }
    }
    EXPECT_TRUE(builder.add(name(member), view_of(label), coo, groups));
  }
  return builder.finish().value();
}

/// `count` members "m0." and so on, from `first`.
std::string numbered(int first, int count, const std::string& label = "l") {
  std::string out;
  for (int i = first; i < first + count; ++i) out += "m" + std::to_string(i) + ". " + label + std::to_string(i) + ";";
  return out;
}

constexpr std::array<const char*, member_change_kinds> kinds = {"added",     "restored", "reset",   "moved",
                                                                "regrouped", "updated",  "removed", "released"};

/// "KIND NAME CATALOG", sorted.
std::vector<std::string> changes(const CatalogPlan& plan) {
  std::vector<std::string> out;
  for (const auto& [kind, member] : plan.changes) {
    out.push_back(std::string(kinds[static_cast<std::size_t>(kind)]) + " " + member.get().name.text() + " " +
                  member.catalog().text());
  }
  std::ranges::sort(out);
  return out;
}

class CatalogRegistryTest : public ::testing::Test {
 protected:
  CatalogRegistryTest() { set({"a.", "b."}); }

  void set(const std::vector<std::string>& catalogs, CatalogBrake brake = {}) {
    std::vector<CatalogRule> rules;
    for (const std::string& each : catalogs) rules.push_back({.catalog = name(each), .brake = brake});
    registry_->set_catalogs(rules, now_);
  }
  CatalogPlan update(std::string_view catalog, const std::string& text) {
    return store(registry_->update(list(catalog, text), now_));
  }
  CatalogPlan store(CatalogPlan plan) {
    last_facts_ = 0;
    plan.for_each_fact([&](Fact fact) {
      ++last_facts_;
      if (fact.value) {
        facts_[fact.key] = *fact.value;
      } else {
        facts_.erase(fact.key);
      }
    });
    return plan;
  }
  void purge() {
    purged_.clear();
    std::string position;
    const std::vector<Name> due = registry_->due_for_purge(now_, ~std::size_t{0}, position);
    registry_->purged(due);
    for (const Name& each : due) {
      purged_.push_back(each.text());
      facts_.erase(member_fact_key(each.wire()));
    }
  }
  void restart(const std::vector<std::string>& catalogs) {
    registry_.emplace([this](NameView n) { return reserved_.contains(Name(n)); });
    for (const auto& [key, value] : facts_) EXPECT_TRUE(registry_->restore(key, value));
    registry_->restored(now_);
    set(catalogs);
  }
  CatalogStatus view(std::string_view catalog) {
    for (CatalogStatus& each : registry_->catalogs()) {
      if (each.catalog == name(catalog)) return each;
    }
    ADD_FAILURE() << "no catalog " << catalog;
    return {};
  }
  std::string owner(std::string_view member) {
    const auto found = registry_->find(name(member));
    return found ? found->catalog().text() : "-";
  }

  std::set<Name> reserved_;
  std::map<std::string, Bytes> facts_;
  std::size_t last_facts_ = 0;
  std::vector<std::string> purged_;
  WallSeconds now_ = 1'700'000'000;
  std::optional<CatalogRegistry> registry_{[this](NameView n) { return reserved_.contains(Name(n)); }};
};

TEST_F(CatalogRegistryTest, MembersComeChangeAndGo) {
  EXPECT_THAT(changes(update("a.", "x. 1;y. 2;z. 3 gold")), ElementsAre("added x. a.", "added y. a.", "added z. a."));
  EXPECT_EQ(last_facts_, 3U);
  EXPECT_THAT(changes(update("a.", "x. 1;y. 2;z. 3 gold")), IsEmpty());
  EXPECT_EQ(last_facts_, 0U);
  EXPECT_THAT(changes(update("a.", "x. 9;z. 3 silver;w. 4")),
              ElementsAre("added w. a.", "regrouped z. a.", "removed y. a.", "reset x. a."));
  EXPECT_EQ(last_facts_, 4U) << "one fact for each change";
  EXPECT_THAT(changes(update("a.", "x. 9;z. 3 silver;w. 4 >b.")), ElementsAre("updated w. a."));
  EXPECT_EQ(registry_->member_count(), 3U);
  EXPECT_EQ(view("a.").trash, 1U);
}

TEST_F(CatalogRegistryTest, ACatalogThatIsNotConfiguredChangesNothing) {
  EXPECT_THAT(changes(update("c.", "x. 1")), IsEmpty());
  EXPECT_EQ(owner("x."), "-");
}

TEST_F(CatalogRegistryTest, TheTrash) {
  update("a.", "x. 1;y. 2;z. 3");
  update("a.", "");
  EXPECT_EQ(view("a.").trash, 3U);
  EXPECT_EQ(facts_.size(), 3U) << "what is in the trash is remembered";
  now_ += day;
  EXPECT_THAT(changes(update("a.", "x. 1;y. other")), ElementsAre("reset y. a.", "restored x. a."));
  now_ += 6 * day - 1;
  purge();
  EXPECT_THAT(purged_, IsEmpty());
  now_ += 1;
  purge();
  EXPECT_THAT(purged_, ElementsAre("z."));
  EXPECT_EQ(facts_.size(), 2U);
  EXPECT_THAT(changes(update("a.", "x. 1;y. other;z. 3")), ElementsAre("added z. a."));
  // Another catalog has no right to what was in the trash.
  update("a.", "");
  EXPECT_THAT(changes(update("b.", "x. 1")), ElementsAre("reset x. b."));
}

TEST_F(CatalogRegistryTest, TheFirstCatalogKeepsAMemberAndTheOtherGetsItAfterwards) {
  update("a.", "x. 1");
  const CatalogPlan plan = update("b.", "x. 1;y. 2");
  EXPECT_THAT(changes(plan), ElementsAre("added y. b."));
  ASSERT_EQ(plan.conflicts.size(), 1U);
  EXPECT_EQ(plan.conflicts[0].member, name("x."));
  EXPECT_EQ(plan.conflicts[0].owner, name("a."));
  EXPECT_EQ(view("b.").conflicts, 1U);
  EXPECT_EQ(view("b.").some_conflicts.at(0).owner, name("a."));
  EXPECT_EQ(update("b.", "x. 1;y. 2").conflict_count, 0U) << "it was reported";
  EXPECT_THAT(changes(update("a.", "")), ElementsAre("reset x. b.")) << "without coo nothing of it may be kept";
  EXPECT_EQ(owner("x."), "b.");
  EXPECT_EQ(view("b.").conflicts, 0U);
}

TEST_F(CatalogRegistryTest, CooThenTheNewCatalogLists) {
  update("a.", "x. 1;y. 2");
  EXPECT_THAT(changes(update("a.", "x. 1 >b.;y. 2 >b.")), ElementsAre("updated x. a.", "updated y. a."));
  EXPECT_EQ(owner("x."), "a.") << "nothing moves before the new one lists it";
  EXPECT_THAT(changes(update("b.", "x. 1;y. other")), ElementsAre("moved x. b.", "reset y. b."));
  EXPECT_THAT(changes(update("a.", "")), IsEmpty()) << "the old one may let go of what it no longer has";
  EXPECT_EQ(owner("x."), "b.");
}

TEST_F(CatalogRegistryTest, TheNewCatalogListsThenCoo) {
  update("a.", "x. 1;y. 2");
  EXPECT_EQ(update("b.", "x. 1;y. other").conflict_count, 2U);
  EXPECT_THAT(changes(update("a.", "x. 1 >b.;y. 2 >b.")), ElementsAre("moved x. b.", "reset y. b."));
  EXPECT_EQ(owner("x."), "b.");
  EXPECT_EQ(view("a.").conflicts, 2U);
}

TEST_F(CatalogRegistryTest, CooForAnotherOrBackAndForthMovesNothing) {
  set({"a.", "b.", "c."});
  update("a.", "x. 1 >c.");
  EXPECT_EQ(update("b.", "x. 1").conflict_count, 1U);
  EXPECT_EQ(owner("x."), "a.");
  update("c.", "y. 1");
  update("a.", "");
  EXPECT_EQ(owner("x."), "b.");
  update("b.", "x. 1 >a.");
  update("a.", "x. 1 >b.");
  EXPECT_EQ(owner("x."), "b.") << "two that send it to each other";
  update("b.", "x. 1 >b.");
  EXPECT_EQ(owner("x."), "b.") << "coo that names its own catalog";
}

TEST_F(CatalogRegistryTest, AReservedZoneWins) {
  reserved_ = {name("x.")};
  const CatalogPlan plan = update("a.", "x. 1;y. 2;a. 3;b. 4");
  EXPECT_THAT(changes(plan), ElementsAre("added y. a."));
  EXPECT_EQ(plan.conflict_count, 3U) << "catalogs are configured zones themselves";
  EXPECT_EQ(plan.conflicts[0].owner, std::nullopt);
  reserved_ = {name("Y.")};
  EXPECT_THAT(changes(store(registry_->reconsider(std::vector{name("X."), name("y.")}, now_))),
              ElementsAre("added x. a.", "released y. a."));
  EXPECT_EQ(owner("y."), "-");
  EXPECT_THAT(changes(update("a.", "x. 1")), IsEmpty()) << "what was released is none of its business";
  EXPECT_EQ(view("a.").trash, 0U);
  // Out of the trash, too: its data are the reserved zone's now.
  update("a.", "");
  EXPECT_EQ(view("a.").trash, 1U);
  reserved_ = {name("x.")};
  EXPECT_EQ(store(registry_->reconsider(std::vector{name("x.")}, now_)).dropped.size(), 1U);
  EXPECT_THAT(facts_, IsEmpty());
  now_ += 100 * day;
  purge();
  EXPECT_THAT(purged_, IsEmpty());
}

TEST_F(CatalogRegistryTest, TheBrakeAtItsEdges) {
  struct Case {
    int members, gone;
    bool held;
  };
  for (const auto& [members, gone, held] :
       {Case{100, 10, false}, Case{100, 11, true}, Case{99, 10, true}, Case{99, 9, false}, Case{9, 9, false},
        Case{10, 10, true}, Case{1000, 100, false}, Case{1000, 101, true}}) {
    restart({"a.", "b."});
    update("a.", numbered(0, members));
    const CatalogPlan plan = update("a.", numbered(gone, members - gone));
    EXPECT_EQ(plan.held, held) << gone << " of " << members;
    EXPECT_EQ(registry_->member_count(), static_cast<std::size_t>(held ? members : members - gone));
    facts_.clear();
  }
  // Resets count: a catalog made anew with other labels would discard everything.
  restart({"a.", "b."});
  update("a.", numbered(0, 100));
  EXPECT_TRUE(update("a.", numbered(0, 89) + numbered(89, 11, "new")).held);
  EXPECT_EQ(view("a.").hold->reset, 11U);
  EXPECT_FALSE(update("a.", numbered(0, 90) + numbered(90, 10, "new")).held);
}

TEST_F(CatalogRegistryTest, TheBrakeIsSetPerCatalog) {
  set({"a."}, {.percent = 0, .at_least = 1});
  update("a.", numbered(0, 1000));
  EXPECT_TRUE(update("a.", numbered(0, 999)).held);
  set({"a."}, {.percent = 100, .at_least = 1});
  EXPECT_FALSE(update("a.", "").held);
}

TEST_F(CatalogRegistryTest, WhatIsHeldIsAppliedByAccept) {
  update("a.", numbered(0, 50));
  EXPECT_TRUE(update("a.", "new. 1").held);
  ASSERT_TRUE(view("a.").hold);
  EXPECT_EQ(view("a.").hold->reason, HoldReason::brake);
  EXPECT_EQ(view("a.").hold->removed, 50U);
  EXPECT_EQ(view("a.").hold->added, 1U);
  const WallSeconds since = now_;
  now_ += 60;
  EXPECT_TRUE(update("a.", "new. 1;other. 2").held);
  EXPECT_EQ(view("a.").hold->since, since) << "held all the time";
  EXPECT_TRUE(update("a.", "new. 1").held);
  EXPECT_EQ(owner("new."), "-") << "all or nothing";
  auto plan = registry_->accept(name("A."), std::nullopt, now_);
  ASSERT_TRUE(plan) << plan.error().text();
  store(*plan);
  EXPECT_EQ(plan->count(MemberChange::removed), 50U);
  EXPECT_EQ(plan->count(MemberChange::added), 1U);
  EXPECT_FALSE(view("a.").hold);
  EXPECT_EQ(registry_->accept(name("a."), std::nullopt, now_).error().code, Errc::not_found);
  EXPECT_EQ(registry_->accept(name("c."), std::nullopt, now_).error().code, Errc::not_found);
  EXPECT_THAT(changes(update("a.", "new. 1;m3. l3")), ElementsAre("restored m3. a."));
}

TEST_F(CatalogRegistryTest, AGoodUpdateEndsAHold) {
  update("a.", numbered(0, 50));
  EXPECT_TRUE(update("a.", "").held);
  EXPECT_THAT(changes(update("a.", numbered(1, 49))), ElementsAre("removed m0. a."));
  EXPECT_FALSE(view("a.").hold);
}

TEST_F(CatalogRegistryTest, WhatMovesByCooIsNotTakenAway) {
  std::string with_coo;
  for (int i = 0; i < 50; ++i) with_coo += "m" + std::to_string(i) + ". l >b.;";
  update("a.", with_coo);
  std::string plain = with_coo;
  for (std::size_t at; (at = plain.find(" >b.")) != std::string::npos;) plain.erase(at, 4);
  EXPECT_EQ(update("b.", plain).count(MemberChange::moved), 50U);
  EXPECT_FALSE(update("a.", "").held);
  EXPECT_EQ(owner("m0."), "b.");
}

TEST_F(CatalogRegistryTest, BrokenExpiredAndVanishedOnesKeepTheirList) {
  update("a.", "x. 1");
  registry_->hold(name("a."), HoldReason::broken, "why", now_);
  EXPECT_EQ(owner("x."), "a.");
  EXPECT_THAT(registry_->accept(name("a."), std::nullopt, now_).error().text(), HasSubstr("why"));
  registry_->hold(name("a."), HoldReason::expired, "", now_);
  EXPECT_EQ(view("a.").hold->removed, 1U);
  update("a.", "x. 1");
  EXPECT_FALSE(view("a.").hold);
  registry_->hold(name("a."), HoldReason::expired, "", now_);
  EXPECT_THAT(changes(store(registry_->accept(name("a."), std::nullopt, now_).value())), ElementsAre("removed x. a."));
  EXPECT_THAT(changes(update("a.", "x. 1")), ElementsAre("restored x. a.")) << "it became fresh again";

  set({"b."});
  EXPECT_EQ(owner("x."), "a.");
  EXPECT_FALSE(view("a.").configured);
  EXPECT_EQ(view("a.").hold->reason, HoldReason::vanished);
  EXPECT_THAT(changes(update("a.", "")), IsEmpty());
  set({"b.", "a."});
  EXPECT_FALSE(view("a.").hold) << "it is back";
  set({"b."});
  EXPECT_EQ(update("b.", "x. 1").conflict_count, 1U);
  EXPECT_THAT(changes(store(registry_->accept(name("a."), std::nullopt, now_).value())), ElementsAre("reset x. b."));
  EXPECT_EQ(registry_->catalogs().size(), 1U);
}

TEST_F(CatalogRegistryTest, FactsBringEverythingBack) {
  update("a.", "x. 1 gold silver;y. 2 >b.;z. 3");
  update("b.", "x. 7;w. 1");
  update("a.", "x. 1 gold silver;y. 2 >b.");
  restart({"a.", "b."});
  EXPECT_EQ(owner("x."), "a.");
  EXPECT_EQ(owner("w."), "b.");
  EXPECT_EQ(view("a.").trash, 1U);
  EXPECT_THAT(registry_->find(name("X."))->get().groups, ElementsAre("gold", "silver"));
  EXPECT_EQ(registry_->find(name("y."))->get().coo, name("b.").view());
  EXPECT_THAT(changes(update("a.", "x. 1 gold silver;y. 2 >b.")), IsEmpty()) << "the same list again";
  EXPECT_EQ(update("b.", "x. 7;w. 1").conflict_count, 1U);
  EXPECT_THAT(changes(update("b.", "y. 2;w. 1")), ElementsAre("moved y. b."));
  EXPECT_THAT(changes(update("a.", "x. 1;z. 3")), ElementsAre("regrouped x. a.", "restored z. a."));
  restart({"b."});
  EXPECT_EQ(view("a.").hold->reason, HoldReason::vanished);
  EXPECT_EQ(view("a.").members, 2U);
}

TEST_F(CatalogRegistryTest, DamagedFactsAreRefused) {
  const auto a = list("a.", "x. 1 >b. gold");
  const Fact good = member_fact(name("a."), a->member(0), 77);
  const auto read = read_member_fact(good.key, *good.value);
  ASSERT_TRUE(read) << read.error().text();
  EXPECT_EQ(*read, (StoredMember{name("x."), name("a."), {'1'}, name("b."), {"gold"}, 77}));
  for (std::size_t size = 0; size < good.value->size(); ++size) {
    EXPECT_FALSE(read_member_fact(good.key, ByteView(*good.value).first(size))) << size;
  }
  Bytes longer = *good.value;
  longer.push_back(0);
  EXPECT_EQ(read_member_fact(good.key, longer).error().code, Errc::corrupt);
  EXPECT_FALSE(read_member_fact(good.key + "x", *good.value));
  EXPECT_FALSE(read_member_fact("memb", *good.value));
  EXPECT_FALSE(read_member_fact("", *good.value));
}

// Whatever catalogs do, a name has one owner that lists it, and facts say the same as memory.
TEST_F(CatalogRegistryTest, RandomCatalogsNeverShareAMember) {
  std::mt19937 random(7);
  const auto below = [&](unsigned n) { return random() % n; };
  const std::vector<std::string> names = {"a.", "b.", "c."};
  set(names);
  std::map<std::string, CatalogContent::Ptr> lists;
  for (int round = 0; round < 3000; ++round) {
    now_ += 3600;
    const std::string& catalog = names[below(3)];
    std::string text;
    for (int i = 0; i < 12; ++i) {
      if (below(2) == 0) continue;
      text += "m" + std::to_string(i) + ". l" + std::to_string(below(2)) +
              (below(3) == 0 ? " >" + names[below(3)] : "") + (below(3) == 0 ? " g" : "") + ";";
    }
    CatalogPlan plan = update(catalog, text);
    if (plan.held && below(2) == 0) plan = store(registry_->accept(name(catalog), std::nullopt, now_).value());
    if (!plan.held) lists[catalog] = list(catalog, text);
    if (below(20) == 0) {
      const Name toggled = name("m" + std::to_string(below(12)) + ".");
      if (!reserved_.erase(toggled)) reserved_.insert(toggled);
      store(registry_->reconsider(std::vector{toggled}, now_));
    }
    if (below(10) == 0) purge();
    std::set<std::string> seen;
    registry_->for_each_member([&](const MemberRef& member) {
      const std::string text_name = member.get().name.text();
      EXPECT_TRUE(seen.insert(text_name).second) << text_name << " twice in round " << round;
      EXPECT_FALSE(reserved_.contains(name(text_name)));
      const auto& in_force = lists[member.catalog().text()];
      EXPECT_TRUE(in_force && in_force->find(member.get().name.wire())) << "round " << round;
    });
    for (const auto& [from, each] : lists) {
      for (std::size_t i = 0; i < each->size(); ++i) {
        const Name member = each->member(i).name;
        EXPECT_TRUE(reserved_.contains(member) || seen.contains(member.text())) << "round " << round;
      }
    }
    std::set<std::string> stored;
    for (const auto& [key, value] : facts_) {
      const auto fact = read_member_fact(key, value);
      if (fact->removed_at != 0) continue;
      stored.insert(fact->name.text());
      EXPECT_EQ(owner(fact->name.text()), fact->catalog.text());
    }
    ASSERT_EQ(stored, seen) << "round " << round;
  }
}

TEST_F(CatalogRegistryTest, AMillionMembersAtAChange) {
  const auto many = [](int first, int count) {
    CatalogContentBuilder builder(name("a."));
    for (int i = first; i < first + count; ++i) {
      const std::string number = std::to_string(i);
      EXPECT_TRUE(builder.add(name("zone" + number + ".example."), view_of(number), {}, {}));
    }
    return builder.finish().value();
  };
  constexpr int count = 1'000'000;
  EXPECT_EQ(registry_->update(many(0, count), now_).count(MemberChange::added), static_cast<std::size_t>(count));
  const auto next = many(1, count);
  const auto begin = std::chrono::steady_clock::now();
  const CatalogPlan plan = store(registry_->update(next, now_));
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
  RecordProperty("milliseconds", static_cast<int>(took.count()));
  EXPECT_EQ(plan.changes.size(), 2U);
  EXPECT_EQ(last_facts_, 2U);
  EXPECT_LT(took.count(), 3000);
}

}  // namespace
}  // namespace understudy
