#include "transfer/catalog.h"

#include <gmock/gmock.h>

#include "zone/zone_fixture.h"

namespace understudy {
namespace {

using namespace zone_fixture;
using ::testing::HasSubstr;

std::shared_ptr<const Zone> catalog(std::string_view text, std::string_view apex = "catalog.example.") {
  return build("@ 0 IN SOA invalid. invalid. 7 3600 600 2147483646 0\n@ 0 IN NS invalid.\n" + std::string(text), apex);
}
std::shared_ptr<const Zone> version_2(std::string_view text, std::string_view apex = "catalog.example.") {
  return catalog("version 0 IN TXT \"2\"\n" + std::string(text), apex);
}

// "NAME label [coo NAME] [group...]", one line each.
std::vector<std::string> lines(const CatalogContent& content) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < content.size(); ++i) {
    const CatalogMember member = content.member(i);
    std::string line = member.name.text() + " " + std::string(text_of(member.label));
    if (!member.coo.is_root()) line += " coo " + member.coo.text();
    for (const std::string& group : member.groups) line += " " + group;
    out.push_back(line);
  }
  return out;
}

std::string why_broken(const std::shared_ptr<const Zone>& zone, CatalogLimits limits = {}) {
  const auto read = read_catalog(zone, limits);
  if (read) return "not broken";
  EXPECT_TRUE(read.error().code == Errc::bad_catalog || read.error().code == Errc::record_limit);
  return read.error().text();
}

TEST(Catalog, MembersWithTheirProperties) {
  const auto read = read_catalog(version_2(R"(
one.zones 0 IN PTR b.example.
Two.zones 0 IN PTR A.Example.
three.zones 0 IN PTR c.example.
group.one.zones 0 IN TXT "gold"
group.one.zones 0 IN TXT "abroad"
group.two.zones 0 IN TXT "gold"
coo.three.zones 0 IN PTR New.Catalog.
)"));
  ASSERT_TRUE(read) << read.error().text();
  EXPECT_EQ((*read)->serial(), Serial{7});
  EXPECT_EQ((*read)->catalog().text(), "catalog.example.");
  EXPECT_THAT(lines(**read), ::testing::ElementsAre("a.example. two gold", "b.example. one abroad gold",
                                                    "c.example. three coo new.catalog."));
  EXPECT_EQ((*read)->find(name("b.example.").wire()), 1U);
  EXPECT_EQ((*read)->find(name("d.example.").wire()), std::nullopt);
}

TEST(Catalog, WhatItDoesNotKnowIsIgnored) {
  const auto read = read_catalog(version_2(R"(
one.zones 0 IN PTR a.example.
one.zones 0 IN TXT "not a member"
x.ext 0 IN TXT "custom"
y.ext.one.zones 0 IN TXT "custom"
zones 0 IN PTR apex.of.collection.
other 0 IN PTR b.example.
deep.one.zones 0 IN PTR c.example.
group.one.zones 0 IN PTR not.a.group.
coo.one.zones 0 IN TXT "not a coo"
two.zones 0 IN TXT "no PTR: no member"
group.two.zones 0 IN TXT "of no member"
coo.two.zones 0 IN PTR a.
coo.two.zones 0 IN PTR b.
group.three.zones 0 IN TXT "a" "b"
three.zones 0 IN PTR b.example.
version 0 IN PTR x.
)"));
  ASSERT_TRUE(read) << read.error().text();
  EXPECT_THAT(lines(**read), ::testing::ElementsAre("a.example. one", "b.example. three"));
}

TEST(Catalog, AnEmptyOneIsValid) {
  const auto read = read_catalog(version_2(""));
  ASSERT_TRUE(read) << read.error().text();
  EXPECT_EQ((*read)->size(), 0U);
}

TEST(Catalog, BrokenOnes) {
  const std::string member = "one.zones 0 IN PTR a.example.\n";
  EXPECT_THAT(why_broken(catalog(member)), HasSubstr("no TXT record \"version\""));
  EXPECT_THAT(why_broken(catalog("version 0 IN TXT \"1\"\n" + member)), HasSubstr("not \"2\""));
  EXPECT_THAT(why_broken(catalog("version 0 IN TXT \"2\" \"\"\n" + member)), HasSubstr("not \"2\""));
  EXPECT_THAT(why_broken(catalog("version 0 IN TXT \"\"\n" + member)), HasSubstr("not \"2\""));
  EXPECT_THAT(why_broken(version_2("version 0 IN TXT \"1\"\n" + member)), HasSubstr("2 TXT records"));
  EXPECT_THAT(why_broken(version_2(member + "one.zones 0 IN PTR b.example.\n")),
              HasSubstr("one.zones.catalog.example. has 2 PTR records"));
  EXPECT_THAT(why_broken(version_2(member + "two.zones 0 IN PTR A.Example.\n")),
              HasSubstr("a.example. is listed more than once"));
  EXPECT_THAT(why_broken(version_2(member + "coo.one.zones 0 IN PTR x.\ncoo.one.zones 0 IN PTR y.\n")),
              HasSubstr("coo.one.zones.catalog.example. has 2 PTR records"));
}

TEST(Catalog, TheLimits) {
  const auto zone = version_2("1.zones 0 PTR a.\n2.zones 0 PTR b.\n3.zones 0 PTR c.\n");
  EXPECT_THAT(why_broken(zone, {.max_members = 2}), HasSubstr("over 2 members"));
  EXPECT_EQ(why_broken(zone, {.max_members = 3}), "not broken");
  EXPECT_EQ(read_catalog(zone, {.max_members = 2}).error().code, Errc::record_limit);
  // 3 octets of name, 2 of label, 1 of coo, 8 of entry each.
  EXPECT_THAT(why_broken(zone, {.max_octets = 41}), HasSubstr("0 MiB"));
  EXPECT_EQ(why_broken(zone, {.max_octets = 42}), "not broken");
}

TEST(Catalog, ANameOf255OctetsWith127LabelsAndItself) {
  std::string deep;
  for (int i = 0; i < 127; ++i) deep += "a.";
  const auto read =
      read_catalog(version_2("1.zones 0 PTR " + deep + "\n2.zones 0 PTR catalog.example.\n3.zones 0 PTR .\n"));
  ASSERT_TRUE(read) << read.error().text();
  EXPECT_THAT(lines(**read), ::testing::ElementsAre(". 3", deep + " 1", "catalog.example. 2"));
}

TEST(Catalog, ACatalogWhoseNameLeavesNoRoomForProperties) {
  std::string apex = "x.";
  for (int i = 0; i < 7; ++i) apex += std::string(32, 'a') + ".";
  apex += "1234567890123.";
  ASSERT_EQ(name(apex).size(), 248U);
  apex = apex.substr(2);
  const auto read = read_catalog(version_2("b.zones 0 PTR a.\n", apex));
  ASSERT_TRUE(read) << read.error().text();
  EXPECT_THAT(lines(**read), ::testing::ElementsAre("a. b"));
  apex = apex.substr(6);  // room for the properties of the one, not of the other
  const auto both = read_catalog(version_2("1234567.zones 0 PTR a.\nb.zones 0 PTR b.\ncoo.b.zones 0 PTR c.\n", apex));
  ASSERT_TRUE(both) << both.error().text();
  EXPECT_THAT(lines(**both), ::testing::ElementsAre("a. 1234567", "b. b coo c."));
}

TEST(Catalog, ManyMembersTakeLittleMemory) {
  CatalogContentBuilder builder(name("catalog.example."));
  for (int i = 0; i < 100'000; ++i) {
    const std::string number = std::to_string(i);
    ASSERT_TRUE(builder.add(name("zone" + number + ".example."), view_of("label" + number), {}, {"gold", "silver"}));
  }
  const auto content = builder.finish();
  ASSERT_TRUE(content) << content.error().text();
  EXPECT_LT((*content)->memory_size() / 100'000, 60U);
  for (const int i : {0, 77, 99'999}) {
    const auto at = (*content)->find(name("zone" + std::to_string(i) + ".example.").wire());
    ASSERT_TRUE(at);
    EXPECT_EQ(text_of((*content)->member(*at).label), "label" + std::to_string(i));
    EXPECT_EQ((*content)->member(*at).groups.size(), 2U);
  }
}

}  // namespace
}  // namespace understudy
