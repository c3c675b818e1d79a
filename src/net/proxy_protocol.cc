#include "net/proxy_protocol.h"

#include <algorithm>

namespace understudy {
namespace {

constexpr std::uint8_t signature[] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};
constexpr std::uint8_t version_2 = 2, command_local = 0, command_proxy = 1;
constexpr std::uint8_t family_ipv4 = 1, family_ipv6 = 2, family_unix = 3;
constexpr std::uint8_t last_transport = 2;  // datagrams; 1 is a stream, 0 is not said

// Octets of both addresses and ports.
constexpr std::size_t addresses_size(std::uint8_t family) {
  return family == family_ipv4 ? 12 : family == family_ipv6 ? 36 : family == family_unix ? 216 : 0;
}

// The source comes first, the ports stand behind both addresses. What transport the client used does not matter: a
// balancer may ask by UDP for one that came by TCP.
std::optional<Endpoint> source(ByteView addresses, std::uint8_t family) {
  if (family != family_ipv4 && family != family_ipv6) return std::nullopt;
  const std::size_t size = family == family_ipv4 ? 4 : 16;
  const auto address = IpAddress::from_bytes(addresses.first(size));
  if (!address) return std::nullopt;
  return Endpoint{*address, load_u16(&addresses[2 * size])};
}

}  // namespace

ProxyHeader::Verdict ProxyHeader::read(ByteView octets, ProxyHeader& out) {
  const std::size_t known = std::min(octets.size(), sizeof signature);
  if (!std::equal(octets.begin(), octets.begin() + static_cast<std::ptrdiff_t>(known), signature))
    return Verdict::wrong;
  if (octets.size() < fixed_size) return Verdict::partial;
  const std::uint8_t version = octets[12] >> 4, command = octets[12] & 15;
  const std::uint8_t family = octets[13] >> 4, transport = octets[13] & 15;
  const std::size_t length = load_u16(&octets[14]);
  if (version != version_2 || command > command_proxy || fixed_size + length > max_size) return Verdict::wrong;
  // Of a balancer's own connections (health checks) the rest says nothing.
  const bool is_local = command == command_local;
  if (!is_local && (family > family_unix || transport > last_transport || length < addresses_size(family))) {
    return Verdict::wrong;
  }
  if (octets.size() < fixed_size + length) return Verdict::partial;
  out.size = fixed_size + length;
  out.client = is_local ? std::nullopt : source(octets.subspan(fixed_size, length), family);
  return Verdict::whole;
}

bool speaks_for_others(std::span<const Prefix> balancers, const IpAddress& address) {
  return std::ranges::any_of(balancers, [&](const Prefix& prefix) { return prefix.contains(address); });
}

}  // namespace understudy
