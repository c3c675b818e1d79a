// Zone serial numbers (RFC 1982): circular arithmetic modulo 2^32.
#pragma once

#include <cstdint>

namespace understudy {

struct Serial {
  std::uint32_t value = 0;

  /// RFC 1982 section 3.2. Serials exactly 2^31 apart are neither newer nor older than each other.
  [[nodiscard]] constexpr bool is_newer_than(Serial other) const {
    const std::uint32_t distance = value - other.value;
    return distance != 0 && distance < 0x8000'0000U;
  }
  [[nodiscard]] constexpr bool is_older_than(Serial other) const { return other.is_newer_than(*this); }
  friend constexpr bool operator==(Serial, Serial) = default;
};

}  // namespace understudy
