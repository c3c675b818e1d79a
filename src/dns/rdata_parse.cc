#include "dns/rdata_parse.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>

#include "base/encoding.h"
#include "dns/rdata.h"
#include "dns/text_case.h"

namespace understudy {
namespace {

constexpr std::size_t max_rdata_size = 65535;
constexpr std::size_t max_string_size = 255;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

struct Mnemonic {
  std::string_view text;
  std::uint16_t number;
};

// Registry "DNS Security Algorithm Numbers", and the other spellings in use.
constexpr auto algorithms = std::to_array<Mnemonic>({
    {"RSAMD5", 1},           {"DH", 2},         {"DSA", 3},
    {"RSASHA1", 5},          {"NSEC3DSA", 6},   {"DSA-NSEC3-SHA1", 6},
    {"NSEC3RSASHA1", 7},     {"RSASHA256", 8},  {"RSASHA1-NSEC3-SHA1", 7},
    {"RSASHA512", 10},       {"ECCGOST", 12},   {"ECC-GOST", 12},
    {"ECDSAP256SHA256", 13}, {"ED25519", 15},   {"ECDSAP384SHA384", 14},
    {"ED448", 16},           {"INDIRECT", 252}, {"PRIVATEDNS", 253},
    {"PRIVATEOID", 254},
});

// RFC 4398 section 2.1.
constexpr auto cert_types = std::to_array<Mnemonic>({
    {"PKIX", 1},
    {"SPKI", 2},
    {"PGP", 3},
    {"IPKIX", 4},
    {"ISPKI", 5},
    {"IPGP", 6},
    {"ACPKIX", 7},
    {"IACPKIX", 8},
    {"URI", 253},
    {"OID", 254},
});

std::optional<std::uint32_t> find_mnemonic(std::span<const Mnemonic> list, std::string_view text) {
  for (const Mnemonic& m : list) {
    if (equal_without_case(m.text, text)) return m.number;
  }
  return std::nullopt;
}

std::uint32_t digits_value(std::string_view digits) {
  std::uint32_t value = 0;
  for (const char c : digits) value = value * 10 + static_cast<std::uint32_t>(c - '0');
  return value;
}

/// YYYYMMDDHHMMSS as seconds since 1970, if that is a date and fits in 32 bits (RFC 4034 section 3.2).
std::optional<std::uint32_t> parse_date(std::string_view text) {
  if (text.size() != 14 || !std::ranges::all_of(text, is_digit)) return std::nullopt;
  const auto part = [&](std::size_t at, std::size_t size) { return digits_value(text.substr(at, size)); };
  const std::chrono::year_month_day day(std::chrono::year(static_cast<int>(part(0, 4))), std::chrono::month(part(4, 2)),
                                        std::chrono::day(part(6, 2)));
  const std::uint32_t hour = part(8, 2);
  const std::uint32_t minute = part(10, 2);
  const std::uint32_t second = part(12, 2);
  if (!day.ok() || hour > 23 || minute > 59 || second > 59) return std::nullopt;
  const std::int64_t days = std::chrono::sys_days(day).time_since_epoch().count();
  const std::int64_t seconds = days * 86400 + hour * 3600 + minute * 60 + second;
  if (seconds < 0 || seconds > 0xffff'ffffLL) return std::nullopt;
  return static_cast<std::uint32_t>(seconds);
}

}  // namespace

std::optional<std::uint32_t> parse_decimal(std::string_view text, std::uint32_t highest) {
  if (text.empty() || text.size() > 10) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    if (!is_digit(c)) return std::nullopt;
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  if (value > highest) return std::nullopt;
  return static_cast<std::uint32_t>(value);
}

std::optional<std::uint32_t> parse_period(std::string_view text) {
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t start = i;
    while (i < text.size() && is_digit(text[i])) ++i;
    const auto count = parse_decimal(text.substr(start, i - start), 0xffff'ffffU);
    if (!count) return std::nullopt;
    std::uint64_t unit = 1;
    if (i < text.size()) {
      switch (ascii_lower(static_cast<std::uint8_t>(text[i++]))) {
        case 's':
          break;
        case 'm':
          unit = 60;
          break;
        case 'h':
          unit = 3600;
          break;
        case 'd':
          unit = 86400;
          break;
        case 'w':
          unit = 604800;
          break;
        default:
          return std::nullopt;
      }
    }
    total += *count * unit;
    if (total > 0xffff'ffffU) return std::nullopt;
  }
  if (text.empty()) return std::nullopt;
  return static_cast<std::uint32_t>(total);
}

bool append_ipv4(std::string_view text, Bytes& out) {
  std::array<std::uint8_t, 4> octets{};
  std::size_t i = 0;
  for (std::size_t n = 0; n < 4; ++n) {
    if (n > 0 && (i == text.size() || text[i++] != '.')) return false;
    const std::size_t start = i;
    unsigned value = 0;
    while (i < text.size() && is_digit(text[i]) && i - start < 3)
      value = value * 10 + static_cast<unsigned>(text[i++] - '0');
    if (i == start || value > 255 || (i - start > 1 && text[start] == '0')) return false;
    octets[n] = static_cast<std::uint8_t>(value);
  }
  if (i != text.size()) return false;
  append(out, octets);
  return true;
}

bool append_ipv6(std::string_view text, Bytes& out) {
  std::array<char, INET6_ADDRSTRLEN> copy{};
  if (text.size() >= copy.size() || text.contains('\0')) return false;
  std::ranges::copy(text, copy.begin());
  std::array<std::uint8_t, 16> octets{};
  if (inet_pton(AF_INET6, copy.data(), octets.data()) != 1) return false;
  append(out, octets);
  return true;
}

bool RdataParser::parse(RRType type) {
  if (!at_end() && token().is("\\#")) return parse_opaque(type);
  const RdataLayout* layout = find_layout(type);
  if (layout == nullptr) return mistake("\\# and a length, as the type has no text form of its own");
  for (const Field field : layout->fields()) {
    if (!parse_field(field)) return false;
  }
  if (!at_end()) return mistake("the end of the record");
  if (out_.size() - out_start_ > max_rdata_size) return mistake("data of at most 65535 octets");
  return true;
}

bool RdataParser::parse_opaque(RRType type) {
  ++position_;
  std::uint32_t length = 0;
  if (!decimal(max_rdata_size, length, "a length of 0 to 65535")) return false;
  const std::size_t first = position_;
  if (!at_end() && !hex_rest("hexadecimal digits")) return false;
  const std::size_t size = out_.size() - out_start_;
  if (size != length) {
    position_ = first;
    return mistake(fmt::format("{} octets in hexadecimal (there are {})", length, size));
  }
  // RFC 3597 section 5: a type that is known must be valid in this form too.
  if (!check_rdata(type, ByteView(out_).subspan(out_start_))) {
    position_ = first;
    return mistake(fmt::format("octets that are valid {} data", type_text(type)));
  }
  return true;
}

bool RdataParser::parse_field(Field field) {
  switch (field) {
    case Field::u8:
      return number(0xff, 1, "a number of 0 to 255");
    case Field::u16:
      return number(0xffff, 2, "a number of 0 to 65535");
    case Field::u32:
      return number(0xffff'ffffU, 4, "a number of 0 to 4294967295");
    case Field::period:
      return period();
    case Field::time:
      return time();
    case Field::algorithm:
    case Field::cert_type:
      return mnemonic(field);
    case Field::type:
      return type_mnemonic();
    case Field::ipv4:
      return ipv4();
    case Field::ipv6:
      return ipv6();
    case Field::eui48:
      return eui(6);
    case Field::eui64:
      return eui(8);
    case Field::locator:
      return locator();
    case Field::name_compressible:
    case Field::name_tolerated:
    case Field::name_lowered:
    case Field::name_plain:
      return name();
    case Field::string:
      return string();
    case Field::tag:
      return tag();
    case Field::hex_counted:
      return hex_counted();
    case Field::base32_counted:
      return base32_counted();
    case Field::loc:
      return loc();
    case Field::ipsec_gateway:
      return ipsec_gateway();
    case Field::amt_relay:
      return amt_relay();
    case Field::hip_key:
      return hip_key();
    default:
      return parse_rest_field(field);
  }
}

bool RdataParser::parse_rest_field(Field field) {
  switch (field) {
    case Field::names:
      while (!at_end()) {
        if (!name()) return false;
      }
      return true;
    case Field::optional_string:
      return at_end() || string();
    case Field::strings:
      do {
        if (!string()) return false;
      } while (!at_end());
      return true;
    case Field::long_string:
      return long_string();
    case Field::hex:
      return hex_rest("hexadecimal digits");
    case Field::base64:
    case Field::base64_some:
      return base64_rest(false);
    case Field::base64_optional:
      return base64_rest(true);
    case Field::nsap:
      return nsap();
    case Field::bitmap:
      return bitmap();
    case Field::nxt_bitmap:
      return nxt_bitmap();
    case Field::apl:
      return apl();
    case Field::svc_params:
      return svc_params();
    default:
      return mistake("a field of a known kind");
  }
}

bool RdataParser::decimal(std::uint32_t highest, std::uint32_t& value, std::string_view expected) {
  if (at_end()) return mistake(expected);
  const auto parsed = parse_decimal(token().text(), highest);
  if (!parsed) return mistake(expected);
  value = *parsed;
  ++position_;
  return true;
}

bool RdataParser::number(std::uint32_t highest, std::size_t octets, std::string_view expected) {
  std::uint32_t value = 0;
  if (!decimal(highest, value, expected)) return false;
  for (std::size_t i = octets; i > 0; --i) append_u8(out_, static_cast<std::uint8_t>(value >> (8 * (i - 1))));
  return true;
}

bool RdataParser::mnemonic(Field field) {
  const bool is_algorithm = field == Field::algorithm;
  const std::string_view expected = is_algorithm ? "an algorithm number of 0 to 255 or its mnemonic"
                                                 : "a certificate type of 0 to 65535 or its mnemonic";
  if (at_end()) return mistake(expected);
  auto value = parse_decimal(token().text(), is_algorithm ? 0xff : 0xffff);
  if (!value) {
    value = find_mnemonic(is_algorithm ? std::span<const Mnemonic>(algorithms) : std::span<const Mnemonic>(cert_types),
                          token().text());
  }
  if (!value) return mistake(expected);
  if (is_algorithm) {
    append_u8(out_, static_cast<std::uint8_t>(*value));
  } else {
    append_u16(out_, static_cast<std::uint16_t>(*value));
  }
  ++position_;
  return true;
}

bool RdataParser::period() {
  constexpr std::string_view expected = "seconds or a period like 1h30m";
  if (at_end()) return mistake(expected);
  const auto seconds = parse_period(token().text());
  if (!seconds) return mistake(expected);
  append_u32(out_, *seconds);
  ++position_;
  return true;
}

bool RdataParser::time() {
  constexpr std::string_view expected = "a time as YYYYMMDDHHMMSS (1970 to 2106) or seconds since 1970";
  if (at_end()) return mistake(expected);
  auto seconds = parse_date(token().text());
  if (!seconds) seconds = parse_decimal(token().text(), 0xffff'ffffU);
  if (!seconds) return mistake(expected);
  append_u32(out_, *seconds);
  ++position_;
  return true;
}

bool RdataParser::type_mnemonic() {
  const auto type = at_end() ? std::nullopt : type_from_text(token().text());
  if (!type) return mistake("a record type");
  append_u16(out_, understudy::number(*type));
  ++position_;
  return true;
}

bool RdataParser::ipv4() {
  if (at_end() || !append_ipv4(token().text(), out_)) return mistake("an IPv4 address");
  ++position_;
  return true;
}

bool RdataParser::ipv6() {
  if (at_end() || !append_ipv6(token().text(), out_)) return mistake("an IPv6 address");
  ++position_;
  return true;
}

/// RFC 7043 sections 3.2 and 4.2: pairs of hex digits with hyphens.
bool RdataParser::eui(std::size_t octets) {
  const std::string_view expected = octets == 6 ? "six pairs of hexadecimal digits like 00-00-5e-00-53-2a"
                                                : "eight pairs of hexadecimal digits like 00-00-5e-ef-10-00-00-2a";
  if (at_end()) return mistake(expected);
  const std::string_view text = token().text();
  if (text.size() != octets * 3 - 1) return mistake(expected);
  HexDecoder decoder(out_);
  for (std::size_t i = 0; i < octets; ++i) {
    if (!decoder.feed(text.substr(i * 3, 2)) || (i > 0 && text[i * 3 - 1] != '-')) return mistake(expected);
  }
  ++position_;
  return true;
}

/// RFC 6742 sections 2.1.2 and 2.3.2: four groups of up to four hex digits with colons, none left out.
bool RdataParser::locator() {
  constexpr std::string_view expected = "64 bits as four groups of hexadecimal digits like 2001:db8:1140:1000";
  if (at_end()) return mistake(expected);
  std::string_view text = token().text();
  for (int group = 0; group < 4; ++group) {
    const std::size_t size = std::min(text.find(':'), text.size());
    if (size == 0 || size > 4 || (group == 3) != (size == text.size())) return mistake(expected);
    HexDecoder decoder(out_);
    if (!decoder.feed(std::string_view("0000").substr(size)) || !decoder.feed(text.substr(0, size))) {
      return mistake(expected);
    }
    text.remove_prefix(std::min(size + 1, text.size()));
  }
  ++position_;
  return true;
}

bool RdataParser::name() {
  if (at_end()) return mistake("a domain name");
  if (token().is("@")) {
    append(out_, origin_.wire());
  } else {
    const auto parsed = Name::parse(token().text(), origin_);
    if (!parsed) {
      const Error& error = parsed.error();
      return mistake(fmt::format("a domain name ({})", error.detail.empty() ? errc_text(error.code) : error.detail));
    }
    append(out_, parsed->wire());
  }
  ++position_;
  return true;
}

bool RdataParser::string() {
  constexpr std::string_view expected = "a string of at most 255 octets";
  if (at_end()) return mistake(expected);
  const std::size_t length_at = out_.size();
  out_.push_back(0);
  if (!decode_string(token().text(), max_string_size, out_)) return mistake(expected);
  out_[length_at] = static_cast<std::uint8_t>(out_.size() - length_at - 1);
  ++position_;
  return true;
}

bool RdataParser::long_string() {
  constexpr std::string_view expected = "a string";
  if (at_end() || !decode_string(token().text(), max_rdata_size, out_)) return mistake(expected);
  ++position_;
  return true;
}

bool RdataParser::tag() {
  constexpr std::string_view expected = "a tag of letters and digits";
  if (at_end()) return mistake(expected);
  const std::string_view text = token().text();
  const auto is_allowed = [](char c) { return is_digit(c) || is_letter(c); };
  if (text.empty() || text.size() > max_string_size || !std::ranges::all_of(text, is_allowed)) return mistake(expected);
  return string();
}

bool RdataParser::hex_rest(std::string_view expected) {
  const std::size_t before = out_.size();
  HexDecoder decoder(out_);
  for (; !at_end(); ++position_) {
    if (!decoder.feed(token().text())) return mistake(expected);
  }
  if (!decoder.finish()) return mistake("one more hexadecimal digit");
  return out_.size() > before || mistake(expected);
}

bool RdataParser::hex_counted() {
  constexpr std::string_view expected = "at most 255 octets in hexadecimal, or -";
  if (at_end()) return mistake(expected);
  const std::size_t length_at = out_.size();
  out_.push_back(0);
  if (!token().is("-")) {
    HexDecoder decoder(out_);
    const std::string_view text = token().text();
    if (text.empty() || text.size() > 2 * max_string_size || !decoder.feed(text) || !decoder.finish()) {
      return mistake(expected);
    }
    out_[length_at] = static_cast<std::uint8_t>(text.size() / 2);
  }
  ++position_;
  return true;
}

bool RdataParser::base32_counted() {
  constexpr std::string_view expected = "a hash in base32hex";
  const auto octets = at_end() ? std::nullopt : base32hex_decode(token().text());
  if (!octets || octets->empty() || octets->size() > max_string_size) return mistake(expected);
  append_u8(out_, static_cast<std::uint8_t>(octets->size()));
  append(out_, *octets);
  ++position_;
  return true;
}

bool RdataParser::base64_rest(bool may_be_empty) {
  const std::size_t before = out_.size();
  Base64Decoder decoder(out_);
  for (; !at_end(); ++position_) {
    if (!decoder.feed(token().text())) return mistake("data in base64");
  }
  if (!decoder.finish()) return mistake("more data in base64, whose length is a multiple of four");
  return may_be_empty || out_.size() > before || mistake("data in base64");
}

bool RdataParser::nsap() {
  constexpr std::string_view expected = "an address like 0x47.0005.80.005a00";
  if (at_end()) return mistake(expected);
  std::string_view text = token().text();
  if (!text.starts_with("0x") && !text.starts_with("0X")) return mistake(expected);
  text.remove_prefix(2);
  const std::size_t before = out_.size();
  HexDecoder decoder(out_);
  while (!text.empty()) {
    const std::size_t size = std::min(text.find('.'), text.size());
    if (!decoder.feed(text.substr(0, size))) return mistake(expected);
    text.remove_prefix(std::min(size + 1, text.size()));
  }
  if (!decoder.finish() || out_.size() == before) return mistake(expected);
  ++position_;
  return true;
}

Result<Bytes> parse_rdata(RRType type, std::string_view text, NameView origin) {
  ZoneLexer lexer;
  lexer.set_text(text, true);
  ZoneEntry entry;
  const auto outcome = lexer.next(entry);
  if (outcome == ZoneLexer::Outcome::mistake) return fail(Errc::syntax, lexer.mistake().text);
  if (outcome == ZoneLexer::Outcome::end) entry.tokens.clear();
  Bytes rdata;
  RdataParser parser(entry.tokens, 0, origin, rdata);
  if (!parser.parse(type)) return fail(Errc::syntax, entry.mistake(parser.position(), parser.expected()).text);
  if (!lexer.rest().empty()) return fail(Errc::syntax, "expected one line of text, found more");
  return rdata;
}

}  // namespace understudy
