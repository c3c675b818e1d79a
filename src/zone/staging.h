// The records of one name while they are collected, before its block is encoded.
#pragma once

#include <cstdint>
#include <vector>

#include "zone/chunk_encoder.h"

namespace understudy {

/// Their RDATA in one buffer.
struct Staging {
  struct Item {
    RRType type;
    std::uint32_t ttl;
    std::size_t offset, size;
  };
  std::vector<Item> items;
  Bytes octets;

  void add(RRType type, std::uint32_t ttl, ByteView rdata) {
    items.push_back({type, ttl, octets.size(), rdata.size()});
    append(octets, rdata);
    if (rdata.empty()) octets.push_back(0);  // each begins at an octet of its own: places tell the order of arrival
  }
  void clear() {
    items.clear();
    octets.clear();
  }
  /// Octets of this data in wire form, about.
  [[nodiscard]] std::size_t wire_size() const { return octets.size() + 12 * items.size(); }
  void records(std::vector<StagedRecord>& out) const {
    out.clear();
    for (const auto& i : items) out.push_back({i.type, i.ttl, ByteView(octets).subspan(i.offset, i.size)});
  }
};

}  // namespace understudy
