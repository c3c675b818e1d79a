// Encodes one name as the block that a version holds of it (zone/layout.h). Position independent: the block may be
// written anywhere. One object for many names, not thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "zone/chunk_encoder.h"
#include "zone/layout.h"

namespace understudy {

class BlockEncoder {
 public:
  /// `apex` as the version spells it; it must outlive the encoder.
  explicit BlockEncoder(NameView apex) : apex_(apex) {}

  /// Takes the records of `owner`, whose RDATA lies in one buffer in order of arrival, and orders them; duplicates are
  /// dropped. Returns the octets that write() may take at the most. Errc::record_limit for over 65535 types. Records
  /// and owner are to stay until write().
  Result<std::size_t> prepare(NameView owner, std::vector<StagedRecord>& records);
  /// The name servers of what was prepared, if it is a zone cut whose set others may have too: unsigned, and no server
  /// shares a label with the cut that the apex has not. Empty otherwise.
  [[nodiscard]] std::span<const StagedRecord> sharable_set() const;
  /// Those as the chunk of a shared set, which is valid until the next call; null if they do not make one.
  const Chunk* encode_set(std::span<const StagedRecord> records);
  /// Writes the block of the name with so many names directly below it; returns its octets. With `set`, the block links
  /// to that instead of holding its name servers itself.
  std::size_t write(std::uint8_t* out, std::uint32_t children, const Chunk* set = nullptr);

  // About what was prepared.
  [[nodiscard]] std::uint64_t record_count() const { return record_count_; }
  [[nodiscard]] std::uint64_t duplicates() const { return duplicates_; }
  /// Flags of the name without children; see Node::Flag.
  [[nodiscard]] unsigned flags() const { return flags_; }

 private:
  struct Group {
    RRType type;
    std::span<const StagedRecord> data, signatures;
  };
  void group(std::vector<StagedRecord>& records);
  [[nodiscard]] unsigned flags_of(NameView name) const;
  [[nodiscard]] NameView as_stored(NameView spelled);

  NameView apex_, name_;
  std::array<std::uint8_t, max_name_size> scratch_;
  std::vector<std::uint64_t> set_;  // the last of encode_set()
  std::vector<Group> groups_;
  std::size_t most_ = 0;
  std::uint64_t record_count_ = 0, duplicates_ = 0;
  unsigned flags_ = 0;
};

/// Octets of the block of an empty non-terminal, and of the room that a count of many children takes.
std::size_t empty_block_size(std::size_t relative_name_size, std::uint32_t children);
/// Writes the block of a name without records; returns its octets.
std::size_t write_empty_block(std::uint8_t* out, ByteView relative_name, std::uint32_t children);

/// What a block is copied with, changed.
struct BlockChange {
  std::uint32_t children = 0;
  unsigned flags = 0;  // in place of the block's
};
/// Octets of the copy.
std::size_t copied_block_size(const Node& from, std::uint32_t children);
/// Copies the block with another number of children and other flags; returns its octets.
std::size_t copy_block(std::uint8_t* out, const Node& from, BlockChange change);

}  // namespace understudy
