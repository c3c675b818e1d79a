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
  EXPECT_EQ(at->current_history(), history);
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
  EXPECT_EQ(at->expires_at(), 0);
  at->set_expires_at(1'700'000'000);
  EXPECT_EQ(at->expires_at(), 1'700'000'000);
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
