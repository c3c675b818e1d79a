#include "dns/rdata_text.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <iterator>

#include "base/encoding.h"
#include "dns/rdata.h"
#include "dns/rdata_table.h"

namespace understudy {
namespace {

template <typename... Args>
void put(std::string& out, fmt::format_string<Args...> format, Args&&... args) {
  fmt::format_to(std::back_inserter(out), format, std::forward<Args>(args)...);
}

bool print_time(ByteReader& r, std::string& out) {
  const std::chrono::sys_seconds time{std::chrono::seconds(r.u32())};
  const auto days = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(days);
  const std::chrono::hh_mm_ss clock(time - days);
  put(out, "{:04}{:02}{:02}{:02}{:02}{:02}", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
      static_cast<unsigned>(date.day()), clock.hours().count(), clock.minutes().count(), clock.seconds().count());
  return r.ok();
}

bool print_eui(ByteReader& r, std::size_t octets, std::string& out) {
  for (std::size_t i = 0; i < octets; ++i) {
    if (i > 0) out += '-';
    put(out, "{:02x}", r.u8());
  }
  return r.ok();
}

bool print_locator(ByteReader& r, std::string& out) {
  for (int group = 0; group < 4; ++group) {
    if (group > 0) out += ':';
    put(out, "{:04x}", r.u16());
  }
  return r.ok();
}

bool print_quoted(ByteView octets, std::string& out) {
  out += '"';
  append_quotable(out, octets);
  out += '"';
  return true;
}

bool print_string(ByteReader& r, std::string& out) {
  const ByteView octets = r.bytes(r.u8());
  return r.ok() && print_quoted(octets, out);
}

bool print_strings(ByteReader& r, std::string& out) {
  for (bool first = true; !r.at_end(); first = false) {
    if (!first) out += ' ';
    if (!print_string(r, out)) return false;
  }
  return r.ok();
}

bool print_names(ByteReader& r, std::string& out) {
  for (bool first = true; !r.at_end(); first = false) {
    if (!first) out += ' ';
    if (!print_name(r, out)) return false;
  }
  return r.ok();
}

bool print_tag(ByteReader& r, std::string& out) {
  const ByteView octets = r.bytes(r.u8());
  const auto is_allowed = [](std::uint8_t c) {
    const std::uint8_t lower = ascii_lower(c);
    return (c >= '0' && c <= '9') || (lower >= 'a' && lower <= 'z');
  };
  if (!r.ok() || octets.empty() || !std::ranges::all_of(octets, is_allowed)) return false;
  out += text_of(octets);
  return true;
}

bool print_hex_counted(ByteReader& r, std::string& out) {
  const ByteView octets = r.bytes(r.u8());
  if (octets.empty()) {
    out += '-';
  } else {
    append_hex(out, octets);
  }
  return r.ok();
}

bool print_base32_counted(ByteReader& r, std::string& out) {
  const ByteView octets = r.bytes(r.u8());
  append_base32hex(out, octets);
  return r.ok() && !octets.empty();
}

bool print_hex(ByteReader& r, std::string_view prefix, std::string& out) {
  const ByteView octets = r.rest();
  out += prefix;
  append_hex(out, octets);
  return !octets.empty();
}

bool print_base64(ByteReader& r, bool may_be_empty, std::string& out) {
  const ByteView octets = r.rest();
  append_base64(out, octets);
  return may_be_empty || !octets.empty();
}

bool print_number(std::uint32_t value, const ByteReader& r, std::string& out) {
  put(out, "{}", value);
  return r.ok();
}

bool print_field(Field field, ByteReader& r, std::string& out) {
  switch (field) {
    case Field::u8:
    case Field::algorithm:
      return print_number(r.u8(), r, out);
    case Field::u16:
    case Field::cert_type:
      return print_number(r.u16(), r, out);
    case Field::u32:
    case Field::period:
      return print_number(r.u32(), r, out);
    case Field::time:
      return print_time(r, out);
    case Field::type:
      out += type_text(static_cast<RRType>(r.u16()));
      return r.ok();
    case Field::ipv4:
      return print_ipv4(r, out);
    case Field::ipv6:
      return print_ipv6(r, out);
    case Field::eui48:
      return print_eui(r, 6, out);
    case Field::eui64:
      return print_eui(r, 8, out);
    case Field::locator:
      return print_locator(r, out);
    case Field::name_compressible:
    case Field::name_tolerated:
    case Field::name_lowered:
    case Field::name_plain:
      return print_name(r, out);
    case Field::names:
      return print_names(r, out);
    case Field::string:
      return print_string(r, out);
    case Field::optional_string:
      return r.at_end() || print_string(r, out);
    case Field::strings:
      return print_strings(r, out);
    case Field::long_string:
      return print_quoted(r.rest(), out);
    case Field::tag:
      return print_tag(r, out);
    case Field::hex:
      return print_hex(r, "", out);
    case Field::hex_counted:
      return print_hex_counted(r, out);
    case Field::base32_counted:
      return print_base32_counted(r, out);
    case Field::base64:
    case Field::base64_some:
      return print_base64(r, false, out);
    case Field::base64_optional:
      return print_base64(r, true, out);
    case Field::nsap:
      return print_hex(r, "0x", out);
    case Field::bitmap:
      return print_bitmap(r, out);
    case Field::nxt_bitmap:
      return print_nxt_bitmap(r, out);
    case Field::loc:
      return print_loc(r, out);
    case Field::apl:
      return print_apl(r, out);
    case Field::svc_params:
      return print_svc_params(r, out);
    case Field::ipsec_gateway:
      return print_ipsec_gateway(r, out);
    case Field::amt_relay:
      return print_amt_relay(r, out);
    case Field::hip_key:
      return print_hip_key(r, out);
  }
  return false;
}

bool print_fields(const RdataLayout& layout, ByteView rdata, std::string& out) {
  ByteReader r(rdata);
  for (const Field field : layout.fields()) {
    const std::size_t before = out.size();
    if (before != 0) out += ' ';
    if (!print_field(field, r, out)) return false;
    // A field that is left out (an empty bit map, no second string) leaves no blank either.
    if (before != 0 && out.size() == before + 1) out.pop_back();
  }
  return r.ok() && r.at_end();
}

}  // namespace

void append_quotable(std::string& out, ByteView octets) {
  for (const std::uint8_t octet : octets) {
    if (octet < ' ' || octet >= 0x7f) {
      put(out, "\\{:03}", octet);
    } else {
      if (octet == '"' || octet == '\\') out += '\\';
      out += static_cast<char>(octet);
    }
  }
}

bool print_ipv4(ByteReader& r, std::string& out) {
  const ByteView a = r.bytes(4);
  if (!r.ok()) return false;
  put(out, "{}.{}.{}.{}", a[0], a[1], a[2], a[3]);
  return true;
}

bool print_ipv6(ByteReader& r, std::string& out) {
  const ByteView address = r.bytes(16);
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (!r.ok() || inet_ntop(AF_INET6, address.data(), text.data(), text.size()) == nullptr) return false;
  out += text.data();
  return true;
}

bool print_name(ByteReader& r, std::string& out) {
  const auto name = NameView::read(r);
  if (!name) return false;
  out += name->text();
  return true;
}

std::string rdata_text(RRType type, ByteView rdata) {
  std::string out;
  const RdataLayout* layout = find_layout(type);
  if (layout != nullptr && print_fields(*layout, rdata, out) && !out.empty()) return out;
  out = fmt::format("\\# {}", rdata.size());
  if (!rdata.empty()) out += ' ';
  append_hex(out, rdata);
  return out;
}

}  // namespace understudy
