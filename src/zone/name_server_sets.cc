#include "zone/name_server_sets.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "zone/octets_hash.h"

namespace understudy {
namespace {

constexpr std::size_t least_marks = std::size_t{1} << 12, most_marks = std::size_t{1} << 20;

std::uint64_t hash_of(const Chunk& chunk) {
  return octets_hash(process_hash_key.a, {reinterpret_cast<const std::uint8_t*>(&chunk), chunk.size()});
}

const Chunk* chunk_at(const std::uint8_t* base, std::uint32_t ref) {
  return reinterpret_cast<const Chunk*>(base + std::size_t{ref} * 8);
}

}  // namespace

const Chunk* NameServerSets::find(const std::uint8_t* base, const Chunk& like) const {
  if (count_ == 0) return nullptr;
  const std::size_t size = like.size();
  for (std::size_t at = hash_of(like);; ++at) {
    const std::uint32_t ref = places_[at & (places_.size() - 1)];
    if (ref == 0) return nullptr;
    const Chunk* chunk = chunk_at(base, ref);
    if (chunk->size() == size && std::memcmp(chunk, &like, size) == 0) return chunk;
  }
}

void NameServerSets::add(const std::uint8_t* base, std::uint32_t ref) {
  if (++count_ * 4 > places_.size() * 3) {
    std::vector<std::uint32_t> before(std::max<std::size_t>(64, places_.size() * 2));
    before.swap(places_);
    for (const std::uint32_t known : before) {
      if (known != 0) put(base, known);
    }
  }
  put(base, ref);
}

void NameServerSets::put(const std::uint8_t* base, std::uint32_t ref) {
  const Chunk* chunk = chunk_at(base, ref);
  std::size_t at = hash_of(*chunk);
  while (places_[at & (places_.size() - 1)] != 0) ++at;
  places_[at & (places_.size() - 1)] = ref;
}

void NameServerSets::clear() {
  places_.clear();
  count_ = 0;
}

// Places grow with the number of sets, up to 4 MiB, and are empty then. At that size, a set that comes once in a
// million others is recognized every third time.
bool RepeatedSets::comes_again(std::uint64_t mark) {
  if (++seen_ <= first_) return false;
  if (seen_ > marks_.size() && marks_.size() < most_marks) marks_.assign(std::max(least_marks, marks_.size() * 2), 0);
  const auto upper = static_cast<std::uint32_t>(mark >> 32) | 1U;
  return std::exchange(marks_[mark & (marks_.size() - 1)], upper) == upper;
}

std::uint64_t RepeatedSets::mark_of(std::span<const StagedRecord> records) {
  std::uint64_t mark = process_hash_key.a ^ records.front().ttl;
  for (const StagedRecord& record : records) mark = octets_hash(mark, record.rdata);
  return mark;
}

std::size_t set_block_size(const Chunk& chunk) {
  return sizeof(Node) + round_up8(chunk.size());
}

const Chunk* write_set_block(std::uint8_t* out, const Chunk& chunk) {
  const std::size_t size = set_block_size(chunk);
  auto* node = reinterpret_cast<Node*>(out);
  node->size_and_name = static_cast<std::uint32_t>(size / 8 << 8);
  node->rrset_count = 0;
  node->set_flags(Node::shared_set, 0);
  std::memcpy(out + sizeof(Node), &chunk, round_up8(chunk.size()));
  return reinterpret_cast<const Chunk*>(out + sizeof(Node));
}

}  // namespace understudy
