#include "config/zone_reader.h"

#include <gtest/gtest.h>

#include "config_fixture.h"

namespace understudy {
namespace {

constexpr std::string_view head = R"(
keys: [{name: k., secret: MDEyMzQ1Njc4OWFiY2RlZg==}]
primaries:
  - {name: p1, address: 192.0.2.1, key: k.}
  - {name: p2, address: "2001:db8::2@5300"}
templates:
  - {name: default, primaries: [p1], allow-transfer: [192.0.2.0/24 key k.], notify: [p2], retry-max: 5m}
  - {name: other, primaries: [p2]}
  - {name: bare, max-records: 5}
zones:
)";

std::shared_ptr<const Config> with_zones(const std::string& zones) {
  return parsed(std::string(head) + zones);
}

std::string zone_mistakes(const std::string& zones) {
  return mistakes(std::string(head) + zones);
}

TEST(ZoneReader, APlainNameIsAZoneOfTheDefaultTemplate) {
  const auto config = with_zones("  - a.example.\n  - name: b.example\n  - {name: c.example., template: default}\n");
  ASSERT_EQ(config->zones.size(), 3U);
  for (const auto& zone : config->zones) {
    EXPECT_EQ(zone.policy, config->templates.at("default")) << zone.name().text();
    EXPECT_FALSE(zone.from_file());
  }
  EXPECT_EQ(config->zones[1].name().text(), "b.example.");
}

TEST(ZoneReader, TemplateByName) {
  const auto config = with_zones("  - {name: a., template: other}\n");
  EXPECT_EQ(config->zones[0].policy, config->templates.at("other"));
  EXPECT_EQ(config->zones[0].policy->template_name, "other");
  EXPECT_EQ(config->zones[0].policy->primaries.at(0).name, "p2");
  EXPECT_TRUE(config->zones[0].policy->allow_transfer.empty());
}

TEST(ZoneReader, WhatTheZoneSaysCountsAndTheRestComesFromTheTemplate) {
  const auto config = with_zones("  - {name: a., primaries: [p2, p1], refresh-min: 1m}\n");
  const auto& policy = *config->zones[0].policy;
  ASSERT_EQ(policy.primaries.size(), 2U);
  EXPECT_EQ(policy.primaries[0].endpoints.at(0).text(), "2001:db8::2@5300");
  EXPECT_EQ(policy.primaries[0].key, nullptr);
  EXPECT_EQ(policy.primaries[1].endpoints.at(0).text(), "192.0.2.1@53");
  EXPECT_EQ(policy.primaries[1].key, config->find_key(name_of("k.")));
  EXPECT_EQ(policy.refresh_min, std::chrono::minutes(1));
  EXPECT_EQ(policy.retry_max, std::chrono::minutes(5));
  EXPECT_EQ(policy.allow_transfer.at(0).text(), "192.0.2.0/24 key k.");
  EXPECT_EQ(policy.notify.at(0).name, "p2");
  EXPECT_EQ(policy.template_name, "default");
}

TEST(ZoneReader, AnEmptyListTakesAwayWhatTheTemplateGives) {
  const auto config = with_zones("  - {name: a., notify: [], allow-transfer: []}\n");
  EXPECT_TRUE(config->zones[0].policy->notify.empty());
  EXPECT_TRUE(config->zones[0].policy->allow_transfer.empty());
  EXPECT_FALSE(config->zones[0].policy->primaries.empty());
}

TEST(ZoneReader, ZonesThatSayTheSameShareAPolicy) {
  const auto config = with_zones(
      "  - {name: a., primaries: [p2]}\n  - {name: b., primaries: [p2]}\n  - {name: c., primaries: [p1]}\n"
      "  - {name: d., primaries: [p2], template: other}\n  - {name: e., notify: [p2]}\n"
      "  - {name: f., file: x}\n  - {name: g., file: y}\n");
  const auto& zones = config->zones;
  EXPECT_EQ(zones[0].policy, zones[1].policy);
  EXPECT_NE(zones[0].policy, zones[2].policy);
  EXPECT_NE(zones[0].policy, zones[3].policy);
  EXPECT_NE(zones[0].policy, zones[4].policy);
  EXPECT_EQ(zones[5].policy, zones[6].policy);
}

TEST(ZoneReader, PrimariesByNameAddressOrMapping) {
  const auto config = with_zones(
      "  - {name: a., primaries: [p1, 192.0.2.9, '::1@5300', {address: 192.0.2.8@54, key: k.}, {name: x, "
      "address: 192.0.2.7, transport: tcp}]}\n");
  const auto& primaries = config->zones[0].policy->primaries;
  ASSERT_EQ(primaries.size(), 5U);
  EXPECT_EQ(primaries[0].name, "p1");
  EXPECT_EQ(primaries[1].name, "192.0.2.9@53");
  EXPECT_EQ(primaries[1].endpoints.at(0).text(), "192.0.2.9@53");
  EXPECT_EQ(primaries[2].endpoints.at(0).text(), "::1@5300");
  EXPECT_EQ(primaries[3].name, "192.0.2.8@54");
  EXPECT_EQ(primaries[3].key, config->find_key(name_of("k.")));
  EXPECT_EQ(primaries[4].name, "x");
  EXPECT_EQ(config->primaries.size(), 2U);  // what is written in place is nobody else's
}

TEST(ZoneReader, AFileTakesThePlaceOfTheTemplatesPrimaries) {
  const auto config =
      with_zones("  - {name: a., file: a.zone}\n  - {name: b., template: bare, file: b.zone, notify: [p1]}\n");
  EXPECT_TRUE(config->zones[0].from_file());
  EXPECT_EQ(*config->zones[0].file, "/etc/us/a.zone");
  EXPECT_TRUE(config->zones[0].policy->primaries.empty());
  EXPECT_EQ(config->zones[0].policy->notify.at(0).name, "p2");
  EXPECT_EQ(config->zones[1].policy->max_records, 5U);
  EXPECT_EQ(config->zones[1].policy->notify.at(0).name, "p1");
}

TEST(ZoneReader, LimitsComeFromTheTransferSectionInTheEnd) {
  const auto config = parsed(
      "zones:\n  - {name: a., primaries: [192.0.2.1]}\n  - {name: b., template: t, max-size: 1MiB}\n"
      "templates: [{name: t, primaries: [192.0.2.1], max-records: 7}]\n"
      "transfer: {max-records: 1000, max-size: 2MiB}\n");
  EXPECT_EQ(config->zones[0].policy->max_records, 1'000U);
  EXPECT_EQ(config->zones[0].policy->max_size, 2U << 20);
  EXPECT_EQ(config->zones[1].policy->max_records, 7U);
  EXPECT_EQ(config->zones[1].policy->max_size, 1U << 20);
}

TEST(ZoneReader, NeitherPrimariesNorFile) {
  EXPECT_EQ(zone_mistakes("  - {name: a., template: bare}\n"),
            "c:11:5: zone 'a.' has neither primaries nor a file, expected primaries here or in template 'bare'");
  EXPECT_EQ(zone_mistakes("  - {name: a., primaries: []}\n"),
            "c:11:5: zone 'a.' has neither primaries nor a file, expected primaries here or in template 'default'");
  EXPECT_EQ(mistakes("zones: [a.]"),
            "c:1:9: zone 'a.' has neither primaries nor a file, expected primaries here or in template 'default'");
}

TEST(ZoneReader, PrimariesAndFile) {
  EXPECT_EQ(zone_mistakes("  - {name: a., primaries: [p1], file: x}\n"),
            "c:11:5: zone 'a.' has primaries and a file, expected one of them");
}

TEST(ZoneReader, BoundsThatContradict) {
  EXPECT_EQ(zone_mistakes("  - {name: a., refresh-min: 2h, refresh-max: 1h}\n"),
            "c:11:5: refresh-min (7200s) is above refresh-max (3600s)");
  EXPECT_EQ(zone_mistakes("  - {name: a., retry-min: 6m}\n"), "c:11:5: retry-min (360s) is above retry-max (300s)");
  EXPECT_EQ(mistakes("templates: [{name: t, expire-min: 2, expire-max: 1}]"),
            "c:1:13: expire-min (2s) is above expire-max (1s)");
}

TEST(ZoneReader, Entries) {
  EXPECT_EQ(zone_mistakes("  - []\n"), "c:11:5: zones[]: expected a zone's name or a mapping, not a list");
  EXPECT_EQ(zone_mistakes("  - {file: x}\n"), "c:11:5: zones[].name is missing, expected a domain name");
  EXPECT_EQ(zone_mistakes("  -\n"), "c:11:4: zones[].name: expected a domain name, not nothing");
  EXPECT_EQ(zone_mistakes("  - {name: a., primary: [p1]}\n"),
            "c:11:16: unknown key 'primary' in zones, nearest is 'primaries'; expected one of name, template, file, "
            "primaries, allow-notify, allow-transfer, notify, refresh-min, refresh-max, retry-min, retry-max, "
            "expire-min, expire-max, max-records, max-size, serial-backwards, check-all-primaries, on-expire, "
            "history-versions, history-size, catalog-produce");
}

TEST(ZoneReader, AMistakeInATemplateIsNamedOnce) {
  EXPECT_EQ(mistakes("templates: [{name: default, primaries: [nobody]}]\nzones: [a., b., c.]\n"),
            "c:1:41: templates[].primaries: 'nobody' is neither the name of a primary nor an address (ADDRESS@PORT)");
  EXPECT_EQ(mistakes("templates: [{name: t, max-size: x}]\nzones: [{name: a., template: t, primaries: [192.0.2.1]}]\n"),
            "c:1:33: templates[].max-size: expected a size from 1KiB to 16TiB, such as 4096, 64KiB or 2GiB, not 'x'");
}

TEST(ZoneReader, AMistakeInAKeyOrPrimaryIsNamedOnce) {
  EXPECT_EQ(mistakes("keys: [{name: k., secret: '?'}]\nprimaries: [{name: p, address: 192.0.2.1, key: k.}]\n"
                     "zones: [{name: a., primaries: [p], allow-transfer: [key k.]}]\n"),
            "c:1:27: keys[].secret: expected base64 with its padding");
  EXPECT_EQ(mistakes("primaries: [{name: p, address: here}]\nzones: [{name: a., primaries: [p]}]\n"),
            "c:1:32: primaries[].address: 'here' is not an address of the form ADDRESS or ADDRESS@PORT");
}

}  // namespace
}  // namespace understudy
