// What is wrong with a configuration: errors and warnings, each at a line and column.
//
// Collects up to `max_errors` errors, so that one run shows most of what is to be mended, and gives them as one Error
// whose detail has a line each, in the order of the file. Not thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace understudy::config {

/// Both count from 1; 0 stands for the file as a whole.
struct Position {
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  friend auto operator<=>(const Position&, const Position&) = default;
};

class Diagnostics {
 public:
  static constexpr std::size_t max_errors = 20;
  static constexpr std::size_t max_warnings = 100;

  explicit Diagnostics(std::string label) : label_(std::move(label)) {}

  void error(Position at, Errc code, std::string text);
  void warn(Position at, std::string text);

  [[nodiscard]] bool failed() const { return !errors_.empty(); }
  /// Looking for more errors is of no use.
  [[nodiscard]] bool full() const { return overflow_; }
  /// All errors as one; its code is that of the first in the file. Only after an error.
  [[nodiscard]] Error take_error();
  [[nodiscard]] std::vector<std::string> take_warnings();

 private:
  struct Entry {
    Position at;
    Errc code;
    std::string text;
  };
  static void insert(std::vector<Entry>& entries, Entry entry);
  [[nodiscard]] std::string line_of(const Entry& entry) const;

  std::string label_;
  std::vector<Entry> errors_, warnings_;  // in the order of the file
  bool overflow_ = false;
};

/// The candidate that `text` is most likely a slip of; empty if none is near.
std::string_view nearest(std::string_view text, const std::vector<std::string_view>& candidates);

}  // namespace understudy::config
