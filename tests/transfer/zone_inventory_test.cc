#include "transfer/zone_inventory.h"

#include <gmock/gmock.h>

#include "transfer/catalog_settings.h"
#include "zone/zone_fixture.h"

namespace understudy {
namespace {

using ::testing::UnorderedElementsAre;
using zone_fixture::name;

template <typename... Names>
std::vector<ZoneSettings> zones(Names... names) {
  return {ZoneSettings{.name = name(names)}...};
}

TEST(ZoneInventory, ConfiguredGoesBeforeRunTime) {
  ZoneInventory inventory;
  EXPECT_EQ(inventory.origin(name("a.")), ZoneOrigin::none);
  inventory.add({name("A."), "default"});
  inventory.add({name("b."), "default"});
  EXPECT_EQ(inventory.origin(name("a.")), ZoneOrigin::run_time);
  EXPECT_THAT(inventory.set_configured(zones("a.", "c.", "C.")), UnorderedElementsAre(name("c.")))
      << "a. was reserved before";
  EXPECT_EQ(inventory.origin(name("a.")), ZoneOrigin::configured);
  std::vector<std::string> run_time;
  inventory.for_each_run_time([&](const RunTimeZone& zone) { run_time.push_back(zone.name.text()); });
  EXPECT_THAT(run_time, UnorderedElementsAre("b."));
  EXPECT_THAT(inventory.set_configured(zones("d.")), UnorderedElementsAre(name("c."), name("d.")));
  EXPECT_EQ(inventory.origin(name("a.")), ZoneOrigin::run_time) << "it is still there";
  inventory.remove(name("A."));
  EXPECT_FALSE(inventory.is_reserved(name("a.")));
  EXPECT_FALSE(inventory.was_added(name("a.")));
  EXPECT_TRUE(inventory.was_added(name("B.")));
}

TEST(ZoneInventory, Facts) {
  const RunTimeZone zone{name("example."), "gold"};
  const Fact fact = run_time_fact(zone);
  EXPECT_EQ(read_run_time_fact(fact.key, *fact.value).value(), zone);
  EXPECT_EQ(no_run_time_fact(name("EXAMPLE.")).key, fact.key);
  EXPECT_EQ(read_run_time_fact(fact.key + "x", *fact.value).error().code, Errc::corrupt);
  EXPECT_FALSE(read_run_time_fact(fact.key, Bytes{}));
  EXPECT_FALSE(read_run_time_fact(fact.key, Bytes{9, 'x'}));
  EXPECT_FALSE(read_run_time_fact("zone/", *fact.value));
}

TEST(CatalogSettings, TemplatesByGroup) {
  const TemplateChoice choice{"plain", {{"gold", "fast"}, {"silver", "slow"}}};
  EXPECT_EQ(choice.template_for({}), "plain");
  EXPECT_EQ(choice.template_for(std::vector<std::string>{"unknown"}), "plain");
  EXPECT_EQ(choice.template_for(std::vector<std::string>{"bronze", "gold", "silver"}), "fast");
  const StoredCatalog stored{choice, WallSeconds{1} << 33, Serial{0xffff'fffe}};
  const Fact fact = catalog_fact(name("Catalog."), stored);
  const auto read = read_catalog_fact(fact.key, *fact.value);
  ASSERT_TRUE(read) << read.error().text();
  EXPECT_EQ(read->first, name("catalog."));
  EXPECT_EQ(read->second, stored);
  EXPECT_EQ(no_catalog_fact(name("catalog.")).key, fact.key);
  for (std::size_t size = 0; size < fact.value->size(); ++size) {
    const auto part = read_catalog_fact(fact.key, ByteView(*fact.value).first(size));
    EXPECT_TRUE(!part || part->second.templates.group_templates.size() < 2) << size;
  }
  EXPECT_FALSE(read_catalog_fact("catalog", *fact.value));
  EXPECT_FALSE(read_catalog_fact(fact.key + "x", *fact.value));
}

TEST(CatalogSettings, EarlierFormatsAreRead) {
  for (const std::uint8_t format : {1, 2}) {
    Bytes value{format};
    if (format == 2) {
      append_u32(value, 0);
      append_u32(value, 86400);
    }
    for (const std::string_view text : {"plain", "gold", "fast"}) {
      append_u8(value, static_cast<std::uint8_t>(text.size()));
      append(value, view_of(text));
    }
    const auto read = read_catalog_fact(catalog_fact(name("c."), {}).key, value);
    ASSERT_TRUE(read) << read.error().text();
    EXPECT_EQ(read->second, (StoredCatalog{{"plain", {{"gold", "fast"}}}, (format == 2 ? 1 : 7) * 86400}));
  }
  EXPECT_FALSE(read_catalog_fact(catalog_fact(name("c."), {}).key, Bytes{4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
}

}  // namespace
}  // namespace understudy
