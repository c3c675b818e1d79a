// A version of a zone once more, in as little memory as it needs: for when most of what versions share is free.
//
// Versions of a large zone share memory that only grows (zone/arena.h): what updates leave free is used again, but
// after most of a zone has gone it holds mostly nothing, and what is left lies scattered. A compaction builds such a
// version anew, some records at a time, and then follows the zone to where it has got to meanwhile. What comes of it
// has the serial and the records of the version that it stands for. The old memory goes when nobody sees any version in
// it. Stateless functions; a Compaction is for one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "zone/apply.h"
#include "zone/builder.h"
#include "zone/zone.h"

namespace understudy {

/// Versions that need less are not worth a thought: at least so many octets are free in memory that is to be compacted.
inline constexpr std::size_t least_free_to_compact = std::size_t{8} << 20;

/// The version shares memory, much of which is free: over half of it.
[[nodiscard]] bool is_sparse(const Zone& version);

/// For a builder that makes about the same version: as much room as that needs, and some for changes.
[[nodiscard]] BuilderHints hints_for_copy(const Zone& version, std::uint64_t max_octets);

/// Hands the records of an RRset to the builder as they are, with their signatures.
Result<void> copy_rrset(ZoneBuilder& to, NameView owner, const RRsetView& rrset);

class Compaction {
 public:
  /// `max_octets`: memory that what comes of it may take.
  explicit Compaction(std::shared_ptr<const Zone> version, std::uint64_t max_octets = ~std::uint64_t{0});

  /// Goes on with so many names; true once version() is there. Errors as for ZoneBuilder, bad_alloc among them; nothing
  /// can be done with it afterwards. The last call finishes the version, which takes longer than others.
  Result<bool> work(std::size_t names);
  /// From there on over `deltas`, which lead on from version(). Errc::bad_delta if one does not fit, byte_limit if most
  /// of the zone has changed: the compaction is of no use any more.
  Result<void> follow(std::span<const DeltaPtr> deltas);
  /// Null until work() is done.
  [[nodiscard]] const std::shared_ptr<const Zone>& version() const { return made_; }

 private:
  void begin();
  Result<bool> copy(std::size_t names);
  Result<void> copy(const Node& node);
  Result<void> finish();

  std::shared_ptr<const Zone> base_;  // null once it is not needed any more
  const std::uint64_t max_octets_;
  std::optional<ZoneBuilder> builder_;
  // Names that deny others in canonical order, which spares the new version's trees their sorting; then the rest.
  std::vector<std::uint32_t> ordered_;
  std::size_t at_ = 0;        // in ordered_
  std::uint32_t bucket_ = 0;  // of the table
  std::shared_ptr<const Zone> made_;
};

}  // namespace understudy
