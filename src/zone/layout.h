// How a zone version lies in memory (doc/zone-layout.md). All blocks are position independent and 8-octet aligned.
//
//   node block:  Node | DirectoryEntry[rrset_count] | owner relative to the apex | chunk | chunk | ... | children (u32)
//   chunk:       Chunk | records in wire form | RRSIG records in wire form | patches (u16[]) | targets (u16[])
//   link:        eight octets in the place of a chunk, which lies elsewhere in the same memory: a name-server set that
//                many delegations have (zone/name_server_sets.h). It is encoded against the apex, not the owner.
//   shared set:  Node (flags: Node::shared_set) | chunk
//
// The records of a chunk are answer bytes: owner 0xC00C, names of RFC 1035 types compressed against the owner (as if
// it were the question, at offset 12) or against earlier names of the same chunk (as if the chunk were the first
// thing behind that question). A patch is the place of such a pointer; a target the place of an in-zone name whose
// addresses belong into the additional section. A reader that knows only the header may copy, nothing more.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <utility>

#include "base/bytes.h"
#include "dns/name.h"
#include "dns/type.h"

namespace understudy {

constexpr std::size_t round_up8(std::size_t n) {
  return (n + 7) & ~std::size_t{7};
}

/// Octets from the heap (small) or mapped pages (large). Move-only.
class ZoneMemory {
 public:
  ZoneMemory() = default;
  ~ZoneMemory() { reset(); }
  ZoneMemory(ZoneMemory&& other) noexcept { *this = std::move(other); }
  ZoneMemory& operator=(ZoneMemory&& other) noexcept;

  /// At least `size` octets, zeroed, aligned to 64; throws std::bad_alloc.
  static ZoneMemory allocate(std::size_t size);
  /// Makes room for `capacity` octets, keeping the content. Mapped memory does not move until it is over its
  /// reservation.
  void grow(std::size_t capacity);
  /// Makes room for `needed` octets and, where it is to be had, for twice as much as now, but not over `most`.
  void extend(std::size_t needed, std::size_t most = ~std::size_t{0});
  /// The octets from `from` to `until` are zero again; pages that lie in between go back to the system.
  void discard(std::size_t from, std::size_t until);
  /// Whole pages between `from` and `until`, whose content does not matter, go back to the system.
  void give_back(std::size_t from, std::size_t until);
  /// Gives back what lies behind `size`; of mapped memory, address space up to `keep` stays reserved.
  void shrink(std::size_t size, std::size_t keep = 0);
  void reset();
  struct Free {
    void operator()(std::uint8_t* octets) const { std::free(octets); }
  };
  using HeapOctets = std::unique_ptr<std::uint8_t[], Free>;
  /// Hands over what is not mapped, to be kept in as little memory as can be.
  HeapOctets release_heap();

  [[nodiscard]] std::uint8_t* data() const { return data_; }
  [[nodiscard]] std::size_t capacity() const { return capacity_; }
  /// Octets that may be used without moving: of mapped memory, all that is reserved.
  [[nodiscard]] std::size_t room() const { return mapped_ != 0 ? mapped_ : capacity_; }
  [[nodiscard]] bool is_mapped() const { return mapped_ != 0; }

 private:
  std::uint8_t* data_ = nullptr;
  std::size_t capacity_ = 0;  // usable octets
  std::size_t mapped_ = 0;    // octets of address space if mapped, else 0
};

struct Chunk {
  static constexpr std::uint16_t extended = 0xffff;
  static constexpr std::uint16_t link = 0xfffe;

  std::uint16_t record_octets_;  // `extended`: the real sizes are in Extended behind this header; `link`: see is_link()
  std::uint16_t signature_octets_;
  std::uint8_t record_count_;
  std::uint8_t signature_count_;
  std::uint8_t patch_count_;
  std::uint8_t target_count_;

  /// For RRsets that no message can hold whole or with over 255 records; never compressed, no patches or targets.
  struct Extended {
    std::uint32_t record_octets, signature_octets, record_count, signature_count;
  };

  /// These eight octets stand for a chunk elsewhere, whose distance in octets is in the last six: a whole run of memory
  /// may move, a single block must be linked again (Node::link_again()).
  [[nodiscard]] bool is_link() const { return record_octets_ == link; }
  [[nodiscard]] const Chunk* linked() const {
    std::uint32_t lower;
    std::memcpy(&lower, &record_count_, sizeof lower);
    const std::int64_t distance =
        std::int64_t{static_cast<std::int16_t>(signature_octets_)} * (std::int64_t{1} << 32) + lower;
    return reinterpret_cast<const Chunk*>(reinterpret_cast<const std::uint8_t*>(this) + distance);
  }
  void link_to(const Chunk* target) {
    const std::int64_t distance =
        reinterpret_cast<const std::uint8_t*>(target) - reinterpret_cast<const std::uint8_t*>(this);
    const auto lower = static_cast<std::uint32_t>(distance);
    record_octets_ = link;
    signature_octets_ = static_cast<std::uint16_t>(distance >> 32);
    std::memcpy(&record_count_, &lower, sizeof lower);
  }

  [[nodiscard]] bool is_extended() const { return record_octets_ == extended; }
  [[nodiscard]] const Extended& ext() const { return *reinterpret_cast<const Extended*>(this + 1); }
  [[nodiscard]] std::size_t record_octets() const { return is_extended() ? ext().record_octets : record_octets_; }
  [[nodiscard]] std::size_t signature_octets() const {
    return is_extended() ? ext().signature_octets : signature_octets_;
  }
  [[nodiscard]] std::size_t record_count() const { return is_extended() ? ext().record_count : record_count_; }
  [[nodiscard]] std::size_t signature_count() const { return is_extended() ? ext().signature_count : signature_count_; }
  [[nodiscard]] const std::uint8_t* records() const {
    return reinterpret_cast<const std::uint8_t*>(this + 1) + (is_extended() ? sizeof(Extended) : 0);
  }
  [[nodiscard]] const std::uint8_t* signatures() const { return records() + record_octets(); }

  /// Bit 15 set: the pointer aims into the chunk; clear: into the question.
  static constexpr std::uint16_t patch_in_chunk = 0x8000;
  [[nodiscard]] std::uint16_t patch(std::size_t i) const { return trailer(i); }
  [[nodiscard]] std::uint16_t target(std::size_t i) const { return trailer(patch_count_ + i); }
  /// Octets of all of it, without what fills it up to a multiple of 8.
  [[nodiscard]] std::size_t size() const {
    const auto* begin = reinterpret_cast<const std::uint8_t*>(this);
    return static_cast<std::size_t>(signatures() - begin) + signature_octets() +
           2 * (std::size_t{patch_count_} + target_count_);
  }

 private:
  [[nodiscard]] std::uint16_t trailer(std::size_t i) const {
    std::uint16_t value;
    std::memcpy(&value, signatures() + signature_octets() + 2 * i, 2);
    return value;
  }
};
static_assert(sizeof(Chunk) == 8);

struct Node {
  enum Flag : std::uint16_t {
    cut = 1,             // has NS and is not the apex
    dname = 2,           // has DNAME
    cname = 4,           // has CNAME
    wildcard_child = 8,  // "*" exists directly below it
    wildcard = 16,       // its first label is "*"
    wide = 32,           // WideEntry directory
    dead = 64,           // replaced while building; not reachable through the table
    nsec3_only = 128,    // holds only NSEC3 and its signatures: not a name of the zone (RFC 5155 section 7.2.8)
  };

  /// All flags at once, which no name can have: not a name but a set that names link to (and `dead`, as it is not
  /// reachable through the table).
  static constexpr unsigned shared_set = 0xff;

  static constexpr std::size_t few_types = 16;  // looked through one by one

  struct Entry {
    std::uint16_t type;
    std::uint16_t offset;  // of the chunk from the node's start, in units of 8 octets
  };
  struct WideEntry {
    std::uint16_t type;
    std::uint16_t unused;
    std::uint32_t offset;
  };

  static constexpr std::uint32_t many_children = 255;  // and more: the exact number is in the block's last four octets

  std::uint32_t size_and_name;  // block size in units of 8 octets << 8 | octets of the relative owner name
  std::uint16_t flags;          // names directly below (at the most many_children) << 8 | Flag
  std::uint16_t rrset_count;

  [[nodiscard]] std::size_t block_size() const { return std::size_t{size_and_name >> 8} * 8; }
  [[nodiscard]] std::size_t name_size() const { return size_and_name & 0xff; }
  [[nodiscard]] bool has(unsigned flag) const { return (flags & flag) != 0; }
  /// Names directly below this one; not counted for the apex, which exists without.
  [[nodiscard]] std::uint32_t children() const {
    std::uint32_t count = flags >> 8U;
    if (count == many_children) std::memcpy(&count, bytes() + block_size() - sizeof count, sizeof count);
    return count;
  }
  [[nodiscard]] unsigned flags_only() const { return flags & 0xffU; }
  void set_flags(unsigned of, std::uint32_t children) {
    flags = static_cast<std::uint16_t>((children < many_children ? children : many_children) << 8 | of);
  }
  [[nodiscard]] std::size_t directory_size() const {
    return rrset_count * (has(wide) ? sizeof(WideEntry) : sizeof(Entry));
  }
  [[nodiscard]] const std::uint8_t* bytes() const { return reinterpret_cast<const std::uint8_t*>(this); }
  /// Labels of the owner without the apex's; empty for the apex.
  [[nodiscard]] ByteView relative_name() const { return {bytes() + sizeof(Node) + directory_size(), name_size()}; }
  [[nodiscard]] RRType type_at(std::size_t i) const {
    return static_cast<RRType>(has(wide) ? wide_entries()[i].type : entries()[i].type);
  }
  /// A link is followed.
  [[nodiscard]] const Chunk* chunk_at(std::size_t i) const {
    const Chunk* stored = stored_chunk_at(i);
    return stored->is_link() ? stored->linked() : stored;
  }
  /// The chunk of `type`, also if it holds only signatures; null if there is none. Types are in ascending order.
  [[nodiscard]] const Chunk* chunk(RRType type) const {
    const Chunk* stored = stored_chunk(type);
    return stored != nullptr && stored->is_link() ? stored->linked() : stored;
  }
  /// The chunk of `type` if it has at least one record. A set that is linked to is not read: it always has.
  [[nodiscard]] const Chunk* rrset_chunk(RRType type) const {
    const Chunk* stored = stored_chunk(type);
    if (stored == nullptr) return nullptr;
    if (stored->is_link()) return stored->linked();
    return stored->record_count() != 0 ? stored : nullptr;
  }
  /// Whether a chunk of this name is its own, encoded against its owner; else it is a shared set, encoded against the
  /// apex.
  [[nodiscard]] bool owns(const Chunk* chunk) const {
    return reinterpret_cast<std::uintptr_t>(chunk) - reinterpret_cast<std::uintptr_t>(this) < block_size();
  }

  // Links: only zone cuts have one, for NS.
  [[nodiscard]] bool is_shared_set() const { return flags_only() == shared_set; }
  /// The set that the block links to; null if it has its own, or is a block of a set itself.
  [[nodiscard]] const Chunk* linked_set() const {
    const Chunk* stored = link_chunk();
    return stored == nullptr ? nullptr : stored->linked();
  }
  /// Of a block that has one.
  void link_again(const Chunk* set) { const_cast<Chunk*>(link_chunk())->link_to(set); }

 private:
  [[nodiscard]] const Chunk* stored_chunk_at(std::size_t i) const {
    const std::size_t units = has(wide) ? wide_entries()[i].offset : entries()[i].offset;
    return reinterpret_cast<const Chunk*>(bytes() + units * 8);
  }
  [[nodiscard]] const Chunk* stored_chunk(RRType type) const {
    std::size_t first = 0;
    std::size_t last = rrset_count;
    while (last - first > few_types) {  // a name may have 65535 types
      const std::size_t middle = (first + last) / 2;
      (number(type_at(middle)) <= number(type) ? first : last) = middle;
    }
    for (; first < last; ++first) {
      if (type_at(first) == type) return stored_chunk_at(first);
    }
    return nullptr;
  }
  [[nodiscard]] const Chunk* link_chunk() const {
    const Chunk* stored = has(cut) && !is_shared_set() ? stored_chunk(RRType::NS) : nullptr;
    return stored != nullptr && stored->is_link() ? stored : nullptr;
  }
  [[nodiscard]] const Entry* entries() const { return reinterpret_cast<const Entry*>(bytes() + sizeof(Node)); }
  [[nodiscard]] const WideEntry* wide_entries() const {
    return reinterpret_cast<const WideEntry*>(bytes() + sizeof(Node));
  }
};
static_assert(sizeof(Node) == 8);

/// Up to twelve names whose hashes fall here; the thirteenth goes to the next bucket and marks `overflow`.
struct alignas(64) NodeBucket {
  static constexpr std::size_t slots = 12;
  std::uint32_t refs[slots];  // offset of the node in units of 8 octets
  std::uint8_t tags[slots];   // low 8 bits of the hash
  std::uint8_t count;
  std::uint8_t overflow;  // a name that belongs here was put into a later bucket
  std::uint8_t unused[2];
};
static_assert(sizeof(NodeBucket) == 64);

/// A version's table: buckets in pages of 64, the last of them shorter, found through a list of references to pages.
constexpr unsigned buckets_in_page_log2 = 6;
constexpr std::uint32_t buckets_in_page = 1U << buckets_in_page_log2;
constexpr std::uint32_t table_pages(std::uint32_t bucket_count) {
  return (bucket_count + buckets_in_page - 1) >> buckets_in_page_log2;
}
/// Octets of page `page`.
constexpr std::size_t table_page_size(std::uint32_t bucket_count, std::uint32_t page) {
  return std::min(buckets_in_page, bucket_count - (page << buckets_in_page_log2)) * sizeof(NodeBucket);
}

inline std::uint32_t bucket_index(std::uint64_t hash, std::uint32_t bucket_count) {
  return static_cast<std::uint32_t>((hash >> 32) * bucket_count >> 32);
}
inline std::uint8_t bucket_tag(std::uint64_t hash) {
  return static_cast<std::uint8_t>(hash);
}

/// Where names lie in the RDATA of types whose names may be compressed (RFC 1035): `names` of them behind `prefix`
/// octets. names == 0: never compressed.
struct CompressedLayout {
  std::uint8_t prefix, names;
};
constexpr CompressedLayout compressed_layout(RRType type) {
  switch (number(type)) {
    case 2:
    case 3:
    case 4:
    case 5:
    case 7:
    case 8:
    case 9:
    case 12:
      return {0, 1};  // NS MD MF CNAME MB MG MR PTR
    case 6:
    case 14:
      return {0, 2};  // SOA MINFO
    case 15:
      return {2, 1};  // MX
    default:
      return {0, 0};
  }
}

inline constexpr std::size_t header_octets = 12;  // of a message, in front of the question

/// Octets from the start of a message to the first record of its answer section, for a question of this size.
constexpr std::size_t answer_offset(std::size_t qname_size) {
  return 12 + qname_size + 4;
}

/// Appends the name at `offset` of a chunk's records, decompressed, to `out` (room for 255 octets); returns its size.
/// `after` gets the offset behind the name. `owner` is the node's absolute owner.
std::size_t expand_chunk_name(const std::uint8_t* records, std::size_t offset, NameView owner, std::uint8_t* out,
                              std::size_t* after);

}  // namespace understudy
