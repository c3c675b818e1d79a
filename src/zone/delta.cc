#include "zone/delta.h"

#include <optional>
#include <utility>

#include "dns/rdata.h"

// wire   = octets of the removed records u64 (as bytes), record* (removed), record* (added)
// record = owner size u8 (0: that of the record before), owner, type u16, TTL u32, RDATA size u16, RDATA
namespace understudy {
namespace {

constexpr std::size_t behind_owner = 8;  // type, TTL, RDATA size

std::optional<Serial> opening_serial(NameView apex, ZoneDelta::Cursor cursor) {
  if (!cursor.next()) return std::nullopt;
  const DeltaRecord& first = cursor.current();
  if (first.type != RRType::SOA || !first.owner.equals(apex)) return std::nullopt;
  return Serial{soa_view(first.rdata).serial};
}

void append_u64(Bytes& out, std::uint64_t v) {
  append_u32(out, static_cast<std::uint32_t>(v >> 32));
  append_u32(out, static_cast<std::uint32_t>(v));
}

// What for_each_removed() and for_each_added() take for granted.
Result<std::uint64_t> check_records(NameView apex, ByteView octets) {
  ByteReader reader(octets);
  std::uint64_t count = 0;
  for (; !reader.at_end(); ++count) {
    const std::size_t name_size = reader.u8();
    const ByteView name = reader.bytes(name_size);
    if (!reader.ok() || (name_size == 0 && count == 0)) return fail(Errc::corrupt, "a delta's owner name is cut off");
    if (name_size != 0) {
      ByteReader inside(name);
      const auto owner = NameView::read(inside);
      if (!owner || !inside.at_end() || !owner->is_at_or_below(apex)) {
        return fail(Errc::corrupt, "a delta's owner is not a name of the zone");
      }
    }
    const auto type = static_cast<RRType>(reader.u16());
    reader.u32();
    const ByteView rdata = reader.bytes(reader.u16());
    if (!reader.ok()) return fail(Errc::corrupt, "a delta's record is cut off");
    if (is_meta_type(type) || !check_rdata(type, rdata)) return fail(Errc::corrupt, "a delta's record is malformed");
  }
  return count;
}

}  // namespace

bool ZoneDelta::Cursor::next() {
  if (at_ >= end_) return false;
  const std::uint8_t* octets = octets_.data();
  const std::size_t name_size = octets[at_++];
  if (name_size != 0) record_.owner = NameView::trusted(octets_.subspan(at_, name_size));
  at_ += name_size;
  record_.type = static_cast<RRType>(load_u16(octets + at_));
  record_.ttl = load_u32(octets + at_ + 2);
  const std::size_t size = load_u16(octets + at_ + 6);
  record_.rdata = octets_.subspan(at_ + behind_owner, size);
  at_ += behind_owner + size;
  return true;
}

Result<std::shared_ptr<const ZoneDelta>> ZoneDelta::from_wire(NameView apex, ByteView wire) {
  if (wire.size() < removed_at) return fail(Errc::corrupt, "a delta is cut off");
  const std::uint64_t removed = std::uint64_t{load_u32(wire.data())} << 32 | load_u32(wire.data() + 4);
  if (removed > wire.size() - removed_at) return fail(Errc::corrupt, "a delta is cut off");
  auto delta = std::make_shared<ZoneDelta>();
  delta->octets_.assign(wire.begin(), wire.end());
  delta->added_at_ = removed_at + removed;
  const ByteView octets(delta->octets_);
  US_ASSIGN(delta->removed_count_, check_records(apex, octets.subspan(removed_at, removed)));
  US_ASSIGN(delta->added_count_, check_records(apex, octets.subspan(delta->added_at_)));
  const auto from = opening_serial(apex, delta->removed());
  const auto to = opening_serial(apex, delta->added());
  if (!from || !to) return fail(Errc::corrupt, "a delta does not begin with the zone's SOA");
  delta->from_ = *from;
  delta->to_ = *to;
  return delta;
}

ZoneDeltaBuilder::ZoneDeltaBuilder(NameView apex) : apex_(apex) {}

void ZoneDeltaBuilder::Part::append(NameView owner, RRType type, std::uint32_t ttl, ByteView rdata) {
  const bool same =
      count != 0 && NameView::trusted(ByteView(octets).subspan(owner_at + 1, octets[owner_at])).identical(owner);
  if (same) {
    append_u8(octets, 0);
  } else {
    owner_at = octets.size();
    append_u8(octets, static_cast<std::uint8_t>(owner.size()));
    understudy::append(octets, owner.wire());
  }
  append_u16(octets, number(type));
  append_u32(octets, ttl);
  append_u16(octets, static_cast<std::uint16_t>(rdata.size()));
  understudy::append(octets, rdata);
  ++count;
}

Result<std::shared_ptr<const ZoneDelta>> ZoneDeltaBuilder::finish() {
  auto delta = std::make_shared<ZoneDelta>();
  delta->octets_.reserve(ZoneDelta::removed_at + size());
  append_u64(delta->octets_, removed_.octets.size());
  append(delta->octets_, removed_.octets);
  append(delta->octets_, added_.octets);
  delta->added_at_ = ZoneDelta::removed_at + removed_.octets.size();
  delta->removed_count_ = std::exchange(removed_, {}).count;
  delta->added_count_ = std::exchange(added_, {}).count;
  const auto from = opening_serial(apex_, delta->removed());
  const auto to = opening_serial(apex_, delta->added());
  if (!from || !to) return fail(Errc::bad_delta, "it does not begin with the zone's SOA");
  delta->from_ = *from;
  delta->to_ = *to;
  return delta;
}

}  // namespace understudy
