#include "config/diagnostics.h"

#include <gmock/gmock.h>

namespace understudy::config {
namespace {

using testing::ElementsAre;

TEST(Diagnostics, LinesInTheOrderOfTheFile) {
  Diagnostics out("f");
  EXPECT_FALSE(out.failed());
  out.error({3, 1}, Errc::unknown_key, "third");
  out.error({1, 9}, Errc::syntax, "second");
  out.error({1, 2}, Errc::bad_value, "first");
  out.error({1, 9}, Errc::bad_value, "second again");
  EXPECT_TRUE(out.failed());
  const auto error = out.take_error();
  EXPECT_EQ(error.detail, "f:1:2: first\nf:1:9: second\nf:1:9: second again\nf:3:1: third");
  EXPECT_EQ(error.code, Errc::bad_value);
}

TEST(Diagnostics, WholeFileHasNoPosition) {
  Diagnostics out("f");
  out.error({}, Errc::syntax, "empty");
  EXPECT_EQ(out.take_error().detail, "f: empty");
}

TEST(Diagnostics, KeepsTwentyErrors) {
  Diagnostics out("f");
  for (std::uint32_t i = 1; i <= 20; ++i) out.error({i, 1}, Errc::syntax, "x");
  EXPECT_FALSE(out.full());
  EXPECT_EQ(out.take_error().detail.find("more than"), std::string::npos);
  out.error({21, 1}, Errc::syntax, "not shown");
  EXPECT_TRUE(out.full());
  const auto detail = out.take_error().detail;
  EXPECT_EQ(detail.find("not shown"), std::string::npos);
  EXPECT_THAT(detail, testing::EndsWith("f:20:1: x\nf: there are more than 20 mistakes, these are the first found"));
}

TEST(Diagnostics, WarningsAreNoErrors) {
  Diagnostics out("f");
  out.warn({2, 1}, "b");
  out.warn({1, 1}, "a");
  EXPECT_FALSE(out.failed());
  EXPECT_THAT(out.take_warnings(), ElementsAre("f:1:1: a", "f:2:1: b"));
  for (std::uint32_t i = 0; i < 1'000; ++i) out.warn({3, 1}, "more");
  EXPECT_EQ(out.take_warnings().size(), Diagnostics::max_warnings);
}

TEST(Nearest, FindsSlips) {
  const std::vector<std::string_view> keys = {"primaries", "allow-notify", "notify", "name", "file"};
  EXPECT_EQ(nearest("primares", keys), "primaries");
  EXPECT_EQ(nearest("Primaries", keys), "primaries");
  EXPECT_EQ(nearest("nmae", keys), "name");
  EXPECT_EQ(nearest("notifi", keys), "notify");
  EXPECT_EQ(nearest("allow_notify", keys), "allow-notify");
}

TEST(Nearest, GuessesNothingFarOff) {
  const std::vector<std::string_view> keys = {"primaries", "p", "file"};
  EXPECT_EQ(nearest("", keys), "");
  EXPECT_EQ(nearest("x", keys), "");
  EXPECT_EQ(nearest("refresh", keys), "");
  EXPECT_EQ(nearest(std::string(1'000, 'p'), keys), "");
  EXPECT_EQ(nearest("file", {}), "");
}

}  // namespace
}  // namespace understudy::config
