// What one zone says to one name and type: RFC 1034 section 4.3.2 with RFC 4592 (wildcards), RFC 6672 (DNAME) and
// RFC 2308 (negative answers), without composing anything. Pure; reads one zone version.
#pragma once

#include <cstdint>

#include "dns/type.h"
#include "zone/zone.h"

namespace understudy {

enum class Found : std::uint8_t {
  answer,      // node has the type: chunk
  cname,       // node has a CNAME instead: chunk
  dname,       // a name above has a DNAME: node, chunk
  referral,    // at or below a zone cut: node is the cut, chunk its NS
  nodata,      // the name exists (or a wildcard stands in for it), the type does not
  name_error,  // the name does not exist
};

struct Lookup {
  Found found = Found::name_error;
  bool wildcard = false;       // node is a wildcard that stands in for the name
  std::uint8_t label = 0;      // label of the asked name where node's owner begins; for a wildcard, its parent's
  const Node* node = nullptr;  // null for name_error, where label is the closest encloser's
  const Chunk* chunk = nullptr;
};

/// Whether a name strictly above `name`, which is at or below the zone's apex, is a zone cut; has a DNAME. What lies
/// below is glue or not to be seen.
bool is_below_cut(const Zone& zone, const HashedName& name);
bool is_below_dname(const Zone& zone, const HashedName& name);

/// Whether the DS RRset of a zone cut goes along with a referral (RFC 4035 section 3.1.4). Without a signature and in a
/// zone without a chain it is of use to nobody, and no peer sends it.
inline bool goes_with_referral(const Zone& zone, const Chunk& ds) {
  return ds.signature_count() != 0 || zone.denial() != Zone::Denial::none;
}

/// Looks `name`, which is at or below the zone's apex, up. RRType::ANY finds any type and
/// RRType::RRSIG any signature (chunk stays null).
Lookup look_up(const Zone& zone, const HashedName& name, RRType type);

}  // namespace understudy
