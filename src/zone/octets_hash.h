// Keyed hashing of octets: nobody outside can choose content that collides (zone/hash.h has the key).
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/bytes.h"
#include "base/simd.h"
#include "zone/hash.h"

namespace understudy {

/// Of `octets` behind what led to `hash`.
inline std::uint64_t octets_hash(std::uint64_t hash, ByteView octets) {
  using hash_detail::fold;
  hash ^= octets.size() * 0x9e37'79b9'7f4a'7c15U;
  for (std::size_t at = 0; at < octets.size(); at += 8) {
    const std::size_t n = std::min<std::size_t>(octets.size() - at, 8);
    hash = fold(hash ^ (n == 8 ? load_word(&octets[at]) : load_short_word(&octets[at], n)), process_hash_key.b ^ hash);
  }
  return hash;
}

}  // namespace understudy
