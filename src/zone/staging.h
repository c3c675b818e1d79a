// The records of one name while they are collected, before its block is encoded.
#pragma once

#include <cstdint>
#include <vector>

#include "zone/chunk_encoder.h"

namespace understudy {

constexpr std::size_t most_octets_of_a_name = std::size_t{64} << 20;  // by wire_size()

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
  [[nodiscard]] std::size_t wire_size() const { return octets.size() + octets_of_a_record * items.size(); }
  static constexpr std::size_t octets_of_a_record = 12;  // besides its RDATA
  void records(std::vector<StagedRecord>& out) const {
    out.clear();
    for (const auto& i : items) out.push_back({i.type, i.ttl, ByteView(octets).subspan(i.offset, i.size)});
  }
};

}  // namespace understudy
