// What the interpretation of a transfer yields: events, in order, whatever the protocol was.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"
#include "dns/name.h"
#include "dns/type.h"

namespace understudy {

class ZoneUpdateSink {
 public:
  virtual ~ZoneUpdateSink() = default;
  enum class Taken : std::uint8_t { added, duplicate, out_of_zone };
  /// One record of the new version (the opening SOA included, the closing one not). RDATA is uncompressed and checked.
  virtual Result<Taken> add(NameView owner, RRType type, std::uint32_t ttl, ByteView rdata) = 0;
};

}  // namespace understudy
