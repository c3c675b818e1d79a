#include "base/result.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>

namespace understudy {
namespace {

TEST(Errors, EveryCodeHasItsOwnSentence) {
  std::set<std::string_view> seen;
  for (int i = 0; i <= static_cast<int>(Errc::internal); ++i) {
    const std::string_view text = errc_text(static_cast<Errc>(i));
    EXPECT_NE(text, "unknown error") << i;
    EXPECT_FALSE(text.ends_with('.')) << text;
    EXPECT_TRUE(seen.insert(text).second) << text;
  }
  EXPECT_EQ(errc_text(static_cast<Errc>(static_cast<int>(Errc::internal) + 1)), "unknown error");
}

TEST(Errors, TextHasTheDetailBehindTheSentence) {
  EXPECT_EQ((Error{Errc::refused, ""}).text(), "refused");
  EXPECT_EQ((Error{Errc::not_found, "zone a."}).text(), "not found: zone a.");
}

Result<int> half(int n) {
  if (n % 2 != 0) return fail(Errc::bad_value, std::to_string(n));
  return n / 2;
}
Result<std::unique_ptr<int>> boxed(int n) {
  US_ASSIGN(const int value, half(n));
  return std::make_unique<int>(value);
}
Result<int> quarter(int n) {
  US_ASSIGN(auto box, boxed(n));
  int out = 0;
  US_ASSIGN(out, half(*box));
  return out;
}
Result<void> check(int n, int& steps) {
  US_TRY(half(n));
  ++steps;
  US_TRY(half(n / 2));
  ++steps;
  return {};
}

TEST(Errors, AssignBindsOrReturns) {
  EXPECT_EQ(quarter(12), 3);
  const auto odd = quarter(6);
  ASSERT_FALSE(odd);
  EXPECT_EQ(odd.error().code, Errc::bad_value);
  EXPECT_EQ(odd.error().detail, "3");
  EXPECT_EQ(quarter(5).error().detail, "5");
}

TEST(Errors, TryReturnsAtTheFirstFailure) {
  int steps = 0;
  EXPECT_TRUE(check(4, steps));
  EXPECT_EQ(steps, 2);
  steps = 0;
  EXPECT_EQ(check(6, steps).error().detail, "3");
  EXPECT_EQ(steps, 1);
}

}  // namespace
}  // namespace understudy
