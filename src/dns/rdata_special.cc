// The text of fields with a grammar of their own: type bit maps, APL, gateways and HIP keys, both ways.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/encoding.h"
#include "dns/rdata_parse.h"
#include "dns/rdata_text.h"

namespace understudy {
namespace {

constexpr std::size_t window_octets = 32;
constexpr std::uint16_t nxt_highest = 127;  // RFC 2535 section 5.2: the bit map covers types below 128

/// Appends the types whose bits are set, separated by blanks.
void print_bits(std::uint32_t first_type, ByteView bits, bool& first, std::string& out) {
  for (std::uint32_t bit = 0; bit < bits.size() * 8; ++bit) {
    if ((bits[bit / 8] & 0x80U >> bit % 8) == 0) continue;
    if (!first) out += ' ';
    first = false;
    out += type_text(static_cast<RRType>(first_type + bit));
  }
}

// Address families of APL (RFC 3123 section 4).
struct AplFamily {
  std::uint16_t number;
  std::uint8_t octets;
};
constexpr AplFamily apl_families[] = {{1, 4}, {2, 16}};

const AplFamily* find_family(std::uint32_t number) {
  const auto found = std::ranges::find(apl_families, number, &AplFamily::number);
  return found == std::end(apl_families) ? nullptr : found;
}

bool print_gateway(unsigned kind, ByteReader& r, std::string& out) {
  switch (kind) {
    case 0:
      out += '.';
      return true;
    case 1:
      return print_ipv4(r, out);
    case 2:
      return print_ipv6(r, out);
    case 3:
      return print_name(r, out);
    default:
      return false;
  }
}

}  // namespace

/// Only what RFC 4034 section 4.1.2 allows has a text form: ascending windows, none empty, no trailing zero octets.
bool print_bitmap(ByteReader& r, std::string& out) {
  int last_window = -1;
  bool first = true;
  while (!r.at_end()) {
    const std::uint8_t window = r.u8();
    const ByteView bits = r.bytes(r.u8());
    if (!r.ok() || window <= last_window || bits.empty() || bits.size() > window_octets || bits.back() == 0)
      return false;
    last_window = window;
    print_bits(window * 256U, bits, first, out);
  }
  return r.ok();
}

bool print_nxt_bitmap(ByteReader& r, std::string& out) {
  const ByteView bits = r.rest();
  // Bit 0 announces another format (RFC 2535 section 5.2).
  if (bits.empty() || bits.size() > (nxt_highest + 1) / 8 || bits.back() == 0 || (bits[0] & 0x80) != 0) return false;
  bool first = true;
  print_bits(0, bits, first, out);
  return true;
}

bool RdataParser::type_list(std::vector<std::uint16_t>& types, std::uint16_t highest) {
  for (; !at_end(); ++position_) {
    const auto type = type_from_text(token().text());
    if (!type || understudy::number(*type) > highest) return mistake("a record type");
    types.push_back(understudy::number(*type));
  }
  std::ranges::sort(types);
  return true;
}

bool RdataParser::bitmap() {
  std::vector<std::uint16_t> types;
  if (!type_list(types, 0xffff)) return false;
  for (std::size_t i = 0; i < types.size();) {
    const auto window = static_cast<std::uint8_t>(types[i] >> 8);
    std::array<std::uint8_t, window_octets> bits{};
    std::size_t size = 0;
    for (; i < types.size() && types[i] >> 8 == window; ++i) {
      const unsigned bit = types[i] & 0xff;
      bits[bit / 8] = static_cast<std::uint8_t>(bits[bit / 8] | 0x80U >> bit % 8);
      size = bit / 8 + 1;
    }
    append_u8(out_, window);
    append_u8(out_, static_cast<std::uint8_t>(size));
    append(out_, ByteView(bits).first(size));
  }
  return true;
}

bool RdataParser::nxt_bitmap() {
  if (at_end()) return mistake("a record type");
  std::vector<std::uint16_t> types;
  const std::size_t first = position_;
  if (!type_list(types, nxt_highest)) return false;
  if (types.front() == 0) {
    position_ = first;
    return mistake("record types other than TYPE0");
  }
  std::array<std::uint8_t, (nxt_highest + 1) / 8> bits{};
  for (const std::uint16_t type : types) bits[type / 8] = static_cast<std::uint8_t>(bits[type / 8] | 0x80U >> type % 8);
  append(out_, ByteView(bits).first(types.back() / 8U + 1));
  return true;
}

/// RFC 3123 section 4: items of family, prefix length, negation and address without its trailing zero octets.
bool print_apl(ByteReader& r, std::string& out) {
  for (bool first = true; !r.at_end(); first = false) {
    const AplFamily* family = find_family(r.u16());
    const std::uint8_t prefix = r.u8();
    const std::uint8_t flags = r.u8();
    const ByteView part = r.bytes(flags & 0x7fU);
    if (!r.ok() || family == nullptr || prefix > family->octets * 8 || part.size() > family->octets ||
        (!part.empty() && part.back() == 0)) {
      return false;
    }
    std::array<std::uint8_t, 16> address{};
    std::ranges::copy(part, address.begin());
    ByteReader whole(ByteView(address).first(family->octets));
    fmt::format_to(std::back_inserter(out), "{}{}{}:", first ? "" : " ", flags >= 0x80 ? "!" : "", family->number);
    if (!(family->octets == 4 ? print_ipv4(whole, out) : print_ipv6(whole, out))) return false;
    fmt::format_to(std::back_inserter(out), "/{}", prefix);
  }
  return r.ok();
}

bool RdataParser::apl() {
  constexpr std::string_view expected = "an address prefix like 1:192.0.2.0/24 or !2:2001:db8::/32";
  for (; !at_end(); ++position_) {
    std::string_view text = token().text();
    const bool negated = text.starts_with('!');
    if (negated) text.remove_prefix(1);
    const std::size_t colon = text.find(':');
    const std::size_t slash = text.rfind('/');
    if (colon == text.npos || slash == text.npos || slash < colon) return mistake(expected);
    const auto number = parse_decimal(text.substr(0, colon), 0xffff);
    const AplFamily* family = number ? find_family(*number) : nullptr;
    if (family == nullptr) return mistake(expected);
    const auto prefix = parse_decimal(text.substr(slash + 1), family->octets * 8U);
    const std::string_view address_text = text.substr(colon + 1, slash - colon - 1);
    Bytes address;
    if (!prefix || !(family->octets == 4 ? append_ipv4(address_text, address) : append_ipv6(address_text, address))) {
      return mistake(expected);
    }
    while (!address.empty() && address.back() == 0) address.pop_back();
    append_u16(out_, family->number);
    append_u8(out_, static_cast<std::uint8_t>(*prefix));
    append_u8(out_, static_cast<std::uint8_t>(address.size() | (negated ? 0x80U : 0U)));
    append(out_, address);
  }
  return true;
}

bool print_ipsec_gateway(ByteReader& r, std::string& out) {
  const std::uint8_t kind = r.u8();
  const std::uint8_t algorithm = r.u8();
  fmt::format_to(std::back_inserter(out), "{} {} ", kind, algorithm);
  return r.ok() && print_gateway(kind, r, out);
}

bool print_amt_relay(ByteReader& r, std::string& out) {
  const std::uint8_t octet = r.u8();
  fmt::format_to(std::back_inserter(out), "{} {} ", octet >> 7, octet & 0x7f);
  return r.ok() && print_gateway(octet & 0x7f, r, out);
}

bool RdataParser::gateway(unsigned kind) {
  switch (kind) {
    case 0:
      if (at_end() || !token().is(".")) return mistake("a dot, as gateway type 0 means none");
      ++position_;
      return true;
    case 1:
      return ipv4();
    case 2:
      return ipv6();
    default:
      return name();
  }
}

bool RdataParser::ipsec_gateway() {
  std::uint32_t kind = 0;
  return decimal(3, kind, "a gateway type of 0 to 3") && (append_u8(out_, static_cast<std::uint8_t>(kind)), true) &&
         number(0xff, 1, "an algorithm number of 0 to 255") && gateway(kind);
}

bool RdataParser::amt_relay() {
  std::uint32_t discovery = 0;
  std::uint32_t kind = 0;
  if (!decimal(1, discovery, "0 or 1") || !decimal(3, kind, "a relay type of 0 to 3")) return false;
  append_u8(out_, static_cast<std::uint8_t>(discovery << 7 | kind));
  return gateway(kind);
}

bool print_hip_key(ByteReader& r, std::string& out) {
  const std::uint8_t hit_size = r.u8();
  const std::uint8_t algorithm = r.u8();
  const std::uint16_t key_size = r.u16();
  const ByteView hit = r.bytes(hit_size);
  const ByteView key = r.bytes(key_size);
  if (!r.ok() || hit.empty() || key.empty()) return false;
  fmt::format_to(std::back_inserter(out), "{} ", algorithm);
  append_hex(out, hit);
  out += ' ';
  append_base64(out, key);
  return true;
}

bool RdataParser::hip_key() {
  std::uint32_t algorithm = 0;
  if (!decimal(0xff, algorithm, "an algorithm number of 0 to 255")) return false;
  const auto hit = at_end() ? std::nullopt : hex_decode(token().text());
  if (!hit || hit->empty() || hit->size() > 0xff) return mistake("a host identity tag in hexadecimal");
  ++position_;
  const auto key = at_end() ? std::nullopt : base64_decode(token().text());
  if (!key || key->empty() || key->size() > 0xffff) return mistake("a public key in base64, in one piece");
  ++position_;
  append_u8(out_, static_cast<std::uint8_t>(hit->size()));
  append_u8(out_, static_cast<std::uint8_t>(algorithm));
  append_u16(out_, static_cast<std::uint16_t>(key->size()));
  append(out_, *hit);
  append(out_, *key);
  return true;
}

}  // namespace understudy
