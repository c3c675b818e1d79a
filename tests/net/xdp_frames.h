// Frames for tests, built and judged octet by octet, as the RFCs have them: nothing of the code under test is used.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/address.h"
#include "base/bytes.h"

namespace understudy {

/// What a test frame says; everything that is not set is as a plain client has it.
struct FrameSpec {
  IpAddress source = IpAddress::v4(192, 0, 2, 9), destination = IpAddress::v4(192, 0, 2, 1);
  std::uint16_t source_port = 40'000, destination_port = 53;
  std::vector<std::uint32_t> tags;  // 0x8100'0005: 802.1Q, VLAN 5
  Bytes payload = {1, 2, 3, 4, 5};
  std::uint8_t first_octet = 0x45;  // IPv4
  std::uint16_t fragment = 0;       // flags and offset
  std::uint8_t protocol = 17;
  bool udp_checksum = true;
  std::size_t padding = 0;  // behind the IP packet
};

/// RFC 1071 as its section 1 words it. 0xffff over a header with its checksum in it means that it is right.
inline std::uint16_t plain_sum(ByteView octets, std::uint32_t start = 0) {
  std::uint32_t sum = start;
  for (std::size_t i = 0; i < octets.size(); i += 2) {
    sum += static_cast<std::uint32_t>(octets[i] << 8);
    if (i + 1 < octets.size()) sum += octets[i + 1];
    if (sum > 0xffff) sum = (sum & 0xffff) + 1;
  }
  return static_cast<std::uint16_t>(sum);
}

/// The sum over pseudo header and datagram of an IP packet; `ip` starts at its header.
inline std::uint16_t plain_udp_sum(ByteView ip) {
  const bool v6 = ip[0] >> 4 == 6;
  const ByteView addresses = v6 ? ip.subspan(8, 32) : ip.subspan(12, 8);
  const ByteView udp = ip.subspan(v6 ? 40 : 20);
  const std::uint16_t length = load_u16(&udp[4]);
  std::uint32_t sum = plain_sum(addresses);
  sum = plain_sum(Bytes{0, 17}, sum);
  sum = plain_sum(Bytes{static_cast<std::uint8_t>(length >> 8), static_cast<std::uint8_t>(length)}, sum);
  return plain_sum(udp.first(length), sum);
}

inline Bytes frame_of(const FrameSpec& spec) {
  Bytes out = {0x02, 0, 0, 0, 0, 0x01, 0x02, 0, 0, 0, 0, 0x09};
  for (const std::uint32_t tag : spec.tags)
    append(out, Bytes{static_cast<std::uint8_t>(tag >> 24), static_cast<std::uint8_t>(tag >> 16),
                      static_cast<std::uint8_t>(tag >> 8), static_cast<std::uint8_t>(tag)});
  const bool v6 = spec.source.is_v6();
  append_u16(out, v6 ? 0x86dd : 0x0800);
  const std::size_t ip_at = out.size();
  const auto udp_length = static_cast<std::uint16_t>(8 + spec.payload.size());
  if (v6) {
    append(out, Bytes{0x60, 0x0a, 0xbc, 0xde});  // a traffic class and a flow label
    append_u16(out, udp_length);
    append(out, Bytes{spec.protocol, 57});
  } else {
    append(out, Bytes{spec.first_octet, 0x28});
    append_u16(out, static_cast<std::uint16_t>(20 + udp_length));
    append_u16(out, 0x4711);
    append_u16(out, spec.fragment);
    append(out, Bytes{57, spec.protocol, 0, 0});
  }
  append(out, spec.source.bytes());
  append(out, spec.destination.bytes());
  if (!v6) store_u16(&out[ip_at + 10], static_cast<std::uint16_t>(~plain_sum(ByteView(out).subspan(ip_at, 20))));
  const std::size_t udp_at = out.size();
  append_u16(out, spec.source_port);
  append_u16(out, spec.destination_port);
  append_u16(out, udp_length);
  append_u16(out, 0);
  append(out, spec.payload);
  if (spec.udp_checksum) {
    const auto sum = static_cast<std::uint16_t>(~plain_udp_sum(ByteView(out).subspan(ip_at)));
    store_u16(&out[udp_at + 6], sum == 0 ? 0xffff : sum);
  }
  out.insert(out.end(), spec.padding, 0x77);
  return out;
}

inline IpAddress address_of(const char* text) {
  return *IpAddress::parse(text);
}

inline FrameSpec v6_spec() {
  return {.source = address_of("2001:db8::9"), .destination = address_of("2001:db8::1")};
}

}  // namespace understudy
