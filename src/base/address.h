// IP addresses, prefixes, and address-port pairs.
//
// Plain values, trivially copyable, comparable and hashable. An IPv4-mapped IPv6 address (::ffff:192.0.2.1) becomes the
// IPv4 address on every way in, so one peer has one address whichever socket it arrived on. Scope identifiers
// (fe80::1%eth0) are not kept and not accepted in text.
#pragma once

#include <sys/socket.h>

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace understudy {

class IpAddress {
 public:
  /// 0.0.0.0
  constexpr IpAddress() = default;
  static constexpr IpAddress v4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d) {
    IpAddress address;
    address.bytes_ = {a, b, c, d};
    return address;
  }
  /// From 4 or 16 octets in network order; anything else gives nullopt.
  static std::optional<IpAddress> from_bytes(ByteView octets);
  /// Dotted quad or RFC 4291 text. Errc::bad_value says what is wrong with it.
  static Result<IpAddress> parse(std::string_view text);
  /// :: (every local IPv6 address).
  static IpAddress any_v6();

  [[nodiscard]] constexpr bool is_v4() const { return family_ == 4; }
  [[nodiscard]] constexpr bool is_v6() const { return family_ == 6; }
  /// 4 or 16 octets in network order.
  [[nodiscard]] ByteView bytes() const { return {bytes_.data(), is_v4() ? 4U : 16U}; }
  /// 32 or 128.
  [[nodiscard]] constexpr unsigned bits() const { return is_v4() ? 32 : 128; }
  /// AF_INET or AF_INET6.
  [[nodiscard]] int af() const;
  [[nodiscard]] bool is_loopback() const;
  /// 0.0.0.0 or ::
  [[nodiscard]] bool is_unspecified() const;
  /// RFC 5952 form.
  [[nodiscard]] std::string text() const;

  /// IPv4 before IPv6, then by octets.
  friend constexpr auto operator<=>(const IpAddress&, const IpAddress&) = default;

 private:
  std::uint8_t family_ = 4;
  std::array<std::uint8_t, 16> bytes_{};  // IPv4 uses the first four, the rest stay zero
};

struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;

  /// ADDRESS@PORT, or ADDRESS alone if there is a default port. Errc::bad_value says what is wrong with it.
  static Result<Endpoint> parse(std::string_view text, std::optional<std::uint16_t> default_port = std::nullopt);
  /// nullopt for a family other than AF_INET and AF_INET6, or a structure too short for its family.
  static std::optional<Endpoint> from_sockaddr(const sockaddr* address, socklen_t size);
  /// Fills `out` and returns the number of octets used.
  socklen_t to_sockaddr(sockaddr_storage& out) const;
  /// ADDRESS@PORT
  [[nodiscard]] std::string text() const;

  friend constexpr auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

struct Prefix {
  IpAddress address;  // bits behind the length are zero
  std::uint8_t length = 0;

  /// ADDRESS or ADDRESS/LENGTH. Bits set behind the length are an error, for they are nearly always a slip.
  static Result<Prefix> parse(std::string_view text);
  /// The prefix that holds this address only.
  static Prefix of(const IpAddress& address) { return {address, static_cast<std::uint8_t>(address.bits())}; }
  /// An IPv4 prefix holds no IPv6 address and the other way round.
  [[nodiscard]] bool contains(const IpAddress& candidate) const;
  /// ADDRESS/LENGTH, or ADDRESS alone if it is the whole address.
  [[nodiscard]] std::string text() const;

  friend constexpr auto operator<=>(const Prefix&, const Prefix&) = default;
};

}  // namespace understudy

template <>
struct std::hash<understudy::IpAddress> {
  std::size_t operator()(const understudy::IpAddress& address) const noexcept;
};
template <>
struct std::hash<understudy::Endpoint> {
  std::size_t operator()(const understudy::Endpoint& endpoint) const noexcept;
};
