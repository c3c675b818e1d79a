// Record data of every type, driven by one table (rdata_table.cc): fields, names, printing, parsing, canonical form.
//
// Between modules, RDATA is always its uncompressed wire form, names with their case as received. Functions that take
// RDATA from outside check it against the table; a type without an entry is opaque (RFC 3597). Stateless, thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "dns/name.h"
#include "dns/type.h"

namespace understudy {

/// What a name inside RDATA is for.
enum class NameUse : std::uint8_t {
  compressible,  // may be compressed in messages: RFC 1035 types only (RFC 3597 section 4)
  plain,         // never compressed when sent
};

/// A name inside uncompressed RDATA.
struct RdataName {
  std::uint16_t offset;  // from the start of the RDATA
  std::uint16_t size;    // wire octets
  NameUse use;
  bool lowercased;  // lower-cased in canonical form (RFC 4034 section 6.2 as corrected by RFC 6840 section 5.1)
};

/// The names in `rdata`, at most two of which exist in any type with a fixed layout (HIP has more: only the
/// first 2 are reported as none of its names is compressed or lower-cased). `rdata` must have passed check_rdata.
struct RdataNames {
  std::uint8_t count = 0;
  RdataName names[2];
  [[nodiscard]] const RdataName* begin() const { return names; }
  [[nodiscard]] const RdataName* end() const { return names + count; }
};
RdataNames rdata_names(RRType type, ByteView rdata);

/// True if RDATA of this type in a message can hold compressed names and so must be expanded by read_rdata.
bool may_have_compressed_names(RRType type);

/// Checks uncompressed RDATA against its type: every field complete, nothing left over. Errc::bad_rdata otherwise.
Result<void> check_rdata(RRType type, ByteView rdata);

/// Reads `length` octets of RDATA at the reader's position in a whole message, expands compressed names (for the types
/// of RFC 1035 and those RFC 3597 section 4 asks receivers to tolerate), checks it, and appends the uncompressed form
/// to `out`. The reader stands behind the RDATA afterwards.
Result<void> read_rdata(RRType type, ByteReader& message, std::uint16_t length, Bytes& out);

/// Appends the canonical form (RFC 4034 section 6.2) of checked RDATA to `out`.
void append_canonical_rdata(RRType type, ByteView rdata, Bytes& out);

/// Presentation form of checked RDATA, on one line; names absolute. Unknown types as \# LENGTH HEX (RFC 3597).
std::string rdata_text(RRType type, ByteView rdata);

/// Parses presentation form (also the \# form for any type). Relative names are completed with `origin`.
/// The error's detail says what was expected.
Result<Bytes> parse_rdata(RRType type, std::string_view text, NameView origin);

/// The SOA's fields (RFC 1035 section 3.3.13). `rdata` must have passed check_rdata.
struct SoaView {
  NameView mname, rname;
  std::uint32_t serial, refresh, retry, expire, minimum;
};
SoaView soa_view(ByteView rdata);

}  // namespace understudy
