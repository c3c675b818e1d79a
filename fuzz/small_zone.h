// Zones of few names for fuzzing: names and types out of an octet, a version's content as text.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "dns/nsec3.h"
#include "dns/rdata.h"
#include "dns/record.h"
#include "zone/zone.h"

namespace understudy::fuzzing::small_zone {

inline constexpr std::array types = {
    RRType::A,   RRType::NS,    RRType::CNAME, RRType::DNAME, RRType::MX, RRType::AAAA, RRType::SRV, RRType::TXT,
    RRType::SOA, RRType::RRSIG, RRType::NSEC,  RRType::NSEC3, RRType::DS, RRType::PTR,  RRType::RP,  RRType::ANY};
inline constexpr RRType opaque{65280};

inline const Name& apex() {
  static const Name made = Name::parse("e.").value();
  return made;
}

// Up to three labels of "a", "*" and "B"; 0 ends the name.
inline Name name_of(std::uint8_t octet) {
  constexpr std::array<const char*, 4> labels = {"", "a", "*", "B"};
  Name out = (octet & 0xc0) == 0xc0 ? Name::parse("b.").value() : apex();
  for (int i = 0; i < 3; ++i) {
    const char* label = labels[octet >> (2 * i) & 3];
    if (*label == 0) break;
    out = Name::prepend(view_of(label), out).value();
  }
  return out;
}

/// Data of the wanted type if it is well-formed, else of an opaque one.
inline RRType fitting_type(std::uint8_t octet, ByteView rdata) {
  const RRType chosen = types[octet % types.size()];
  return is_meta_type(chosen) || !check_rdata(chosen, rdata) ? opaque : chosen;
}

/// The owner of the NSEC3 record of a name: no salt, no iterations.
inline Name hashed(const Name& name) {
  return Name::prepend(ByteView(nsec3_label(nsec3_hash(name, {nsec3_sha1, 0, 0, {}}))), apex()).value();
}
/// RDATA of an NSEC3 of that chain, by the first octet of `rdata` with opt-out or without.
inline Bytes nsec3_rdata(ByteView rdata) {
  Bytes out{nsec3_sha1, static_cast<std::uint8_t>(rdata.empty() ? 0 : rdata[0] & 1), 0, 0, 0, 20};
  out.resize(out.size() + 20, rdata.empty() ? 0 : rdata.back());
  return out;
}

/// What a zone has to have; with_nsec3: also what a chain of NSEC3 records begins with.
inline void add_apex(std::vector<Record>& records, bool with_nsec3 = false) {
  Bytes soa(2 + 20);
  soa[21] = 30;
  records.push_back({apex(), RRType::SOA, RRClass::IN, 60, soa});
  records.push_back({apex(), RRType::NS, RRClass::IN, 60, {1, 'a', 1, 'e', 0}});
  if (!with_nsec3) return;
  records.push_back({apex(), RRType::NSEC3PARAM, RRClass::IN, 60, {nsec3_sha1, 0, 0, 0, 0}});
  records.push_back({hashed(apex()), RRType::NSEC3, RRClass::IN, 60, nsec3_rdata({})});
}

// Every record, owners in lower case, in an order of its own.
inline std::vector<std::string> content(const std::shared_ptr<const Zone>& zone) {
  std::vector<std::string> out;
  ZoneCursor cursor(zone);
  while (cursor.next()) {
    const RRsetView rrset = cursor.rrset();
    const Name shown = cursor.owner().lowered();
    rrset.for_each_rdata([&](ByteView rdata) {
      out.push_back(Record{shown, rrset.type(), RRClass::IN, rrset.ttl(), Bytes(rdata.begin(), rdata.end())}.text());
    });
    rrset.for_each_signature([&](std::uint32_t ttl, ByteView rdata) {
      out.push_back(Record{shown, RRType::RRSIG, RRClass::IN, ttl, Bytes(rdata.begin(), rdata.end())}.text());
    });
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace understudy::fuzzing::small_zone
