#include "zone/fragments.h"

#include <algorithm>
#include <cstring>

namespace understudy {
namespace {

constexpr std::size_t unit = 4;  // records begin at multiples of it, so that 32 bits reach all

struct Header {
  std::uint32_t node;
  std::uint32_t ttl;
  std::uint16_t type;
  std::uint16_t size;
};

constexpr std::size_t octets_of(std::size_t rdata_size) {
  return (sizeof(Header) + rdata_size + unit - 1) / unit * unit;
}

}  // namespace

void Fragments::add(std::uint32_t node, RRType type, std::uint32_t ttl, ByteView rdata) {
  const std::size_t octets = octets_of(rdata.size());
  if (used_ + octets > memory_.capacity()) memory_.extend(used_ + octets);
  const Header header{node, ttl, number(type), static_cast<std::uint16_t>(rdata.size())};
  std::memcpy(memory_.data() + used_, &header, sizeof header);
  if (!rdata.empty()) std::memcpy(memory_.data() + used_ + sizeof header, rdata.data(), rdata.size());
  used_ += octets;
  ++count_;
}

void Fragments::clear() {
  memory_.reset();
  used_ = count_ = 0;
}

std::vector<Fragments::Place> Fragments::in_order() const {
  std::vector<Place> places;
  places.reserve(count_);
  for (std::size_t at = 0; at < used_;) {
    Header header;
    std::memcpy(&header, memory_.data() + at, sizeof header);
    places.push_back({header.node, static_cast<std::uint32_t>(at / unit)});
    at += octets_of(header.size);
  }
  std::ranges::sort(places,
                    [](const Place& a, const Place& b) { return a.node != b.node ? a.node < b.node : a.at < b.at; });
  return places;
}

Fragments::Record Fragments::record(Place place) const {
  const std::uint8_t* at = memory_.data() + std::size_t{place.at} * unit;
  Header header;
  std::memcpy(&header, at, sizeof header);
  return {static_cast<RRType>(header.type), header.ttl, {at + sizeof header, header.size}};
}

}  // namespace understudy
