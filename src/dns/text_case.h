// Words of text that mean the same in either case: mnemonics, directives, names of algorithms. ASCII only.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "dns/name.h"

namespace understudy {

inline bool equal_without_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return ascii_lower(static_cast<std::uint8_t>(c)); };
  return std::ranges::equal(a, b, {}, lower, lower);
}

}  // namespace understudy
