// Hashed owner names of authenticated denial (RFC 5155).
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "dns/name.h"

namespace understudy {

/// SHA-1, the only algorithm there is (RFC 5155 section 11).
using Nsec3Hash = std::array<std::uint8_t, 20>;
inline constexpr std::uint8_t nsec3_sha1 = 1;

/// How owner names of a chain are hashed; the fields that NSEC3 and NSEC3PARAM begin with.
struct Nsec3Params {
  std::uint8_t algorithm = 0, flags = 0;
  std::uint16_t iterations = 0;
  ByteView salt;

  /// Of the same chain, whatever the flags.
  [[nodiscard]] bool is_same_chain(const Nsec3Params& other) const;
};
/// Of the RDATA of an NSEC3 or NSEC3PARAM, which must have passed check_rdata.
Nsec3Params nsec3_params(ByteView rdata);

/// The hash of a name (RFC 5155 section 5): `iterations` + 1 times SHA-1.
Nsec3Hash nsec3_hash(NameView name, const Nsec3Params& params);

/// An owner's first label for a hash, in base32hex and lower case, without its length octet.
inline constexpr std::size_t nsec3_label_size = 32;
using Nsec3Label = std::array<std::uint8_t, nsec3_label_size>;
Nsec3Label nsec3_label(const Nsec3Hash& hash);

}  // namespace understudy
