// Records of names that a version under construction has already: they wait here to be merged with what came before.
//
// One run of memory that grows in place and goes back to the system at once. Not thread-safe.
#pragma once

#include <cstdint>
#include <vector>

#include "zone/layout.h"

namespace understudy {

class Fragments {
 public:
  /// A record: the node that it belongs to (units of 8 octets) and where it lies here.
  struct Place {
    std::uint32_t node;
    std::uint32_t at;
  };
  struct Record {
    RRType type;
    std::uint32_t ttl;
    ByteView rdata;
  };

  /// Throws std::bad_alloc.
  void add(std::uint32_t node, RRType type, std::uint32_t ttl, ByteView rdata);
  void clear();
  [[nodiscard]] bool empty() const { return count_ == 0; }
  /// Octets in use.
  [[nodiscard]] std::size_t size() const { return used_; }

  /// By node, the records of one node in order of arrival.
  [[nodiscard]] std::vector<Place> in_order() const;
  [[nodiscard]] Record record(Place place) const;

 private:
  ZoneMemory memory_;
  std::size_t used_ = 0;
  std::size_t count_ = 0;
};

}  // namespace understudy
