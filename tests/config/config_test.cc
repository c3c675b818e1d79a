#include "config/config.h"

#include <gtest/gtest.h>

#include "config_fixture.h"

namespace understudy {
namespace {

constexpr std::string_view text = R"(
keys:
  - {name: a.key., secret: MDEyMzQ1Njc4OWFiY2RlZg==}
  - {name: B.key., algorithm: hmac-sha512, secret: MDEyMzQ1Njc4OWFiY2RlZg==}
zones:
  - {name: z.example., file: z}
  - {name: example., file: e}
  - {name: A.example., file: a}
  - {name: ., file: root}
)";

TEST(Config, ZonesAreInCanonicalOrderAndFoundWithoutCase) {
  const auto config = parsed(text);
  std::vector<std::string> names;
  for (const auto& zone : config->zones) names.push_back(zone.name().text());
  EXPECT_EQ(names, (std::vector<std::string>{".", "example.", "A.example.", "z.example."}));
  for (const auto& zone : config->zones) EXPECT_EQ(config->find_zone(zone.name()), &zone);
  EXPECT_EQ(config->find_zone(name_of("a.EXAMPLE.")), &config->zones[2]);
  EXPECT_EQ(config->find_zone(name_of("b.example.")), nullptr);
  EXPECT_EQ(config->find_zone(name_of("zz.example.")), nullptr);
  EXPECT_EQ(Config{}.find_zone(name_of("example.")), nullptr);
}

TEST(Config, KeysAndTheirRing) {
  const auto config = parsed(text);
  const auto key = config->find_key(name_of("b.KEY."));
  ASSERT_NE(key, nullptr);
  EXPECT_EQ(key->algorithm, TsigAlgorithm::hmac_sha512);
  EXPECT_EQ(config->find_key(name_of("c.key.")), nullptr);
  const auto ring = config->keyring();
  ASSERT_NE(ring.find(name_of("A.key.")), nullptr);
  EXPECT_TRUE(same_key(*ring.find(name_of("A.key.")), *config->find_key(name_of("a.key."))));
  EXPECT_EQ(ring.find(name_of("c.key.")), nullptr);
}

TEST(Config, SameKeyLooksAtAllOfIt) {
  const TsigKey key{name_of("k."), TsigAlgorithm::hmac_sha256, {1, 2, 3}};
  EXPECT_TRUE(same_key(key, {name_of("K."), TsigAlgorithm::hmac_sha256, {1, 2, 3}}));
  EXPECT_FALSE(same_key(key, {name_of("l."), TsigAlgorithm::hmac_sha256, {1, 2, 3}}));
  EXPECT_FALSE(same_key(key, {name_of("k."), TsigAlgorithm::hmac_sha1, {1, 2, 3}}));
  EXPECT_FALSE(same_key(key, {name_of("k."), TsigAlgorithm::hmac_sha256, {1, 2}}));
}

TEST(PeerConfig, ComparesKeysByContent) {
  const auto key = std::make_shared<const TsigKey>(TsigKey{name_of("k."), TsigAlgorithm::hmac_sha256, {1}});
  const auto twin = std::make_shared<const TsigKey>(*key);
  const auto other = std::make_shared<const TsigKey>(TsigKey{name_of("k."), TsigAlgorithm::hmac_sha256, {2}});
  const PeerConfig peer{.name = "p", .endpoints = {*Endpoint::parse("192.0.2.1@53")}, .key = key};
  const auto with = [&](auto change) {
    PeerConfig changed = peer;
    change(changed);
    return changed;
  };
  EXPECT_EQ(peer, with([&](PeerConfig& p) { p.key = twin; }));
  EXPECT_NE(peer, with([&](PeerConfig& p) { p.key = other; }));
  EXPECT_NE(peer, with([&](PeerConfig& p) { p.key = nullptr; }));
  EXPECT_NE(peer, with([&](PeerConfig& p) { p.endpoints = {*Endpoint::parse("192.0.2.1@54")}; }));
  EXPECT_NE(peer, with([&](PeerConfig& p) { p.endpoints.push_back(*Endpoint::parse("192.0.2.2@53")); }));
  EXPECT_NE(peer, with([&](PeerConfig& p) { p.name = "q"; }));
  EXPECT_NE(peer, with([&](PeerConfig& p) { p.source = {*IpAddress::parse("192.0.2.9")}; }));
  EXPECT_NE(peer, with([&](PeerConfig& p) { p.ixfr = false; }));
  EXPECT_NE(peer, with([&](PeerConfig& p) { p.ixfr_udp = true; }));
}

TEST(PeerConfig, TheSourceIsOfTheFamilyOfTheOtherSide) {
  const auto v4 = *IpAddress::parse("192.0.2.9"), v6 = *IpAddress::parse("2001:db8::9");
  const PeerConfig both{.source = {v6, v4}};
  EXPECT_EQ(both.source_for(*IpAddress::parse("192.0.2.1")), v4);
  EXPECT_EQ(both.source_for(*IpAddress::parse("::1")), v6);
  const PeerConfig one{.source = {v6}};
  EXPECT_EQ(one.source_for(*IpAddress::parse("192.0.2.1")), std::nullopt);
}

TEST(ZoneConfig, ACopyKeepsItsName) {
  std::unique_ptr<ZoneConfig> copy;
  {
    const ZoneConfig zone(name_of("a-rather-long-name-of-a-zone.example."), std::make_shared<const ZonePolicy>());
    copy = std::make_unique<ZoneConfig>(zone);
  }
  EXPECT_EQ(copy->name().text(), "a-rather-long-name-of-a-zone.example.");
  EXPECT_FALSE(copy->from_file());
}

}  // namespace
}  // namespace understudy
