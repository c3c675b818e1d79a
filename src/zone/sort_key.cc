#include "zone/sort_key.h"

#include <algorithm>

namespace understudy {
namespace {

std::uint8_t lowered(std::uint8_t octet) {
  return octet >= 'A' && octet <= 'Z' ? static_cast<std::uint8_t>(octet + ('a' - 'A')) : octet;
}

}  // namespace

SortKey::SortKey(ByteView relative_name) {
  std::array<std::uint8_t, max_labels> labels;
  std::size_t count = 0;
  for (std::size_t at = 0; at < relative_name.size(); at += relative_name[at] + 1U) {
    labels[count++] = static_cast<std::uint8_t>(at);
  }
  while (count-- > 0) append_label(&relative_name[labels[count]] + 1, relative_name[labels[count]]);
}

void SortKey::append_label(const std::uint8_t* label, std::size_t size) {
  std::size_t i = 0;
  for (; i < size; i += 8) {
    const std::size_t left = size - i;
    const std::uint64_t word = left >= 8 ? load_word(label + i) : load_short_word(label + i, left);
    const std::uint64_t filled = left >= 8 ? word : word | ~std::uint64_t{0} << 8 * left;
    if (has_octet_below(filled, 2)) break;
    const std::uint64_t lower = lower_word(word);
    std::memcpy(octets_.data() + size_, &lower, sizeof lower);
    size_ += std::min<std::size_t>(left, 8);
  }
  for (; i < size; ++i) {
    const std::uint8_t octet = lowered(label[i]);
    if (octet <= 1) octets_[size_++] = 1;
    octets_[size_++] = octet <= 1 ? static_cast<std::uint8_t>(octet + 1) : octet;
  }
  octets_[size_++] = 0;
}

std::strong_ordering operator<=>(const SortKey& a, const SortKey& b) {
  const int order = std::memcmp(a.octets_.data(), b.octets_.data(), std::min(a.size_, b.size_));
  return order != 0 ? order <=> 0 : a.size_ <=> b.size_;
}

std::size_t common_prefix(ByteView a, ByteView b) {
  return static_cast<std::size_t>(std::ranges::mismatch(a, b).in1 - a.begin());
}

}  // namespace understudy
