// Catalogs in the configuration: those that zones are taken from, and those that are made here.
#include <gmock/gmock.h>

#include "config/diff.h"
#include "config_fixture.h"

namespace understudy {
namespace {

using testing::ElementsAre;

const std::string head =
    "primaries:\n  - {name: p1, address: 192.0.2.1}\n  - {name: p2, address: 192.0.2.2}\n"
    "templates:\n  - {name: default, primaries: [p1], on-expire: serve}\n  - {name: europe, primaries: [p2]}\n";

TEST(Catalogs, DefaultsAreThoseOfACarefulOperator) {
  const auto config = parsed(head + "catalogs: [{zone: Cat.example., primaries: [p1]}]");
  ASSERT_EQ(config->catalogs.size(), 1U);
  const auto& catalog = config->catalogs[0];
  EXPECT_EQ(catalog.zone.text(), "Cat.example.");
  EXPECT_EQ(catalog.purge_after, std::chrono::days(7));
  EXPECT_EQ(catalog.brake_percent, 10U);
  EXPECT_EQ(catalog.brake_count, 10U);
  EXPECT_EQ(config->find_catalog(name_of("cat.EXAMPLE.")), &catalog);
  EXPECT_EQ(config->find_catalog(name_of("example.")), nullptr);
}

TEST(Catalogs, ACatalogIsAZoneWithItsOwnSettings) {
  const auto config = parsed(head +
                             "catalogs: [{zone: cat., primaries: [p1], refresh-max: 1m, allow-notify: [192.0.2.9]}]\n"
                             "zones: [{name: a., primaries: [p1]}]");
  ASSERT_EQ(config->zones.size(), 2U);
  const auto* zone = config->find_zone(name_of("cat."));
  ASSERT_NE(zone, nullptr);
  EXPECT_EQ(zone->policy, config->catalogs[0].policy);
  EXPECT_FALSE(zone->from_file());
  EXPECT_FALSE(zone->is_produced());
  EXPECT_EQ(zone->policy->refresh_max, std::chrono::seconds(60));
  EXPECT_EQ(zone->policy->allow_notify.size(), 1U);
  EXPECT_EQ(zone->policy->on_expire.kind, OnExpire::servfail) << "not from the template of its members";
  EXPECT_TRUE(zone->policy->template_name.empty());
}

TEST(Catalogs, LimitsOfTransfersAreItsOwnToo) {
  const auto config = parsed("transfer: {max-records: 9}\n" + head + "catalogs: [{zone: c.}]");
  EXPECT_EQ(config->catalogs.at(0).policy->max_records, 9U);
}

TEST(Catalogs, ATransferFarOverMaxMembersEndsEarly) {
  const auto records = [](const std::string& settings, const std::string& transfer = "") {
    return parsed(transfer + head + "catalogs: [{zone: c., " + settings + "}]")->catalogs.at(0).policy->max_records;
  };
  EXPECT_EQ(records("max-members: 10"), 1030U);
  EXPECT_EQ(records("purge-after: 0s"), 6'001'000U);
  EXPECT_EQ(records("max-members: 100000000"), 50'000'000U) << "transfer.max-records";
  EXPECT_EQ(records("max-members: 10, max-records: 7000"), 7000U);
  EXPECT_EQ(records("max-records: 7000, max-members: 10", "transfer: {max-records: 9}\n"), 7000U);
}

TEST(Catalogs, MembersHaveTheTemplateOfTheirGroup) {
  const auto config = parsed(head + "catalogs: [{zone: c., primaries: [p2], groups: {eu: europe, 'x y': default}}]");
  const auto& catalog = config->catalogs.at(0);
  const std::vector<std::string> none, eu{"eu"}, unknown_first{"zz", "eu"}, spaced{"x y"}, unknown{"EU"};
  EXPECT_EQ(catalog.member_policy(none), config->templates.at("default"));
  EXPECT_EQ(catalog.member_policy(eu), config->templates.at("europe"));
  EXPECT_EQ(catalog.member_policy(unknown_first), config->templates.at("europe"));
  EXPECT_EQ(catalog.member_policy(spaced), config->templates.at("default"));
  EXPECT_EQ(catalog.member_policy(unknown), config->templates.at("default"));
}

TEST(Catalogs, PrimariesMayComeFromTheTemplate) {
  const auto config = parsed(head + "catalogs: [{zone: c., template: europe}]");
  EXPECT_EQ(config->catalogs.at(0).policy->primaries.at(0).name, "p2");
  EXPECT_EQ(mistakes("catalogs: [{zone: c.}]"),
            "c:1:12: catalog 'c.': its members need primaries, expected them in template 'default'");
  EXPECT_EQ(mistakes(head + "  - {name: bare}\ncatalogs: [{zone: c., groups: {x: bare}}]"),
            "c:8:12: catalog 'c.': its members need primaries, expected them in template 'bare'");
}

TEST(Catalogs, KeepTheOrderOfTheFile) {
  const auto config = parsed(head + "catalogs: [{zone: z.}, {zone: a.}]");
  EXPECT_EQ(config->catalogs.at(0).zone.text(), "z.");
  EXPECT_EQ(config->zones.at(0).name().text(), "a.");
}

TEST(Catalogs, TheBrakeCanBeSet) {
  const auto catalog =
      parsed(head +
             "catalogs: [{zone: c., primaries: [192.0.2.1], brake-percent: off, brake-count: 3, purge-after: 0s, "
             "max-members: 10000000}]")
          ->catalogs.at(0);
  EXPECT_EQ(catalog.brake_percent, 100U);
  EXPECT_EQ(catalog.brake_count, 3U);
  EXPECT_EQ(catalog.purge_after.count(), 0);
  EXPECT_EQ(catalog.max_members, 10'000'000U);
  EXPECT_EQ(CatalogConfig{}.max_members, 2'000'000U);
}

TEST(Catalogs, MistakesAreNamed) {
  const auto of = [](const std::string& entry) { return mistakes(head + "catalogs:\n  - " + entry + "\n"); };
  EXPECT_EQ(of("{primaries: [p1]}"), "c:8:5: catalogs[].zone is missing, expected a domain name");
  EXPECT_EQ(of("{zone: c., primaries: [p1], template: no}"), "c:8:43: catalogs[].template: there is no template 'no'");
  EXPECT_EQ(of("{zone: c., primaries: [p1], groups: {a: eurpe}}"),
            "c:8:45: catalogs[].groups: there is no template 'eurpe', nearest is 'europe'");
  EXPECT_EQ(of("{zone: c., primaries: [p1], groups: {a: europe, a: default}}"),
            "c:8:53: catalogs[].groups: group 'a' stands twice");
  EXPECT_EQ(of("{zone: c., primaries: [p1], groups: [a]}"),
            "c:8:41: catalogs[].groups: expected a mapping such as {GROUP: TEMPLATE}, not a list");
  EXPECT_EQ(of("{zone: c., primaries: [p1], groups: {" + std::string(256, 'g') + ": europe}}").substr(0, 65),
            "c:8:42: catalogs[].groups: expected a group of 1 to 255 octets, n");
  EXPECT_EQ(of("{zone: c., primaries: [p1], brake-percent: 100}"),
            "c:8:48: catalogs[].brake-percent: expected off or a number from 0 to 99, not '100'");
  EXPECT_EQ(of("{zone: c., primaries: [p1], brake-count: 0}"),
            "c:8:46: catalogs[].brake-count: expected a number from 1 to 1000000000, not '0'");
  EXPECT_EQ(of("{zone: c., primaries: [p1], refresh-min: 2h, refresh-max: 1h}"),
            "c:8:5: refresh-min (7200s) is above refresh-max (3600s)");
  EXPECT_NE(of("{zone: c., primaries: [p1], catalog-produce: d.}").find("unknown key 'catalog-produce'"),
            std::string::npos);
  EXPECT_EQ(of("{zone: c., primaries: [p1]}\n  - {zone: C., primaries: [p1]}"),
            "c:9:5: zone 'C.' is declared twice, first in line 8");
  EXPECT_EQ(of("{zone: c., primaries: [p1]}\nzones: [{name: c., file: c}]"),
            "c:9:9: zone 'c.' is declared twice, first in line 8");
  EXPECT_EQ(of("c."),
            "c:8:5: catalogs[]: expected a mapping such as {zone: catalog.example., primaries: [hidden1], "
            "template: default}, not 'c.'");
}

const std::string producer =
    "templates:\n  - {name: default, primaries: [192.0.2.1], catalog-produce: cat.}\n"
    "  - {name: apart, primaries: [192.0.2.1]}\n";

TEST(ProducedCatalogs, StandAmongTheZones) {
  const auto config = parsed(producer +
                             "zones: [a., {name: b., catalog-produce: none}, {name: c., template: apart},\n"
                             "  {name: d., template: apart, catalog-produce: Cat.},\n"
                             "  {name: cat., allow-transfer: [192.0.2.7], notify: [192.0.2.7]}]");
  const auto zone = [&](const char* name) { return config->find_zone(name_of(name)); };
  ASSERT_NE(zone("cat."), nullptr);
  EXPECT_TRUE(zone("cat.")->is_produced());
  EXPECT_FALSE(zone("cat.")->policy->catalog_produce) << "a catalog does not list itself";
  EXPECT_EQ(zone("cat.")->policy->allow_transfer.size(), 1U);
  EXPECT_EQ(zone("a.")->policy->catalog_produce, name_of("cat."));
  EXPECT_EQ(zone("b.")->policy->catalog_produce, std::nullopt);
  EXPECT_EQ(zone("c.")->policy->catalog_produce, std::nullopt);
  EXPECT_EQ(zone("d.")->policy->catalog_produce, name_of("cat."));
  EXPECT_FALSE(zone("a.")->is_produced());
}

TEST(ProducedCatalogs, AZoneAloneMayNameOneThatStandsBeforeIt) {
  const auto config = parsed("zones: [cat., {name: a., file: a, catalog-produce: cat.}]");
  EXPECT_TRUE(config->find_zone(name_of("cat."))->is_produced());
  EXPECT_FALSE(config->find_zone(name_of("a."))->is_produced());
}

TEST(ProducedCatalogs, MistakesAreNamed) {
  EXPECT_EQ(mistakes(producer + "zones: [a.]"),
            "c:2:62: catalog-produce: 'cat.' is not under zones, expected an entry there that says who may have the "
            "catalog: {name: cat., allow-transfer: [...], notify: [...]}");
  EXPECT_EQ(mistakes(producer + "zones: [{name: cat., file: x}]"),
            "c:4:9: zone 'cat.' is a catalog that this server makes (catalog-produce, line 2), expected no file");
  EXPECT_EQ(mistakes(producer + "zones: [{name: cat., primaries: [192.0.2.1]}]"),
            "c:4:9: zone 'cat.' is a catalog that this server makes (catalog-produce, line 2), expected no primaries");
  EXPECT_EQ(mistakes(producer + "zones: [{name: cat., catalog-produce: cat.}]"),
            "c:4:9: zone 'cat.' is a catalog and cannot list itself, expected another one or none");
  EXPECT_EQ(mistakes(producer + "catalogs: [{zone: cat., primaries: [192.0.2.1]}]"),
            "c:2:62: catalog-produce: 'cat.' is a catalog that this server takes from others, expected a name of its "
            "own");
  EXPECT_EQ(mistakes("zones: [{name: a., file: a, catalog-produce: a..b}]"),
            "c:1:46: zones[].catalog-produce: expected none or a domain name (an empty label), not 'a..b'");
}

TEST(ProducedCatalogs, AZoneAddedLaterMayBeListed) {
  const auto config = parsed(producer + "zones: [cat.]");
  EXPECT_EQ(parse_zone("a.", *config)->policy->catalog_produce, name_of("cat."));
  EXPECT_EQ(parse_zone("{name: a., catalog-produce: other.}", *config).error().detail,
            "zone:1:1: catalog-produce: this server does not produce a catalog 'other.'");
}

TEST(Catalogs, TheirChangesAreNamed) {
  const std::string text = head + "catalogs: [{zone: c., primaries: [p1]}, {zone: d., primaries: [p1]}]\n";
  const auto changed = [&](const std::string& from, const std::string& to) {
    auto other = text;
    other.replace(other.find(from), from.size(), to);
    return diff_configs(parsed(text), parsed(other)).lines();
  };
  EXPECT_THAT(changed("{zone: c., primaries: [p1]}, ", ""), ElementsAre("catalog c. is removed", "zone c. is removed"));
  EXPECT_THAT(changed("zone: c.", "zone: c., brake-count: 11"), ElementsAre("catalog c. is changed"));
  EXPECT_THAT(changed("zone: c.", "zone: c., retry-max: 1h"), ElementsAre("zone c. is changed: retry-max none -> 1h"));
  EXPECT_THAT(changed("on-expire: serve", "on-expire: serve-for 2d"),
              ElementsAre("template default is changed", "catalog c. is changed", "catalog d. is changed"));
  EXPECT_THAT(changed("on-expire: serve", "on-expire: serve"), ElementsAre());
}

}  // namespace
}  // namespace understudy
