#include "zone/part.h"

#include <fmt/format.h>

#include <algorithm>

#include "zone/hash.h"
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
  places_.push_back({node_hash(reinterpret_cast<const Node*>(block), apex_hash_), ref});
  record_count_ += encoder_.record_count();
  duplicates_ += encoder_.duplicates();
  return {};
}

void ZonePart::clear() {
  end_ = 0;
  places_.clear();
  record_count_ = duplicates_ = 0;
}

}  // namespace understudy
