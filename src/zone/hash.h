// Keyed hashing of names without case, label by label from the right, so that one pass yields the hash of every
// suffix. The key is drawn at random when the process starts: a stranger cannot choose names that collide.
#pragma once

#include <cstdint>

#include "base/simd.h"
#include "dns/name.h"

namespace understudy {

struct HashKey {
  std::uint64_t a, b;
};
/// Drawn when the process starts; constant afterwards.
extern const HashKey process_hash_key;

namespace hash_detail {
inline std::uint64_t fold(std::uint64_t x, std::uint64_t y) {
  const unsigned __int128 product = static_cast<unsigned __int128>(x) * y;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}
}  // namespace hash_detail

/// The hash of the root.
inline std::uint64_t root_hash() {
  return process_hash_key.a;
}

/// The hash of `label` (1..63 octets, without its length octet) put in front of a name whose hash is `parent`.
inline std::uint64_t child_hash(std::uint64_t parent, const std::uint8_t* label, std::size_t size) {
  const HashKey key = process_hash_key;
  std::uint64_t h = parent ^ (size * 0x9e37'79b9'7f4a'7c15U);
  for (; size >= 8; label += 8, size -= 8) h = hash_detail::fold(h ^ lower_word(load_word(label)), key.b ^ h);
  if (size != 0) h = hash_detail::fold(h ^ lower_word(load_short_word(label, size)), key.b ^ h);
  // Labels that differ in few bits, as counted names do, would otherwise lie close together under some keys.
  return h * 0x9e37'79b9'7f4a'7c15U;
}

/// The hash of a whole name: HashedName(name).hashes[0] without the rest.
inline std::uint64_t name_hash(NameView name) {
  const std::uint8_t* wire = name.wire().data();
  std::uint8_t offsets[max_labels];
  std::size_t labels = 0;
  for (std::size_t at = 0; wire[at] != 0; at += wire[at] + 1U) offsets[labels++] = static_cast<std::uint8_t>(at);
  std::uint64_t hash = root_hash();
  while (labels-- > 0) hash = child_hash(hash, wire + offsets[labels] + 1, wire[offsets[labels]]);
  return hash;
}

/// A name taken apart: where its labels begin and the hash of each suffix. offsets[0] is the first label;
/// hashes[i] is the hash of the suffix that begins at offsets[i]; hashes[labels] is the root's.
struct HashedName {
  NameView name;
  std::uint8_t labels = 0;
  std::uint8_t offsets[max_labels + 1];
  std::uint64_t hashes[max_labels + 1];

  explicit HashedName(NameView n) { assign(n); }
  HashedName() = default;
  void assign(NameView n) {
    name = n;
    const std::uint8_t* wire = n.wire().data();
    std::size_t at = 0;
    labels = 0;
    while (wire[at] != 0) {
      offsets[labels++] = static_cast<std::uint8_t>(at);
      at += wire[at] + 1U;
    }
    offsets[labels] = static_cast<std::uint8_t>(at);
    hash_suffixes();
  }
  /// Fills `hashes` from `name`, `labels` and `offsets`.
  void hash_suffixes() {
    const std::uint8_t* wire = name.wire().data();
    std::uint64_t h = root_hash();
    hashes[labels] = h;
    for (std::size_t i = labels; i-- > 0;) {
      h = child_hash(h, wire + offsets[i] + 1, wire[offsets[i]]);
      hashes[i] = h;
    }
  }
  /// The suffix that begins at label `i`.
  [[nodiscard]] NameView suffix(std::size_t i) const { return NameView::trusted(name.wire().subspan(offsets[i])); }
};

}  // namespace understudy
