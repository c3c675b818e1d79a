// The one table of record types: which fields the RDATA of each type has.
//
// Checking, expansion of compressed names, canonical form, the names inside RDATA, printing and parsing all walk these
// rows; a new type is a new row. Internal to dns/: others use rdata.h. Constant data, thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "dns/type.h"

namespace understudy {

/// A field of RDATA: how it is laid out on the wire and written in text. "Rest" fields reach to the end of the RDATA.
enum class Field : std::uint8_t {
  // Numbers
  u8,
  u16,
  u32,
  period,     // 32-bit seconds, with units in text ("1h30m")
  time,       // 32-bit seconds since 1970, as YYYYMMDDHHMMSS (RFC 4034 section 3.2)
  algorithm,  // DNSSEC algorithm, one octet; mnemonics understood (RFC 4034 appendix A.1)
  cert_type,  // two octets; mnemonics understood (RFC 4398 section 2.1)
  type,       // two octets, written as a mnemonic
  ipv4,
  ipv6,
  eui48,
  eui64,
  locator,  // 64 bits as four groups of hex (RFC 6742 section 2.1)
  // Names
  name_compressible,  // RFC 1035 types: compression allowed both ways; lower-cased in canonical form
  name_tolerated,     // compression understood but never sent (RFC 3597 section 4); lower-cased in canonical form
  name_lowered,       // no compression; lower-cased in canonical form
  name_plain,         // no compression, never altered (RFC 3597 section 7 and RFC 6840 section 5.1)
  names,              // rest: any number of plain names
  // Strings (RFC 1035 section 3.3: a length octet and up to 255 octets)
  string,
  optional_string,  // rest: one string or nothing
  strings,          // rest: one or more
  long_string,      // rest: octets without a length, written between quotes
  tag,              // one string of letters and digits, written without quotes (RFC 8659 section 4.1)
  // Octets
  hex,              // rest, in text at least one octet
  hex_counted,      // length octet and octets; "-" if there are none (RFC 5155 section 3.3)
  base32_counted,   // length octet and octets, as base32hex
  base64,           // rest, in text at least one octet
  base64_some,      // rest, at least one octet
  base64_optional,  // rest, may be left out in text too
  nsap,             // rest, at least one octet, as 0x and hex with optional dots (RFC 1706 section 5)
  // Others
  bitmap,         // rest: type bit maps by window (RFC 4034 section 4.1.2)
  nxt_bitmap,     // rest: one bit map of the first 128 types (RFC 2535 section 5.2)
  loc,            // RFC 1876
  apl,            // rest: RFC 3123
  svc_params,     // rest: RFC 9460 section 2.2
  ipsec_gateway,  // gateway type, algorithm, gateway (RFC 4025 section 2)
  amt_relay,      // discovery bit, relay type, relay (RFC 8777 section 4.2)
  hip_key,        // HIT length, algorithm, key length, HIT, key (RFC 8005 section 5)
};

/// One name of any kind.
constexpr bool is_name(Field field) {
  return field >= Field::name_compressible && field <= Field::name_plain;
}

struct RdataLayout {
  static constexpr std::size_t max_fields = 9;

  RRType type = RRType::A;
  std::uint8_t count = 0;
  std::int16_t fixed_size = -1;  // octets, if every field has a fixed size; else -1
  bool expands_names = false;    // compressed names are understood in messages
  bool has_names = false;        // fields that are one name
  std::array<Field, max_fields> list{};

  [[nodiscard]] std::span<const Field> fields() const { return {list.data(), count}; }
};

/// nullptr for a type whose RDATA is opaque.
const RdataLayout* find_layout(RRType type);

/// Every row, for tests.
std::span<const RdataLayout> all_layouts();

}  // namespace understudy
