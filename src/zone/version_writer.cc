#include "zone/version_writer.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "zone/denial.h"

namespace understudy {
namespace {

std::uint64_t records_of(const Node* node) {
  std::uint64_t count = 0;
  for (std::size_t i = 0; node != nullptr && i < node->rrset_count; ++i) {
    count += node->chunk_at(i)->record_count() + node->chunk_at(i)->signature_count();
  }
  return count;
}

bool only_nsec3(const Node& node) {
  for (std::size_t i = 0; i < node.rrset_count; ++i) {
    if (node.type_at(i) != RRType::NSEC3) return false;
  }
  return node.rrset_count != 0;
}

}  // namespace

VersionWriter::VersionWriter(const Zone& base, const WorkingSet& set, std::uint64_t max_octets)
    : base_(base),
      set_(set),
      update_(*base.shared(), max_octets),
      table_(base, update_),
      encoder_(base.apex()),
      zone_(Zone::make()) {}

bool VersionWriter::has_records(const Edit& edit) const {
  if (edit.touched) return set_.record_count(*edit.touched) != 0;
  return edit.before != nullptr && edit.before->rrset_count != 0;
}

std::size_t VersionWriter::edit_of(NameView name, EditsByDepth& by_depth) {
  const HashedName hashed(name);
  const auto [first, end] = by_hash_.equal_range(hashed.hashes[0]);
  for (auto at = first; at != end; ++at) {
    if (edits_[at->second].name.equals(name)) return at->second;
  }
  const Node* before = base_.find(hashed);
  Edit edit{.name = name, .hash = hashed.hashes[0], .before = before};
  if (before != nullptr) {
    edit.children = before->children();
    edit.wildcard_child = before->has(Node::wildcard_child);
  }
  edits_.push_back(edit);
  by_hash_.emplace(edit.hash, edits_.size() - 1);
  const std::size_t depth = hashed.labels - base_.apex_labels();
  if (depth >= by_depth.size()) by_depth.resize(depth + 1);
  by_depth[depth].push_back(edits_.size() - 1);
  return edits_.size() - 1;
}

// Which names come, go or are written anew: the deepest first, because a name without records is there exactly as long
// as something is below it (RFC 4592 section 2.2.2).
void VersionWriter::plan() {
  names_.reserve(set_.size());
  EditsByDepth by_depth;
  for (std::size_t i = 0; i < set_.size(); ++i) {
    names_.push_back(set_.owner(i));
    edits_[edit_of(names_.back(), by_depth)].touched = i;
  }
  for (std::size_t depth = by_depth.size(); depth-- > 0;) {
    // Parents are added at lesser depths only.
    for (const std::size_t edit : by_depth[depth]) decide(edit, by_depth);
  }
}

void VersionWriter::decide(std::size_t edit, EditsByDepth& by_depth) {
  Edit& of = edits_[edit];
  const bool is_apex = of.name.size() == base_.apex().size();
  of.exists = is_apex || of.children != 0 || has_records(of);
  const bool existed = of.before != nullptr;
  if (of.exists == existed) return;
  const bool comes = of.exists, is_wildcard = of.name.is_wildcard();
  Edit& parent = edits_[edit_of(of.name.parent(), by_depth)];  // `of` may have moved
  if (parent.name.size() != base_.apex().size()) parent.children += comes ? 1U : ~0U;
  if (is_wildcard) parent.wildcard_child = comes;
}

Result<std::size_t> VersionWriter::encode(const Edit& edit) {
  set_.records(*edit.touched, records_);
  US_ASSIGN(const std::size_t most, encoder_.prepare(edit.name, records_));
  scratch_.resize(std::max(scratch_.size(), most));
  zone_->record_count_ += static_cast<std::uint32_t>(encoder_.record_count());
  return encoder_.write(scratch_.data(), edit.children, known_set());
}

// The set that the name's servers are, among those that the arena has.
const Chunk* VersionWriter::known_set() {
  const std::span<const StagedRecord> servers = encoder_.sharable_set();
  const ZoneArena& arena = base_.shared()->arena();
  if (servers.empty() || arena.sets().empty()) return nullptr;
  const Chunk* set = encoder_.encode_set(servers);
  return set == nullptr ? nullptr : arena.sets().find(arena.data(), *set);
}

void VersionWriter::copy(const Edit& edit) {
  const Node& before = *edit.before;
  scratch_.resize(std::max(scratch_.size(), copied_block_size(before, edit.children)));
  unsigned flags = before.flags_only() & ~unsigned{Node::nsec3_only};
  if (edit.children == 0 && before.name_size() != 0 && only_nsec3(before)) flags |= Node::nsec3_only;
  copy_block(scratch_.data(), before, {edit.children, flags});
}

// Makes the block of a name in scratch_; returns its octets.
Result<std::size_t> VersionWriter::compose(const Edit& edit) {
  if (edit.touched && set_.record_count(*edit.touched) != 0) {
    US_TRY(encode(edit));
  } else if (edit.touched || edit.before == nullptr) {
    const std::size_t relative = edit.name.size() - base_.apex().size();
    scratch_.resize(std::max(scratch_.size(), empty_block_size(relative, edit.children)));
    write_empty_block(scratch_.data(), edit.name.wire().first(relative), edit.children);
  } else {
    copy(edit);
  }
  auto* node = reinterpret_cast<Node*>(scratch_.data());
  const unsigned wildcard_child = edit.wildcard_child ? Node::wildcard_child : 0U;
  node->set_flags((node->flags_only() & ~unsigned{Node::wildcard_child}) | wildcard_child, edit.children);
  return node->block_size();
}

// False: no room.
Result<bool> VersionWriter::carry_out(const Edit& edit) {
  const std::uint32_t before = edit.before == nullptr ? 0 : base_.ref_of(edit.before);
  if (edit.touched) zone_->record_count_ -= static_cast<std::uint32_t>(records_of(edit.before));
  if (!edit.exists) {
    if (edit.before == nullptr) return true;
    update_.drop(before, edit.before->block_size());
    note_denial(edit.before, nullptr);
    --zone_->node_count_;
    return table_.remove(edit.hash, before);
  }
  US_ASSIGN(const std::size_t size, compose(edit));
  const bool is_apex = edit.name.size() == base_.apex().size();
  const Chunk* set = made()->linked_set();  // at another distance from here than from where the block will be
  const bool same = edit.before != nullptr && edit.before->block_size() == size && set == nullptr &&
                    std::memcmp(edit.before->bytes(), scratch_.data(), size) == 0;
  if (is_apex) apex_ref_ = before;
  if (same) return true;
  const std::uint32_t ref = update_.allocate(size);
  if (ref == 0) return false;
  std::memcpy(update_.at(ref), scratch_.data(), size);
  if (set != nullptr) reinterpret_cast<Node*>(update_.at(ref))->link_again(set);
  zone_->note_depth(*made());
  note_denial(edit.before, base_.node_at(ref));
  if (is_apex) apex_ref_ = ref;
  if (edit.before == nullptr) {
    ++zone_->node_count_;
    return table_.insert(edit.hash, ref);
  }
  update_.drop(before, edit.before->block_size());
  return table_.replace(edit.hash, before, ref);
}

// Names that deny others have come, gone or moved.
void VersionWriter::note_denial(const Node* before, const Node* after) {
  const auto note = [&](std::vector<OwnerTreeWriter::Change>& changes, auto&& denies) {
    const auto ref = [&](const Node* node) { return node != nullptr && denies(*node) ? base_.ref_of(node) : 0; };
    const OwnerTreeWriter::Change change{ref(before), ref(after)};
    if (change.before != 0 || change.after != 0) changes.push_back(change);
  };
  note(nsec_, has_nsec);
  if (base_.denial() == Zone::Denial::nsec3) {
    note(nsec3_, [&](const Node& node) { return is_in_chain(node, base_.nsec3_params()); });
  }
}

namespace {

class ArenaPages final : public PageMemory {
 public:
  explicit ArenaPages(ArenaUpdate& update) : update_(update) {}
  std::uint32_t allocate(std::size_t octets) override { return update_.allocate(octets); }
  void drop(std::uint32_t ref, std::size_t octets) override { update_.drop(ref, octets); }
  [[nodiscard]] std::uint8_t* base() const override { return update_.at(0); }

 private:
  ArenaUpdate& update_;
};

}  // namespace

// False: no room.
bool VersionWriter::write_trees() {
  ArenaPages pages(update_);
  OwnerTreeWriter writer(pages);
  const auto nsec = writer.edit(base_.nsec_root_, nsec_);
  const auto nsec3 = nsec ? writer.edit(base_.nsec3_root_, nsec3_) : std::nullopt;
  if (!nsec3) return false;
  zone_->nsec_root_ = *nsec;
  zone_->nsec3_root_ = *nsec3;
  return true;
}

Result<std::shared_ptr<const Zone>> VersionWriter::write() {
  plan();
  zone_->depths_ = base_.depths_;
  zone_->cut_depths_ = base_.cut_depths_;
  zone_->dname_depths_ = base_.dname_depths_;
  zone_->record_count_ = base_.record_count_;
  zone_->node_count_ = base_.node_count_;
  std::uint64_t come = 0;
  for (const Edit& edit : edits_) come += edit.exists && edit.before == nullptr ? 1U : 0U;
  if (!table_.make_room(base_.node_count_ + come)) return nullptr;
  for (const Edit& edit : edits_) {
    US_ASSIGN(const bool has_room, carry_out(edit));
    if (!has_room) return nullptr;
  }
  return assemble();
}

// The next version's, instead of the base's. 0: no room.
std::uint32_t VersionWriter::write_negative_soa(const Node& apex_node, const ApexFacts& facts) {
  const Chunk* before = base_.negative_soa();
  if (before != base_.apex_node()->chunk(RRType::SOA)) update_.drop(base_.ref_of(before), round_up8(before->size()));
  if (!facts.lowers_ttls) return base_.ref_of(apex_node.chunk(RRType::SOA));
  scratch_.resize(std::max(scratch_.size(), max_negative_soa_size(facts)));
  const std::size_t size = encode_negative_soa(scratch_.data(), facts, base_.apex());
  const std::uint32_t at = update_.allocate(size);
  if (at != 0) std::memcpy(update_.at(at), scratch_.data(), size);
  return at;
}

Result<std::shared_ptr<const Zone>> VersionWriter::assemble() {
  const Node* apex_node = base_.node_at(apex_ref_);
  US_ASSIGN(const ApexFacts facts, read_apex(apex_node, base_.apex()));
  const std::uint32_t negative_soa = write_negative_soa(*apex_node, facts);
  const std::uint32_t pages = negative_soa == 0 ? 0 : table_.finish();
  if (pages == 0 || !write_trees()) return nullptr;
  zone_->soa_ = facts.soa;
  zone_->base_ = base_.base_;
  zone_->pages_ = reinterpret_cast<const std::uint32_t*>(update_.at(pages));
  zone_->bucket_count_ = table_.bucket_count();
  zone_->apex_labels_ = base_.apex_labels_;
  zone_->apex_size_ = base_.apex_size_;
  zone_->apex_node_ = apex_node;
  zone_->negative_soa_ = reinterpret_cast<const Chunk*>(update_.at(negative_soa));
  const auto chain =
      choose_nsec3_chain(*apex_node, zone_->apex(), [&](const HashedName& name) { return zone_->find(name); });
  zone_->note_denial(chain);
  // Another chain: its names are not known yet.
  const bool had = base_.denial() == Zone::Denial::nsec3, has = chain.has_value();
  if (had != has || (has && !zone_->nsec3_.is_same_chain(base_.nsec3_))) return nullptr;
  zone_->shared_ = update_.commit();
  return std::exchange(zone_, nullptr);
}

}  // namespace understudy
