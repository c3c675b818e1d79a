// The arithmetic of $GENERATE, in the syntax that BIND introduced. Internal to dns/.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "dns/zonefile_lexer.h"

namespace understudy {

/// START-STOP[/STEP].
struct GenerateRange {
  std::uint32_t start = 0, stop = 0, step = 1;

  static std::optional<GenerateRange> parse(std::string_view text);
  [[nodiscard]] std::uint64_t count() const { return (std::uint64_t{stop} - start) / step + 1; }
};

/// Replaces every $ and ${OFFSET[,WIDTH[,BASE]]} of `text` (BASE: d o x X, n N for nibbles separated by dots) for one
/// value. "$$" stands for a dollar sign; an escaped one stays escaped. False for a malformed modifier or a number
/// that the base cannot show; `expected` says what should have stood there.
bool expand_template(std::string_view text, std::uint32_t value, std::string& out, std::string& expected);

/// The right-hand side as one text: a single quoted token stands for its content, several are joined by blanks.
std::string generate_rhs(const ZoneEntry& entry, std::size_t first);

}  // namespace understudy
