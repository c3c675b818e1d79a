// Numbers of the DNS parameters registry and their names: types, classes, opcodes, response codes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace understudy {

/// A record or query type. Any 16-bit value is legal; the enumerators are those that code refers to.
enum class RRType : std::uint16_t {
  A = 1,
  NS = 2,
  CNAME = 5,
  SOA = 6,
  WKS = 11,
  PTR = 12,
  HINFO = 13,
  MX = 15,
  TXT = 16,
  RP = 17,
  AFSDB = 18,
  X25 = 19,
  ISDN = 20,
  RT = 21,
  NSAP = 22,
  NSAP_PTR = 23,
  SIG = 24,
  KEY = 25,
  PX = 26,
  GPOS = 27,
  AAAA = 28,
  LOC = 29,
  NXT = 30,
  SRV = 33,
  NAPTR = 35,
  KX = 36,
  CERT = 37,
  A6 = 38,
  DNAME = 39,
  OPT = 41,
  APL = 42,
  DS = 43,
  SSHFP = 44,
  IPSECKEY = 45,
  RRSIG = 46,
  NSEC = 47,
  DNSKEY = 48,
  DHCID = 49,
  NSEC3 = 50,
  NSEC3PARAM = 51,
  TLSA = 52,
  SMIMEA = 53,
  HIP = 55,
  CDS = 59,
  CDNSKEY = 60,
  OPENPGPKEY = 61,
  CSYNC = 62,
  ZONEMD = 63,
  SVCB = 64,
  HTTPS = 65,
  SPF = 99,
  NID = 104,
  L32 = 105,
  L64 = 106,
  LP = 107,
  EUI48 = 108,
  EUI64 = 109,
  TKEY = 249,
  TSIG = 250,
  IXFR = 251,
  AXFR = 252,
  MAILB = 253,
  MAILA = 254,
  ANY = 255,
  URI = 256,
  CAA = 257,
  AMTRELAY = 260,
  DLV = 32769,
};

enum class RRClass : std::uint16_t { IN = 1, CH = 3, HS = 4, NONE = 254, ANY = 255 };

enum class Opcode : std::uint8_t { QUERY = 0, IQUERY = 1, STATUS = 2, NOTIFY = 4, UPDATE = 5, DSO = 6 };

/// Extended response codes: 12 bits with EDNS, 16 in TSIG.
enum class Rcode : std::uint16_t {
  NOERROR = 0,
  FORMERR = 1,
  SERVFAIL = 2,
  NXDOMAIN = 3,
  NOTIMP = 4,
  REFUSED = 5,
  YXDOMAIN = 6,
  YXRRSET = 7,
  NXRRSET = 8,
  NOTAUTH = 9,
  NOTZONE = 10,
  BADVERS = 16,
  BADSIG = 16,
  BADKEY = 17,
  BADTIME = 18,
  BADTRUNC = 22,
  BADCOOKIE = 23,
};

constexpr std::uint16_t number(RRType t) {
  return static_cast<std::uint16_t>(t);
}
constexpr std::uint16_t number(RRClass c) {
  return static_cast<std::uint16_t>(c);
}
constexpr std::uint16_t number(Rcode r) {
  return static_cast<std::uint16_t>(r);
}

/// "A", "AAAA", ... or "TYPE65280" (RFC 3597 section 5).
std::string type_text(RRType type);
/// Without case; mnemonics and TYPEnnn.
std::optional<RRType> type_from_text(std::string_view text);
/// "IN", "CH", ... or "CLASS32".
std::string class_text(RRClass klass);
std::optional<RRClass> class_from_text(std::string_view text);
std::string rcode_text(Rcode rcode);
std::string opcode_text(Opcode opcode);

/// Types that never occur as data in a zone: OPT, 128..255 (query and meta types), and 0.
constexpr bool is_meta_type(RRType type) {
  const auto n = number(type);
  return n == 0 || type == RRType::OPT || (n >= 128 && n <= 255);
}

}  // namespace understudy
