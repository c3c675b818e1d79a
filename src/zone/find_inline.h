// How a version finds a name. Inline, because every query does it several times; part of zone/zone.h.
#pragma once

#include <cstddef>

#include "base/simd.h"
#include "zone/zone.h"

namespace understudy {

/// Bit i: tags[i] equals `tag`. Compares the bucket's last 16 octets, which one vector register holds; the count and
/// overflow octets behind the tags are masked off.
inline std::uint32_t matching_tags(const NodeBucket& bucket, std::uint8_t tag) {
  const std::uint8_t* tags = reinterpret_cast<const std::uint8_t*>(&bucket) + offsetof(NodeBucket, tags);
  return matching_octets16(tags, tag) & ((1U << bucket.count) - 1);
}

// Cost: two dependent loads, bucket and block, both asked for ahead by prefetch() and prefetch_node().
inline const Node* Zone::find_relative(std::uint64_t hash, const std::uint8_t* wanted, std::size_t size) const {
  for (std::uint32_t index = bucket_index(hash, bucket_count_);;) {
    const NodeBucket& here = bucket(index);
    for (std::uint32_t matches = matching_tags(here, bucket_tag(hash)); matches != 0; matches &= matches - 1) {
      const Node* node = node_at(here.refs[__builtin_ctz(matches)]);
      if (node->name_size() == size && equal_without_case(node->relative_name().data(), wanted, size)) return node;
    }
    if (here.overflow == 0) return nullptr;
    index = index + 1 == bucket_count_ ? 0 : index + 1;
  }
}

inline const Node* Zone::find(const HashedName& name, std::size_t label) const {
  const std::size_t begin = name.offsets[label];
  const std::size_t size = name.offsets[name.labels - apex_labels_] - begin;
  if (size == 0) return apex_node_;
  return find_relative(name.hashes[label], name.name.wire().data() + begin, size);
}

inline const Node* Zone::find(NameView name, std::uint64_t hash) const {
  const std::size_t size = name.size() - apex_size_;
  return size == 0 ? apex_node_ : find_relative(hash, name.wire().data(), size);
}

inline void Zone::prefetch(std::uint64_t hash) const {
  __builtin_prefetch(&bucket(bucket_index(hash, bucket_count_)));
}

inline void Zone::prefetch_node(std::uint64_t hash) const {
  const NodeBucket& first = bucket(bucket_index(hash, bucket_count_));
  const std::uint32_t matches = matching_tags(first, bucket_tag(hash));
  if (matches == 0) return;
  const std::uint8_t* node = node_at(first.refs[__builtin_ctz(matches)])->bytes();
  __builtin_prefetch(node);
  __builtin_prefetch(node + 64);
}

}  // namespace understudy
