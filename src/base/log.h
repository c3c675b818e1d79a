// Logging: fmt-style calls, to standard error (systemd adds the time there; a terminal gets it from us). Thread-safe.
//
//   log_info("zone {}: serial {} is served", name, serial);
//
// RateLimited limits lines that a stranger can cause: at most `per_minute` a minute for each object, and the next
// line that passes says how many were left out.
#pragma once

#include <fmt/format.h>

#include <atomic>
#include <cstdint>
#include <string_view>
#include <utility>

namespace understudy {

enum class LogLevel { debug, info, warning, error };

/// Sets the level below which lines are dropped. Default info.
void set_log_level(LogLevel level);
[[nodiscard]] bool log_enabled(LogLevel level);
void log_line(LogLevel level, std::string_view text);

template <typename... Args>
void log_at(LogLevel level, fmt::format_string<Args...> format, Args&&... args) {
  if (log_enabled(level)) log_line(level, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void log_debug(fmt::format_string<Args...> format, Args&&... args) {
  log_at(LogLevel::debug, format, std::forward<Args>(args)...);
}
template <typename... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  log_at(LogLevel::info, format, std::forward<Args>(args)...);
}
template <typename... Args>
void log_warning(fmt::format_string<Args...> format, Args&&... args) {
  log_at(LogLevel::warning, format, std::forward<Args>(args)...);
}
template <typename... Args>
void log_error(fmt::format_string<Args...> format, Args&&... args) {
  log_at(LogLevel::error, format, std::forward<Args>(args)...);
}

class RateLimited {
 public:
  explicit RateLimited(std::uint32_t per_minute) : per_minute_(per_minute) {}
  /// True if a line may be written now; `left_out` gets the number of lines dropped since the last one that passed.
  bool allow(std::int64_t mono_ns, std::uint64_t& left_out);

 private:
  const std::uint32_t per_minute_;
  std::atomic<std::int64_t> minute_{-1};
  std::atomic<std::uint32_t> used_{0};
  std::atomic<std::uint64_t> dropped_{0};
};

}  // namespace understudy
