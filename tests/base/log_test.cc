#include "base/log.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

namespace understudy {
namespace {

constexpr std::int64_t second = 1'000'000'000;

TEST(Log, LevelsAndFormat) {
  testing::internal::CaptureStderr();
  set_log_level(LogLevel::warning);
  EXPECT_FALSE(log_enabled(LogLevel::info));
  EXPECT_TRUE(log_enabled(LogLevel::error));
  log_debug("debug {}", 1);
  log_info("info {}", 2);
  log_warning("warning {}", 3);
  log_error("error {} {{}} %s", "four");
  log_line(LogLevel::error, "{} stays as it is");
  set_log_level(LogLevel::info);
  EXPECT_TRUE(log_enabled(LogLevel::info));
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_EQ(text.find("debug"), std::string::npos);
  EXPECT_EQ(text.find("info"), std::string::npos);
  EXPECT_NE(text.find("warning: warning 3\n"), std::string::npos) << text;
  EXPECT_NE(text.find("error: error four {} %s\n"), std::string::npos) << text;
  EXPECT_NE(text.find("error: {} stays as it is\n"), std::string::npos) << text;
}

TEST(RateLimited, PassesSoManyAMinute) {
  RateLimited limit(3);
  std::uint64_t left_out = 99;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(limit.allow(0, left_out));
    EXPECT_EQ(left_out, 0U);
  }
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(limit.allow(59 * second, left_out));
  ASSERT_TRUE(limit.allow(60 * second, left_out));
  EXPECT_EQ(left_out, 5U);
  ASSERT_TRUE(limit.allow(61 * second, left_out));
  EXPECT_EQ(left_out, 0U);
  ASSERT_TRUE(limit.allow(62 * second, left_out));
  EXPECT_FALSE(limit.allow(63 * second, left_out));
  ASSERT_TRUE(limit.allow(1'000 * second, left_out));
  EXPECT_EQ(left_out, 1U);
}

TEST(RateLimited, ZeroPassesNothing) {
  RateLimited limit(0);
  std::uint64_t left_out = 0;
  EXPECT_FALSE(limit.allow(0, left_out));
  EXPECT_FALSE(limit.allow(120 * second, left_out));
}

TEST(RateLimited, CountsFromManyThreads) {
  RateLimited limit(100);
  std::uint64_t ignored = 0;
  ASSERT_TRUE(limit.allow(0, ignored));
  std::atomic<int> passed{1};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      std::uint64_t left_out = 0;
      for (int i = 0; i < 10'000; ++i) {
        if (limit.allow(second, left_out)) ++passed;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(passed, 100);
  std::uint64_t left_out = 0;
  ASSERT_TRUE(limit.allow(60 * second, left_out));
  EXPECT_EQ(left_out, 40'001U - 100U);
}

}  // namespace
}  // namespace understudy
