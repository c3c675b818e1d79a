// PROXY protocol headers: whatever octets come, a header that is taken lies inside them, and every start of it is one.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "net/proxy_protocol.h"

using namespace understudy;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ProxyHeader header;
  const auto verdict = ProxyHeader::read({data, size}, header);
  if (verdict != ProxyHeader::Verdict::whole) return 0;
  if (header.size < ProxyHeader::fixed_size || header.size > size || header.size > ProxyHeader::max_size) std::abort();
  ProxyHeader shorter;
  for (std::size_t n = 0; n < header.size; ++n) {
    if (ProxyHeader::read({data, n}, shorter) != ProxyHeader::Verdict::partial) std::abort();
  }
  if (ProxyHeader::read({data, header.size}, shorter) != ProxyHeader::Verdict::whole) std::abort();
  if (shorter.client != header.client) std::abort();
  return 0;
}
