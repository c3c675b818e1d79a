// Many octets at once: sixteen where the machine has vectors, eight in any machine word. What uses vectors has a
// portable twin beside it that says the same (tests/base/simd_test.cc asks both); nothing else in the server names an
// instruction.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace understudy {

static_assert(std::endian::native == std::endian::little, "the words below have their first octet lowest");

namespace portable {
/// Bit i: octet i of the sixteen at `octets` is `wanted`.
inline std::uint32_t matching_octets16(const std::uint8_t* octets, std::uint8_t wanted) {
  std::uint32_t matches = 0;
  for (unsigned i = 0; i < 16; ++i) matches |= std::uint32_t{octets[i] == wanted} << i;
  return matches;
}
}  // namespace portable

#if defined(__SSE2__)
inline std::uint32_t matching_octets16(const std::uint8_t* octets, std::uint8_t wanted) {
  const __m128i all = _mm_loadu_si128(reinterpret_cast<const __m128i*>(octets));
  return static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(all, _mm_set1_epi8(static_cast<char>(wanted)))));
}
#else
using portable::matching_octets16;
#endif

/// Eight octets as a word, the first lowest.
inline std::uint64_t load_word(const std::uint8_t* at) {
  std::uint64_t word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

/// The same of `octets`, fewer than eight, with zeros behind them. Loads that overlap cost less than a copy of unknown
/// size.
inline std::uint64_t load_short_word(const std::uint8_t* at, std::size_t octets) {
  if (octets >= 4) {
    std::uint32_t low;
    std::uint32_t high;
    std::memcpy(&low, at, sizeof low);
    std::memcpy(&high, at + octets - 4, sizeof high);
    return low | std::uint64_t{high} << 8 * (octets - 4);
  }
  if (octets == 0) return 0;
  const std::size_t middle = octets / 2;  // the first, the middle and the last are all there are
  return at[0] | std::uint64_t{at[middle]} << 8 * middle | std::uint64_t{at[octets - 1]} << 8 * (octets - 1);
}

/// Whether one of eight octets is less than `bound` (1..128).
inline bool has_octet_below(std::uint64_t word, std::uint8_t bound) {
  constexpr std::uint64_t ones = 0x0101'0101'0101'0101;
  return ((word - ones * bound) & ~word & ones << 7) != 0;
}

/// ASCII upper case letters in eight octets to lower case: sets bit 5 of each octet that is 'A'..'Z'.
inline std::uint64_t lower_word(std::uint64_t word) {
  constexpr std::uint64_t ones = 0x0101'0101'0101'0101U;
  const std::uint64_t low_bits = word & (ones * 0x7f);
  const std::uint64_t from_a = low_bits + ones * (0x80 - 'A');      // bit 7: at least 'A'
  const std::uint64_t past_z = low_bits + ones * (0x80 - 'Z' - 1);  // bit 7: above 'Z'
  const std::uint64_t upper = (from_a ^ past_z) & ~word & (ones * 0x80);
  return word | upper >> 2;
}

/// Whether `size` octets are the same but for the case of ASCII letters. Holds for labels with and without their length
/// octets and for whole names, because length octets are below 'A'. Most names come in the case that they are stored
/// in.
inline bool equal_without_case(const std::uint8_t* a, const std::uint8_t* b, std::size_t size) {
  for (; size >= 8; a += 8, b += 8, size -= 8) {
    const std::uint64_t x = load_word(a);
    const std::uint64_t y = load_word(b);
    if (x != y && lower_word(x) != lower_word(y)) return false;
  }
  const std::uint64_t x = load_short_word(a, size);
  const std::uint64_t y = load_short_word(b, size);
  return x == y || lower_word(x) == lower_word(y);
}

}  // namespace understudy
