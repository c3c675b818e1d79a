// The records of the names that deltas touch, from the version that they start at to what they lead to.
//
// Strict (zone/apply.h): every record that goes must be there, none that comes may be. An RRset has one TTL, the lowest
// of its records (RFC 2181 section 5.2). So that it is the one that the whole zone would lead to, what comes beside
// records that stay must have theirs, and where they had several (zone/mixed_ttls.h) nothing may come or go but all of
// them. Of several CNAMEs or DNAMEs at a name the first counts, and a delta knows no order: they do not fit either, if
// any come, or some of more than two go. What TTL a record that goes is named with does not matter. Cost follows the
// deltas and the records of the names that they touch. The version and the set belong together; not thread-safe. Throws
// std::bad_alloc.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "zone/chunk_encoder.h"
#include "zone/delta.h"
#include "zone/zone.h"

namespace understudy {

class WorkingSet {
 public:
  /// of_any_time: TTLs that differ and aliases beside others are taken as once they were, the lowest TTL, the first
  /// alias. For what is stored.
  enum class Rules { of_today, of_any_time };
  explicit WorkingSet(const Zone& base, Rules rules = Rules::of_today) : base_(base), rules_(rules) {}

  /// Errc::bad_delta says which record does not fit; record_limit if a name gets over 64 MiB of data. Nothing can be
  /// done with the set after an error.
  Result<void> apply(const ZoneDelta& delta);

  /// Names touched so far, in order of their first appearance.
  [[nodiscard]] std::size_t size() const { return touched_.size(); }
  /// The name as a new version spells it: as before while any of its records is from then.
  [[nodiscard]] Name owner(std::size_t i) const;
  [[nodiscard]] std::uint64_t hash(std::size_t i) const { return touched_[i].hash; }
  /// The base's node, null if there is none.
  [[nodiscard]] const Node* before(std::size_t i) const { return touched_[i].before; }
  [[nodiscard]] std::size_t record_count(std::size_t i) const { return touched_[i].live; }
  /// Its records: those that stayed, then those that came, in their order. Valid until the next apply().
  void records(std::size_t i, std::vector<StagedRecord>& out) const;

 private:
  struct Entry {
    std::uint64_t offset;   // of the RDATA in octets_
    std::uint32_t ttl;      // of signatures; other records have their RRset's
    std::uint32_t spelled;  // the owner as the record came with it, in names_; as_before: it is the base's
    std::uint16_t type;
    std::uint16_t size;
    bool live;
  };
  struct RRset {
    std::uint32_t ttl = 0;
    std::uint32_t live = 0;
    std::uint64_t came_anew = 0;  // with this delta: no older record stayed
    bool mixed = false;           // the records that came together had several TTLs
  };
  struct Touched {
    std::uint64_t hash;
    const Node* before;
    std::uint32_t name;     // in names_
    std::uint32_t spelled;  // in names_, as it came last
    std::vector<Entry> entries;
    std::map<std::uint16_t, RRset> rrsets;  // by type, not of signatures
    // By hash of type and RDATA: places in entries. Only if they are many.
    std::unique_ptr<std::unordered_multimap<std::uint64_t, std::uint32_t>> index;
    std::size_t live = 0;
    std::uint64_t live_octets = 0;
    bool has_mixed = false;  // some RRset is, or was
  };

  Result<Touched*> touch(NameView owner);
  std::uint32_t keep_name(NameView name);
  [[nodiscard]] NameView name_at(std::uint32_t place) const;
  void load(Touched& to);
  void append(Touched& to, RRType type, std::uint32_t ttl, std::uint32_t spelled, ByteView rdata);
  Result<void> note_ttl(Touched& touched, const DeltaRecord& record) const;
  [[nodiscard]] Entry* find(Touched& in, RRType type, ByteView rdata);
  void build_index(Touched& of);
  Result<void> remove(const DeltaRecord& record);
  Result<void> add(const DeltaRecord& record);
  Result<void> check_left(const DeltaRecord& record);
  [[nodiscard]] ByteView rdata(const Entry& entry) const { return ByteView(octets_).subspan(entry.offset, entry.size); }

  const Zone& base_;
  const Rules rules_;
  std::vector<Touched> touched_;
  std::unordered_multimap<std::uint64_t, std::uint32_t> by_hash_;  // places in touched_
  std::uint64_t delta_ = 0;                                        // the present one's number
  bool doubtful_ = false;                                          // in it, records went from where nothing may be left
  std::size_t last_ = 0;                                           // touched last: records of a name come together
  Bytes octets_;                                                   // RDATA, in order of arrival
  Bytes names_;                                                    // size octet, name
};

}  // namespace understudy
