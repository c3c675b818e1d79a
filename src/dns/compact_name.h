// A name that is kept in great numbers: 30 octets for most, where Name takes 256. Immutable; the octets never move as
// long as the object does not.
#pragma once

#include <cstdint>
#include <cstring>

#include "dns/name.h"

namespace understudy {

class CompactName {
 public:
  explicit CompactName(NameView name) : size_(static_cast<std::uint8_t>(name.size())) {
    std::uint8_t* octets = inline_;
    if (!is_inline()) {
      octets = new std::uint8_t[size_];
      std::memcpy(inline_, &octets, sizeof octets);
    }
    std::memcpy(octets, name.wire().data(), size_);
  }
  ~CompactName() {
    if (!is_inline()) delete[] elsewhere();
  }
  CompactName(const CompactName&) = delete;
  CompactName& operator=(const CompactName&) = delete;

  [[nodiscard]] NameView view() const { return NameView::trusted({is_inline() ? inline_ : elsewhere(), size_}); }

 private:
  [[nodiscard]] bool is_inline() const { return size_ <= sizeof inline_; }
  [[nodiscard]] std::uint8_t* elsewhere() const {
    std::uint8_t* octets = nullptr;
    std::memcpy(&octets, inline_, sizeof octets);
    return octets;
  }

  std::uint8_t size_;
  std::uint8_t inline_[29];  // the name, or where it is
};

}  // namespace understudy
