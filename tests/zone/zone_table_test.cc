#include "zone/zone_table.h"

#include <gtest/gtest.h>

#include <map>

#include "base/qsbr.h"
#include "zone/random_records.h"

namespace understudy {
namespace {

using namespace zone_fixture;

std::shared_ptr<ZoneSlot> slot(std::string_view apex) {
  return std::make_shared<ZoneSlot>(name(apex), std::make_shared<const ZoneAccess>());
}

std::string closest(const ZoneTable& table, std::string_view qname) {
  const Name asked = name(qname);
  const HashedName hashed(asked);
  std::size_t label = 99;
  const ZoneSlot* found = table.find_closest(hashed, &label);
  if (found == nullptr) return "-";
  EXPECT_EQ(hashed.suffix(label).size(), found->name().size());
  return found->name().text();
}

TEST(ZoneTableTest, Empty) {
  const ZoneTable table({});
  EXPECT_EQ(closest(table, "www.example."), "-");
  EXPECT_EQ(closest(table, "."), "-");
  EXPECT_EQ(table.size(), 0U);
}

TEST(ZoneTableTest, TheClosestZone) {
  const std::vector slots = {slot("example."), slot("sub.example."), slot("com."), slot("a.b.c.d.e.")};
  const ZoneTable table(slots);
  EXPECT_EQ(closest(table, "example."), "example.");
  EXPECT_EQ(closest(table, "WWW.EXAMPLE."), "example.");
  EXPECT_EQ(closest(table, "sub.example."), "sub.example.");
  EXPECT_EQ(closest(table, "x.y.z.Sub.example."), "sub.example.");
  EXPECT_EQ(closest(table, "xsub.example."), "example.");
  EXPECT_EQ(closest(table, "b.c.d.e."), "-");
  EXPECT_EQ(closest(table, "x.a.b.c.d.e."), "a.b.c.d.e.");
  EXPECT_EQ(closest(table, "org."), "-");
  EXPECT_EQ(closest(table, "."), "-");
  const std::vector with_root = {slot("."), slot("example.")};
  const ZoneTable all(with_root);
  EXPECT_EQ(closest(all, "org."), ".");
  EXPECT_EQ(closest(all, "."), ".");
  EXPECT_EQ(closest(all, "x.example."), "example.");
}

TEST(ZoneTableTest, ExactAndFromAnAncestor) {
  const std::vector slots = {slot("example."), slot("sub.example.")};
  const ZoneTable table(slots);
  const auto exact = [&](std::string_view text) {
    const Name asked = name(text);
    return table.find_exact(HashedName(asked));
  };
  EXPECT_EQ(exact("sub.Example."), slots[1].get());
  EXPECT_EQ(exact("x.example."), nullptr);
  EXPECT_EQ(exact("."), nullptr);
  const Name sub = name("sub.example.");
  const HashedName hashed(sub);
  std::size_t label = 0;
  EXPECT_EQ(table.find_closest_from(hashed, 1, &label), slots[0].get());
  EXPECT_EQ(label, 1U);
  EXPECT_EQ(table.find_closest_from(hashed, 2, &label), nullptr);
}

TEST(ZoneTableTest, ManyZonesOfEveryDepth) {
  RandomRecords random(6);
  std::map<Name, std::shared_ptr<ZoneSlot>> model;
  while (model.size() < 3000) {
    const Name apex = Name::prepend(random.octets(1 + random.below(3)), random.name_below(name("."), 5)).value();
    model.emplace(apex, std::make_shared<ZoneSlot>(apex, std::make_shared<const ZoneAccess>()));
  }
  std::vector<std::shared_ptr<ZoneSlot>> slots;
  for (const auto& [apex, zone] : model) slots.push_back(zone);
  const ZoneTable table(slots);
  EXPECT_EQ(table.size(), slots.size());
  for (int i = 0; i < 20'000; ++i) {
    Name asked = slots[random.below(slots.size())]->name();
    for (std::size_t k = random.below(3); k > 0; --k) asked = random.name_below(asked, 2);
    if (random.once_in(3) && !asked.is_root()) asked = asked.view().parent();
    asked = random.other_case(asked);
    const HashedName hashed(asked);
    table.prefetch(hashed);
    const ZoneSlot* expected = nullptr;
    for (NameView at = asked; expected == nullptr; at = at.parent()) {
      if (const auto found = model.find(Name(at)); found != model.end()) expected = found->second.get();
      if (at.is_root()) break;
    }
    std::size_t label = 0;
    ASSERT_EQ(table.find_closest(hashed, &label), expected) << asked.text();
  }
}

// Tables made of tables, by small and large steps, find what a map of the same slots finds; pages split and empty.
TEST(ZoneTableTest, ZonesComeAndGo) {
  RandomRecords random(11);
  std::map<Name, std::shared_ptr<ZoneSlot>> model;
  auto table = std::make_unique<const ZoneTable>(std::span<const std::shared_ptr<ZoneSlot>>{});
  std::size_t largest = 0;
  for (int round = 0; round < 60; ++round) {
    std::vector<std::shared_ptr<ZoneSlot>> added, removed;
    const std::size_t changes = round % 10 == 0 ? 2000 : random.below(20);
    const bool shrinks = round % 20 == 10;
    std::map<Name, bool> touched;
    for (std::size_t i = 0; i < changes; ++i) {
      if (!model.empty() && (shrinks || random.once_in(3))) {
        const auto at = std::next(model.begin(), static_cast<long>(random.below(model.size())));
        if (!touched.emplace(at->first, true).second) continue;
        if (random.once_in(4)) {  // another slot of the same name takes its place
          at->second = std::make_shared<ZoneSlot>(random.other_case(at->first), std::make_shared<const ZoneAccess>());
          added.push_back(at->second);
        } else {
          removed.push_back(at->second);
          model.erase(at);
        }
        continue;
      }
      const Name apex = Name::prepend(random.octets(1 + random.below(6)), random.name_below(name("."), 3)).value();
      if (!touched.emplace(apex, true).second || model.contains(apex)) continue;
      added.push_back(std::make_shared<ZoneSlot>(apex, std::make_shared<const ZoneAccess>()));
      model.emplace(apex, added.back());
    }
    removed.push_back(
        std::make_shared<ZoneSlot>(name("never.was.there.example."), std::make_shared<const ZoneAccess>()));
    table = table->with(added, removed);
    ASSERT_EQ(table->size(), model.size());
    largest = std::max(largest, model.size());
    for (const auto& [apex, zone] : model) ASSERT_EQ(table->find_exact(HashedName(apex)), zone.get()) << apex.text();
    for (const auto& zone : removed) ASSERT_EQ(table->find_exact(HashedName(zone->name())), nullptr);
    for (const auto& zone : added) {
      const Name below = random.name_below(zone->name(), 1);
      std::size_t label = 0;
      ASSERT_NE(table->find_closest(HashedName(below), &label), nullptr);
    }
  }
  EXPECT_GT(largest, 1500U);
}

TEST(ZoneTableTest, ATableKeepsItsSlotsAndAnotherLeavesItAlone) {
  auto first = slot("example.");
  const std::weak_ptr<ZoneSlot> watch = first;
  auto table = std::make_unique<const ZoneTable>(std::span(&first, 1));
  const std::vector gone = {std::move(first)};
  auto next = table->with({}, gone);
  EXPECT_EQ(closest(*table, "www.example."), "example.");
  EXPECT_EQ(closest(*next, "www.example."), "-");
  const_cast<std::vector<std::shared_ptr<ZoneSlot>>&>(gone).clear();
  EXPECT_FALSE(watch.expired());
  table.reset();
  EXPECT_TRUE(watch.expired());
}

TEST(ZoneTableTest, OneMoreOfAMillion) {
  constexpr std::size_t count = 1'000'000;
  const auto access = std::make_shared<const ZoneAccess>();
  std::vector<std::shared_ptr<ZoneSlot>> slots;
  slots.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    slots.push_back(std::make_shared<ZoneSlot>(name("zone" + std::to_string(i) + ".example."), access));
  }
  auto table = std::make_unique<const ZoneTable>(slots);
  double slowest = 0;
  for (int i = 0; i < 50; ++i) {
    const std::vector added = {slot("added" + std::to_string(i) + ".example.")};
    const auto begin = std::chrono::steady_clock::now();
    auto next = table->with(added, std::span(slots).subspan(static_cast<std::size_t>(i), 1));
    slowest =
        std::max(slowest, std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count());
    table = std::move(next);
  }
  EXPECT_EQ(table->size(), count);
  EXPECT_LT(slowest, 20) << "milliseconds";
  RecordProperty("slowest_microseconds", static_cast<int>(slowest * 1000));
}

TEST(ZoneTableTest, ANameOf127Labels) {
  std::string deep;
  for (int i = 0; i < 127; ++i) deep += "a.";
  const std::vector slots = {slot(deep), slot("a.")};
  const ZoneTable table(slots);
  EXPECT_EQ(closest(table, deep), deep);
  EXPECT_EQ(closest(table, deep.substr(2)), "a.");
}

TEST(ZoneSlotTest, LifeOfASlot) {
  const auto at = slot("example.");
  EXPECT_EQ(at->zone(), nullptr);
  EXPECT_FALSE(at->expired());
  const auto first = build(apex_text());
  at->publish(first);
  EXPECT_EQ(at->zone(), first.get());
  at->set_expired();
  EXPECT_EQ(at->zone(), nullptr);
  EXPECT_TRUE(at->expired());
  EXPECT_EQ(at->current(), first) << "kept for the next incremental transfer";
  const auto second = build(apex_text() + "www A 192.0.2.1\n");
  at->publish(second);
  EXPECT_EQ(at->zone(), second.get());
  EXPECT_FALSE(at->expired());
  qsbr_drain();
}

TEST(ZoneSlotTest, AVersionGoesAfterAGracePeriod) {
  const auto at = slot("example.");
  auto first = build(apex_text());
  const std::weak_ptr<const Zone> watch = first;
  at->publish(std::move(first));
  at->publish(build(apex_text()));
  qsbr_drain();
  EXPECT_TRUE(watch.expired());
}

TEST(ZoneSlotTest, AHistoryComesAndGoesWithItsVersion) {
  const auto at = slot("example.");
  EXPECT_EQ(at->history(), nullptr);
  auto history = std::make_shared<const ZoneHistory>();
  const std::weak_ptr<const ZoneHistory> watch = history;
  at->publish(build(apex_text()), history);
  EXPECT_EQ(at->history(), history.get());
  history.reset();
  qsbr_drain();
  EXPECT_FALSE(watch.expired());
  at->publish(build(apex_text()));
  EXPECT_EQ(at->history(), nullptr) << "it does not lead to this version";
  qsbr_drain();
  EXPECT_TRUE(watch.expired());
}

TEST(ZoneSlotTest, WhenItExpires) {
  const auto at = slot("example.");
  EXPECT_EQ(at->expires(), ZoneSlot::never);
  at->set_expires(1000.5);
  EXPECT_EQ(at->expires(), 1000.5);
}

TEST(ZoneSlotTest, AccessCanChange) {
  const auto at = slot("example.");
  EXPECT_TRUE(at->access().transfer.empty());
  at->set_access(std::make_shared<const ZoneAccess>(
      ZoneAccess{.transfer = {AccessRule::parse("192.0.2.1").value()}, .notify = {}}));
  EXPECT_EQ(at->access().transfer.size(), 1U);
  qsbr_drain();
}

}  // namespace
}  // namespace understudy
