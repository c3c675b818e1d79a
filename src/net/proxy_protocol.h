// The PROXY protocol, version 2 (HAProxy's specification of 2020-03-05): the header by which a load balancer says for
// whom it asks. In front of each datagram, and once at the start of a connection. Pure, thread-safe.
//
//   signature (12 octets) | version and command | family and transport | length (2) | addresses | extensions
//
// Extensions are skipped. Version 1 (text) is not understood.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "base/address.h"
#include "base/bytes.h"

namespace understudy {

struct ProxyHeader {
  /// Octets that are read of a connection before a header must be whole; addresses need 36 of them.
  static constexpr std::size_t fixed_size = 16, max_size = 4096;

  std::size_t size = 0;            // octets of the header
  std::optional<Endpoint> client;  // none: the balancer speaks for itself, or for a client without an IP address

  enum class Verdict : std::uint8_t { whole, partial, wrong };
  /// Reads the header at the start of `octets`: `whole` fills `out`, `partial` is the start of a header that more
  /// octets may complete, `wrong` is none, or one that says it is longer than max_size or shorter than its addresses.
  static Verdict read(ByteView octets, ProxyHeader& out);
};

/// Whether `address` is one of those that send such headers.
bool speaks_for_others(std::span<const Prefix> balancers, const IpAddress& address);

}  // namespace understudy
