#include "dns/rdata_table.h"

#include <initializer_list>

namespace understudy {
namespace {

constexpr int fixed_size_of(Field field) {
  switch (field) {
    case Field::u8:
    case Field::algorithm:
      return 1;
    case Field::u16:
    case Field::cert_type:
    case Field::type:
      return 2;
    case Field::u32:
    case Field::period:
    case Field::time:
    case Field::ipv4:
      return 4;
    case Field::eui48:
      return 6;
    case Field::eui64:
    case Field::locator:
      return 8;
    case Field::ipv6:
      return 16;
    default:
      return -1;
  }
}

constexpr RdataLayout row(std::uint16_t type, std::initializer_list<Field> fields) {
  RdataLayout layout;
  layout.type = static_cast<RRType>(type);
  int size = 0;
  for (const Field field : fields) {
    layout.list[layout.count++] = field;
    const int octets = fixed_size_of(field);
    size = octets < 0 || size < 0 ? -1 : size + octets;
    layout.expands_names |= field == Field::name_compressible || field == Field::name_tolerated;
    layout.has_names |= is_name(field);
  }
  layout.fixed_size = static_cast<std::int16_t>(size);
  return layout;
}

using enum Field;

// By number, as the registry "Resource Record (RR) TYPEs" lists them. A type that is missing here is opaque: NULL, WKS,
// EID, NIMLOC, ATMA, A6, SINK, UINFO, UID, GID, UNSPEC and whatever is registered later.
constexpr auto rows = std::to_array<RdataLayout>({
    row(1, {ipv4}),                                                                       // A
    row(2, {name_compressible}),                                                          // NS
    row(3, {name_compressible}),                                                          // MD
    row(4, {name_compressible}),                                                          // MF
    row(5, {name_compressible}),                                                          // CNAME
    row(6, {name_compressible, name_compressible, u32, period, period, period, period}),  // SOA
    row(7, {name_compressible}),                                                          // MB
    row(8, {name_compressible}),                                                          // MG
    row(9, {name_compressible}),                                                          // MR
    row(12, {name_compressible}),                                                         // PTR
    row(13, {string, string}),                                                            // HINFO
    row(14, {name_compressible, name_compressible}),                                      // MINFO
    row(15, {u16, name_compressible}),                                                    // MX
    row(16, {strings}),                                                                   // TXT
    row(17, {name_tolerated, name_tolerated}),                                            // RP
    row(18, {u16, name_tolerated}),                                                       // AFSDB
    row(19, {string}),                                                                    // X25
    row(20, {string, optional_string}),                                                   // ISDN
    row(21, {u16, name_tolerated}),                                                       // RT
    row(22, {nsap}),                                                                      // NSAP
    row(23, {name_plain}),                                                                // NSAP-PTR
    row(24, {Field::type, algorithm, u8, u32, time, time, u16, name_tolerated, base64}),  // SIG
    row(25, {u16, u8, algorithm, base64_optional}),                                       // KEY
    row(26, {u16, name_tolerated, name_tolerated}),                                       // PX
    row(27, {string, string, string}),                                                    // GPOS
    row(28, {ipv6}),                                                                      // AAAA
    row(29, {loc}),                                                                       // LOC
    row(30, {name_tolerated, nxt_bitmap}),                                                // NXT
    row(33, {u16, u16, u16, name_tolerated}),                                             // SRV
    row(35, {u16, u16, string, string, string, name_tolerated}),                          // NAPTR
    row(36, {u16, name_lowered}),                                                         // KX
    row(37, {cert_type, u16, algorithm, base64}),                                         // CERT
    row(39, {name_lowered}),                                                              // DNAME
    row(42, {apl}),                                                                       // APL
    row(43, {u16, algorithm, u8, hex}),                                                   // DS
    row(44, {u8, u8, hex}),                                                               // SSHFP
    row(45, {u8, ipsec_gateway, base64_optional}),                                        // IPSECKEY
    row(46, {Field::type, algorithm, u8, u32, time, time, u16, name_lowered, base64}),    // RRSIG
    row(47, {name_plain, bitmap}),                                                        // NSEC
    row(48, {u16, u8, algorithm, base64}),                                                // DNSKEY
    row(49, {base64_some}),                                                               // DHCID
    row(50, {u8, u8, u16, hex_counted, base32_counted, bitmap}),                          // NSEC3
    row(51, {u8, u8, u16, hex_counted}),                                                  // NSEC3PARAM
    row(52, {u8, u8, u8, hex}),                                                           // TLSA
    row(53, {u8, u8, u8, hex}),                                                           // SMIMEA
    row(55, {hip_key, names}),                                                            // HIP
    row(56, {strings}),                                                                   // NINFO
    row(57, {u16, u8, algorithm, base64}),                                                // RKEY
    row(58, {name_plain, name_plain}),                                                    // TALINK
    row(59, {u16, algorithm, u8, hex}),                                                   // CDS
    row(60, {u16, u8, algorithm, base64}),                                                // CDNSKEY
    row(61, {base64_some}),                                                               // OPENPGPKEY
    row(62, {u32, u16, bitmap}),                                                          // CSYNC
    row(63, {u32, u8, u8, hex}),                                                          // ZONEMD
    row(64, {u16, name_plain, svc_params}),                                               // SVCB
    row(65, {u16, name_plain, svc_params}),                                               // HTTPS
    row(66, {Field::type, u8, u16, name_plain}),                                          // DSYNC
    row(99, {strings}),                                                                   // SPF
    row(104, {u16, locator}),                                                             // NID
    row(105, {u16, ipv4}),                                                                // L32
    row(106, {u16, locator}),                                                             // L64
    row(107, {u16, name_plain}),                                                          // LP
    row(108, {eui48}),                                                                    // EUI48
    row(109, {eui64}),                                                                    // EUI64
    row(256, {u16, u16, long_string}),                                                    // URI
    row(257, {u8, tag, long_string}),                                                     // CAA
    row(258, {strings}),                                                                  // AVC
    row(260, {u8, amt_relay}),                                                            // AMTRELAY
    row(261, {strings}),                                                                  // RESINFO
    row(262, {strings}),                                                                  // WALLET
    row(32768, {u16, algorithm, u8, hex}),                                                // TA
    row(32769, {u16, algorithm, u8, hex}),                                                // DLV
});

constexpr std::size_t low_types = 512;  // an index by number up to here; the few above are searched

constexpr auto row_by_number = [] {
  std::array<std::uint8_t, low_types> index{};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (number(rows[i].type) < low_types) index[number(rows[i].type)] = static_cast<std::uint8_t>(i + 1);
  }
  return index;
}();
static_assert(rows.size() < 255);

}  // namespace

const RdataLayout* find_layout(RRType type) {
  if (number(type) < low_types) {
    const std::uint8_t found = row_by_number[number(type)];
    return found == 0 ? nullptr : &rows[found - 1U];
  }
  for (std::size_t i = rows.size(); i > 0 && number(rows[i - 1].type) >= low_types; --i) {
    if (rows[i - 1].type == type) return &rows[i - 1];
  }
  return nullptr;
}

std::span<const RdataLayout> all_layouts() {
  return rows;
}

}  // namespace understudy
