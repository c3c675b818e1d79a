#include "zone/working_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "zone/duplicates.h"
#include "zone/mixed_ttls.h"
#include "zone/staging.h"

namespace understudy {
namespace {

constexpr std::uint32_t as_before = ~std::uint32_t{0};
constexpr std::size_t few = 16;  // records that are looked through one by one

Error does_not_fit(NameView owner, RRType type, std::string_view what) {
  return {Errc::bad_delta, fmt::format("{} {} {}", owner.text(), type_text(type), what)};
}

bool is_alias(RRType type) {
  return type == RRType::CNAME || type == RRType::DNAME;
}

}  // namespace

std::uint32_t WorkingSet::keep_name(NameView name) {
  const auto place = static_cast<std::uint32_t>(names_.size());
  append_u8(names_, static_cast<std::uint8_t>(name.size()));
  understudy::append(names_, name.wire());
  return place;
}

NameView WorkingSet::name_at(std::uint32_t place) const {
  return NameView::trusted(ByteView(names_).subspan(place + 1, names_[place]));
}

Result<WorkingSet::Touched*> WorkingSet::touch(NameView owner) {
  if (last_ < touched_.size()) {
    Touched& last = touched_[last_];
    if (name_at(last.spelled).identical(owner)) return &last;
  }
  if (!owner.is_at_or_below(base_.apex())) {
    return fail(Errc::bad_delta, fmt::format("{} is not a name of the zone", owner.text()));
  }
  if (names_.size() > as_before - 2 * max_name_size) return fail(Errc::record_limit, "a delta touches too many names");
  const HashedName hashed(owner);
  const auto [first, end] = by_hash_.equal_range(hashed.hashes[0]);
  for (auto at = first; at != end; ++at) {
    Touched& known = touched_[at->second];
    if (!name_at(known.name).equals(owner)) continue;
    last_ = at->second;
    if (!name_at(known.spelled).identical(owner)) known.spelled = keep_name(owner);
    return &known;
  }
  last_ = touched_.size();
  by_hash_.emplace(hashed.hashes[0], static_cast<std::uint32_t>(last_));
  const std::uint32_t name = keep_name(owner);
  Touched& fresh = touched_.emplace_back(Touched{hashed.hashes[0], base_.find(hashed), name, name, {}, {}, {}});
  if (fresh.before != nullptr) load(fresh);
  return &fresh;
}

// The records that the base has at the name.
void WorkingSet::load(Touched& to) {
  for (std::size_t i = 0; i < to.before->rrset_count; ++i) {
    const RRsetView rrset(to.before, to.before->type_at(i), to.before->chunk_at(i), base_.apex());
    const std::uint32_t ttl = rrset.ttl();
    rrset.for_each_rdata([&](ByteView rdata) { append(to, rrset.type(), ttl, as_before, rdata); });
    if (has_mixed_ttls(*rrset.chunk())) to.has_mixed = to.rrsets[number(rrset.type())].mixed = true;
    rrset.for_each_signature(
        [&](std::uint32_t own, ByteView rdata) { append(to, RRType::RRSIG, own, as_before, rdata); });
  }
}

void WorkingSet::append(Touched& to, RRType type, std::uint32_t ttl, std::uint32_t spelled, ByteView rdata) {
  if (to.index) to.index->emplace(rdata_hash(type, rdata), static_cast<std::uint32_t>(to.entries.size()));
  to.entries.push_back({octets_.size(), ttl, spelled, number(type), static_cast<std::uint16_t>(rdata.size()), true});
  understudy::append(octets_, rdata);
  if (rdata.empty()) octets_.push_back(0);  // each begins at an octet of its own: places tell the order of arrival
  ++to.live;
  to.live_octets += rdata.size() + Staging::octets_of_a_record;
  if (type == RRType::RRSIG) return;
  RRset& rrset = to.rrsets[number(type)];
  rrset.ttl = rrset.live == 0 ? ttl : std::min(rrset.ttl, ttl);
  ++rrset.live;
}

// What its TTL, or its order, would be by way of the whole zone.
Result<void> WorkingSet::note_ttl(Touched& touched, const DeltaRecord& record) const {
  RRset& rrset = touched.rrsets[number(record.type)];
  if (rrset.live == 0) {
    rrset.mixed = false;
    rrset.came_anew = delta_;
  } else if (rules_ == Rules::of_any_time) {
    rrset.mixed |= record.ttl != rrset.ttl;
    touched.has_mixed |= rrset.mixed;
  } else if (is_alias(record.type)) {
    return std::unexpected(does_not_fit(record.owner, record.type, "is there already, and there may be only one"));
  } else if (rrset.came_anew == delta_) {
    rrset.mixed |= record.ttl != rrset.ttl;
    touched.has_mixed |= rrset.mixed;
  } else if (rrset.mixed || record.ttl != rrset.ttl) {
    return std::unexpected(
        does_not_fit(record.owner, record.type,
                     fmt::format("is to be added with TTL {} beside records {} {}", record.ttl,
                                 rrset.mixed ? "with several TTLs, of which the lowest was" : "with TTL", rrset.ttl)));
  }
  return {};
}

void WorkingSet::build_index(Touched& of) {
  of.index = std::make_unique<std::unordered_multimap<std::uint64_t, std::uint32_t>>();
  of.index->reserve(of.entries.size());
  for (std::uint32_t i = 0; i < of.entries.size(); ++i) {
    const Entry& entry = of.entries[i];
    if (entry.live) of.index->emplace(rdata_hash(static_cast<RRType>(entry.type), rdata(entry)), i);
  }
}

WorkingSet::Entry* WorkingSet::find(Touched& in, RRType type, ByteView wanted) {
  const StagedRecord record{type, 0, wanted};
  const auto matches = [&](const Entry& entry) {
    return entry.live && entry.type == number(type) && same_rdata({type, 0, rdata(entry)}, record);
  };
  if (in.entries.size() <= few) {
    const auto found = std::ranges::find_if(in.entries, matches);
    return found == in.entries.end() ? nullptr : &*found;
  }
  if (!in.index) build_index(in);
  const auto [first, end] = in.index->equal_range(rdata_hash(type, wanted));
  for (auto at = first; at != end; ++at) {
    if (matches(in.entries[at->second])) return &in.entries[at->second];
  }
  return nullptr;
}

Result<void> WorkingSet::remove(const DeltaRecord& record) {
  US_ASSIGN(Touched * touched, touch(record.owner));
  Entry* entry = find(*touched, record.type, record.rdata);
  if (entry == nullptr)
    return std::unexpected(does_not_fit(record.owner, record.type, "is to be removed but is not there"));
  entry->live = false;
  --touched->live;
  touched->live_octets -= entry->size + Staging::octets_of_a_record;
  if (record.type != RRType::RRSIG) {
    RRset& rrset = touched->rrsets[number(record.type)];
    --rrset.live;
    doubtful_ |= rules_ == Rules::of_today && (rrset.mixed || is_alias(record.type));
  }
  if (!touched->index) return {};
  const auto place = static_cast<std::uint32_t>(entry - touched->entries.data());
  const auto [first, end] = touched->index->equal_range(rdata_hash(record.type, record.rdata));
  touched->index->erase(std::find_if(first, end, [&](const auto& known) { return known.second == place; }));
  return {};
}

// What is left where a record went.
Result<void> WorkingSet::check_left(const DeltaRecord& record) {
  if (record.type == RRType::RRSIG) return {};
  US_ASSIGN(Touched * touched, touch(record.owner));
  const RRset& rrset = touched->rrsets[number(record.type)];
  if (rrset.live != 0 && rrset.mixed) {
    return std::unexpected(
        does_not_fit(record.owner, record.type,
                     "is to be removed from records with several TTLs, of which only the lowest is known"));
  }
  if (rrset.live > 1 && is_alias(record.type)) {
    return std::unexpected(does_not_fit(record.owner, record.type, "is to be removed from several that are left"));
  }
  return {};
}

Result<void> WorkingSet::add(const DeltaRecord& record) {
  US_ASSIGN(Touched * touched, touch(record.owner));
  if (find(*touched, record.type, record.rdata) != nullptr) {
    return std::unexpected(does_not_fit(record.owner, record.type, "is to be added but is there already"));
  }
  if (record.type != RRType::RRSIG) US_TRY(note_ttl(*touched, record));
  append(*touched, record.type, record.ttl, touched->spelled, record.rdata);
  if (touched->live_octets > most_octets_of_a_name) {
    return fail(Errc::record_limit, fmt::format("over 64 MiB of data at {}", record.owner.text()));
  }
  return {};
}

Result<void> WorkingSet::apply(const ZoneDelta& delta) {
  Result<void> result;
  const auto take = [&](Result<void> done) {
    if (!done) result = std::move(done);
    return result.has_value();
  };
  ++delta_;
  delta.for_each_removed([&](const DeltaRecord& record) { return take(remove(record)); });
  if (result && std::exchange(doubtful_, false))
    delta.for_each_removed([&](const DeltaRecord& record) { return take(check_left(record)); });
  if (result) delta.for_each_added([&](const DeltaRecord& record) { return take(add(record)); });
  return result;
}

Name WorkingSet::owner(std::size_t i) const {
  const Touched& of = touched_[i];
  const auto first = std::ranges::find_if(of.entries, [](const Entry& entry) { return entry.live; });
  const bool stays = first == of.entries.end() || first->spelled == as_before;
  if (stays && of.before != nullptr) return base_.owner_of(of.before);
  return name_at(stays ? of.name : first->spelled);
}

void WorkingSet::records(std::size_t i, std::vector<StagedRecord>& out) const {
  const Touched& of = touched_[i];
  out.clear();
  for (const Entry& entry : of.entries) {
    if (!entry.live) continue;
    const auto type = static_cast<RRType>(entry.type);
    const std::uint32_t ttl = type == RRType::RRSIG ? entry.ttl : of.rrsets.at(entry.type).ttl;
    out.push_back({type, ttl, rdata(entry)});
  }
  if (!of.has_mixed) return;
  for (const auto& [type, rrset] : of.rrsets) {
    if (!rrset.mixed || rrset.live < 2) continue;
    StagedTtls ttls(rrset.ttl, rrset.live, true);
    for (StagedRecord& record : out) {
      if (number(record.type) == type) record.ttl = ttls.next();
    }
  }
}

}  // namespace understudy
