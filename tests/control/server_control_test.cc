#include "control/server_control.h"

#include <gtest/gtest.h>

namespace understudy {
namespace {

TEST(NameMatches, Patterns) {
  const struct {
    const char* pattern;
    const char* name;
    bool matches;
  } cases[] = {
      {"example.com.", "example.com.", true},
      {"example.com", "example.com.", true},
      {"Example.COM", "eXample.com.", true},
      {"example.com", "example.org.", false},
      {"example", "example.com.", false},
      {"example.com.x", "example.com.", false},
      {"*", "example.com.", true},
      {"*", ".", true},
      {".", ".", true},
      {"?", ".", true},
      {"", "example.", false},
      {"*.com", "example.com.", true},
      {"*.com", "com.", false},
      {"*com", "com.", true},
      {"ex*", "example.com.", true},
      {"ex*m", "example.com.", true},
      {"ex*o", "example.com.", false},
      {"*a*p*.*", "example.com.", true},
      {"e?ample.com", "example.com.", true},
      {"e?mple.com", "example.com.", false},
      {"**c**", "example.com.", true},
      {"*ab*abc", "xabxabxabc.", true},
  };
  for (const auto& [pattern, name, matches] : cases) {
    EXPECT_EQ(name_matches(pattern, name), matches) << pattern << " " << name;
  }
}

// Quadratic at the worst, never exponential.
TEST(NameMatches, ManyStarsEndSoon) {
  std::string pattern;
  for (int i = 0; i < 500; ++i) pattern += "a*";
  EXPECT_FALSE(name_matches(pattern + "b", std::string(1'000, 'a') + "."));
}

TEST(ZoneFilter, BothMustHold) {
  ZoneRow row;
  row.name = Name::parse("a.example.").value();
  row.state = "ok";
  EXPECT_TRUE(ZoneFilter{}.empty());
  EXPECT_TRUE(ZoneFilter{}.matches(row));
  EXPECT_TRUE((ZoneFilter{"ok", "a.*"}.matches(row)));
  EXPECT_FALSE((ZoneFilter{"ok", "b.*"}.matches(row)));
  EXPECT_FALSE((ZoneFilter{"failing", "a.*"}.matches(row)));
}

}  // namespace
}  // namespace understudy
