#include "dns/access.h"

#include <gtest/gtest.h>

#include <vector>

namespace understudy {
namespace {

const IpAddress inside = IpAddress::v4(192, 0, 2, 9);
const IpAddress outside = IpAddress::v4(198, 51, 100, 1);

AccessRule rule(std::string_view text) {
  return AccessRule::parse(text).value();
}
Name name(std::string_view text) {
  return Name::parse(text).value();
}

TEST(AccessRule, AddressAlone) {
  EXPECT_TRUE(rule("192.0.2.0/24").matches(inside, std::nullopt));
  EXPECT_TRUE(rule("192.0.2.0/24").matches(inside, name("any.")));
  EXPECT_FALSE(rule("192.0.2.0/24").matches(outside, std::nullopt));
  EXPECT_TRUE(rule("192.0.2.9").matches(inside, std::nullopt));
}

TEST(AccessRule, KeyAlone) {
  EXPECT_TRUE(rule("key transfer.example.").matches(outside, name("Transfer.Example.")));
  EXPECT_FALSE(rule("key transfer.example.").matches(outside, name("other.example.")));
  EXPECT_FALSE(rule("key transfer.example.").matches(outside, std::nullopt));
}

TEST(AccessRule, AddressAndKeyNeedBoth) {
  const auto both = rule("192.0.2.0/24 key transfer.example.");
  EXPECT_TRUE(both.matches(inside, name("transfer.example.")));
  EXPECT_FALSE(both.matches(outside, name("transfer.example.")));
  EXPECT_FALSE(both.matches(inside, name("other.example.")));
  EXPECT_FALSE(both.matches(inside, std::nullopt));
}

TEST(AccessRule, EmptyRuleMatchesNobody) {
  EXPECT_FALSE(AccessRule{}.matches(inside, name("a.")));
}

TEST(AccessRule, TextIsWhatParseReads) {
  for (const std::string text : {"192.0.2.0/24", "::1", "key a.example.", "192.0.2.0/24 key a.example."}) {
    EXPECT_EQ(rule(text).text(), text);
    EXPECT_EQ(rule(rule(text).text()), rule(text));
  }
  EXPECT_EQ(rule("  192.0.2.1 \t key  a. ").text(), "192.0.2.1 key a.");
}

TEST(AccessRule, Mistakes) {
  const auto detail = [](std::string_view text) {
    const auto parsed = AccessRule::parse(text);
    return parsed ? "accepted" : parsed.error().detail;
  };
  const std::string form = "' is not an access rule: ADDRESS, ADDRESS/LENGTH, key NAME, or both";
  EXPECT_EQ(detail(""), "'" + form);
  EXPECT_EQ(detail("key"), "'key" + form);
  EXPECT_EQ(detail("key a. b."), "'key a. b." + form);
  EXPECT_EQ(detail("192.0.2.1 a."), "'192.0.2.1 a." + form);
  EXPECT_EQ(detail("192.0.2.1 key"), "'192.0.2.1 key" + form);
  EXPECT_EQ(detail("192.0.2.1 key a..b."), "'a..b.' is not a key name");
  EXPECT_EQ(detail("any"), "'any' is not an address or a prefix (ADDRESS/LENGTH)");
}

TEST(AccessAllowed, OneRuleSuffices) {
  const std::vector<AccessRule> rules = {rule("key a."), rule("192.0.2.9")};
  EXPECT_TRUE(access_allowed(rules, inside, std::nullopt));
  EXPECT_TRUE(access_allowed(rules, outside, name("a.")));
  EXPECT_FALSE(access_allowed(rules, outside, name("b.")));
  EXPECT_FALSE(access_allowed({}, inside, name("a.")));
}

}  // namespace
}  // namespace understudy
