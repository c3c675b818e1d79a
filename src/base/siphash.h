// SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash of short inputs, for cookies (RFC 9018 section 4.4). Plain
// functions, thread-safe.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include "base/bytes.h"

namespace understudy {

/// A secret of sixteen octets, as the two words that the hash works with.
struct SipKey {
  std::uint64_t low = 0, high = 0;

  /// `octets` has sixteen.
  static SipKey from(ByteView octets);
  friend bool operator==(const SipKey&, const SipKey&) = default;
};

namespace detail {

inline std::uint64_t load_little(const std::uint8_t* p) {
  std::uint64_t v = 0;
  std::memcpy(&v, p, sizeof v);
  if constexpr (std::endian::native == std::endian::big) v = __builtin_bswap64(v);
  return v;
}

struct SipState {
  std::uint64_t a, b, c, d;

  void round() {
    a += b;
    c += d;
    b = std::rotl(b, 13) ^ a;
    d = std::rotl(d, 16) ^ c;
    a = std::rotl(a, 32);
    c += b;
    a += d;
    b = std::rotl(b, 17) ^ c;
    d = std::rotl(d, 21) ^ a;
    c = std::rotl(c, 32);
  }
  void absorb(std::uint64_t word) {
    d ^= word;
    round();
    round();
    a ^= word;
  }
};

}  // namespace detail

inline SipKey SipKey::from(ByteView octets) {
  return {detail::load_little(octets.data()), detail::load_little(octets.data() + 8)};
}

inline std::uint64_t siphash_2_4(const SipKey& key, ByteView input) {
  detail::SipState s{key.low ^ 0x736f6d6570736575ULL, key.high ^ 0x646f72616e646f6dULL, key.low ^ 0x6c7967656e657261ULL,
                     key.high ^ 0x7465646279746573ULL};
  const std::uint8_t* at = input.data();
  std::size_t left = input.size();
  for (; left >= 8; left -= 8, at += 8) s.absorb(detail::load_little(at));
  std::uint64_t last = static_cast<std::uint64_t>(input.size()) << 56;
  for (std::size_t i = 0; i < left; ++i) last |= static_cast<std::uint64_t>(at[i]) << 8 * i;
  s.absorb(last);
  s.c ^= 0xff;
  for (int i = 0; i < 4; ++i) s.round();
  return s.a ^ s.b ^ s.c ^ s.d;
}

}  // namespace understudy
