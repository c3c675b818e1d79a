// PROXY protocol headers (version 2) as a load balancer makes them.
#pragma once

#include "base/address.h"
#include "base/bytes.h"

namespace understudy {

/// For `client`, to some address of ours. `transport`: 1 stream, 2 datagrams.
inline Bytes proxy_header(const Endpoint& client, std::uint8_t transport = 1) {
  Bytes out = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a, 0x21};
  const ByteView address = client.address.bytes();
  append_u8(out, static_cast<std::uint8_t>((client.address.is_v4() ? 0x10 : 0x20) | transport));
  append_u16(out, static_cast<std::uint16_t>(2 * address.size() + 4));
  append(out, address);
  append(out, Bytes(address.size(), 9));
  append_u16(out, client.port);
  append_u16(out, 53);
  return out;
}

}  // namespace understudy
