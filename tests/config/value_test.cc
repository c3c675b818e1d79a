#include "config/value.h"

#include <gtest/gtest.h>

namespace understudy::config {
namespace {

TEST(Value, Numbers) {
  EXPECT_EQ(parse_number("0"), 0U);
  EXPECT_EQ(parse_number("18446744073709551615"), 18446744073709551615U);
  for (const char* text : {"", "-1", "+1", "1 ", " 1", "0x10", "1_000", "1.0", "18446744073709551616"}) {
    EXPECT_EQ(parse_number(text), std::nullopt) << text;
  }
}

TEST(Value, Durations) {
  EXPECT_EQ(parse_duration("10"), 10'000U);
  EXPECT_EQ(parse_duration("500ms"), 500U);
  EXPECT_EQ(parse_duration("30s"), 30'000U);
  EXPECT_EQ(parse_duration("5m"), 300'000U);
  EXPECT_EQ(parse_duration("1h"), 3'600'000U);
  EXPECT_EQ(parse_duration("2d"), 172'800'000U);
  EXPECT_EQ(parse_duration("1w"), 604'800'000U);
  for (const char* text : {"", "s", "1 s", "1S", "1min", "1.5h", "-1s", "1h30m", "99999999999999999w"}) {
    EXPECT_EQ(parse_duration(text), std::nullopt) << text;
  }
}

TEST(Value, Sizes) {
  EXPECT_EQ(parse_size("4096"), 4'096U);
  EXPECT_EQ(parse_size("64KiB"), 65'536U);
  EXPECT_EQ(parse_size("3MiB"), 3'145'728U);
  EXPECT_EQ(parse_size("8GiB"), 8'589'934'592U);
  EXPECT_EQ(parse_size("1TiB"), 1'099'511'627'776U);
  for (const char* text : {"", "KiB", "1K", "1kb", "1MB", "1 MiB", "16777216TiB"}) {
    EXPECT_EQ(parse_size(text), std::nullopt) << text;
  }
}

TEST(Value, Booleans) {
  for (const char* text : {"true", "yes", "on"}) EXPECT_EQ(parse_boolean(text), true);
  for (const char* text : {"false", "no", "off"}) EXPECT_EQ(parse_boolean(text), false);
  for (const char* text : {"", "1", "True", "y"}) EXPECT_EQ(parse_boolean(text), std::nullopt);
}

TEST(Value, TextIsShortestAndReadsBack) {
  EXPECT_EQ(duration_text(0), "0");
  EXPECT_EQ(duration_text(500), "500ms");
  EXPECT_EQ(duration_text(10'000), "10s");
  EXPECT_EQ(duration_text(90'000), "90s");
  EXPECT_EQ(duration_text(86'400'000), "1d");
  EXPECT_EQ(size_text(512), "512");
  EXPECT_EQ(size_text(65'536), "64KiB");
  EXPECT_EQ(size_text(8ULL << 30), "8GiB");
  for (std::uint64_t value = 1; value < (1ULL << 40); value = value * 3 + 1) {
    EXPECT_EQ(parse_duration(duration_text(value)), value);
    EXPECT_EQ(parse_size(size_text(value)), value);
  }
}

}  // namespace
}  // namespace understudy::config
