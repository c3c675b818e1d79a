// A zone version as blocks of octets and back (doc/storage-format.md, "Blocks").
//
// Encoding walks the version in ZoneCursor order and holds one block at a time; decoding feeds ZoneBuilder in the same
// order, so all records of an owner come together, which is the builder's fast case. Stateless, thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "zone/builder.h"
#include "zone/part.h"
#include "zone/zone.h"

namespace understudy {

/// Content octets from which on a block is closed. Small enough for the processor's cache, large enough that a block's
/// overhead does not count.
inline constexpr std::size_t block_target = 64 * 1024;
/// No block's content is larger: a record in front of the limit, with the largest owner and RDATA behind it.
inline constexpr std::size_t max_block_size = block_target + 66'000;

/// Calls `sink` with each block's content in turn; the octets are valid during the call. An error of the sink ends it.
/// `room` is where the blocks are made; who encodes many small versions keeps it, for making it would cost more than
/// they do.
Result<void> encode_version(const std::shared_ptr<const Zone>& version,
                            const std::function<Result<void>(ByteView)>& sink, Bytes& room);

/// Adds a block's records to `builder`. Errc::corrupt if the content does not follow the grammar or a record is not one
/// that the zone can have.
Result<void> decode_block(ByteView content, NameView apex, ZoneBuilder& builder);

/// The same for large versions, in two steps of which the first, the larger, needs no builder. One object for many
/// blocks. Not thread-safe.
class EncodedBlock {
 public:
  explicit EncodedBlock(NameView apex) : part_(apex) {}

  /// Reads a block, whose content is to stay until add_to(). Errc::corrupt as decode_block(); throws std::bad_alloc.
  Result<void> read(ByteView content);
  /// Adds what was read to the builder. Blocks are to be added in their order.
  Result<void> add_to(ZoneBuilder& builder) const;

 private:
  /// The first and the last name of a block may go on in its neighbours: only the builder sees all their records.
  struct Edge {
    Name owner;
    std::vector<StagedRecord> records;
  };
  static Result<void> add_edge(ZoneBuilder& builder, const Edge& edge);

  ZonePart part_;
  std::array<Edge, 2> edges_;
  std::vector<StagedRecord> records_;  // of one name
};

}  // namespace understudy
