#include "zone/zone.h"

#include <atomic>
#include <cstring>

#include "zone/denial.h"

namespace understudy {

Name node_owner(const Node* node, NameView apex) {
  std::uint8_t wire[max_name_size];
  const ByteView relative = node->relative_name();
  if (!relative.empty()) std::memcpy(wire, relative.data(), relative.size());
  std::memcpy(wire + relative.size(), apex.wire().data(), apex.size());
  return Name(NameView::trusted({wire, relative.size() + apex.size()}));
}

std::uint64_t node_hash(const Node* node, std::uint64_t apex_hash) {
  const ByteView name = node->relative_name();
  std::uint8_t offsets[max_labels];
  std::size_t labels = 0;
  for (std::size_t at = 0; at < name.size(); at += name[at] + 1U) offsets[labels++] = static_cast<std::uint8_t>(at);
  std::uint64_t hash = apex_hash;
  while (labels-- > 0) hash = child_hash(hash, &name[offsets[labels]] + 1, name[offsets[labels]]);
  return hash;
}

// With what counts the references to it, three cache lines.
static_assert(sizeof(Zone) <= 176);

Zone::~Zone() = default;

std::uint64_t Zone::next_id() {
  static std::atomic<std::uint64_t> last = 0;
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

std::uint64_t Zone::memory_size() const {
  if (shared_) return sizeof(Zone) + shared_->arena().used() + shared_->arena().sets().memory_size();
  // The table lies at the end.
  return sizeof(Zone) + std::size_t{pages_[0]} * 8 + std::size_t{bucket_count_} * sizeof(NodeBucket);
}

const Node* Zone::find_wildcard(const HashedName& name, std::size_t label) const {
  std::uint8_t wanted[max_name_size + 2] = {1, '*'};
  const std::size_t begin = name.offsets[label];
  const std::size_t size = name.offsets[name.labels - apex_labels_] - begin;
  std::memcpy(wanted + 2, name.name.wire().data() + begin, size);
  return find_relative(child_hash(name.hashes[label], wanted + 1, 1), wanted, size + 2);
}

void Zone::note_depth(const Node& node) {
  const ByteView relative = node.relative_name();
  std::size_t depth = 0;
  for (std::size_t at = 0; at < relative.size(); at += relative[at] + 1U) ++depth;
  const std::uint64_t bit = std::uint64_t{1} << std::min(depth, most_depth);
  depths_ |= bit;
  if (node.has(Node::cut)) cut_depths_ |= bit;
  if (node.has(Node::dname)) dname_depths_ |= bit;
}

// The apex's node is known; `chain` as choose_nsec3_chain().
void Zone::note_denial(std::optional<std::size_t> chain) {
  denial_ = chain ? Denial::nsec3 : has_nsec(*apex_node_) ? Denial::nsec : Denial::none;
  if (chain) nsec3_ = nsec3_params_at(*apex_node_, *chain);
}

std::optional<RRsetView> Zone::rrset(const Node* node, RRType type) const {
  const Chunk* chunk = node->rrset_chunk(type);
  if (chunk == nullptr) return std::nullopt;
  return RRsetView(node, type, chunk, apex());
}

ZoneCursor::ZoneCursor(std::shared_ptr<const Zone> zone) : zone_(std::move(zone)) {}

bool ZoneCursor::next_node() {
  if (!started_) {
    started_ = true;
    if (zone_->end_of_blocks_ != 0) {
      at_ = round_up8(zone_->apex_size_) / 8;
    } else {
      ask_for(0);
    }
    node_ = zone_->apex_node_;
  } else {
    node_ = zone_->end_of_blocks_ != 0 ? next_block() : next_in_table();
  }
  if (node_ == nullptr) return false;
  owner_ = zone_->owner_of(node_);
  index_ = 0;
  return true;
}

const Node* ZoneCursor::next_block() {
  while (at_ < zone_->end_of_blocks_) {
    const Node* node = zone_->node_at(static_cast<std::uint32_t>(at_));
    at_ += node->block_size() / 8;
    if (!node->has(Node::dead) && node->rrset_count != 0 && node != zone_->apex_node_) return node;
  }
  return nullptr;
}

const Node* ZoneCursor::next_in_table() {
  for (; at_ < zone_->bucket_count_; ++at_, slot_ = 0) {
    if (slot_ == 0) ask_for(at_ + 1);
    const NodeBucket& bucket = zone_->bucket(static_cast<std::uint32_t>(at_));
    while (slot_ < bucket.count) {
      const Node* node = zone_->node_at(bucket.refs[slot_++]);
      if (node->rrset_count != 0 && node != zone_->apex_node_) return node;
    }
  }
  return nullptr;
}

void ZoneCursor::ask_for(std::uint64_t index) const {
  if (index >= zone_->bucket_count_) return;
  const NodeBucket& bucket = zone_->bucket(static_cast<std::uint32_t>(index));
  for (std::size_t i = 0; i < bucket.count; ++i) __builtin_prefetch(zone_->node_at(bucket.refs[i]));
}

// At the apex, the SOA comes first and its own place in the directory is passed over. index_ is 1-based there:
// 0 stands for the SOA, i for entry i - 1.
bool ZoneCursor::next() {
  if (!started_) return next_node();
  const bool apex = node_ == zone_->apex_node_;
  ++index_;
  if (apex && index_ <= node_->rrset_count && node_->type_at(index_ - 1) == RRType::SOA) ++index_;
  if (index_ < node_->rrset_count + std::size_t{apex}) return true;
  return next_node();
}

RRsetView ZoneCursor::rrset() const {
  if (node_ != zone_->apex_node_) return {node_, node_->type_at(index_), node_->chunk_at(index_), zone_->apex()};
  if (index_ == 0) return {node_, RRType::SOA, node_->chunk(RRType::SOA), zone_->apex()};
  return {node_, node_->type_at(index_ - 1), node_->chunk_at(index_ - 1), zone_->apex()};
}

}  // namespace understudy
