#include <algorithm>

#include "dns/rdata.h"
#include "dns/rdata_table.h"

namespace understudy {
namespace {

constexpr std::size_t max_rdata_size = 65535;

/// Steps over one uncompressed name.
bool skip_plain_name(ByteReader& r) {
  return NameView::read(r).has_value();
}

/// Windows of 1 to 32 octets (RFC 4034 section 4.1.2). Empty windows and any order of windows are let through.
bool skip_bitmap(ByteReader& r) {
  while (!r.at_end()) {
    r.skip(1);
    const std::uint8_t size = r.u8();
    if (size > 32) return false;
    r.skip(size);
    if (!r.ok()) return false;
  }
  return true;
}

bool skip_apl(ByteReader& r) {
  while (!r.at_end()) {
    r.skip(3);
    r.skip(r.u8() & 0x7f);
    if (!r.ok()) return false;
  }
  return true;
}

bool skip_svc_params(ByteReader& r) {
  while (!r.at_end()) {
    r.skip(2);
    r.skip(r.u16());
    if (!r.ok()) return false;
  }
  return true;
}

/// The gateway of IPSECKEY and AMTRELAY; what an unknown kind looks like is not known, so it takes the rest.
bool skip_gateway(unsigned kind, ByteReader& r) {
  switch (kind) {
    case 0:
      return r.ok();
    case 1:
      r.skip(4);
      return r.ok();
    case 2:
      r.skip(16);
      return r.ok();
    case 3:
      return skip_plain_name(r);
    default:
      (void)r.rest();
      return r.ok();
  }
}

/// RFC 1876 section 2 defines version 0 only; the layout of others is unknown.
bool skip_loc(ByteReader& r) {
  const std::uint8_t version = r.u8();
  if (version == 0) {
    r.skip(15);
  } else {
    (void)r.rest();
  }
  return r.ok();
}

bool skip_hip_key(ByteReader& r) {
  const std::size_t hit_size = r.u8();
  r.skip(1);
  const std::size_t key_size = r.u16();
  r.skip(hit_size);
  r.skip(key_size);
  return r.ok();
}

bool skip_strings(ByteReader& r, std::size_t at_least) {
  std::size_t count = 0;
  for (; !r.at_end(); ++count) {
    r.skip(r.u8());
    if (!r.ok()) return false;
  }
  return r.ok() && count >= at_least;
}

/// Steps over one field of uncompressed RDATA, whose end is the reader's end.
bool skip_field(Field field, ByteReader& r) {
  switch (field) {
    case Field::u8:
    case Field::algorithm:
      r.skip(1);
      break;
    case Field::u16:
    case Field::cert_type:
    case Field::type:
      r.skip(2);
      break;
    case Field::u32:
    case Field::period:
    case Field::time:
    case Field::ipv4:
      r.skip(4);
      break;
    case Field::eui48:
      r.skip(6);
      break;
    case Field::eui64:
    case Field::locator:
      r.skip(8);
      break;
    case Field::ipv6:
      r.skip(16);
      break;
    case Field::name_compressible:
    case Field::name_tolerated:
    case Field::name_lowered:
    case Field::name_plain:
      return skip_plain_name(r);
    case Field::names:
      while (!r.at_end()) {
        if (!skip_plain_name(r)) return false;
      }
      break;
    case Field::string:
    case Field::tag:
    case Field::hex_counted:
    case Field::base32_counted:
      r.skip(r.u8());
      break;
    case Field::optional_string:
      if (!r.at_end()) r.skip(r.u8());
      break;
    case Field::strings:
      return skip_strings(r, 1);
    case Field::long_string:
    case Field::hex:
    case Field::base64:
    case Field::base64_optional:
      (void)r.rest();
      break;
    case Field::base64_some:
    case Field::nsap:
    case Field::nxt_bitmap:
      return !r.rest().empty();
    case Field::bitmap:
      return skip_bitmap(r);
    case Field::loc:
      return skip_loc(r);
    case Field::apl:
      return skip_apl(r);
    case Field::svc_params:
      return skip_svc_params(r);
    case Field::ipsec_gateway: {
      const std::uint8_t kind = r.u8();
      r.skip(1);
      return skip_gateway(kind, r);
    }
    case Field::amt_relay:
      return skip_gateway(r.u8() & 0x7f, r);
    case Field::hip_key:
      return skip_hip_key(r);
  }
  return r.ok();
}

bool is_expanded(Field field) {
  return field == Field::name_compressible || field == Field::name_tolerated;
}

std::unexpected<Error> bad_rdata(RRType type) {
  return fail(Errc::bad_rdata, type_text(type));
}

/// Calls f(field, offset, size) for every field that is one name. `rdata` is checked.
template <typename F>
void for_each_name(const RdataLayout& layout, ByteView rdata, F&& f) {
  ByteReader r(rdata);
  for (const Field field : layout.fields()) {
    const std::size_t start = r.position();
    if (!skip_field(field, r)) return;
    if (is_name(field)) f(field, start, r.position() - start);
  }
}

/// Where the gateway name of IPSECKEY or AMTRELAY begins, or 0.
std::size_t gateway_name_offset(RRType type, ByteView rdata) {
  if (type == RRType::IPSECKEY && rdata.size() > 3 && rdata[1] == 3) return 3;
  if (type == RRType::AMTRELAY && rdata.size() > 2 && (rdata[1] & 0x7f) == 3) return 2;
  return 0;
}

void add_name(RdataNames& names, Field field, std::size_t offset, std::size_t size) {
  if (names.count == std::size(names.names)) return;
  names.names[names.count++] = {
      .offset = static_cast<std::uint16_t>(offset),
      .size = static_cast<std::uint16_t>(size),
      .use = field == Field::name_compressible ? NameUse::compressible : NameUse::plain,
      .lowercased = field != Field::name_plain,
  };
}

/// Adds the plain names from `offset` on, up to `at_most` of them.
void add_plain_names(RdataNames& names, ByteView rdata, std::size_t offset, std::size_t at_most) {
  ByteReader r(rdata, offset);
  for (; at_most > 0 && !r.at_end(); --at_most) {
    const std::size_t start = r.position();
    if (!skip_plain_name(r)) return;
    add_name(names, Field::name_plain, start, r.position() - start);
  }
}

Result<void> expand_names(const RdataLayout& layout, ByteView message, std::size_t start, std::uint16_t length,
                          Bytes& out) {
  // A reader that ends with the RDATA: a name cannot run out of it, and pointers only aim backwards.
  ByteReader r(message.first(start + length), start);
  const std::size_t out_start = out.size();
  for (const Field field : layout.fields()) {
    if (is_expanded(field)) {
      auto name = Name::read_compressed(r);
      if (!name) return fail(Errc::bad_rdata, type_text(layout.type) + ": " + name.error().text());
      append(out, name->wire());
    } else {
      const std::size_t field_start = r.position();
      if (!skip_field(field, r)) return bad_rdata(layout.type);
      append(out, message.subspan(field_start, r.position() - field_start));
    }
  }
  if (!r.at_end() || out.size() - out_start > max_rdata_size) return bad_rdata(layout.type);
  return {};
}

}  // namespace

RdataNames rdata_names(RRType type, ByteView rdata) {
  RdataNames names;
  const RdataLayout* layout = find_layout(type);
  if (layout == nullptr || layout->fixed_size >= 0) return names;
  if (type == RRType::HIP) {
    ByteReader r(rdata);
    if (skip_hip_key(r)) add_plain_names(names, rdata, r.position(), std::size(names.names));
  } else if (const std::size_t gateway = gateway_name_offset(type, rdata); gateway != 0) {
    add_plain_names(names, rdata, gateway, 1);
  } else if (layout->count == 1 && layout->has_names) {  // most names inside RDATA are of NS, CNAME and PTR
    add_name(names, layout->list[0], 0, rdata.size());
  } else if (layout->has_names) {
    for_each_name(*layout, rdata,
                  [&](Field field, std::size_t offset, std::size_t size) { add_name(names, field, offset, size); });
  }
  return names;
}

bool may_have_compressed_names(RRType type) {
  const RdataLayout* layout = find_layout(type);
  return layout != nullptr && layout->expands_names;
}

Result<void> check_rdata(RRType type, ByteView rdata) {
  if (rdata.size() > max_rdata_size) return bad_rdata(type);
  const RdataLayout* layout = find_layout(type);
  if (layout == nullptr) return {};
  if (layout->fixed_size >= 0) {
    if (rdata.size() != static_cast<std::size_t>(layout->fixed_size)) return bad_rdata(type);
    return {};
  }
  ByteReader r(rdata);
  for (const Field field : layout->fields()) {
    if (!skip_field(field, r)) return bad_rdata(type);
  }
  if (!r.at_end()) return bad_rdata(type);
  return {};
}

Result<void> read_rdata(RRType type, ByteReader& message, std::uint16_t length, Bytes& out) {
  const std::size_t start = message.position();
  const ByteView raw = message.bytes(length);
  if (!message.ok()) return fail(Errc::truncated, type_text(type));
  const RdataLayout* layout = find_layout(type);
  if (layout == nullptr || !layout->expands_names) {
    US_TRY(check_rdata(type, raw));
    append(out, raw);
    return {};
  }
  const std::size_t out_start = out.size();
  auto expanded = expand_names(*layout, message.data(), start, length, out);
  if (!expanded) out.resize(out_start);
  return expanded;
}

void append_canonical_rdata(RRType type, ByteView rdata, Bytes& out) {
  const std::size_t start = out.size();
  append(out, rdata);
  for (const RdataName& name : rdata_names(type, rdata)) {
    if (!name.lowercased) continue;
    // Length octets are below 'A', so the whole name can be lowered octet by octet.
    const auto first = out.begin() + static_cast<std::ptrdiff_t>(start + name.offset);
    std::transform(first, first + name.size, first, ascii_lower);
  }
}

SoaView soa_view(ByteView rdata) {
  ByteReader r(rdata);
  SoaView soa{};
  soa.mname = NameView::read(r).value_or(NameView());
  soa.rname = NameView::read(r).value_or(NameView());
  soa.serial = r.u32();
  soa.refresh = r.u32();
  soa.retry = r.u32();
  soa.expire = r.u32();
  soa.minimum = r.u32();
  return soa;
}

}  // namespace understudy
