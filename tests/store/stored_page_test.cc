#include <gtest/gtest.h>

#include <set>

#include "store/store_fixture.h"
#include "store/zone_store.h"

namespace understudy {
namespace {

using namespace store_fixture;

TEST(StoredPage, PagesHoldEveryZoneOnce) {
  const TemporaryDirectory folder;
  const auto store = ZoneStore::open(folder.path()).value();
  RandomZones random(7);
  std::set<std::string> wanted;
  for (int i = 0; i < 25; ++i) {
    const std::string apex = (i % 2 == 0 ? "A" : "b") + std::to_string(i) + ".Example.";
    ASSERT_TRUE(store->commit(*random.zone(apex, 7, 5), ZoneTimers{}, "192.0.2.1@53"));
    wanted.insert(apex);
  }
  for (const std::size_t most : {1U, 7U, 25U, 100U}) {
    std::set<std::string> found;
    std::optional<Name> next;
    std::size_t pages = 0;
    do {
      const auto page = store->page(next, most);
      ASSERT_TRUE(page) << page.error().text();
      EXPECT_LE(page->zones.size(), most);
      for (const auto& [zone, octets] : page->zones) {
        EXPECT_TRUE(found.insert(zone.name.text()).second) << zone.name.text();
        EXPECT_EQ(zone.serial, Serial{7});
        EXPECT_EQ(zone.source, "192.0.2.1@53");
        EXPECT_GT(octets, 0U);
      }
      next = page->next;
      ++pages;
    } while (next);
    EXPECT_EQ(found, wanted);
    EXPECT_EQ(pages, (25 + most - 1) / most);
  }
  ASSERT_TRUE(store->remove(Name::parse("a0.example.").value()));
  EXPECT_EQ(store->page(std::nullopt, 100)->zones.size(), 24U);
}

}  // namespace
}  // namespace understudy
