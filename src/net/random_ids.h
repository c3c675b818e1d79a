// Message ids that a stranger cannot predict: numbers from the system, fetched many at a time. Not thread-safe.
#pragma once

#include <sys/random.h>

#include <array>
#include <cstdint>
#include <random>

namespace understudy {

class RandomIds {
 public:
  std::uint16_t next() {
    if (at_ == ids_.size()) refill();
    return ids_[at_++];
  }

 private:
  void refill() {
    // Up to 256 octets come whole (getrandom(2)).
    if (getrandom(ids_.data(), sizeof ids_, 0) != static_cast<ssize_t>(sizeof ids_)) {
      std::random_device device;
      for (std::uint16_t& id : ids_) id = static_cast<std::uint16_t>(device());
    }
    at_ = 0;
  }

  std::array<std::uint16_t, 128> ids_{};
  std::size_t at_ = ids_.size();
};

}  // namespace understudy
