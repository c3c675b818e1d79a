#include "zone/table_editor.h"

#include <cstring>

#include "zone/hash.h"

namespace understudy {
namespace {

constexpr std::uint64_t full_load = 10;  // names a bucket when the table must grow, as while building
constexpr std::uint64_t fresh_load = 7;  // after that

std::size_t list_size(std::size_t pages) {
  return round_up8(pages * sizeof(std::uint32_t));
}

}  // namespace

TableEditor::TableEditor(const Zone& base, ArenaUpdate& update)
    : base_(base),
      update_(update),
      bucket_count_(base.bucket_count()),
      pages_(base.pages().begin(), base.pages().end()),
      copied_(pages_.size()) {}

NodeBucket& TableEditor::bucket(std::uint32_t index) const {
  auto* page = reinterpret_cast<NodeBucket*>(update_.at(pages_[index >> buckets_in_page_log2]));
  return page[index & (buckets_in_page - 1)];
}

NodeBucket* TableEditor::writable(std::uint32_t index) {
  const std::uint32_t page = index >> buckets_in_page_log2;
  if (!copied_[page]) {
    const std::size_t size = table_page_size(bucket_count_, page);
    const std::uint32_t copy = update_.allocate(size, sizeof(NodeBucket));
    if (copy == 0) return nullptr;
    std::memcpy(update_.at(copy), update_.at(pages_[page]), size);
    update_.drop(pages_[page], size);
    pages_[page] = copy;
    copied_[page] = true;
  }
  return &bucket(index);
}

bool TableEditor::make_room(std::uint64_t names) {
  if (names <= NodeBucket::slots || names < std::uint64_t{bucket_count_} * full_load) return true;
  for (std::uint32_t i = 0; i < pages_.size(); ++i) update_.drop(pages_[i], table_page_size(bucket_count_, i));
  bucket_count_ = static_cast<std::uint32_t>(names / fresh_load + 1);
  pages_.assign(table_pages(bucket_count_), 0);
  copied_.assign(pages_.size(), true);
  for (std::uint32_t i = 0; i < pages_.size(); ++i) {
    const std::size_t size = table_page_size(bucket_count_, i);
    pages_[i] = update_.allocate(size, sizeof(NodeBucket));
    if (pages_[i] == 0) return false;
    std::memset(update_.at(pages_[i]), 0, size);
  }
  const std::uint64_t apex_hash = name_hash(base_.apex());
  bool done = true;
  base_.for_each_node(
      nullptr, [&](const Node& node) { done = done && insert(node_hash(&node, apex_hash), base_.ref_of(&node)); });
  return done;
}

bool TableEditor::insert(std::uint64_t hash, std::uint32_t ref) {
  for (std::uint32_t index = bucket_index(hash, bucket_count_);;) {
    const NodeBucket& here = bucket(index);
    if (here.count < NodeBucket::slots) {
      NodeBucket* to = writable(index);
      if (to == nullptr) return false;
      to->refs[to->count] = ref;
      to->tags[to->count] = bucket_tag(hash);
      ++to->count;
      return true;
    }
    if (here.overflow == 0) {
      NodeBucket* to = writable(index);
      if (to == nullptr) return false;
      to->overflow = 1;
    }
    index = index + 1 == bucket_count_ ? 0 : index + 1;
  }
}

// The entry is there.
TableEditor::Slot TableEditor::find(std::uint64_t hash, std::uint32_t ref) const {
  for (std::uint32_t index = bucket_index(hash, bucket_count_);;) {
    const NodeBucket& here = bucket(index);
    for (std::size_t i = 0; i < here.count; ++i) {
      if (here.refs[i] == ref) return {index, i};
    }
    index = index + 1 == bucket_count_ ? 0 : index + 1;
  }
}

bool TableEditor::replace(std::uint64_t hash, std::uint32_t from, std::uint32_t to) {
  const Slot found = find(hash, from);
  NodeBucket* in = writable(found.bucket);
  if (in == nullptr) return false;
  in->refs[found.slot] = to;
  return true;
}

bool TableEditor::remove(std::uint64_t hash, std::uint32_t ref) {
  const Slot found = find(hash, ref);
  NodeBucket* in = writable(found.bucket);
  if (in == nullptr) return false;
  --in->count;
  in->refs[found.slot] = in->refs[in->count];
  in->tags[found.slot] = in->tags[in->count];
  return true;
}

std::uint32_t TableEditor::finish() {
  const std::uint32_t list = update_.allocate(list_size(pages_.size()));
  if (list == 0) return 0;
  std::memcpy(update_.at(list), pages_.data(), pages_.size() * sizeof(std::uint32_t));
  update_.drop(base_.ref_of(base_.pages().data()), list_size(base_.pages().size()));
  return list;
}

}  // namespace understudy
