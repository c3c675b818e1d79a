// Names in RDATA whose records go along in the additional section.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "base/bytes.h"
#include "dns/type.h"

namespace understudy {

/// Where the name is.
struct AdditionalName {
  bool is_owner = false;   // it is the record's owner, which SVCB writes as "." (RFC 9460 section 2.5.2)
  std::size_t offset = 0;  // in the uncompressed RDATA
};
/// The name in RDATA that has passed check_rdata; nullopt if there is none that would help.
std::optional<AdditionalName> additional_name(RRType type, ByteView rdata);

/// Records of that name which go along: addresses (RFC 1035 section 3.3, RFC 2782), and what RFC 9460 section 4.1 and
/// RFC 3403 section 4.2 add. Empty for types without additional records.
std::span<const RRType> additional_types(RRType type);

}  // namespace understudy
