#include "server/zone_text.h"

#include <fmt/format.h>

#include <iterator>

#include "dns/rdata.h"

namespace understudy {

bool ZoneText::next(std::string& piece) {
  constexpr std::size_t piece_octets = std::size_t{64} << 10;
  while (piece.size() < piece_octets) {
    if (!cursor_.next()) return false;
    const RRsetView rrset = cursor_.rrset();
    const std::string owner = cursor_.owner().text();
    const auto put = [&](std::uint32_t ttl, RRType type, ByteView rdata) {
      fmt::format_to(std::back_inserter(piece), "{}\t{}\tIN\t{}\t{}\n", owner, ttl, type_text(type),
                     rdata_text(type, rdata));
    };
    const std::uint32_t ttl = rrset.ttl();
    rrset.for_each_rdata([&](ByteView rdata) { put(ttl, rrset.type(), rdata); });
    rrset.for_each_signature([&](std::uint32_t own_ttl, ByteView rdata) { put(own_ttl, RRType::RRSIG, rdata); });
  }
  return true;
}

}  // namespace understudy
