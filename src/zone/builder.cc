#include "zone/builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <span>
#include <unordered_map>
#include <utility>

#include "base/out_of_memory.h"
#include "dns/rdata.h"
#include "zone/apex.h"
#include "zone/block_encoder.h"
#include "zone/denial.h"
#include "zone/fragments.h"
#include "zone/mixed_ttls.h"
#include "zone/name_server_sets.h"
#include "zone/node_index.h"
#include "zone/oddities.h"
#include "zone/part.h"
#include "zone/staging.h"

namespace understudy {
namespace {

constexpr std::size_t least_share = std::size_t{4} << 20;
constexpr std::size_t least_room_for_changes = std::size_t{16} << 20;  // address space behind a large version
constexpr std::uint32_t set_header = sizeof(Node) / 8;                 // in front of the chunk of a shared set
constexpr std::size_t most_blocks_octets = (std::size_t{32} << 30) - (std::size_t{256} << 20);

}  // namespace

struct ZoneBuilder::State {
  State(NameView zone, BuilderHints hints);

  Result<AddOutcome> add(NameView name, RRType type, std::uint32_t ttl, ByteView rdata);
  Result<std::shared_ptr<const Zone>> finish();
  Result<void> flush();
  Result<void> add_part(const ZonePart& part);
  Result<void> copy_names(const ZonePart& part, std::size_t first, std::size_t last);
  Result<void> add_linked(const ZonePart& part, const ZonePart::Sharable& sharable);
  void add_encoded(std::uint64_t hash, std::uint32_t ref);
  Result<std::uint32_t> encode(NameView name);
  Result<std::uint32_t> shared_set();
  Result<std::uint32_t> place_of(const Chunk& set);
  std::uint32_t find(const HashedName& name, std::size_t label) const;
  [[nodiscard]] std::uint32_t find_relative(std::uint64_t hash, ByteView wanted) const;
  [[nodiscard]] std::uint32_t find_owner() const {
    return find_relative(owner_hash, owner.wire().first(owner.size() - apex.size()));
  }
  Result<std::uint32_t> add_empty_node(NameView owner);
  void insert(std::uint64_t hash, std::uint32_t ref);
  [[nodiscard]] std::uint64_t hash_of(const Node* of) const { return node_hash(of, apex_hash); }
  void rebuild_index(std::uint64_t names, std::size_t until);
  Result<void> merge_fragments();
  [[nodiscard]] std::size_t share_of_live(std::size_t part) const;
  void stage(std::uint32_t ref, Staging& all) const;
  Result<void> replace(std::uint32_t ref, const Staging& all);
  Result<bool> prepare(std::size_t names);
  Result<void> add_parents_of(std::uint32_t ref, HashedName& name);
  void count_child(std::uint32_t parent, bool is_wildcard);
  Result<void> write_many_children();
  void compact(std::span<Fragments::Place> waiting);
  Result<std::shared_ptr<Zone>> assemble();
  class Pages;
  struct Trees {
    std::vector<std::uint32_t> nsec, nsec3;
  };
  Trees collect(Zone& zone, const Nsec3Params* chain);
  Result<void> write_trees(Zone& zone, Trees trees);
  struct Table {
    std::uint32_t first_page;
    std::size_t list_at;  // 0: no list
  };
  [[nodiscard]] std::size_t most_table_octets() const;
  Result<Table> append_table(bool shares);
  const std::uint8_t* hand_over(Zone& zone, bool shares);

  [[nodiscard]] Node* node(std::uint32_t ref) const {
    return reinterpret_cast<Node*>(blocks.data() + std::size_t{ref} * 8);
  }
  [[nodiscard]] const Chunk* chunk(std::uint32_t ref) const {
    return reinterpret_cast<const Chunk*>(blocks.data() + std::size_t{ref} * 8);
  }
  [[nodiscard]] std::uint32_t ref_of(const Chunk* chunk) const {
    return static_cast<std::uint32_t>((reinterpret_cast<const std::uint8_t*>(chunk) - blocks.data()) / 8);
  }
  [[nodiscard]] std::uint32_t end_ref() const { return static_cast<std::uint32_t>(end / 8); }
  Result<void> make_room(std::size_t octets);
  template <typename F>
  void for_each_node(std::size_t until, F&& f);

  const Name apex;
  const std::size_t apex_labels;
  const std::uint64_t apex_hash;
  const std::uint64_t most_octets;
  const std::size_t slack;
  ZoneMemory blocks;
  std::size_t first_block;
  std::size_t end;          // octets used of blocks
  std::size_t garbage = 0;  // octets of dead nodes
  NodeIndex index;
  Name owner;  // of what is staged
  std::uint64_t owner_hash = 0;
  std::size_t prepared = 0, prepares_until = 0;  // octets of the blocks whose parents are there; 0: not begun
  bool owner_is_inside = false;
  bool has_owner = false;
  Staging staged;
  std::vector<StagedRecord> records;  // of the name being encoded
  BlockEncoder encoder{apex};
  NameServerSets sets;
  RepeatedSets repeated;
  Fragments fragments;  // of names that were encoded before
  std::uint64_t record_count = 0;
  std::unordered_map<std::uint32_t, std::uint32_t> many_children;  // by place: names directly below, if they are many
  Report report;
};

ZoneBuilder::State::State(NameView zone, BuilderHints hints)
    : apex(zone),
      apex_labels(zone.label_count()),
      apex_hash(HashedName(zone).hashes[0]),
      most_octets(std::min<std::uint64_t>(hints.max_octets, most_blocks_octets)),
      slack(hints.slack),
      first_block(round_up8(zone.size())),
      end(first_block),
      index(hints.nodes),
      repeated(hints.first_sets) {
  blocks = ZoneMemory::allocate(std::max<std::size_t>(std::min(hints.octets, most_octets), 1024));
  std::memcpy(blocks.data(), apex.wire().data(), apex.size());
}

template <typename F>
void ZoneBuilder::State::for_each_node(std::size_t until, F&& f) {
  for (std::size_t at = first_block; at < until;) {
    const auto ref = static_cast<std::uint32_t>(at / 8);
    at += node(ref)->block_size();
    if (!node(ref)->has(Node::dead)) f(ref);
  }
}

Result<void> ZoneBuilder::State::make_room(std::size_t octets) {
  if (end + octets <= blocks.capacity()) return {};
  if (end + octets > most_octets) {
    return fail(Errc::byte_limit, fmt::format("the zone takes over {} octets of memory", most_octets));
  }
  blocks.extend(end + octets, most_octets);
  return {};
}

std::uint32_t ZoneBuilder::State::find(const HashedName& name, std::size_t label) const {
  const std::size_t begin = name.offsets[label];
  return find_relative(name.hashes[label],
                       name.name.wire().subspan(begin, name.offsets[name.labels - apex_labels] - begin));
}

std::uint32_t ZoneBuilder::State::find_relative(std::uint64_t hash, ByteView wanted) const {
  return index.find(hash, [&](std::uint32_t ref) {
    return node(ref)->name_size() == wanted.size() &&
           equal_without_case(node(ref)->relative_name().data(), wanted.data(), wanted.size());
  });
}

void ZoneBuilder::State::insert(std::uint64_t hash, std::uint32_t ref) {
  if (index.is_full()) rebuild_index(index.size() * 2, std::size_t{ref} * 8);
  index.insert(hash, ref);
}

// A table of the right size for `names` with the live nodes that begin before `until`. A few nodes wait between being
// hashed and being inserted, so that their buckets have come by then.
void ZoneBuilder::State::rebuild_index(std::uint64_t names, std::size_t until) {
  struct Waiting {
    std::uint64_t hash;
    std::uint32_t ref;
  };
  std::array<Waiting, 16> waiting;
  std::size_t count = 0;
  index = NodeIndex(0);  // the old one goes first: two at once are not needed
  index = NodeIndex(names);
  for_each_node(until, [&](std::uint32_t ref) {
    Waiting& place = waiting[count++ % waiting.size()];
    if (count > waiting.size()) index.insert(place.hash, place.ref);
    place = {hash_of(node(ref)), ref};
    index.prefetch(place.hash);
  });
  const std::size_t left = std::min(count, waiting.size());
  for (std::size_t i = count - left; i < count; ++i) {
    index.insert(waiting[i % waiting.size()].hash, waiting[i % waiting.size()].ref);
  }
}

Result<void> ZoneBuilder::State::flush() {
  if (staged.items.empty()) return {};
  if (const std::uint32_t known = find_owner(); known != 0) {
    for (const auto& item : staged.items) {
      fragments.add(known, item.type, item.ttl, ByteView(staged.octets).subspan(item.offset, item.size));
    }
    if (fragments.size() > share_of_live(8)) US_TRY(merge_fragments());
  } else {
    staged.records(records);
    US_ASSIGN(const std::uint32_t ref, encode(owner));
    insert(owner_hash, ref);
    note_oddities(report, owner, oddities_of(*node(ref)));
  }
  staged.clear();
  return {};
}

Result<void> ZoneBuilder::State::add_part(const ZonePart& part) {
  if (part.places().empty()) return {};
  US_TRY(flush());  // names stay in their order
  record_count += part.record_count();
  report.duplicates += part.duplicates();
  std::size_t done = 0;
  for (const ZonePart::Sharable& sharable : part.sharable()) {
    if (!repeated.comes_again(sharable.mark)) continue;
    US_TRY(copy_names(part, done, sharable.place));
    US_TRY(add_linked(part, sharable));
    done = sharable.place + std::size_t{1};
  }
  US_TRY(copy_names(part, done, part.places().size()));
  if (fragments.size() > share_of_live(8)) US_TRY(merge_fragments());
  return {};
}

// Those from `first` to before `last`, as they are.
Result<void> ZoneBuilder::State::copy_names(const ZonePart& part, std::size_t first, std::size_t last) {
  if (first == last) return {};
  const std::span<const ZonePart::Place> places = part.places();
  const std::size_t from = std::size_t{places[first].ref} * 8;
  const std::size_t until = last == places.size() ? part.octets().size() : std::size_t{places[last].ref} * 8;
  US_TRY(make_room(until - from));
  const std::uint32_t base = end_ref() - places[first].ref;
  std::memcpy(blocks.data() + end, part.octets().data() + from, until - from);
  end += until - from;
  constexpr std::size_t ahead = 16;  // names whose buckets are asked for
  for (std::size_t i = first; i < std::min(first + ahead, last); ++i) index.prefetch(places[i].hash);
  for (std::size_t i = first; i < last; ++i) {
    if (i + ahead < last) index.prefetch(places[i + ahead].hash);
    add_encoded(places[i].hash, base + places[i].ref);
  }
  return {};
}

// A delegation whose name servers came before.
Result<void> ZoneBuilder::State::add_linked(const ZonePart& part, const ZonePart::Sharable& sharable) {
  const std::uint8_t* encoded = part.set_octets().data();
  US_ASSIGN(const std::uint32_t set,
            place_of(*reinterpret_cast<const Chunk*>(encoded + std::size_t{sharable.set} * 8)));
  const auto* block = reinterpret_cast<const Node*>(encoded + std::size_t{sharable.block} * 8);
  US_TRY(make_room(block->block_size()));
  const std::uint32_t ref = end_ref();
  std::memcpy(node(ref), block, block->block_size());
  node(ref)->link_again(chunk(set));
  end += block->block_size();
  add_encoded(part.places()[sharable.place].hash, ref);
  return {};
}

// Puts the name of a block into the table. If it is there already, its records are to be merged with those before.
void ZoneBuilder::State::add_encoded(std::uint64_t hash, std::uint32_t ref) {
  const std::uint32_t known = find_relative(hash, node(ref)->relative_name());
  if (known == 0) return insert(hash, ref);
  Staging again;
  stage(ref, again);
  for (const auto& item : again.items) {
    fragments.add(known, item.type, item.ttl, ByteView(again.octets).subspan(item.offset, item.size));
  }
  record_count -= again.items.size();
  node(ref)->flags |= Node::dead;
  garbage += node(ref)->block_size();
}

// Writes the block of one name from `records` behind the others and returns its place.
Result<std::uint32_t> ZoneBuilder::State::encode(NameView name) {
  US_ASSIGN(const std::size_t most, encoder.prepare(name, records));
  US_ASSIGN(const std::uint32_t set, shared_set());
  US_TRY(make_room(most));
  record_count += encoder.record_count();
  report.duplicates += encoder.duplicates();
  const std::uint32_t ref = end_ref();
  end += encoder.write(blocks.data() + end, 0, set == 0 ? nullptr : chunk(set));
  return ref;
}

// The place of the set that the prepared name links to, which is written first if there is none yet; 0 if the name
// keeps its name servers itself. Sets lie in front of all blocks that link to them.
Result<std::uint32_t> ZoneBuilder::State::shared_set() {
  const std::span<const StagedRecord> servers = encoder.sharable_set();
  if (servers.empty() || !repeated.comes_again(RepeatedSets::mark_of(servers))) return 0;
  const Chunk* set = encoder.encode_set(servers);
  return set == nullptr ? Result<std::uint32_t>(0) : place_of(*set);
}

// Of a set like this one, which is written if there is none yet.
Result<std::uint32_t> ZoneBuilder::State::place_of(const Chunk& set) {
  if (const Chunk* known = sets.find(blocks.data(), set)) return ref_of(known);
  US_TRY(make_room(set_block_size(set)));
  const std::uint32_t ref = ref_of(write_set_block(blocks.data() + end, set));
  end += set_block_size(set);
  sets.add(blocks.data(), ref);
  return ref;
}

Result<std::uint32_t> ZoneBuilder::State::add_empty_node(NameView name) {
  const std::size_t name_size = name.size() - apex.size();
  US_TRY(make_room(empty_block_size(name_size, 0)));
  const std::uint32_t ref = end_ref();
  end += write_empty_block(blocks.data() + end, name.wire().first(name_size), 0);
  return ref;
}

// What may wait, or lie dead, before it is dealt with: a share of the version, so that neither takes much memory nor is
// the whole version gone through again and again.
std::size_t ZoneBuilder::State::share_of_live(std::size_t part) const {
  return std::max(least_share, (end - garbage) / part);
}

Result<void> ZoneBuilder::State::merge_fragments() {
  if (fragments.empty()) return {};
  std::vector<Fragments::Place> places = fragments.in_order();
  Staging all;
  for (std::size_t i = 0; i < places.size();) {
    const std::uint32_t ref = places[i].node;
    all.clear();
    stage(ref, all);
    record_count -= all.items.size();
    for (; i < places.size() && places[i].node == ref; ++i) {
      const Fragments::Record later = fragments.record(places[i]);
      all.add(later.type, later.ttl, later.rdata);
    }
    US_TRY(replace(ref, all));
    if (garbage > share_of_live(4)) {
      compact(std::span(places).subspan(i));
      rebuild_index(index.room(), end);
    }
  }
  fragments.clear();
  return {};
}

// Adds the records of a block.
void ZoneBuilder::State::stage(std::uint32_t ref, Staging& all) const {
  const Node* old = node(ref);
  for (std::size_t i = 0; i < old->rrset_count; ++i) {
    const RRsetView rrset(old, old->type_at(i), old->chunk_at(i), apex);
    StagedTtls ttls(rrset);
    rrset.for_each_rdata([&](ByteView rdata) { all.add(rrset.type(), ttls.next(), rdata); });
    rrset.for_each_signature([&](std::uint32_t own_ttl, ByteView rdata) { all.add(RRType::RRSIG, own_ttl, rdata); });
  }
}

// Encodes the name of a block anew, with these records, and points the table to the new block.
Result<void> ZoneBuilder::State::replace(std::uint32_t ref, const Staging& all) {
  const Name name = node_owner(node(ref), apex);
  if (all.wire_size() > most_octets_of_a_name)
    return fail(Errc::record_limit, fmt::format("over 64 MiB of data at {}", name.text()));
  all.records(records);
  US_ASSIGN(const std::uint32_t fresh, encode(name));
  // What was odd before has been said.
  note_oddities(report, name, oddities_of(*node(fresh)) & ~oddities_of(*node(ref)));
  node(ref)->flags |= Node::dead;
  garbage += node(ref)->block_size();
  index.replace(HashedName(name).hashes[0], ref, fresh);
  return {};
}

// Every name between a name and the apex exists too (RFC 4592 section 2.2.2, empty non-terminals) and is told how many
// names are directly below it; parents of wildcards learn that they have one. Names added here have all they need
// already.
Result<bool> ZoneBuilder::State::prepare(std::size_t names) {
  if (prepared == 0) {
    US_TRY(flush());
    US_TRY(merge_fragments());
    prepared = first_block;
    prepares_until = end;
  }
  HashedName name;
  for (; prepared < prepares_until && names > 0; --names) {
    const auto ref = static_cast<std::uint32_t>(prepared / 8);
    prepared += node(ref)->block_size();
    if (!node(ref)->has(Node::dead)) US_TRY(add_parents_of(ref, name));
  }
  return prepared == prepares_until;
}

Result<void> ZoneBuilder::State::add_parents_of(std::uint32_t ref, HashedName& name) {
  const ByteView relative = node(ref)->relative_name();
  const bool below_apex = !relative.empty() && relative[0] + 1U == relative.size();
  if (relative.empty() || (below_apex && !node(ref)->has(Node::wildcard))) return {};
  const Name absolute = node_owner(node(ref), apex);
  name.assign(absolute);
  const std::size_t depth = name.labels - apex_labels;
  for (std::size_t label = 1; label <= depth; ++label) {
    std::uint32_t parent = find(name, label);
    const bool existed = parent != 0;
    if (!existed) {
      US_ASSIGN(parent, add_empty_node(name.suffix(label)));
      insert(name.hashes[label], parent);
    }
    count_child(parent, name.suffix(label - 1).is_wildcard());
    if (existed) break;
  }
  return {};
}

void ZoneBuilder::State::count_child(std::uint32_t parent, bool is_wildcard) {
  unsigned flags = node(parent)->flags_only();
  // Also a wildcard that exists only because of what is below it (RFC 4592 section 2.2.2).
  if (is_wildcard) flags |= Node::wildcard_child;
  // What has something below it is a name of the zone, even if it looks like the owner of an NSEC3.
  flags &= ~unsigned{Node::nsec3_only};
  std::uint32_t children = node(parent)->flags >> 8U;
  if (node(parent)->name_size() != 0 && children < Node::many_children) ++children;
  if (children == Node::many_children) ++many_children.try_emplace(parent, Node::many_children - 1).first->second;
  node(parent)->set_flags(flags, children);
}

// Names with many children get blocks that have room for the exact number.
Result<void> ZoneBuilder::State::write_many_children() {
  for (const auto& [ref, children] : many_children) {
    const unsigned flags = node(ref)->flags_only();
    node(ref)->set_flags(flags, 0);  // as the block was made
    US_TRY(make_room(copied_block_size(*node(ref), children)));
    const std::uint32_t fresh = end_ref();
    end += copy_block(blocks.data() + end, *node(ref), {children, flags});
    node(ref)->flags |= Node::dead;
    garbage += node(ref)->block_size();
    index.replace(hash_of(node(fresh)), ref, fresh);
  }
  many_children.clear();
  return {};
}

// Moves the live blocks together, after names were encoded twice; the table is to be made anew. `waiting` is in order
// and follows the blocks that it is for.
void ZoneBuilder::State::compact(std::span<Fragments::Place> waiting) {
  std::size_t to = first_block;
  std::size_t next = 0;
  std::unordered_map<std::uint32_t, std::uint32_t> moved_sets;
  sets.clear();
  for (std::size_t at = first_block; at < end;) {
    const auto ref = static_cast<std::uint32_t>(at / 8), moved = static_cast<std::uint32_t>(to / 8);
    const std::size_t size = node(ref)->block_size();
    at += size;
    const bool is_set = node(ref)->is_shared_set();
    if (node(ref)->has(Node::dead) && !is_set) continue;
    for (; next < waiting.size() && waiting[next].node == ref; ++next) waiting[next].node = moved;
    const Chunk* set = node(ref)->linked_set();
    const std::uint32_t set_before = set == nullptr ? 0 : ref_of(set);
    std::memmove(node(moved), node(ref), size);
    to += size;
    if (is_set) {
      const std::uint32_t from = ref + set_header, now = moved + set_header;
      moved_sets.emplace(from, now);
      sets.add(blocks.data(), now);
    }
    if (set != nullptr) node(moved)->link_again(chunk(moved_sets.at(set_before)));
  }
  blocks.discard(to, end);
  end = to;
  garbage = 0;
}

Result<std::shared_ptr<Zone>> ZoneBuilder::State::assemble() {
  const HashedName apex_name(apex);
  const std::uint32_t apex_ref = find(apex_name, 0);
  US_ASSIGN(const ApexFacts facts, read_apex(apex_ref == 0 ? nullptr : node(apex_ref), apex));
  const auto* soa = reinterpret_cast<const std::uint8_t*>(node(apex_ref)->chunk(RRType::SOA));
  auto negative_at = static_cast<std::size_t>(soa - blocks.data());
  std::size_t behind = end;
  if (facts.lowers_ttls) {
    US_TRY(make_room(max_negative_soa_size(facts)));
    negative_at = end;
    behind = end + encode_negative_soa(blocks.data() + end, facts, apex);
  }

  std::shared_ptr<Zone> zone = Zone::make();
  zone->soa_ = facts.soa;
  zone->apex_labels_ = static_cast<std::uint8_t>(apex_labels);
  zone->apex_size_ = static_cast<std::uint8_t>(apex.size());
  zone->record_count_ = static_cast<std::uint32_t>(record_count);
  zone->node_count_ = static_cast<std::uint32_t>(index.size());
  const std::optional<std::size_t> chain = choose_nsec3_chain(*node(apex_ref), apex, [&](const HashedName& name) {
    const std::uint32_t ref = find(name, 0);
    return ref == 0 ? nullptr : node(ref);
  });
  const Nsec3Params params = chain ? nsec3_params_at(*node(apex_ref), *chain) : Nsec3Params{};
  Trees trees = collect(*zone, chain ? &params : nullptr);
  zone->end_of_blocks_ = end_ref();
  end = behind;
  US_TRY(write_trees(*zone, std::move(trees)));
  // Room for the table first: it may be what makes the version a large one, whose memory is mapped.
  US_TRY(make_room(most_table_octets()));
  const bool shares = slack != 0 || blocks.is_mapped();
  US_ASSIGN(const Table table, append_table(shares));
  zone->bucket_count_ = index.bucket_count();
  index = NodeIndex(0);
  const std::uint8_t* base = hand_over(*zone, shares);
  zone->base_ = base;
  zone->only_page_ = table.first_page;
  zone->pages_ = table.list_at == 0 ? &zone->only_page_ : reinterpret_cast<const std::uint32_t*>(base + table.list_at);
  zone->apex_node_ = zone->node_at(apex_ref);
  zone->negative_soa_ = reinterpret_cast<const Chunk*>(base + negative_at);
  zone->note_denial(chain);
  return zone;
}

// Where the pages of the trees go: behind everything else.
class ZoneBuilder::State::Pages final : public PageMemory {
 public:
  explicit Pages(State& state) : state_(state) {}
  std::uint32_t allocate(std::size_t octets) override {
    if (!state_.make_room(octets)) return 0;
    const std::uint32_t at = state_.end_ref();
    state_.end += octets;
    return at;
  }
  void drop(std::uint32_t, std::size_t) override {}
  [[nodiscard]] std::uint8_t* base() const override { return state_.blocks.data(); }

 private:
  State& state_;
};

// The last walk over all names: what the version knows about its names, and which of them deny others.
ZoneBuilder::State::Trees ZoneBuilder::State::collect(Zone& zone, const Nsec3Params* chain) {
  Trees trees;
  for_each_node(end, [&](std::uint32_t ref) {
    zone.note_depth(*node(ref));
    if (has_nsec(*node(ref))) trees.nsec.push_back(ref);
    if (chain != nullptr && is_in_chain(*node(ref), *chain)) trees.nsec3.push_back(ref);
  });
  return trees;
}

Result<void> ZoneBuilder::State::write_trees(Zone& zone, Trees trees) {
  Pages pages(*this);
  OwnerTreeWriter writer(pages);
  const auto nsec = writer.build(std::move(trees.nsec));
  const auto nsec3 = nsec ? writer.build(std::move(trees.nsec3)) : std::nullopt;
  if (!nsec3) return fail(Errc::byte_limit, fmt::format("the zone takes over {} octets of memory", most_octets));
  zone.nsec_root_ = *nsec;
  zone.nsec3_root_ = *nsec3;
  return {};
}

// With the list of its pages, and what lies unused in between.
std::size_t ZoneBuilder::State::most_table_octets() const {
  return round_up8(table_pages(index.bucket_count()) * sizeof(std::uint32_t)) + sizeof(NodeBucket) +
         index.memory_size();
}

// The list of the table's pages behind everything else, and the pages behind it. A version that keeps its memory for
// itself needs no list of a single page.
Result<ZoneBuilder::State::Table> ZoneBuilder::State::append_table(bool shares) {
  const std::uint32_t pages = table_pages(index.bucket_count());
  const std::size_t list_at = end;
  const bool has_list = shares || pages > 1;
  const std::size_t behind_list = list_at + (has_list ? round_up8(pages * sizeof(std::uint32_t)) : 0);
  const std::size_t table_at = (behind_list + sizeof(NodeBucket) - 1) / sizeof(NodeBucket) * sizeof(NodeBucket);
  US_TRY(make_room(table_at + index.memory_size() - end));
  std::memset(blocks.data() + list_at, 0, table_at - list_at);
  for (std::uint32_t i = 0; has_list && i < pages; ++i) {
    const auto page = static_cast<std::uint32_t>(table_at / 8 + i * (buckets_in_page * sizeof(NodeBucket) / 8));
    std::memcpy(blocks.data() + list_at + i * sizeof page, &page, sizeof page);
  }
  std::memcpy(blocks.data() + table_at, index.data(), index.memory_size());
  end = table_at + index.memory_size();
  return Table{static_cast<std::uint32_t>(table_at / 8), has_list ? list_at : 0};
}

// Gives the memory to the version: for itself if it is small, else to share with those that come. Returns where it is.
const std::uint8_t* ZoneBuilder::State::hand_over(Zone& zone, bool shares) {
  if (!shares) {
    blocks.shrink(end);
    zone.own_ = blocks.release_heap();
    return zone.own_.get();
  }
  if (!blocks.is_mapped()) blocks.grow(end + slack);
  if (blocks.is_mapped()) {
    const std::size_t later = std::max({end, slack, least_room_for_changes});
    blocks.shrink(end, std::min(end + later, most_blocks_octets));
  } else {
    blocks.shrink(end + slack);
  }
  auto arena = std::make_shared<ZoneArena>(std::move(blocks), end, std::move(sets));
  const std::uint8_t* base = arena->data();
  zone.shared_ = std::make_unique<ArenaVersion>(std::move(arena));
  return base;
}

ZoneBuilder::ZoneBuilder(NameView apex, BuilderHints hints) {
  try {
    state_ = std::make_unique<State>(apex, hints);
  } catch (const std::bad_alloc&) {  // less may be needed than was expected
    state_ = std::make_unique<State>(
        apex, BuilderHints{.max_octets = hints.max_octets, .slack = hints.slack, .first_sets = hints.first_sets});
  }
}
ZoneBuilder::~ZoneBuilder() = default;
ZoneBuilder::ZoneBuilder(ZoneBuilder&&) noexcept = default;
ZoneBuilder& ZoneBuilder::operator=(ZoneBuilder&&) noexcept = default;

Result<AddOutcome> ZoneBuilder::add(NameView owner, RRType type, std::uint32_t ttl, ByteView rdata) {
  try {
    return state_->add(owner, type, ttl, rdata);
  } catch (const std::bad_alloc&) {
    return out_of_memory("what came of the zone", memory_size());
  }
}

Result<void> ZoneBuilder::add_part(const ZonePart& part) {
  try {
    return state_->add_part(part);
  } catch (const std::bad_alloc&) {
    return out_of_memory("what came of the zone", memory_size());
  }
}

Result<AddOutcome> ZoneBuilder::State::add(NameView name, RRType type, std::uint32_t ttl, ByteView rdata) {
  if (!has_owner || !name.identical(owner)) {
    // Another spelling of the same name is the same name; its case is the first one's.
    if (!has_owner || !name.equals(owner)) {
      US_TRY(flush());
      owner = Name(name);
      has_owner = true;
      owner_is_inside = name.is_at_or_below(apex);
      owner_hash = name_hash(name);
      index.prefetch(owner_hash);  // flush() looks there once the name's records are complete
    }
  }
  if (!owner_is_inside) {
    ++report.out_of_zone;
    return AddOutcome::out_of_zone;
  }
  if (staged.wire_size() + rdata.size() > most_octets_of_a_name) {
    return fail(Errc::record_limit, fmt::format("over 64 MiB of data at {}", name.text()));
  }
  staged.add(type, ttl, rdata);
  return AddOutcome::added;
}

std::uint64_t ZoneBuilder::memory_size() const {
  return state_->end + state_->index.memory_size() + state_->fragments.size() + state_->staged.octets.capacity() +
         state_->sets.memory_size();
}

const ZoneBuilder::Report& ZoneBuilder::report() const {
  return state_->report;
}

Result<bool> ZoneBuilder::prepare(std::size_t names) {
  try {
    return state_->prepare(names);
  } catch (const std::bad_alloc&) {
    return out_of_memory("what came of the zone", memory_size());
  }
}

Result<std::shared_ptr<const Zone>> ZoneBuilder::finish() {
  try {
    return state_->finish();
  } catch (const std::bad_alloc&) {
    return out_of_memory("what came of the zone", memory_size());
  }
}

Result<std::shared_ptr<const Zone>> ZoneBuilder::State::finish() {
  US_TRY(prepare(~std::size_t{0}));
  US_TRY(write_many_children());
  const bool compacts = garbage > (std::size_t{1} << 20) && garbage > end / 5;
  if (compacts) compact({});
  if (compacts || !index.is_well_sized()) rebuild_index(index.size(), end);
  return assemble();
}

}  // namespace understudy
