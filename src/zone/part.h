// Names of a version that are encoded aside, for a ZoneBuilder to take all at once: by other threads than the
// builder's, and for less than they cost one by one, as the builder looks for all of them in its table together.
//
// Only for names that come with all their records. Not thread-safe.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "dns/name.h"
#include "zone/block_encoder.h"
#include "zone/chunk_encoder.h"

namespace understudy {

class ZonePart {
 public:
  explicit ZonePart(NameView apex);
  ZonePart(const ZonePart&) = delete;
  ZonePart& operator=(const ZonePart&) = delete;

  /// Takes all records of a name, which is at or below the apex as the version spells it; their RDATA lies in one
  /// buffer in order of arrival, and is needed no longer afterwards. `records` is put in another order. What is odd
  /// about the name is not noted: for what was accepted before. Errc::record_limit as for ZoneBuilder; throws
  /// std::bad_alloc. Nothing can be done with the part after either, but clear().
  Result<void> add_name(NameView owner, std::vector<StagedRecord>& records);
  /// Without names again; the memory stays for those that come.
  void clear();

  [[nodiscard]] NameView apex() const { return apex_; }
  struct Place {
    std::uint64_t hash;
    std::uint32_t ref;  // of the name's block in octets(), in units of 8
  };
  /// Their blocks, one behind the other, and where each begins, in order.
  [[nodiscard]] ByteView octets() const { return ByteView(octets_).first(end_); }
  [[nodiscard]] std::span<const Place> places() const { return places_; }

  /// Of a delegation whose name servers others may have too (BlockEncoder::sharable_set()).
  struct Sharable {
    std::uint32_t place;  // of the name, in places()
    std::uint32_t set;    // its chunk in set_octets(), in units of 8
    std::uint32_t block;  // the block that links to that, the same
    std::uint64_t mark;   // RepeatedSets::mark_of()
  };
  /// In order of their places.
  [[nodiscard]] std::span<const Sharable> sharable() const { return sharable_; }
  [[nodiscard]] ByteView set_octets() const { return ByteView(set_octets_).first(set_end_); }
  [[nodiscard]] std::uint64_t record_count() const { return record_count_; }
  [[nodiscard]] std::uint64_t duplicates() const { return duplicates_; }

 private:
  void add_linked(std::span<const StagedRecord> servers);

  const Name apex_;
  const std::uint64_t apex_hash_;
  BlockEncoder encoder_{apex_};
  Bytes octets_;  // as large as it ever was
  std::size_t end_ = 0;
  std::vector<Place> places_;
  Bytes set_octets_;  // as large as they ever were
  std::size_t set_end_ = 0;
  std::vector<Sharable> sharable_;
  std::uint64_t record_count_ = 0, duplicates_ = 0;
};

}  // namespace understudy
