// layers: store
// What is read out of the storage directory: heads, timers, deltas, records of transfers, the ledger, and blocks that
// become a version. A version that comes out of arbitrary blocks goes in and out again unchanged.
#include <cstdint>
#include <cstdlib>

#include "dns/name.h"
#include "store/format.h"
#include "store/ledger.h"
#include "store/transfer_record.h"
#include "store/version_codec.h"
#include "zone/builder.h"
#include "zone/delta.h"

using namespace understudy;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

std::shared_ptr<const Zone> zone_of(const std::vector<Bytes>& blocks, NameView apex) {
  ZoneBuilder builder(apex);
  for (const Bytes& block : blocks) {
    if (!decode_block(block, apex, builder)) return nullptr;
  }
  auto zone = builder.finish();
  return zone ? *zone : nullptr;
}

// In the way of large versions.
std::shared_ptr<const Zone> encoded_zone_of(const std::vector<Bytes>& blocks, NameView apex) {
  ZoneBuilder builder(apex);
  EncodedBlock encoded(apex);
  for (const Bytes& block : blocks) {
    if (!encoded.read(block) || !encoded.add_to(builder)) return nullptr;
  }
  auto zone = builder.finish();
  return zone ? *zone : nullptr;
}

std::vector<Bytes> blocks_of(const std::shared_ptr<const Zone>& zone) {
  std::vector<Bytes> blocks;
  Bytes room;
  const auto keep = [&](ByteView block) -> Result<void> {
    blocks.emplace_back(block.begin(), block.end());
    return {};
  };
  require(encode_version(zone, keep, room).has_value());
  return blocks;
}

// Sealed with the right checksum: otherwise no input would get past it.
void read_values(ByteView content) {
  Bytes value(content.begin(), content.end());
  const Name zone = Name::parse("example.").value();
  for (const std::string& key : {head_key(zone), timers_key(zone)}) {
    Bytes sealed = value;
    seal(key, sealed);
    if (const auto head = decode_head(key, text_of(sealed))) {
      require(decode_head(key, text_of(encode_head(key, *head))).has_value());
    }
    ByteReader in(content);
    if (const auto header = decode_delta_header(in)) {
      const Bytes octets = encode_delta_header(*header);
      ByteReader again(octets);
      require(decode_delta_header(again)->size == header->size && again.at_end());
    }
    if (const auto timers = decode_timers(key, text_of(sealed))) {
      require(decode_timers(key, text_of(encode_timers(key, *timers))).value() == *timers);
    }
  }
  const std::string key = transfer_key(7);
  seal(key, value);
  if (auto stored = decode_transfer(key, text_of(value))) {
    const Bytes octets = encode_transfer(stored->start, stored->record);
    const auto again = decode_transfer(key, text_of(octets));
    require(again.has_value() && again->start == stored->start);
    require(encode_transfer(again->start, again->record) == octets);
    bound_texts(stored->record);
    require(weight_of(stored->record) < 2 * max_transfer_octets);
  }
}

// A delta that is read has records that can be walked, in the zone.
void read_delta(ByteView content) {
  const Name apex = Name::parse("example.").value();
  const auto delta = ZoneDelta::from_wire(apex, content);
  if (!delta) return;
  std::uint64_t records = 0;
  const auto count = [&](const DeltaRecord& record) {
    require(record.owner.is_at_or_below(apex));
    ++records;
  };
  (*delta)->for_each_removed(count);
  (*delta)->for_each_added(count);
  require(records == (*delta)->removed_count() + (*delta)->added_count());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  const Promises promises(Bytes(input.begin(), input.end()));
  for (std::size_t i = 0; i < promises.size(); ++i) require(promises.find(promises.at(i).zone).has_value());
  (void)zone_of_key(text_of(input));
  (void)version_of_large_key(text_of(input));
  (void)place_of_delta_key(text_of(input));
  (void)last_u64(text_of(input));
  read_values(input);
  read_delta(input);
  const Name apex = Name::parse("example.").value();
  const auto zone = zone_of({Bytes(input.begin(), input.end())}, apex);
  const auto encoded = encoded_zone_of({Bytes(input.begin(), input.end())}, apex);
  require((zone == nullptr) == (encoded == nullptr));
  if (zone) {
    require(encoded->record_count() == zone->record_count() && encoded->node_count() == zone->node_count());
    const std::vector<Bytes> blocks = blocks_of(zone);
    const auto again = zone_of(blocks, apex);
    require(again != nullptr && again->record_count() == zone->record_count() &&
            again->node_count() == zone->node_count());
  }
  return 0;
}
