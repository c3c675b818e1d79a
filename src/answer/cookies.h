// DNS cookies (RFC 7873) with the server cookie that all servers of one address can check (RFC 9018): version 1,
// SipHash-2-4 over the client's cookie, the time and the client's address.
//
// The first secret makes cookies, all of them are accepted: to roll over, the new one is added behind the first
// everywhere, then moved to the front, and the old one is taken away an hour later (RFC 9018 section 5). Immutable,
// thread-safe; no clock.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/siphash.h"

struct sockaddr;

namespace understudy {

inline constexpr std::size_t client_cookie_size = 8, server_cookie_size = 16,
                             whole_cookie_size = client_cookie_size + server_cookie_size;

enum class CookieVerdict : std::uint8_t { none, client_only, good, bad };

/// The client's address as it goes into the hash: 4 or 16 octets; IPv4 in IPv6 is IPv4.
ByteView cookie_address(const sockaddr* peer);

class CookieSecrets {
 public:
  /// At least one.
  explicit CookieSecrets(std::vector<SipKey> secrets) : secrets_(std::move(secrets)) {}

  /// Judges the content of a COOKIE option, which has 8 or 16 to 40 octets, and writes the cookie to answer with to
  /// `out` (whole_cookie_size octets). What the client sent comes back while it is good and less than half an hour old.
  CookieVerdict answer(ByteView option, ByteView address, std::uint32_t now, std::uint8_t* out) const;

 private:
  std::vector<SipKey> secrets_;
};

}  // namespace understudy
