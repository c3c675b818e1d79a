// Values of more than one word, and lists that may be one value: what primaries and policies say of replication.
#include <gtest/gtest.h>

#include "config_fixture.h"

namespace understudy {
namespace {

using std::chrono::seconds;

std::string primary_mistakes(const std::string& members) {
  return mistakes("primaries:\n  - {name: p, " + members + "}\n");
}

PeerConfig primary(const std::string& members) {
  return parsed("primaries:\n  - {name: p, " + members + "}\n")->primaries.at("p");
}

TEST(Primaries, OneAddressOrSeveral) {
  EXPECT_EQ(primary("address: 192.0.2.1").endpoints, std::vector{*Endpoint::parse("192.0.2.1@53")});
  EXPECT_EQ(primary("address: [192.0.2.1@5300, '2001:db8::1']").endpoints,
            (std::vector{*Endpoint::parse("192.0.2.1@5300"), *Endpoint::parse("2001:db8::1@53")}));
  const std::string list = "expected ADDRESS, ADDRESS@PORT, or a list of these";
  EXPECT_EQ(primary_mistakes("address: {a: b}"), "c:2:24: primaries[].address: " + list + ", not a mapping");
  EXPECT_EQ(primary_mistakes("address: []"), "c:2:24: primaries[].address: expected at least one address, not a list");
  EXPECT_EQ(primary_mistakes("address: [192.0.2.1, [192.0.2.2]]"),
            "c:2:36: primaries[].address: expected ADDRESS or ADDRESS@PORT, not a list");
  EXPECT_EQ(primary_mistakes("address: [192.0.2.1, 192.0.2.1@53]"),
            "c:2:36: primaries[].address: 192.0.2.1@53 stands twice");
  EXPECT_TRUE(primary_mistakes("address: [192.0.2.1, x]").starts_with("c:2:36: primaries[].address: "));
  std::string many;
  for (int i = 0; i < 1'001; ++i) many += "192.0.2.1@" + std::to_string(i + 1) + ", ";
  EXPECT_EQ(primary_mistakes("address: [" + many + "]"), "c:2:24: primaries[].address: expected at most 1000 entries");
}

TEST(Primaries, AMappingInPlaceHasAddressesToo) {
  const auto config = parsed("zones: [{name: a., primaries: [{address: [192.0.2.1, 192.0.2.2], ixfr: no}]}]");
  const auto& peer = config->zones.at(0).policy->primaries.at(0);
  EXPECT_EQ(peer.name, "192.0.2.1@53");
  EXPECT_EQ(peer.endpoints.size(), 2U);
  EXPECT_FALSE(peer.ixfr);
  EXPECT_EQ(mistakes("zones: [{name: a., primaries: [{address: []}]}]"),
            "c:1:42: primaries[].address: expected at least one address, not a list");
}

TEST(Primaries, Sources) {
  EXPECT_TRUE(primary("address: 192.0.2.1").source.empty());
  EXPECT_EQ(primary("address: 192.0.2.1, source: 192.0.2.9").source, std::vector{*IpAddress::parse("192.0.2.9")});
  EXPECT_EQ(primary("address: [192.0.2.1, '::1'], source: [192.0.2.9, '::2']").source.size(), 2U);
  EXPECT_EQ(primary_mistakes("address: 192.0.2.1, source: '::1'"),
            "c:2:5: primaries[].source: '::1' is an IPv6 address, but none under address is");
  EXPECT_EQ(primary_mistakes("address: 192.0.2.1, source: [192.0.2.8, 192.0.2.9]"),
            "c:2:55: primaries[].source: '192.0.2.9' is a second IPv4 address, expected one of each family at most");
  EXPECT_EQ(primary_mistakes("address: 192.0.2.1, source: {}"),
            "c:2:43: primaries[].source: expected ADDRESS, or a list of one IPv4 and one IPv6 address, not a mapping");
  EXPECT_TRUE(primary_mistakes("address: 192.0.2.1, source: 192.0.2.9@53").starts_with("c:2:43: primaries[].source: "));
}

TEST(Primaries, Ixfr) {
  EXPECT_TRUE(primary("address: 192.0.2.1").ixfr);
  EXPECT_FALSE(primary("address: 192.0.2.1").ixfr_udp);
  EXPECT_FALSE(primary("address: 192.0.2.1, ixfr: no").ixfr);
  EXPECT_TRUE(primary("address: 192.0.2.1, ixfr-udp: yes").ixfr_udp);
  EXPECT_EQ(primary_mistakes("address: 192.0.2.1, ixfr: maybe"),
            "c:2:41: primaries[].ixfr: expected true or false, not 'maybe'");
}

std::shared_ptr<const ZonePolicy> policy(const std::string& setting) {
  return parsed("templates: [{name: default, " + setting + "}]")->templates.at("default");
}

std::string policy_mistakes(const std::string& setting) {
  return mistakes("templates:\n  - {name: t, " + setting + "}\n");
}

TEST(Policies, SerialBackwards) {
  using Choice = TimedChoice<SerialBackwards>;
  EXPECT_EQ(ZonePolicy{}.serial_backwards, (Choice{SerialBackwards::ignore, seconds(0)}));
  EXPECT_EQ(policy("serial-backwards: accept")->serial_backwards, (Choice{SerialBackwards::accept, seconds(0)}));
  EXPECT_EQ(policy("serial-backwards: accept-after 2h")->serial_backwards,
            (Choice{SerialBackwards::accept_after, seconds(7200)}));
  EXPECT_EQ(policy("serial-backwards: Accept-After   90")->serial_backwards,
            (Choice{SerialBackwards::accept_after, seconds(90)}));
  const std::string forms =
      "one of ignore, accept, accept-after TIME, where TIME is whole seconds from 1s to 4294967295s, such as 30m, 1h "
      "or "
      "2d";
  EXPECT_EQ(policy_mistakes("serial-backwards: never"),
            "c:2:33: templates[].serial-backwards: expected " + forms + ", not 'never'");
  for (const std::string wrong : {"accept-after", "accept-after ", "accept-after 500ms", "accept-after 0",
                                  "accept-after 2h 3m", "accept-after 4294967296"}) {
    EXPECT_EQ(policy_mistakes("serial-backwards: '" + wrong + "'"),
              "c:2:33: templates[].serial-backwards: expected accept-after TIME (" + forms + "), not '" + wrong + "'");
  }
  EXPECT_EQ(policy_mistakes("serial-backwards: ignore 2h"),
            "c:2:33: templates[].serial-backwards: expected ignore alone, or accept-after TIME, not 'ignore 2h'");
}

TEST(Policies, OnExpire) {
  EXPECT_EQ(ZonePolicy{}.on_expire.kind, OnExpire::servfail);
  EXPECT_EQ(policy("on-expire: serve")->on_expire.kind, OnExpire::serve);
  EXPECT_EQ(policy("on-expire: serve-for 2d")->on_expire,
            (TimedChoice<OnExpire>{OnExpire::serve_for, seconds(172'800)}));
  EXPECT_NE(policy_mistakes("on-expire: [serve]"), "");
  EXPECT_NE(policy_mistakes("on-expire:"), "");
}

TEST(Policies, History) {
  EXPECT_EQ(ZonePolicy{}.history_versions, 10U);
  EXPECT_EQ(ZonePolicy{}.history_size, std::uint64_t{16} << 20);
  const auto none = policy("history-versions: 0, history-size: 0");
  EXPECT_EQ(none->history_versions, 0U);
  EXPECT_EQ(none->history_size, 0U);
}

TEST(Policies, AZoneSaysOtherwiseThanItsTemplate) {
  const auto config = parsed(
      "templates: [{name: default, on-expire: serve, check-all-primaries: yes, primaries: [192.0.2.1]}]\n"
      "zones: [a., {name: b., on-expire: servfail}, {name: c., on-expire: servfail}]");
  const auto policy_of = [&](const char* name) { return config->find_zone(name_of(name))->policy; };
  EXPECT_EQ(policy_of("a."), config->templates.at("default"));
  EXPECT_EQ(policy_of("b.")->on_expire.kind, OnExpire::servfail);
  EXPECT_TRUE(policy_of("b.")->check_all_primaries);
  EXPECT_EQ(policy_of("b."), policy_of("c.")) << "zones that say the same share a policy";
}

// A million zones at an hour's interval are 278 checks a second, which one primary must be able to get.
TEST(Transfer, TheDefaultRateIsEnoughForAMillionZonesAnHour) {
  EXPECT_GT(TransferConfig{}.soa_queries_per_second * 3'600U, 1'000'000U);
}

}  // namespace
}  // namespace understudy
