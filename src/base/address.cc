#include "base/address.h"

#include <arpa/inet.h>
#include <fmt/compile.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace understudy {
namespace {

constexpr std::array<std::uint8_t, 12> v4_mapped = {0, 0, 0, 0, 0,    0,
                                                    0, 0, 0, 0, 0xff, 0xff};  // RFC 4291 section 2.5.5.2

template <typename T>
std::optional<T> parse_number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool bit_is_zero_behind(ByteView octets, unsigned length) {
  for (unsigned i = 0; i < octets.size(); ++i) {
    if (i * 8 >= length) {
      if (octets[i] != 0) return false;
    } else if (i * 8 + 8 > length) {
      if ((octets[i] & (0xffU >> (length - i * 8))) != 0) return false;
    }
  }
  return true;
}

IpAddress masked(const IpAddress& address, unsigned length) {
  Bytes octets(address.bytes().begin(), address.bytes().end());
  for (unsigned i = 0; i < octets.size(); ++i) {
    if (i * 8 >= length) {
      octets[i] = 0;
    } else if (i * 8 + 8 > length) {
      octets[i] = static_cast<std::uint8_t>(octets[i] & ~(0xffU >> (length - i * 8)));
    }
  }
  return IpAddress::from_bytes(octets).value_or(address);
}

}  // namespace

std::optional<IpAddress> IpAddress::from_bytes(ByteView octets) {
  IpAddress address;
  if (octets.size() == 16 && std::equal(v4_mapped.begin(), v4_mapped.end(), octets.begin())) octets = octets.last(4);
  if (octets.size() != 4 && octets.size() != 16) return std::nullopt;
  address.family_ = octets.size() == 4 ? 4 : 6;
  std::ranges::copy(octets, address.bytes_.begin());
  return address;
}

Result<IpAddress> IpAddress::parse(std::string_view text) {
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  if (!text.empty() && text.size() < buffer.size() && text.find('\0') == std::string_view::npos) {
    std::ranges::copy(text, buffer.begin());
    std::array<std::uint8_t, 16> octets{};
    if (inet_pton(AF_INET, buffer.data(), octets.data()) == 1) return *from_bytes(ByteView(octets).first(4));
    if (inet_pton(AF_INET6, buffer.data(), octets.data()) == 1) return *from_bytes(octets);
  }
  return fail(Errc::bad_value, fmt::format("'{}' is not an IP address", text));
}

IpAddress IpAddress::any_v6() {
  IpAddress address;
  address.family_ = 6;
  return address;
}

int IpAddress::af() const {
  return is_v4() ? AF_INET : AF_INET6;
}

bool IpAddress::is_loopback() const {
  if (is_v4()) return bytes_[0] == 127;
  return bytes_[15] == 1 && std::all_of(bytes_.begin(), bytes_.end() - 1, [](std::uint8_t b) { return b == 0; });
}

bool IpAddress::is_unspecified() const {
  return std::ranges::all_of(bytes_, [](std::uint8_t b) { return b == 0; });
}

std::string IpAddress::text() const {
  if (is_v4()) return fmt::format(FMT_COMPILE("{}.{}.{}.{}"), bytes_[0], bytes_[1], bytes_[2], bytes_[3]);
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  inet_ntop(af(), bytes_.data(), buffer.data(), buffer.size());
  return buffer.data();
}

Result<Endpoint> Endpoint::parse(std::string_view text, std::optional<std::uint16_t> default_port) {
  const auto at = text.find('@');
  auto address = IpAddress::parse(text.substr(0, at));
  if (!address) {
    return fail(Errc::bad_value, fmt::format("'{}' is not an address of the form {}", text,
                                             default_port ? "ADDRESS or ADDRESS@PORT" : "ADDRESS@PORT"));
  }
  if (at == std::string_view::npos) {
    if (default_port) return Endpoint{*address, *default_port};
    return fail(Errc::bad_value, fmt::format("'{}' has no port, write {}@PORT", text, text));
  }
  const auto port = parse_number<std::uint16_t>(text.substr(at + 1));
  if (!port || *port == 0) {
    return fail(Errc::bad_value, fmt::format("'{}' is not a port (1 to 65535)", text.substr(at + 1)));
  }
  return Endpoint{*address, *port};
}

std::optional<Endpoint> Endpoint::from_sockaddr(const sockaddr* address, socklen_t size) {
  if (size < sizeof(sa_family_t)) return std::nullopt;
  sockaddr_storage copy{};
  std::memcpy(&copy, address, std::min<std::size_t>(size, sizeof copy));
  if (copy.ss_family == AF_INET && size >= sizeof(sockaddr_in)) {
    sockaddr_in in{};
    std::memcpy(&in, &copy, sizeof in);
    std::array<std::uint8_t, 4> octets{};
    std::memcpy(octets.data(), &in.sin_addr, octets.size());
    return Endpoint{*IpAddress::from_bytes(octets), ntohs(in.sin_port)};
  }
  if (copy.ss_family == AF_INET6 && size >= sizeof(sockaddr_in6)) {
    sockaddr_in6 in6{};
    std::memcpy(&in6, &copy, sizeof in6);
    return Endpoint{*IpAddress::from_bytes(ByteView(in6.sin6_addr.s6_addr, 16)), ntohs(in6.sin6_port)};
  }
  return std::nullopt;
}

socklen_t Endpoint::to_sockaddr(sockaddr_storage& out) const {
  out = {};
  if (address.is_v4()) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    std::memcpy(&in.sin_addr, address.bytes().data(), 4);
    std::memcpy(&out, &in, sizeof in);
    return sizeof in;
  }
  sockaddr_in6 in6{};
  in6.sin6_family = AF_INET6;
  in6.sin6_port = htons(port);
  std::memcpy(&in6.sin6_addr, address.bytes().data(), 16);
  std::memcpy(&out, &in6, sizeof in6);
  return sizeof in6;
}

std::string Endpoint::text() const {
  return fmt::format(FMT_COMPILE("{}@{}"), address.text(), port);
}

Result<Prefix> Prefix::parse(std::string_view text) {
  const auto slash = text.find('/');
  auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) {
    return fail(Errc::bad_value, fmt::format("'{}' is not an address or a prefix (ADDRESS/LENGTH)", text));
  }
  if (slash == std::string_view::npos) return of(*address);
  // A mapped IPv6 prefix counts its length from the 96 bits in front of the IPv4 address.
  const bool mapped = address->is_v4() && text.substr(0, slash).find(':') != std::string_view::npos;
  const unsigned skipped = mapped ? 96 : 0;
  const auto length = parse_number<unsigned>(text.substr(slash + 1));
  if (!length || *length < skipped || *length > address->bits() + skipped) {
    return fail(Errc::bad_value, fmt::format("'{}' is not a prefix length ({} to {})", text.substr(slash + 1), skipped,
                                             address->bits() + skipped));
  }
  const unsigned bits = *length - skipped;
  if (!bit_is_zero_behind(address->bytes(), bits)) {
    const Prefix meant{masked(*address, bits), static_cast<std::uint8_t>(bits)};
    return fail(Errc::bad_value,
                fmt::format("'{}' has address bits behind its length, write {} for the network or {} for the host",
                            text, meant.text(), address->text()));
  }
  return Prefix{*address, static_cast<std::uint8_t>(bits)};
}

bool Prefix::contains(const IpAddress& candidate) const {
  if (candidate.is_v4() != address.is_v4()) return false;
  const auto ours = address.bytes();
  const auto theirs = candidate.bytes();
  const unsigned whole = length / 8;
  if (whole != 0 && std::memcmp(ours.data(), theirs.data(), whole) != 0) return false;
  const unsigned rest = length % 8;
  return rest == 0 || ((ours[whole] ^ theirs[whole]) >> (8 - rest)) == 0;
}

std::string Prefix::text() const {
  return length == address.bits() ? address.text() : fmt::format("{}/{}", address.text(), length);
}

}  // namespace understudy

std::size_t std::hash<understudy::IpAddress>::operator()(const understudy::IpAddress& address) const noexcept {
  const auto octets = address.bytes();
  return std::hash<std::string_view>{}({reinterpret_cast<const char*>(octets.data()), octets.size()});
}

std::size_t std::hash<understudy::Endpoint>::operator()(const understudy::Endpoint& endpoint) const noexcept {
  return std::hash<understudy::IpAddress>{}(endpoint.address) * 31 + endpoint.port;
}
