// CRC-32C (Castagnoli polynomial, as in RFC 3720 appendix B.4), with the processor's instruction where it has one.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace understudy {

/// The checksum of what was summed up so far (0 at first) followed by `data`.
std::uint32_t crc32c(std::uint32_t so_far, ByteView data);

/// The same without the processor's instruction; for machines that lack it and for tests.
std::uint32_t crc32c_portable(std::uint32_t so_far, ByteView data);

}  // namespace understudy
