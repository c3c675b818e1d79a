#include "server/zone_text.h"

#include <fmt/format.h>

#include <iterator>
#include <utility>

#include "dns/rdata.h"

namespace understudy {
namespace {

/// The same for the same record, whatever its TTL and the case of its names.
std::string record_key(NameView owner, RRType type, ByteView rdata) {
  const Name lowered = Name(owner).lowered();
  Bytes key(lowered.wire().begin(), lowered.wire().end());
  append_u16(key, number(type));
  append_canonical_rdata(type, rdata, key);
  return std::string(text_of(key));
}

}  // namespace

ZoneText::ZoneText(std::shared_ptr<const Zone> zone, DeltaPtr change)
    : cursor_(std::move(zone)), change_(std::move(change)) {
  if (!change_) return;
  part_ = Part::soa;
  added_ = change_->added();
  change_->for_each_removed(
      [this](const DeltaRecord& record) { removed_.insert(record_key(record.owner, record.type, record.rdata)); });
}

void ZoneText::put(std::string& piece, NameView owner, std::uint32_t ttl, RRType type, ByteView rdata) const {
  fmt::format_to(std::back_inserter(piece), "{}\t{}\tIN\t{}\t{}\n", owner.text(), ttl, type_text(type),
                 rdata_text(type, rdata));
}

void ZoneText::put_rrset(std::string& piece) {
  const RRsetView rrset = cursor_.rrset();
  const NameView owner = cursor_.owner();
  const auto put_one = [&](std::uint32_t ttl, RRType type, ByteView rdata) {
    if (!removed_.empty() && removed_.contains(record_key(owner, type, rdata))) return;
    put(piece, owner, ttl, type, rdata);
  };
  const std::uint32_t ttl = rrset.ttl();
  rrset.for_each_rdata([&](ByteView rdata) { put_one(ttl, rrset.type(), rdata); });
  rrset.for_each_signature([&](std::uint32_t own_ttl, ByteView rdata) { put_one(own_ttl, RRType::RRSIG, rdata); });
}

bool ZoneText::put_added(std::string& piece) {
  if (!added_.next()) return false;
  const DeltaRecord& record = added_.current();
  put(piece, record.owner, record.ttl, record.type, record.rdata);
  return true;
}

// The SOA comes first, as zone files have it, and a delta has it first among what it adds.
bool ZoneText::next(std::string& piece) {
  constexpr std::size_t piece_octets = std::size_t{64} << 10;
  while (piece.size() < piece_octets && part_ != Part::end) {
    switch (part_) {
      case Part::soa:
        put_added(piece);
        part_ = Part::version;
        break;
      case Part::version:
        if (cursor_.next()) {
          put_rrset(piece);
        } else {
          part_ = change_ ? Part::added : Part::end;
        }
        break;
      case Part::added:
        if (!put_added(piece)) part_ = Part::end;
        break;
      case Part::end:
        break;
    }
  }
  return part_ != Part::end;
}

}  // namespace understudy
