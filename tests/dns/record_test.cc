#include "dns/record.h"

#include <gtest/gtest.h>

namespace understudy {
namespace {

Name name(std::string_view text) {
  return Name::parse(text).value();
}

TEST(Record, Text) {
  EXPECT_EQ((Record{name("www.Example."), RRType::A, RRClass::IN, 3600, {192, 0, 2, 1}}).text(),
            "www.Example. 3600 IN A 192.0.2.1");
  EXPECT_EQ((Record{Name(), RRType::NS, RRClass::IN, 0, {1, 'a', 0}}).text(), ". 0 IN NS a.");
  EXPECT_EQ((Record{name("version.bind."), RRType::TXT, RRClass::CH, 0, {1, 'x'}}).text(),
            "version.bind. 0 CH TXT \"x\"");
}

TEST(Record, UnknownTypesAndClassesAreOpaque) {
  EXPECT_EQ((Record{name("a."), static_cast<RRType>(65280), static_cast<RRClass>(32), 1, {0xde, 0xad}}).text(),
            "a. 1 CLASS32 TYPE65280 \\# 2 dead");
}

TEST(Record, BrokenRdataIsShownAsOctets) {
  EXPECT_EQ((Record{name("a."), RRType::A, RRClass::IN, 1, {192, 0, 2}}).text(), "a. 1 IN A \\# 3 c00002");
  EXPECT_EQ((Record{name("a."), RRType::A, RRClass::IN, 1, {}}).text(), "a. 1 IN A \\# 0");
}

TEST(Record, EqualityIgnoresTheCaseOfTheOwnerOnly) {
  const Record a{name("a."), RRType::TXT, RRClass::IN, 1, {1, 'x'}};
  Record b = a;
  b.owner = name("A.");
  EXPECT_EQ(a, b);
  b.rdata = {1, 'X'};
  EXPECT_NE(a, b);
}

}  // namespace
}  // namespace understudy
