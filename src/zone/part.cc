#include "zone/part.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "zone/hash.h"
#include "zone/name_server_sets.h"
#include "zone/staging.h"
#include "zone/zone.h"

namespace understudy {

ZonePart::ZonePart(NameView apex) : apex_(apex), apex_hash_(name_hash(apex)) {}

Result<void> ZonePart::add_name(NameView owner, std::vector<StagedRecord>& records) {
  std::size_t wire_size = 0;
  for (const StagedRecord& record : records) wire_size += Staging::octets_of_a_record + record.rdata.size();
  if (wire_size > most_octets_of_a_name) {
    return fail(Errc::record_limit, fmt::format("over 64 MiB of data at {}", owner.text()));
  }
  US_ASSIGN(const std::size_t most, encoder_.prepare(owner, records));
  if (end_ + most > octets_.size()) octets_.resize(std::max(end_ + most, 2 * octets_.size()));
  std::uint8_t* block = octets_.data() + end_;
  const auto ref = static_cast<std::uint32_t>(end_ / 8);
  end_ += encoder_.write(block, 0);
  places_.emplace_back(node_hash(reinterpret_cast<const Node*>(block), apex_hash_), ref);
  record_count_ += encoder_.record_count();
  duplicates_ += encoder_.duplicates();
  if (const auto servers = encoder_.sharable_set(); !servers.empty()) add_linked(servers);
  return {};
}

// The same name again, with a link in place of its servers: the builder knows whether others have the same ones, and
// takes one or the other.
void ZonePart::add_linked(std::span<const StagedRecord> servers) {
  const Chunk* set = encoder_.encode_set(servers);
  if (set == nullptr) return;
  const auto place = static_cast<std::uint32_t>(places_.size() - 1);
  const std::size_t set_size = round_up8(set->size()), most = end_ - std::size_t{places_.back().ref} * 8;
  if (set_end_ + set_size + most > set_octets_.size()) {
    set_octets_.resize(std::max(set_end_ + set_size + most, 2 * set_octets_.size()));
  }
  std::memcpy(set_octets_.data() + set_end_, set, set_size);
  const auto set_ref = static_cast<std::uint32_t>(set_end_ / 8);
  set_end_ += set_size;
  const auto block_ref = static_cast<std::uint32_t>(set_end_ / 8);
  set_end_ += encoder_.write(set_octets_.data() + set_end_, 0, set);
  sharable_.push_back({place, set_ref, block_ref, RepeatedSets::mark_of(servers)});
}

void ZonePart::clear() {
  end_ = set_end_ = 0;
  places_.clear();
  sharable_.clear();
  record_count_ = duplicates_ = 0;
}

}  // namespace understudy
