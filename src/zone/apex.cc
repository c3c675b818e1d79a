#include "zone/apex.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <vector>

#include "dns/rdata.h"
#include "zone/chunk_encoder.h"

namespace understudy {

Result<ApexFacts> read_apex(const Node* node, NameView apex) {
  const Chunk* chunk = node == nullptr ? nullptr : node->rrset_chunk(RRType::SOA);
  if (chunk == nullptr) return fail(Errc::no_apex_soa, apex.text());
  if (chunk->record_count() != 1) {
    return fail(Errc::no_apex_soa, fmt::format("{} has {} SOA records", apex.text(), chunk->record_count()));
  }
  if (node->rrset_chunk(RRType::NS) == nullptr) return fail(Errc::no_apex_ns, apex.text());
  ApexFacts facts;
  const RRsetView view(node, RRType::SOA, chunk, apex);
  view.for_each_rdata([&](ByteView rdata) {
    const SoaView fields = soa_view(rdata);
    facts.soa = {view.ttl(), fields.serial, fields.refresh, fields.retry, fields.expire, fields.minimum};
    // Its TTL is the lesser of its own and MINIMUM (RFC 2308 section 3).
    facts.negative_soa.add(RRType::SOA, std::min(view.ttl(), fields.minimum), rdata);
  });
  const std::uint32_t negative_ttl = facts.negative_soa.items[0].ttl;
  facts.lowers_ttls = negative_ttl < view.ttl();
  view.for_each_signature([&](std::uint32_t ttl, ByteView rdata) {
    facts.negative_soa.add(RRType::RRSIG, std::min(ttl, negative_ttl), rdata);
    facts.lowers_ttls |= negative_ttl < ttl;
  });
  return facts;
}

std::size_t max_negative_soa_size(const ApexFacts& facts) {
  std::vector<StagedRecord> records;
  facts.negative_soa.records(records);
  const std::span<const StagedRecord> all(records);
  return max_chunk_size(all.first(1), all.subspan(1));
}

std::size_t encode_negative_soa(std::uint8_t* out, const ApexFacts& facts, NameView apex) {
  std::vector<StagedRecord> records;
  facts.negative_soa.records(records);
  const std::span<const StagedRecord> all(records);
  return encode_chunk(out, apex, apex, RRType::SOA, all.first(1), all.subspan(1));
}

}  // namespace understudy
