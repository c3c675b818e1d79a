// Ethernet frames with a query by UDP in them, and the frames of their answers: what the kernel's network stack does
// for a socket, for packets that go round it (AF_XDP). Pure, thread-safe, allocates nothing.
//
//   Ethernet | up to two VLAN tags (802.1Q, 802.1ad) | IPv4 without options, or IPv6 without extension headers | UDP
//
// All else belongs to the kernel and is left to it by the program in xdp_program.bpf.c; read_udp_frame() refuses it all
// the same. The answer goes back the way the query came: addresses and ports of all layers change places, tags stay.
// Both frames have headers of one size. The checksums of an answer are the sum over the addresses, which is that of the
// query and was kept, plus what differs.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>

#include "base/bytes.h"

namespace understudy {

/// Room for the address of either family.
union ClientAddress {
  sockaddr generic;
  sockaddr_in v4;
  sockaddr_in6 v6;
};

/// Where things are in a frame that carries a query.
struct UdpFrame {
  /// Ethernet with two tags, IPv6, UDP.
  static constexpr std::size_t longest_headers = 14 + 2 * 4 + 40 + 8;
  /// Shorter frames do not exist on an Ethernet; the frame check sequence is not counted.
  static constexpr std::size_t shortest_frame = 60;

  bool is_v6 = false;
  std::uint16_t ip_at = 0;       // octets before the IP header
  std::uint16_t payload_at = 0;  // octets of all headers
  std::uint16_t payload_size = 0;
  std::uint64_t address_sum = 0;  // one's complement sum of source and destination address, not folded
};

enum class FrameVerdict : std::uint8_t {
  query,
  not_ours,      // another protocol, a fragment, options, extension headers, lengths that contradict each other
  bad_checksum,  // damaged on the way
  forged,        // from an address that nobody can answer: multicast, loopback, unspecified, port 0
};

/// `out` is filled for FrameVerdict::query only. A UDP checksum as checksum offload leaves it between virtual
/// interfaces, the sum of the pseudo header alone, counts as good: such frames have seen no wire.
FrameVerdict read_udp_frame(ByteView frame, UdpFrame& out);

/// Who sent it. Link-local IPv6 addresses get the scope `interface_index`.
void read_client(ByteView frame, const UdpFrame& where, std::uint32_t interface_index, ClientAddress& out);

/// Writes the headers of the answer to `frame` before its payload, which lies at `answer + where.payload_at`, has
/// `payload_size` octets and fits into IP. `answer` must not overlap the query's headers; up to shortest_frame octets
/// are written in any case. `identification` is for IPv4. Returns the size of the frame.
std::size_t write_answer_headers(ByteView frame, const UdpFrame& where, std::uint16_t identification,
                                 std::uint8_t* answer, std::size_t payload_size);

/// The one's complement sum of RFC 1071 over `octets` as 16-bit words, not folded, to be added to others that start at
/// an even place. In the machine's byte order, in which it is stored as it is.
std::uint64_t checksum_part(ByteView octets);
/// The sum in 16 bits; the checksum is its complement.
std::uint16_t fold_checksum(std::uint64_t sum);

}  // namespace understudy
