#include "zone/node_index.h"

namespace understudy {

NodeIndex::NodeIndex(std::uint64_t names) : bucket_count_(buckets_for(names)) {
  memory_ = ZoneMemory::allocate(memory_size());
  memory_.shrink(memory_size());  // a table never grows in place: give the address space behind it back
}

void NodeIndex::insert(std::uint64_t hash, std::uint32_t ref) {
  for (std::uint32_t index = bucket_index(hash, bucket_count_);;) {
    NodeBucket& bucket = buckets()[index];
    if (bucket.count < NodeBucket::slots) {
      bucket.refs[bucket.count] = ref;
      bucket.tags[bucket.count] = bucket_tag(hash);
      ++bucket.count;
      ++size_;
      return;
    }
    bucket.overflow = 1;
    index = index + 1 == bucket_count_ ? 0 : index + 1;
  }
}

void NodeIndex::replace(std::uint64_t hash, std::uint32_t from, std::uint32_t to) {
  for (std::uint32_t index = bucket_index(hash, bucket_count_);;) {
    NodeBucket& bucket = buckets()[index];
    for (std::size_t i = 0; i < bucket.count; ++i) {
      if (bucket.refs[i] == from) {
        bucket.refs[i] = to;
        return;
      }
    }
    if (bucket.overflow == 0) return;
    index = index + 1 == bucket_count_ ? 0 : index + 1;
  }
}

}  // namespace understudy
