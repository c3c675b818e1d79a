#include "zone/block_encoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "zone/duplicates.h"

namespace understudy {
namespace {

constexpr std::size_t most_servers = 32;  // of a set that is shared: a larger one is nobody's habit
constexpr std::size_t children_room = 8;  // behind a block with many children: four unused octets, the count

// Most RRsets have one record, or none that signs.
std::span<StagedRecord> without_duplicates(std::span<StagedRecord> records) {
  return records.size() < 2 ? records : records.first(drop_duplicates(records));
}

std::size_t room_for(std::uint32_t children) {
  return children < Node::many_children ? 0 : children_room;
}

// Header and number of children of a block whose other octets, `size` of them, are there.
std::size_t finish_block(std::uint8_t* out, std::size_t size, std::size_t name_size, BlockChange change) {
  if (change.children >= Node::many_children) {
    std::memset(out + size, 0, children_room);
    std::memcpy(out + size + 4, &change.children, 4);
    size += children_room;
  }
  auto* node = reinterpret_cast<Node*>(out);
  node->size_and_name = static_cast<std::uint32_t>(size / 8 << 8 | name_size);
  node->set_flags(change.flags, change.children);
  return size;
}

}  // namespace

// The name as the finished version spells it: the apex is written once for all. Chunks share its octets, so the name
// that they are encoded against must be the one that they will be read with.
NameView BlockEncoder::as_stored(NameView spelled) {
  const std::size_t relative = spelled.size() - apex_.size();
  if (std::memcmp(spelled.wire().data() + relative, apex_.wire().data(), apex_.size()) == 0) return spelled;
  std::memcpy(scratch_.data(), spelled.wire().data(), relative);
  std::memcpy(scratch_.data() + relative, apex_.wire().data(), apex_.size());
  return NameView::trusted({scratch_.data(), spelled.size()});
}

// Sorts the records of one name by type, data before signatures, otherwise as they came, and drops duplicates.
void BlockEncoder::group(std::vector<StagedRecord>& records) {
  const auto comes_before = [](const StagedRecord& a, const StagedRecord& b) {
    if (a.chunk_type() != b.chunk_type()) return a.chunk_type() < b.chunk_type();
    const bool a_signs = a.type == RRType::RRSIG, b_signs = b.type == RRType::RRSIG;
    if (a_signs != b_signs) return b_signs;
    return a.rdata.data() < b.rdata.data();  // all in one buffer, in order of arrival
  };
  // Mostly they are in order, as all are that come from the disk.
  if (!std::is_sorted(records.begin(), records.end(), comes_before)) {
    std::sort(records.begin(), records.end(), comes_before);
  }
  groups_.clear();
  duplicates_ = record_count_ = 0;
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
    const std::span<const StagedRecord> kept_data = without_duplicates(data),
                                        kept_signing = without_duplicates(signing);
    groups_.emplace_back(type, kept_data, kept_signing);
    const std::size_t kept = kept_data.size() + kept_signing.size();
    record_count_ += kept;
    duplicates_ += end_of_group - begin - kept;
    begin = end_of_group;
  }
}

Result<std::size_t> BlockEncoder::prepare(NameView owner, std::vector<StagedRecord>& records) {
  name_ = as_stored(owner);
  group(records);
  if (groups_.size() > 0xffff) return fail(Errc::record_limit, fmt::format("over 65535 types at {}", name_.text()));
  const std::size_t name_size = name_.size() - apex_.size();
  most_ = sizeof(Node) + groups_.size() * sizeof(Node::WideEntry) + name_size + 8;
  for (const auto& g : groups_) most_ += max_chunk_size(g.data, g.signatures);
  flags_ = flags_of(name_) | (most_ > std::size_t{0xffff} * 8 ? Node::wide : 0U);
  return most_ + children_room;
}

std::span<const StagedRecord> BlockEncoder::sharable_set() const {
  if ((flags_ & Node::cut) == 0) return {};
  const auto servers = std::ranges::find(groups_, RRType::NS, &Group::type);
  if (!servers->signatures.empty() || servers->data.size() > most_servers) return {};
  NameView child_of_apex = name_;
  while (child_of_apex.parent().size() != apex_.size()) child_of_apex = child_of_apex.parent();
  for (const StagedRecord& record : servers->data) {
    if (record.ttl != servers->data.front().ttl) return {};
    if (NameView::trusted(record.rdata).is_at_or_below(child_of_apex)) return {};
  }
  return servers->data;
}

const Chunk* BlockEncoder::encode_set(std::span<const StagedRecord> records) {
  set_.resize(max_chunk_size(records, {}) / sizeof set_[0]);
  auto* out = reinterpret_cast<std::uint8_t*>(set_.data());
  encode_chunk(out, apex_, apex_, RRType::NS, records, {});
  const auto* chunk = reinterpret_cast<const Chunk*>(out);
  return chunk->is_extended() ? nullptr : chunk;
}

std::size_t BlockEncoder::write(std::uint8_t* out, std::uint32_t children, const Chunk* set) {
  const std::size_t name_size = name_.size() - apex_.size();
  const bool wide = (flags_ & Node::wide) != 0;
  const std::size_t directory = groups_.size() * (wide ? sizeof(Node::WideEntry) : sizeof(Node::Entry));
  const std::size_t behind_name = sizeof(Node) + directory + name_size;
  std::size_t at = round_up8(behind_name);
  if (name_size != 0) std::memcpy(out + sizeof(Node) + directory, name_.wire().data(), name_size);
  std::memset(out + behind_name, 0, at - behind_name);
  std::uint8_t* entry_at = out + sizeof(Node);
  for (const auto& g : groups_) {
    if (wide) {
      const Node::WideEntry entry{number(g.type), 0, static_cast<std::uint32_t>(at / 8)};
      std::memcpy(entry_at, &entry, sizeof entry);
      entry_at += sizeof entry;
    } else {
      const Node::Entry entry{number(g.type), static_cast<std::uint16_t>(at / 8)};
      std::memcpy(entry_at, &entry, sizeof entry);
      entry_at += sizeof entry;
    }
    if (set != nullptr && g.type == RRType::NS) {
      reinterpret_cast<Chunk*>(out + at)->link_to(set);
      at += sizeof(Chunk);
    } else {
      at += encode_chunk(out + at, name_, apex_, g.type, g.data, g.signatures);
    }
  }
  reinterpret_cast<Node*>(out)->rrset_count = static_cast<std::uint16_t>(groups_.size());
  const unsigned flags = children == 0 ? flags_ : flags_ & ~unsigned{Node::nsec3_only};
  return finish_block(out, at, name_size, {children, flags});
}

// What the types at a name say about it.
unsigned BlockEncoder::flags_of(NameView name) const {
  const bool at_apex = name.size() == apex_.size();
  unsigned flags = name.is_wildcard() && !at_apex ? Node::wildcard : 0U;
  bool only_nsec3 = true;
  for (const auto& g : groups_) {
    only_nsec3 = only_nsec3 && g.type == RRType::NSEC3;
    if (g.data.empty()) continue;
    if (g.type == RRType::NS && !at_apex) flags |= Node::cut;
    if (g.type == RRType::DNAME) flags |= Node::dname;
    if (g.type == RRType::CNAME) flags |= Node::cname;
  }
  return flags | (only_nsec3 ? Node::nsec3_only : 0U);
}

std::size_t empty_block_size(std::size_t relative_name_size, std::uint32_t children) {
  return round_up8(sizeof(Node) + relative_name_size) + room_for(children);
}

std::size_t write_empty_block(std::uint8_t* out, ByteView relative_name, std::uint32_t children) {
  const std::size_t size = empty_block_size(relative_name.size(), 0);
  std::memcpy(out + sizeof(Node), relative_name.data(), relative_name.size());
  std::memset(out + sizeof(Node) + relative_name.size(), 0, size - sizeof(Node) - relative_name.size());
  reinterpret_cast<Node*>(out)->rrset_count = 0;
  const bool wildcard = relative_name[0] == 1 && relative_name[1] == '*';
  return finish_block(out, size, relative_name.size(), {children, wildcard ? Node::wildcard : 0U});
}

std::size_t copied_block_size(const Node& from, std::uint32_t children) {
  return from.block_size() - room_for(from.children()) + room_for(children);
}

std::size_t copy_block(std::uint8_t* out, const Node& from, BlockChange change) {
  const std::size_t size = from.block_size() - room_for(from.children());
  std::memcpy(out, from.bytes(), size);
  if (const Chunk* set = from.linked_set()) reinterpret_cast<Node*>(out)->link_again(set);
  return finish_block(out, size, from.name_size(), change);
}

}  // namespace understudy
