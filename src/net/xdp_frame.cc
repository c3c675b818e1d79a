#include "net/xdp_frame.h"

#include <bit>
#include <cstring>

namespace understudy {
namespace {

constexpr std::size_t mac_size = 6, ethernet_size = 14, tag_size = 4, v4_size = 20, v6_size = 40, udp_size = 8;
constexpr std::uint16_t ethertype_v4 = 0x0800, ethertype_v6 = 0x86dd, ethertype_tag = 0x8100, ethertype_outer = 0x88a8;
constexpr std::uint8_t protocol_udp = 17;
constexpr std::uint8_t hops = 64;  // as the system's sockets have it

template <typename Word>
Word load(const std::uint8_t* at) {
  Word word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

// A word as it lies in memory: sums are made of these, in whatever order the machine has (RFC 1071 section 2(B)).
constexpr std::uint16_t as_in_memory(std::uint16_t value) {
  return std::endian::native == std::endian::little ? std::byteswap(value) : value;
}

void store_in_memory_order(std::uint8_t* at, std::uint16_t value) {
  std::memcpy(at, &value, sizeof value);
}

/// What the pseudo headers of both families add to the addresses (RFC 768; RFC 8200 section 8.1).
std::uint64_t pseudo_header(std::uint64_t address_sum, std::size_t udp_length) {
  return address_sum + as_in_memory(protocol_udp) + as_in_memory(static_cast<std::uint16_t>(udp_length));
}

bool can_be_answered_v4(const std::uint8_t* address) {
  // 0/8 (RFC 1122 section 3.2.1.3), loopback, multicast, reserved and broadcast.
  return address[0] != 0 && address[0] != 127 && address[0] < 224;
}

bool can_be_answered_v6(const std::uint8_t* address) {
  // Multicast; and ::, ::1 and what stands for an IPv4 address (RFC 4291 section 2.5), which no wire has seen.
  return address[0] != 0xff && load<std::uint64_t>(address) != 0;
}

FrameVerdict read_udp(ByteView frame, std::size_t udp_at, std::size_t room, UdpFrame& out) {
  if (room < udp_size) return FrameVerdict::not_ours;
  const std::uint8_t* udp = frame.data() + udp_at;
  const std::size_t length = load_u16(udp + 4);
  if (length < udp_size || length > room) return FrameVerdict::not_ours;
  const auto checksum = load<std::uint16_t>(udp + 6);
  if (checksum == 0) {
    if (out.is_v6) return FrameVerdict::bad_checksum;  // RFC 8200 section 8.1
  } else {
    const std::uint64_t pseudo = pseudo_header(out.address_sum, length);
    const bool is_good = fold_checksum(pseudo + checksum_part({udp, length})) == 0xffff;
    if (!is_good && checksum != fold_checksum(pseudo)) return FrameVerdict::bad_checksum;
  }
  if (load<std::uint16_t>(udp) == 0) return FrameVerdict::forged;
  out.payload_at = static_cast<std::uint16_t>(udp_at + udp_size);
  out.payload_size = static_cast<std::uint16_t>(length - udp_size);
  return FrameVerdict::query;
}

FrameVerdict read_v4(ByteView frame, UdpFrame& out) {
  const std::size_t room = frame.size() - out.ip_at;
  const std::uint8_t* ip = frame.data() + out.ip_at;
  if (room < v4_size || ip[0] != 0x45 || ip[9] != protocol_udp) return FrameVerdict::not_ours;
  if ((load_u16(ip + 6) & 0x3fff) != 0) return FrameVerdict::not_ours;  // more fragments, or not the first
  const std::size_t length = load_u16(ip + 2);
  if (length < v4_size || length > room) return FrameVerdict::not_ours;
  out.address_sum = checksum_part({ip + 12, 8});
  if (fold_checksum(checksum_part({ip, 12}) + out.address_sum) != 0xffff) return FrameVerdict::bad_checksum;
  if (!can_be_answered_v4(ip + 12)) return FrameVerdict::forged;
  return read_udp(frame, out.ip_at + v4_size, length - v4_size, out);
}

FrameVerdict read_v6(ByteView frame, UdpFrame& out) {
  const std::size_t room = frame.size() - out.ip_at;
  const std::uint8_t* ip = frame.data() + out.ip_at;
  if (room < v6_size || ip[0] >> 4 != 6 || ip[6] != protocol_udp) return FrameVerdict::not_ours;
  const std::size_t length = load_u16(ip + 4);
  if (length > room - v6_size) return FrameVerdict::not_ours;
  out.address_sum = checksum_part({ip + 8, 32});
  if (!can_be_answered_v6(ip + 8)) return FrameVerdict::forged;
  return read_udp(frame, out.ip_at + v6_size, length, out);
}

// Neither options nor a fragment: what routers on the way split, they number by this identification (RFC 6864).
void write_v4(const std::uint8_t* query, const UdpFrame& where, std::uint16_t identification, std::uint8_t* ip,
              std::size_t udp_length) {
  ip[0] = 0x45;
  ip[1] = 0;
  store_u16(ip + 2, static_cast<std::uint16_t>(v4_size + udp_length));
  store_u16(ip + 4, identification);
  store_u16(ip + 6, 0);
  ip[8] = hops;
  ip[9] = protocol_udp;
  store_u16(ip + 10, 0);
  std::memcpy(ip + 12, query + 16, 4);
  std::memcpy(ip + 16, query + 12, 4);
  const std::uint16_t sum = fold_checksum(checksum_part({ip, 12}) + where.address_sum);
  store_in_memory_order(ip + 10, static_cast<std::uint16_t>(~sum));
}

void write_v6(const std::uint8_t* query, std::uint8_t* ip, std::size_t udp_length) {
  store_u32(ip, 0x6000'0000);
  store_u16(ip + 4, static_cast<std::uint16_t>(udp_length));
  ip[6] = protocol_udp;
  ip[7] = hops;
  std::memcpy(ip + 8, query + 24, 16);
  std::memcpy(ip + 24, query + 8, 16);
}

}  // namespace

std::uint64_t checksum_part(ByteView octets) {
  std::uint64_t sum = 0;
  const std::uint8_t* at = octets.data();
  std::size_t left = octets.size();
  // 32-bit words into 64 bits: carries gather above, to be folded in once at the end.
  for (; left >= 4; at += 4, left -= 4) sum += load<std::uint32_t>(at);
  if (left >= 2) {
    sum += load<std::uint16_t>(at);
    at += 2;
    left -= 2;
  }
  if (left != 0) {
    const std::uint8_t last[2] = {*at, 0};
    sum += load<std::uint16_t>(last);
  }
  return sum;
}

std::uint16_t fold_checksum(std::uint64_t sum) {
  sum = (sum & 0xffff'ffff) + (sum >> 32);
  sum = (sum & 0xffff'ffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(sum);
}

FrameVerdict read_udp_frame(ByteView frame, UdpFrame& out) {
  if (frame.size() < ethernet_size) return FrameVerdict::not_ours;
  if (((frame[0] | frame[mac_size]) & 1) != 0) return FrameVerdict::forged;  // a group's address, on either side
  std::size_t type_at = 2 * mac_size;
  for (int tags = 0; tags < 2; ++tags) {
    const std::uint16_t type = load_u16(&frame[type_at]);
    if (type != ethertype_tag && type != ethertype_outer) break;
    type_at += tag_size;
    if (frame.size() < type_at + 2) return FrameVerdict::not_ours;
  }
  const std::uint16_t type = load_u16(&frame[type_at]);
  out.ip_at = static_cast<std::uint16_t>(type_at + 2);
  out.is_v6 = type == ethertype_v6;
  if (out.is_v6) return read_v6(frame, out);
  return type == ethertype_v4 ? read_v4(frame, out) : FrameVerdict::not_ours;
}

void read_client(ByteView frame, const UdpFrame& where, std::uint32_t interface_index, ClientAddress& out) {
  const std::uint8_t* ip = frame.data() + where.ip_at;
  const std::uint8_t* udp = frame.data() + where.payload_at - udp_size;
  if (!where.is_v6) {
    out.v4 = {};
    out.v4.sin_family = AF_INET;
    std::memcpy(&out.v4.sin_port, udp, 2);
    std::memcpy(&out.v4.sin_addr, ip + 12, 4);
    return;
  }
  out.v6 = {};
  out.v6.sin6_family = AF_INET6;
  std::memcpy(&out.v6.sin6_port, udp, 2);
  std::memcpy(&out.v6.sin6_addr, ip + 8, 16);
  if (IN6_IS_ADDR_LINKLOCAL(&out.v6.sin6_addr)) out.v6.sin6_scope_id = interface_index;
}

std::size_t write_answer_headers(ByteView frame, const UdpFrame& where, std::uint16_t identification,
                                 std::uint8_t* answer, std::size_t payload_size) {
  const std::uint8_t* query = frame.data();
  std::memcpy(answer, query + mac_size, mac_size);
  std::memcpy(answer + mac_size, query, mac_size);
  std::memcpy(answer + 2 * mac_size, query + 2 * mac_size, where.ip_at - 2 * mac_size);  // tags and type
  const std::size_t udp_length = udp_size + payload_size;
  std::uint8_t* ip = answer + where.ip_at;
  if (where.is_v6) {
    write_v6(query + where.ip_at, ip, udp_length);
  } else {
    write_v4(query + where.ip_at, where, identification, ip, udp_length);
  }
  const std::uint8_t* asked = query + where.payload_at - udp_size;
  std::uint8_t* udp = answer + where.payload_at - udp_size;
  std::memcpy(udp, asked + 2, 2);
  std::memcpy(udp + 2, asked, 2);
  store_u16(udp + 4, static_cast<std::uint16_t>(udp_length));
  store_u16(udp + 6, 0);
  const std::uint16_t sum =
      fold_checksum(pseudo_header(where.address_sum, udp_length) + checksum_part({udp, udp_length}));
  // Zero would say that there is no checksum (RFC 768).
  store_in_memory_order(udp + 6, sum == 0xffff ? sum : static_cast<std::uint16_t>(~sum));
  const std::size_t size = where.payload_at + payload_size;
  if (size >= UdpFrame::shortest_frame) return size;
  std::memset(answer + size, 0, UdpFrame::shortest_frame - size);
  return UdpFrame::shortest_frame;
}

}  // namespace understudy
