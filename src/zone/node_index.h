// The hash table from names to node blocks while a version is built. Grows; the finished version has a copy.
#pragma once

#include <cstdint>

#include "zone/layout.h"

namespace understudy {

class NodeIndex {
 public:
  /// Room for `names` at the load of a finished table.
  explicit NodeIndex(std::uint64_t names);

  /// Offset (units of 8 octets) of the node for which `matches(offset)` holds among those with this hash; 0: none.
  template <typename F>
  std::uint32_t find(std::uint64_t hash, F&& matches) const {
    for (std::uint32_t index = bucket_index(hash, bucket_count_);;) {
      const NodeBucket& bucket = buckets()[index];
      for (std::size_t i = 0; i < bucket.count; ++i) {
        if (bucket.tags[i] == bucket_tag(hash) && matches(bucket.refs[i])) return bucket.refs[i];
      }
      if (bucket.overflow == 0) return 0;
      index = index + 1 == bucket_count_ ? 0 : index + 1;
    }
  }
  void prefetch(std::uint64_t hash) const { __builtin_prefetch(buckets() + bucket_index(hash, bucket_count_), 1); }
  void insert(std::uint64_t hash, std::uint32_t ref);
  /// The entry of `hash` that refers to `from` refers to `to` from now on.
  void replace(std::uint64_t hash, std::uint32_t from, std::uint32_t to);
  [[nodiscard]] bool is_full() const { return size_ >= std::uint64_t{bucket_count_} * full_load; }
  /// As full as a table made for these names would be, nearly.
  [[nodiscard]] bool is_well_sized() const { return bucket_count_ <= buckets_for(size_) + buckets_for(size_) / 8; }
  /// Names that a finished table of this size is made for.
  [[nodiscard]] std::uint64_t room() const { return bucket_count_ * final_load; }
  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] std::uint32_t bucket_count() const { return bucket_count_; }
  [[nodiscard]] std::size_t memory_size() const { return std::size_t{bucket_count_} * sizeof(NodeBucket); }
  /// All buckets, one behind the other.
  [[nodiscard]] const std::uint8_t* data() const { return memory_.data(); }

 private:
  static constexpr std::uint64_t final_load = 9;  // names a bucket, of twelve, in a finished table
  static constexpr std::uint64_t full_load = 10;  // when the table must grow
  static std::uint32_t buckets_for(std::uint64_t names) {
    return names <= NodeBucket::slots ? 1 : static_cast<std::uint32_t>((names + final_load - 1) / final_load);
  }

  [[nodiscard]] NodeBucket* buckets() const { return reinterpret_cast<NodeBucket*>(memory_.data()); }

  ZoneMemory memory_;
  std::uint32_t bucket_count_;
  std::uint64_t size_ = 0;
};

}  // namespace understudy
