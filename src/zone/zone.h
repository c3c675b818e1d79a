// One immutable version of a zone, laid out for answering (doc/zone-layout.md).
//
// A version is made by ZoneBuilder and never changes afterwards; readers use it without locks for as long as they hold
// it (a shared_ptr, or a raw pointer between two quiescent states). Per owner name there is one block: node header,
// directory of types, owner name relative to the apex, then one chunk per RRset whose bytes are copied into answers.
// Blocks are found through a hash table of 64-byte buckets. Versions that came about by changes (zone/apply.h) share
// blocks and pages of the table with those before them. Every name that exists has a node, empty non-terminals
// included. What the builder's input had is what is there: nothing is invented, RDATA keeps its octets.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "base/bytes.h"
#include "dns/name.h"
#include "dns/nsec3.h"
#include "dns/serial.h"
#include "dns/type.h"
#include "zone/arena.h"
#include "zone/hash.h"
#include "zone/layout.h"
#include "zone/owner_tree.h"

namespace understudy {

/// The absolute owner name of a node of the zone at `apex`.
Name node_owner(const Node* node, NameView apex);

/// The hash by which it is found, HashedName::hashes[0] of its owner; `apex_hash` is the apex's.
std::uint64_t node_hash(const Node* node, std::uint64_t apex_hash);

/// One RRset of a zone version with the signatures that cover it. Refers into the zone.
class RRsetView {
 public:
  RRsetView(const Node* node, RRType type, const Chunk* chunk, NameView apex)
      : node_(node), type_(type), chunk_(chunk), apex_(apex) {}

  [[nodiscard]] RRType type() const { return type_; }
  [[nodiscard]] std::uint32_t ttl() const;
  /// Records without the signatures; 0 if only signatures are there.
  [[nodiscard]] std::size_t size() const { return chunk_->record_count(); }
  [[nodiscard]] std::size_t signature_count() const { return chunk_->signature_count(); }
  [[nodiscard]] const Chunk* chunk() const { return chunk_; }
  /// What names in the chunk are compressed against: the owner, which the caller has, or the apex where the chunk is a
  /// shared set.
  [[nodiscard]] NameView encoded_against(NameView owner) const { return node_->owns(chunk_) ? owner : apex_; }
  /// Calls f(ByteView rdata) with each record's uncompressed RDATA, in the order received. The bytes are valid during
  /// the call.
  template <typename F>
  void for_each_rdata(F&& f) const;
  /// Calls f(std::uint32_t ttl, ByteView rdata) for each RRSIG that covers this RRset.
  template <typename F>
  void for_each_signature(F&& f) const;

 private:
  const Node* node_;
  RRType type_;
  const Chunk* chunk_;
  NameView apex_;
};

class Zone : public std::enable_shared_from_this<Zone> {
  class Key {};

 public:
  /// For those who make versions, in one piece of memory with what counts the references to it.
  explicit Zone(Key) : id_(next_id()) {}
  ~Zone();
  Zone(const Zone&) = delete;
  Zone& operator=(const Zone&) = delete;

  /// A number that no other version of this or any zone has had in this process; never 0.
  [[nodiscard]] std::uint64_t id() const { return id_; }
  [[nodiscard]] NameView apex() const { return NameView::trusted({base_, apex_size_}); }
  [[nodiscard]] Serial serial() const { return {soa_.serial}; }
  struct Soa {
    std::uint32_t ttl, serial, refresh, retry, expire, minimum;
  };
  [[nodiscard]] const Soa& soa() const { return soa_; }
  /// Records, RRSIGs included, each once.
  [[nodiscard]] std::uint64_t record_count() const { return record_count_; }
  /// Owner names, empty non-terminals included.
  [[nodiscard]] std::uint64_t node_count() const { return node_count_; }
  /// Octets of memory this version holds; memory that it shares with other versions is counted whole.
  [[nodiscard]] std::uint64_t memory_size() const;

  // Lookup. `name` must be at or below the apex; `label` counts its labels from the left.
  /// The node of the suffix of `name` that begins at `label`, or null. Empty non-terminals are found.
  [[nodiscard]] const Node* find(const HashedName& name, std::size_t label = 0) const;
  /// The node of a name whose hash is known, or null.
  [[nodiscard]] const Node* find(NameView name, std::uint64_t hash) const;
  /// The node of "*" directly below the suffix of `name` that begins at `label`, or null.
  [[nodiscard]] const Node* find_wildcard(const HashedName& name, std::size_t label) const;
  /// The node of the same name as that of another version; `hash` is its node_hash().
  [[nodiscard]] const Node* find_like(const Node& other, std::uint64_t hash) const {
    if (other.name_size() == 0) return apex_node_;
    return find_relative(hash, other.relative_name().data(), other.name_size());
  }
  [[nodiscard]] const Node* apex_node() const { return apex_node_; }
  /// Asks the processor for what find() will read first.
  void prefetch(std::uint64_t hash) const;
  /// Asks for the block of the first candidate of `hash`.
  void prefetch_node(std::uint64_t hash) const;
  [[nodiscard]] std::size_t apex_labels() const { return apex_labels_; }
  /// Names may be found `depth` labels below the apex; all that are most_depth or deeper are taken together.
  [[nodiscard]] bool has_depth(std::size_t depth) const { return (depths_ >> std::min(depth, most_depth) & 1) != 0; }
  static constexpr std::size_t most_depth = 63;
  /// Bit d: a name d labels below the apex (the last bit: that many or more) is a zone cut; has a DNAME. Bits may be
  /// set for what was there once.
  [[nodiscard]] std::uint64_t cut_depths() const { return cut_depths_; }
  [[nodiscard]] std::uint64_t dname_depths() const { return dname_depths_; }
  /// SOA record and its signatures with the TTL of negative answers (RFC 2308 section 3).
  [[nodiscard]] const Chunk* negative_soa() const { return negative_soa_; }
  /// How the zone denies names: not at all, if neither its apex nor an NSEC3PARAM record begins a chain. With both, as
  /// while it goes over from one to the other, the NSEC3 chain counts (RFC 5155 section 10.4).
  enum class Denial : std::uint8_t { none, nsec, nsec3 };
  [[nodiscard]] Denial denial() const { return denial_; }
  /// The names that own NSEC records, or NSEC3 records of the chain in use.
  [[nodiscard]] OwnerTree nsec_names() const { return {base_, nsec_root_}; }
  [[nodiscard]] OwnerTree nsec3_names() const { return {base_, nsec3_root_}; }
  /// Of the NSEC3 chain in use.
  [[nodiscard]] const Nsec3Params& nsec3_params() const { return nsec3_; }
  [[nodiscard]] Name owner_of(const Node* node) const { return node_owner(node, apex()); }
  [[nodiscard]] std::optional<RRsetView> rrset(const Node* node, RRType type) const;

  // The table, for who goes through all names.
  [[nodiscard]] std::uint32_t bucket_count() const { return bucket_count_; }
  [[nodiscard]] const NodeBucket& bucket(std::uint32_t index) const {
    const std::size_t page = pages_[index >> buckets_in_page_log2];
    return reinterpret_cast<const NodeBucket*>(base_ + page * 8)[index & (buckets_in_page - 1)];
  }
  [[nodiscard]] const Node* node_at(std::uint32_t ref) const {
    return reinterpret_cast<const Node*>(base_ + std::size_t{ref} * 8);
  }
  [[nodiscard]] std::uint32_t ref_of(const void* at) const {
    return static_cast<std::uint32_t>((static_cast<const std::uint8_t*>(at) - base_) / 8);
  }
  [[nodiscard]] std::span<const std::uint32_t> pages() const { return {pages_, table_pages(bucket_count_)}; }
  /// The version's place among those that it shares memory with; null if it has its memory for itself.
  [[nodiscard]] ArenaVersion* shared() const { return shared_.get(); }
  /// Calls f(const Node&) for every name, in the table's order, but not for those on pages that `other` (may be null)
  /// has as well.
  template <typename F>
  void for_each_node(const Zone* other, F&& f) const;

 private:
  friend class ZoneBuilder;
  friend class ZoneCursor;
  friend class VersionWriter;
  static std::shared_ptr<Zone> make() { return std::make_shared<Zone>(Key()); }
  static std::uint64_t next_id();
  void note_depth(const Node& node);
  void note_denial(std::optional<std::size_t> chain);
  [[nodiscard]] const Node* find_relative(std::uint64_t hash, const std::uint8_t* wanted, std::size_t size) const;

  // There may be millions of small versions: nothing is kept here that can be found out from the rest.
  // What a lookup reads first.
  const std::uint8_t* base_ = nullptr;    // what references count from; the apex is there
  const std::uint32_t* pages_ = nullptr;  // references to the table's pages
  std::uint32_t bucket_count_ = 0;
  std::uint8_t apex_labels_ = 0, apex_size_ = 0;
  Denial denial_ = Denial::none;
  const Node* apex_node_ = nullptr;
  std::uint64_t depths_ = 0, cut_depths_ = 0, dname_depths_ = 0;
  const Chunk* negative_soa_ = nullptr;
  const std::uint64_t id_;
  Soa soa_{};
  std::uint32_t nsec_root_ = 0, nsec3_root_ = 0;
  Nsec3Params nsec3_;  // refers to the apex's node
  // 32 GiB hold fewer than 2^32 of either.
  std::uint32_t record_count_ = 0;
  std::uint32_t node_count_ = 0;
  std::uint32_t only_page_ = 0;           // the list, if no other is needed
  std::uint32_t end_of_blocks_ = 0;       // one behind the other, behind the apex; 0 if they are not
  ZoneMemory::HeapOctets own_;            // a small version's memory: nobody shares it
  std::unique_ptr<ArenaVersion> shared_;  // a large one's
};

/// Walks all RRsets of a version: the apex first, its SOA first, then the names in the order they were received (in
/// the table's order if the version came about by changes). Keeps the version alive.
class ZoneCursor {
 public:
  explicit ZoneCursor(std::shared_ptr<const Zone> zone);
  /// Moves to the next (or first) RRset; false at the end. RRsets that have only signatures are included.
  bool next();
  [[nodiscard]] const Name& owner() const { return owner_; }
  [[nodiscard]] const Node* node() const { return node_; }
  [[nodiscard]] RRsetView rrset() const;
  [[nodiscard]] const Zone& zone() const { return *zone_; }

 private:
  bool next_node();
  const Node* next_block();
  const Node* next_in_table();
  void ask_for(std::uint64_t bucket) const;

  std::shared_ptr<const Zone> zone_;
  const Node* node_ = nullptr;
  Name owner_;
  std::uint64_t at_ = 0;   // the next block, or the next bucket
  std::size_t slot_ = 0;   // the next in that bucket
  std::size_t index_ = 0;  // next directory entry
  bool started_ = false;
};

}  // namespace understudy

#include "zone/find_inline.h"
#include "zone/rrset_inline.h"
