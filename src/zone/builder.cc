#include "zone/builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <span>
#include <utility>

#include "dns/rdata.h"
#include "zone/chunk_encoder.h"
#include "zone/duplicates.h"
#include "zone/fragments.h"
#include "zone/node_index.h"
#include "zone/staging.h"

namespace understudy {
namespace {

constexpr std::size_t most_octets_of_a_name = std::size_t{64} << 20;
constexpr std::size_t least_share = std::size_t{4} << 20;
constexpr std::size_t most_oddities = 8;
constexpr std::array oddity_texts = {"more than one CNAME", "more than one DNAME", "SOA below the apex",
                                     "CNAME beside other data"};
constexpr std::size_t most_blocks_octets = (std::size_t{32} << 30) - (std::size_t{256} << 20);

}  // namespace

struct ZoneBuilder::State {
  State(NameView zone, BuilderHints hints);

  Result<AddOutcome> add(NameView name, RRType type, std::uint32_t ttl, ByteView rdata);
  Result<std::shared_ptr<const Zone>> finish();
  Result<void> flush();
  void group_records();
  NameView as_stored(NameView spelled, std::array<std::uint8_t, max_name_size>& scratch) const;
  Result<std::uint32_t> encode(NameView spelled);
  unsigned flags_of(NameView owner);
  [[nodiscard]] unsigned oddities_of(const Node* of) const;
  void note(NameView owner, unsigned oddities);
  std::uint32_t find(const HashedName& name, std::size_t label) const;
  [[nodiscard]] std::uint32_t find_relative(std::uint64_t hash, ByteView wanted) const;
  [[nodiscard]] std::uint32_t find_owner() const {
    return find_relative(owner_hash, owner.wire().first(owner.size() - apex.size()));
  }
  Result<std::uint32_t> add_empty_node(NameView owner);
  void insert(std::uint64_t hash, std::uint32_t ref);
  [[nodiscard]] std::uint64_t hash_of(const Node* of) const;
  void rebuild_index(std::uint64_t names, std::size_t until);
  Result<void> merge_fragments();
  [[nodiscard]] std::size_t share_of_live(std::size_t part) const;
  void stage(std::uint32_t ref, Staging& all) const;
  Result<void> replace(std::uint32_t ref, const Staging& all);
  Result<void> add_missing_parents();
  Result<void> add_parents_of(std::uint32_t ref, HashedName& name);
  void mark_occluded();
  void compact(std::span<Fragments::Place> waiting);
  Result<std::shared_ptr<Zone>> assemble();

  [[nodiscard]] Node* node(std::uint32_t ref) const {
    return reinterpret_cast<Node*>(blocks.data() + std::size_t{ref} * 8);
  }
  [[nodiscard]] std::uint32_t end_ref() const { return static_cast<std::uint32_t>(end / 8); }
  Result<void> make_room(std::size_t octets);
  template <typename F>
  void for_each_node(std::size_t until, F&& f);

  const Name apex;
  const std::size_t apex_labels;
  const std::uint64_t apex_hash;
  const std::uint64_t most_octets;
  ZoneMemory blocks;
  std::size_t first_block;
  std::size_t end;          // octets used of blocks
  std::size_t garbage = 0;  // octets of dead nodes
  NodeIndex index;
  Name owner;  // of what is staged
  std::uint64_t owner_hash = 0;
  bool owner_is_inside = false;
  bool has_owner = false;
  Staging staged;
  std::vector<StagedRecord> records;  // of the name being encoded
  struct Group {
    RRType type;
    std::span<const StagedRecord> data, signatures;
  };
  std::vector<Group> groups;  // of the name being encoded
  Fragments fragments;        // of names that were encoded before
  std::uint64_t record_count = 0;
  std::uint64_t apex_soa_count = 0;
  bool has_occluders = false;  // some name has NS below the apex, or DNAME
  Report report;
};

ZoneBuilder::State::State(NameView zone, BuilderHints hints)
    : apex(zone),
      apex_labels(zone.label_count()),
      apex_hash(HashedName(zone).hashes[0]),
      most_octets(std::min<std::uint64_t>(hints.max_octets, most_blocks_octets)),
      first_block(round_up8(zone.size())),
      end(first_block),
      index(hints.nodes) {
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
           equal_nocase(node(ref)->relative_name().data(), wanted.data(), wanted.size());
  });
}

void ZoneBuilder::State::insert(std::uint64_t hash, std::uint32_t ref) {
  if (index.is_full()) rebuild_index(index.size() * 2, std::size_t{ref} * 8);
  index.insert(hash, ref);
}

// The same value as HashedName::hashes[0] of the absolute name.
std::uint64_t ZoneBuilder::State::hash_of(const Node* of) const {
  const ByteView name = of->relative_name();
  std::uint8_t offsets[max_labels];
  std::size_t labels = 0;
  for (std::size_t at = 0; at < name.size(); at += name[at] + 1U) offsets[labels++] = static_cast<std::uint8_t>(at);
  std::uint64_t hash = apex_hash;
  while (labels-- > 0) hash = child_hash(hash, &name[offsets[labels]] + 1, name[offsets[labels]]);
  return hash;
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
    if (const unsigned oddities = oddities_of(node(ref)); oddities != 0) note(owner, oddities);
  }
  staged.clear();
  return {};
}

// Bit i: oddity_texts[i] holds for this name.
unsigned ZoneBuilder::State::oddities_of(const Node* of) const {
  unsigned oddities = 0;
  bool others = false;
  for (std::size_t i = 0; i < of->rrset_count; ++i) {
    const std::size_t count = of->chunk_at(i)->record_count();
    const RRType type = of->type_at(i);
    if (count > 1 && type == RRType::CNAME) oddities |= 1;
    if (count > 1 && type == RRType::DNAME) oddities |= 2;
    if (count != 0 && type == RRType::SOA && of->name_size() != 0) oddities |= 4;
    if (count != 0 && type != RRType::CNAME && type != RRType::NSEC) others = true;
  }
  return of->has(Node::cname) && others ? oddities | 8 : oddities;
}

void ZoneBuilder::State::note(NameView name, unsigned oddities) {
  for (std::size_t i = 0; i < oddity_texts.size(); ++i) {
    if ((oddities >> i & 1) == 0) continue;
    ++report.oddity_count;
    if (report.oddities.size() < most_oddities) {
      report.oddities.push_back(fmt::format("{}: {}", name.text(), oddity_texts[i]));
    }
  }
}

// Sorts the records of one name by type, data before signatures, otherwise as they came, and drops duplicates.
void ZoneBuilder::State::group_records() {
  std::sort(records.begin(), records.end(), [](const StagedRecord& a, const StagedRecord& b) {
    if (a.chunk_type() != b.chunk_type()) return a.chunk_type() < b.chunk_type();
    const bool a_signs = a.type == RRType::RRSIG, b_signs = b.type == RRType::RRSIG;
    if (a_signs != b_signs) return b_signs;
    return a.rdata.data() < b.rdata.data();  // all in one buffer, in order of arrival
  });
  groups.clear();
  for (std::size_t begin = 0; begin < records.size();) {
    const RRType type = records[begin].chunk_type();
    std::size_t signatures = begin;
    while (signatures < records.size() && records[signatures].chunk_type() == type &&
           records[signatures].type != RRType::RRSIG) {
      ++signatures;
    }
    std::size_t end_of_group = signatures;
    while (end_of_group < records.size() && records[end_of_group].chunk_type() == type) ++end_of_group;
    const std::span<StagedRecord> data(&records[begin], signatures - begin);
    const std::span<StagedRecord> signing(records.data() + signatures, end_of_group - signatures);
    groups.push_back({type, data.first(drop_duplicates(data)), signing.first(drop_duplicates(signing))});
    report.duplicates += end_of_group - begin - groups.back().data.size() - groups.back().signatures.size();
    begin = end_of_group;
  }
}

// The name as the finished version spells it: the apex is written once for all. Chunks share its octets, so the name
// that they are encoded against must be the one that they will be read with.
NameView ZoneBuilder::State::as_stored(NameView spelled, std::array<std::uint8_t, max_name_size>& scratch) const {
  const std::size_t relative = spelled.size() - apex.size();
  if (std::memcmp(spelled.wire().data() + relative, apex.wire().data(), apex.size()) == 0) return spelled;
  std::memcpy(scratch.data(), spelled.wire().data(), relative);
  std::memcpy(scratch.data() + relative, apex.wire().data(), apex.size());
  return NameView::trusted({scratch.data(), spelled.size()});
}

// Writes the block of one name from `records` behind the others and returns its place.
Result<std::uint32_t> ZoneBuilder::State::encode(NameView spelled) {
  std::array<std::uint8_t, max_name_size> scratch;
  const NameView name = as_stored(spelled, scratch);
  group_records();
  if (groups.size() > 0xffff) return fail(Errc::record_limit, fmt::format("over 65535 types at {}", name.text()));
  const std::size_t name_size = name.size() - apex.size();
  std::size_t most = sizeof(Node) + groups.size() * sizeof(Node::WideEntry) + name_size + 8;
  for (const auto& g : groups) most += max_chunk_size(g.data, g.signatures);
  US_TRY(make_room(most));
  const bool wide = most > std::size_t{0xffff} * 8;
  Node* made = node(end_ref());
  auto* bytes = reinterpret_cast<std::uint8_t*>(made);
  const std::size_t directory = groups.size() * (wide ? sizeof(Node::WideEntry) : sizeof(Node::Entry));
  if (name_size != 0) std::memcpy(bytes + sizeof(Node) + directory, name.wire().data(), name_size);
  std::size_t at = round_up8(sizeof(Node) + directory + name_size);
  std::uint8_t* entry_at = bytes + sizeof(Node);
  for (const auto& g : groups) {
    if (wide) {
      const Node::WideEntry entry{number(g.type), 0, static_cast<std::uint32_t>(at / 8)};
      std::memcpy(entry_at, &entry, sizeof entry);
      entry_at += sizeof entry;
    } else {
      const Node::Entry entry{number(g.type), static_cast<std::uint16_t>(at / 8)};
      std::memcpy(entry_at, &entry, sizeof entry);
      entry_at += sizeof entry;
    }
    at += encode_chunk(bytes + at, name, apex, g.type, g.data, g.signatures);
    record_count += g.data.size() + g.signatures.size();
  }
  const unsigned flags = flags_of(name) | (wide ? Node::wide : 0U);
  if ((flags & (Node::cut | Node::dname)) != 0) has_occluders = true;
  made->size_and_name = static_cast<std::uint32_t>(at / 8 << 8 | name_size);
  made->flags = static_cast<std::uint16_t>(flags);
  made->rrset_count = static_cast<std::uint16_t>(groups.size());
  const std::uint32_t ref = end_ref();
  end += at;
  return ref;
}

// What the types at a name say about it.
unsigned ZoneBuilder::State::flags_of(NameView name) {
  const bool at_apex = name.size() == apex.size();
  unsigned flags = name.is_wildcard() && !at_apex ? Node::wildcard : 0U;
  bool only_nsec3 = true;
  for (const auto& g : groups) {
    only_nsec3 = only_nsec3 && g.type == RRType::NSEC3;
    if (g.data.empty()) continue;
    if (g.type == RRType::NS && !at_apex) flags |= Node::cut;
    if (g.type == RRType::DNAME) flags |= Node::dname;
    if (g.type == RRType::CNAME) flags |= Node::cname;
    if (g.type == RRType::SOA && at_apex) apex_soa_count = g.data.size();
  }
  return flags | (only_nsec3 ? Node::nsec3_only : 0U);
}

Result<std::uint32_t> ZoneBuilder::State::add_empty_node(NameView name) {
  const std::size_t name_size = name.size() - apex.size();
  const std::size_t size = round_up8(sizeof(Node) + name_size);
  US_TRY(make_room(size));
  Node* made = node(end_ref());
  made->size_and_name = static_cast<std::uint32_t>(size / 8 << 8 | name_size);
  made->flags = static_cast<std::uint16_t>(name.is_wildcard() ? Node::wildcard : 0);
  made->rrset_count = 0;
  std::memcpy(reinterpret_cast<std::uint8_t*>(made) + sizeof(Node), name.wire().data(), name_size);
  const std::uint32_t ref = end_ref();
  end += size;
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
    const std::uint32_t ttl = rrset.ttl();
    rrset.for_each_rdata([&](ByteView rdata) { all.add(rrset.type(), ttl, rdata); });
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
  if (const unsigned odd = oddities_of(node(fresh)) & ~oddities_of(node(ref)); odd != 0) note(name, odd);
  node(ref)->flags |= Node::dead;
  garbage += node(ref)->block_size();
  index.replace(HashedName(name).hashes[0], ref, fresh);
  return {};
}

// Every name between a name and the apex exists too (RFC 4592 section 2.2.2, empty non-terminals); parents of
// wildcards learn that they have one. Names added here have all they need already.
Result<void> ZoneBuilder::State::add_missing_parents() {
  Result<void> result;
  HashedName name;
  for_each_node(end, [&](std::uint32_t ref) {
    if (result) result = add_parents_of(ref, name);
  });
  return result;
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
    // Also a wildcard that exists only because of what is below it (RFC 4592 section 2.2.2).
    if (name.suffix(label - 1).is_wildcard()) node(parent)->flags |= Node::wildcard_child;
    // What has something below it is a name of the zone, even if it looks like the owner of an NSEC3.
    node(parent)->flags &= static_cast<std::uint16_t>(~Node::nsec3_only);
    if (existed) break;
  }
  return {};
}

void ZoneBuilder::State::mark_occluded() {
  HashedName name;
  for_each_node(end, [&](std::uint32_t ref) {
    const Name absolute = node_owner(node(ref), apex);
    name.assign(absolute);
    unsigned flags = 0;
    for (std::size_t label = 1; label <= name.labels - apex_labels; ++label) {
      const Node* ancestor = node(find(name, label));
      if (ancestor->has(Node::cut)) flags |= Node::below_cut;
      if (ancestor->has(Node::dname)) flags |= Node::below_dname;
    }
    node(ref)->flags |= static_cast<std::uint16_t>(flags);
  });
}

// Moves the live blocks together, after names were encoded twice; the table is to be made anew. `waiting` is in order
// and follows the blocks that it is for.
void ZoneBuilder::State::compact(std::span<Fragments::Place> waiting) {
  std::size_t to = first_block;
  std::size_t next = 0;
  for_each_node(end, [&](std::uint32_t ref) {
    const auto moved = static_cast<std::uint32_t>(to / 8);
    for (; next < waiting.size() && waiting[next].node == ref; ++next) waiting[next].node = moved;
    const std::size_t size = node(ref)->block_size();
    std::memmove(node(moved), node(ref), size);
    to += size;
  });
  blocks.discard(to, end);
  end = to;
  garbage = 0;
}

Result<std::shared_ptr<Zone>> ZoneBuilder::State::assemble() {
  const HashedName apex_name(apex);
  const std::uint32_t apex_ref = find(apex_name, 0);
  const Chunk* soa_chunk = apex_ref == 0 ? nullptr : node(apex_ref)->rrset_chunk(RRType::SOA);
  if (soa_chunk == nullptr || apex_soa_count != 1) {
    return fail(Errc::no_apex_soa,
                apex_soa_count > 1 ? fmt::format("{} has {} SOA records", apex.text(), apex_soa_count) : apex.text());
  }
  if (node(apex_ref)->rrset_chunk(RRType::NS) == nullptr) return fail(Errc::no_apex_ns, apex.text());

  // The SOA as negative answers carry it: its TTL is the lesser of its own and MINIMUM (RFC 2308 section 3).
  Staging soa;
  const RRsetView view(node(apex_ref), RRType::SOA, soa_chunk, apex);
  SoaView fields{};
  view.for_each_rdata([&](ByteView rdata) {
    soa.add(RRType::SOA, view.ttl(), rdata);
    fields = soa_view(soa.octets);
  });
  fields = soa_view(soa.octets);
  const std::uint32_t ttl_of_soa = view.ttl();
  const std::uint32_t negative_ttl = std::min(ttl_of_soa, fields.minimum);
  soa.items[0].ttl = negative_ttl;
  view.for_each_signature(
      [&](std::uint32_t ttl, ByteView rdata) { soa.add(RRType::RRSIG, std::min(ttl, negative_ttl), rdata); });
  soa.records(records);
  const std::span<const StagedRecord> all(records);
  // May move the blocks: `view` is not to be used any more.
  US_TRY(make_room(max_chunk_size(all.first(1), all.subspan(1))));
  const std::size_t negative_at = end;
  const std::size_t total =
      end + encode_chunk(blocks.data() + end, apex, apex, RRType::SOA, all.first(1), all.subspan(1));

  std::shared_ptr<Zone> zone(new Zone());
  zone->soa_ = {ttl_of_soa, fields.serial, fields.refresh, fields.retry, fields.expire, fields.minimum};
  zone->apex_labels_ = static_cast<std::uint8_t>(apex_labels);
  zone->record_count_ = record_count;
  zone->node_count_ = index.size();
  for_each_node(end, [&](std::uint32_t ref) {
    const ByteView relative = node(ref)->relative_name();
    std::size_t depth = 0;
    for (std::size_t at = 0; at < relative.size(); at += relative[at] + 1U) ++depth;
    zone->depths_ |= std::uint64_t{1} << std::min<std::size_t>(depth, 63);
  });
  blocks.shrink(total);
  zone->nodes_ = std::move(blocks);
  zone->first_block_ = first_block;
  zone->end_of_blocks_ = end;
  zone->bucket_count_ = index.bucket_count();
  zone->table_ = index.release();
  zone->apex_ = NameView::trusted({zone->nodes_.data(), apex.size()});
  zone->apex_node_ = reinterpret_cast<const Node*>(zone->nodes_.data() + std::size_t{apex_ref} * 8);
  zone->negative_soa_ = reinterpret_cast<const Chunk*>(zone->nodes_.data() + negative_at);
  return zone;
}

ZoneBuilder::ZoneBuilder(NameView apex, BuilderHints hints) {
  try {
    state_ = std::make_unique<State>(apex, hints);
  } catch (const std::bad_alloc&) {  // less may be needed than was expected
    state_ = std::make_unique<State>(apex, BuilderHints{.max_octets = hints.max_octets});
  }
}
ZoneBuilder::~ZoneBuilder() = default;
ZoneBuilder::ZoneBuilder(ZoneBuilder&&) noexcept = default;
ZoneBuilder& ZoneBuilder::operator=(ZoneBuilder&&) noexcept = default;

Result<AddOutcome> ZoneBuilder::add(NameView owner, RRType type, std::uint32_t ttl, ByteView rdata) {
  try {
    return state_->add(owner, type, ttl, rdata);
  } catch (const std::bad_alloc&) {
    return fail(Errc::record_limit, "out of memory");
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
  return state_->end + state_->index.memory_size() + state_->fragments.size() + state_->staged.octets.capacity();
}

const ZoneBuilder::Report& ZoneBuilder::report() const {
  return state_->report;
}

Result<std::shared_ptr<const Zone>> ZoneBuilder::finish() {
  try {
    return state_->finish();
  } catch (const std::bad_alloc&) {
    return fail(Errc::record_limit, "out of memory");
  }
}

Result<std::shared_ptr<const Zone>> ZoneBuilder::State::finish() {
  US_TRY(flush());
  US_TRY(merge_fragments());
  US_TRY(add_missing_parents());
  if (has_occluders) mark_occluded();
  const bool compacts = garbage > (std::size_t{1} << 20) && garbage > end / 5;
  if (compacts) compact({});
  if (compacts || !index.is_well_sized()) rebuild_index(index.size(), end);
  return assemble();
}

}  // namespace understudy
