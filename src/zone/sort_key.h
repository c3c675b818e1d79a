// Owner names as octets whose plain order is the canonical order of names (RFC 4034 section 6.1).
//
// A key has the labels from the one directly below the apex outwards, in lower case, each closed by a zero octet. The
// octets 0 and 1 of a label become 1 1 and 1 2, so that a closing zero is less than anything that continues the label.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <compare>
#include <cstdint>
#include <cstring>

#include "base/bytes.h"
#include "dns/name.h"

namespace understudy {

class SortKey {
 public:
  /// The apex's.
  SortKey() {}
  /// Of a name relative to the apex, in wire form without the root label.
  explicit SortKey(ByteView relative_name);
  /// Of one label of digits and small letters, as NSEC3 records have.
  template <std::size_t n>
  static SortKey of_plain_label(const std::array<std::uint8_t, n>& label) {
    SortKey key;
    std::memcpy(key.octets_.data(), label.data(), n);
    key.octets_[n] = 0;
    key.size_ = n + 1;
    return key;
  }
  /// With these octets().
  static SortKey of(ByteView octets) {
    SortKey key;
    std::memcpy(key.octets_.data(), octets.data(), octets.size());
    key.size_ = octets.size();
    return key;
  }

  SortKey(const SortKey& other) : size_(other.size_) { std::memcpy(octets_.data(), other.octets_.data(), size_); }
  SortKey& operator=(const SortKey& other) {
    size_ = other.size_;
    std::memmove(octets_.data(), other.octets_.data(), size_);
    return *this;
  }

  /// Goes on to the name one `label` (1..63 octets, without its length octet) further out.
  void append_label(const std::uint8_t* label, std::size_t size);

  [[nodiscard]] ByteView octets() const { return {octets_.data(), size_}; }
  /// Eight octets from `offset` on as a number, zeroes behind the end.
  [[nodiscard]] std::uint64_t word(std::size_t offset) const;
  friend std::strong_ordering operator<=>(const SortKey& a, const SortKey& b);
  friend bool operator==(const SortKey& a, const SortKey& b) { return (a <=> b) == 0; }

 private:
  static constexpr std::size_t most = 2 * max_name_size;  // every octet escaped
  std::array<std::uint8_t, most + 8> octets_;             // [0, size_) is set; room for a whole word behind
  std::size_t size_ = 0;
};

/// Eight octets of a key from `offset` on as a number that orders as they do, zeroes behind the end.
inline std::uint64_t sort_word(ByteView key, std::size_t offset) {
  if (offset >= key.size()) return 0;
  std::uint64_t word = 0;
  std::memcpy(&word, key.data() + offset, std::min<std::size_t>(8, key.size() - offset));
  if constexpr (std::endian::native == std::endian::little) word = __builtin_bswap64(word);
  return word;
}

inline std::uint64_t SortKey::word(std::size_t offset) const {
  return sort_word(octets(), offset);
}

/// Octets that both begin with.
std::size_t common_prefix(ByteView a, ByteView b);

}  // namespace understudy
