// How members of catalogs are stored: one fact for each name (doc/catalogs.md), so that a change of one member writes
// one fact. Values carry a version and are checked when read. Stateless.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "store/zone_store.h"
#include "transfer/catalog.h"

namespace understudy {

/// Keys of members begin with it.
inline constexpr std::string_view member_fact_prefix = "member/";

struct StoredMember {
  Name name;  // lower case
  Name catalog;
  Bytes label;
  Name coo;
  std::vector<std::string> groups;
  WallSeconds removed_at = 0;  // 0: it is a member; otherwise it is in the trash since then

  friend bool operator==(const StoredMember&, const StoredMember&) = default;
};

/// The key of the member whose name's octets in lower case are `name`.
std::string member_fact_key(ByteView name);
Fact member_fact(NameView catalog, const CatalogMember& member, WallSeconds removed_at = 0);
/// Errc::corrupt.
Result<StoredMember> read_member_fact(std::string_view key, ByteView value);

}  // namespace understudy
