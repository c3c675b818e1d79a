#include "base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <memory>

namespace understudy {
namespace {

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warning:
      return spdlog::level::warn;
    case LogLevel::error:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

spdlog::logger& logger() {
  static const std::shared_ptr<spdlog::logger> instance = [] {
    auto made = std::make_shared<spdlog::logger>("understudy", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    // JOURNAL_STREAM is set by systemd: the journal adds the time itself.
    made->set_pattern(::getenv("JOURNAL_STREAM") != nullptr ? "%l: %v" : "%Y-%m-%dT%H:%M:%S.%e %l: %v");
    made->set_level(spdlog::level::info);
    made->flush_on(spdlog::level::debug);
    return made;
  }();
  return *instance;
}

}  // namespace

void set_log_level(LogLevel level) {
  logger().set_level(spdlog_level(level));
}
bool log_enabled(LogLevel level) {
  return logger().should_log(spdlog_level(level));
}
void log_line(LogLevel level, std::string_view text) {
  logger().log(spdlog_level(level), "{}", text);
}

bool RateLimited::allow(std::int64_t mono_ns, std::uint64_t& left_out) {
  const std::int64_t minute = mono_ns / 60'000'000'000;
  std::int64_t seen = minute_.load(std::memory_order_relaxed);
  if (seen != minute && minute_.compare_exchange_strong(seen, minute, std::memory_order_relaxed)) {
    used_.store(0, std::memory_order_relaxed);
  }
  if (used_.fetch_add(1, std::memory_order_relaxed) >= per_minute_) {
    dropped_.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  left_out = dropped_.exchange(0, std::memory_order_relaxed);
  return true;
}

}  // namespace understudy
