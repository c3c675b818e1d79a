#include "transfer/catalog_producer.h"

#include <fmt/format.h>

#include <set>
#include <utility>

#include "base/encoding.h"
#include "zone/apply.h"
#include "zone/builder.h"
#include "zone/compaction.h"

namespace understudy {
namespace {

constexpr std::uint8_t format_version = 1;
constexpr std::string_view invalid_name("\7invalid\0", 9);
constexpr std::size_t max_group = 255;

/// One to one, so that different numbers give different labels.
std::uint64_t scrambled(std::uint64_t x) {
  x = (x ^ x >> 30) * 0xbf58'476d'1ce4'e5b9U;
  x = (x ^ x >> 27) * 0x94d0'49bb'1331'11ebU;
  return x ^ x >> 31;
}

void append_u64(Bytes& out, std::uint64_t v) {
  append_u32(out, static_cast<std::uint32_t>(v >> 32));
  append_u32(out, static_cast<std::uint32_t>(v));
}
std::uint64_t read_u64(ByteReader& in) {
  const std::uint64_t high = in.u32();
  return high << 32 | in.u32();
}

Bytes text_rdata(std::string_view text) {
  Bytes out;
  append_u8(out, static_cast<std::uint8_t>(text.size()));
  append(out, view_of(text));
  return out;
}

std::string key_of(NameView name) {
  return std::string(text_of(Name(name).lowered().wire()));
}

}  // namespace

CatalogProducer::CatalogProducer(NameView catalog, std::uint64_t random)
    : catalog_(Name(catalog).lowered()), prefix_("produced/"), random_(random) {
  prefix_ += text_of(catalog_.wire());
}

Result<CatalogProducer> CatalogProducer::make(NameView catalog, std::uint64_t random) {
  CatalogProducer out(catalog, random);
  US_ASSIGN(out.zones_, Name::prepend(view_of("zones"), catalog));
  US_ASSIGN(const Name member, Name::prepend(view_of(out.label(0)), out.zones_));
  US_TRY(Name::prepend(view_of("group"), member));
  return out;
}

std::string CatalogProducer::label(std::uint64_t id) const {
  Bytes octets;
  append_u64(octets, scrambled(id ^ random_));
  return base32hex_encode(octets);
}

std::string CatalogProducer::label_of(NameView member) const {
  const auto found = members_.find(key_of(member));
  return found == members_.end() ? "" : label(found->second.id);
}

// Facts: one for the producer, whose key is the prefix, and one for each member, whose name follows the prefix.

Fact CatalogProducer::header_fact() const {
  Bytes value{format_version};
  append_u64(value, random_);
  append_u64(value, next_id_);
  append_u32(value, serial_->value);
  return {prefix_, std::move(value)};
}

Fact CatalogProducer::member_fact(const std::string& name, const Member& member) const {
  Bytes value{format_version};
  append_u64(value, member.id);
  append(value, view_of(member.group));
  return {prefix_ + name, std::move(value)};
}

void CatalogProducer::for_each_fact(const std::function<void(Fact)>& f) const {
  if (!serial_) return;
  f(header_fact());
  for (const auto& [name, member] : members_) f(member_fact(name, member));
}

bool CatalogProducer::has_fact(std::string_view key) const {
  return serial_ && key.starts_with(prefix_) &&
         (key.size() == prefix_.size() || members_.contains(key.substr(prefix_.size())));
}

Result<void> CatalogProducer::restore(std::string_view key, ByteView value) {
  const auto damaged = [&] {
    return fail(Errc::corrupt, fmt::format("stored data of the produced catalog {} are damaged", catalog_.text()));
  };
  ByteReader in(value);
  if (!key.starts_with(prefix_) || in.u8() != format_version) return damaged();
  if (key.size() == prefix_.size()) {
    const std::uint64_t random = read_u64(in), next_id = read_u64(in);
    const Serial serial{in.u32()};
    if (!in.ok() || in.remaining() != 0) return damaged();
    random_ = random;
    next_id_ = std::max(next_id_, next_id);
    serial_ = serial;
    return {};
  }
  ByteReader name_in(view_of(key.substr(prefix_.size())));
  const auto name = NameView::read(name_in);
  Member member;
  member.id = read_u64(in);
  member.group = text_of(in.rest());
  if (!name || name_in.remaining() != 0 || !in.ok() || member.group.size() > max_group) return damaged();
  next_id_ = std::max(next_id_, member.id + 1);
  members_.insert_or_assign(key_of(*name), std::move(member));
  return {};
}

// Records.

Bytes CatalogProducer::soa(Serial serial) const {
  Bytes out;
  append(out, view_of(invalid_name));
  append(out, view_of(invalid_name));
  // Refresh and retry as usual; consumers should not lose a catalog soon only because its producer is away.
  for (const std::uint32_t value : {serial.value, 3600U, 600U, 2'147'483'646U, 0U}) append_u32(out, value);
  return out;
}

template <typename Add>
void CatalogProducer::records_of(const std::string& name, const Member& member, Add&& add) const {
  const Name node = Name::prepend(view_of(label(member.id)), zones_).value();  // make() saw that they fit
  add(node, RRType::PTR, view_of(name));
  if (!member.group.empty()) {
    add(Name::prepend(view_of("group"), node).value(), RRType::TXT, ByteView(text_rdata(member.group)));
  }
}

Result<std::shared_ptr<const Zone>> CatalogProducer::version() {
  if (version_ && is_sparse(*version_)) version_ = nullptr;  // built anew, on a thread that has nothing else to do
  if (version_ && !deltas_.empty()) {
    auto next = apply_deltas(version_, deltas_);
    version_ = next ? *std::move(next) : nullptr;
  }
  deltas_.clear();
  if (!version_) {
    US_ASSIGN(version_, build());
  }
  return version_;
}

Result<std::shared_ptr<const Zone>> CatalogProducer::build() const {
  if (!serial_) return fail(Errc::not_found, fmt::format("the catalog {} has no version yet", catalog_.text()));
  ZoneBuilder builder(catalog_);
  US_TRY(builder.add(catalog_, RRType::SOA, 0, soa(*serial_)));
  US_TRY(builder.add(catalog_, RRType::NS, 0, view_of(invalid_name)));
  US_ASSIGN(const Name version_owner, Name::prepend(view_of("version"), catalog_));
  US_TRY(builder.add(version_owner, RRType::TXT, 0, text_rdata("2")));
  Result<void> added;
  for (const auto& [name, member] : members_) {
    records_of(name, member, [&](const Name& owner, RRType type, ByteView rdata) {
      const auto one = builder.add(owner, type, 0, rdata);
      if (!one && added) added = std::unexpected(one.error());
    });
    US_TRY(added);
  }
  return builder.finish();
}

// Changes.

/// The time tells people something, and a producer that lost its facts is newer than before all the same.
void CatalogProducer::next_serial(WallSeconds now) {
  const Serial time{static_cast<std::uint32_t>(now)};
  serial_ = !serial_ || time.is_newer_than(*serial_) ? time : Serial{serial_->value + 1};
}

Result<std::optional<CatalogProducer::Update>> CatalogProducer::change(std::span<const ProducedMember> set,
                                                                       std::span<const Name> removed, WallSeconds now) {
  for (const ProducedMember& member : set) {
    if (member.group.size() > max_group) {
      return fail(Errc::bad_value, fmt::format("the group of {} has over {} octets", member.name.text(), max_group));
    }
  }
  const std::optional<Serial> before = serial_;
  next_serial(now);
  ZoneDeltaBuilder delta(catalog_);
  if (before) delta.remove(catalog_, RRType::SOA, 0, soa(*before));
  delta.add(catalog_, RRType::SOA, 0, soa(*serial_));
  std::map<std::string, Fact> facts;
  const auto take_away = [&](Members::iterator at) {
    records_of(at->first, at->second,
               [&](const Name& owner, RRType type, ByteView rdata) { delta.remove(owner, type, 0, rdata); });
  };
  for (const Name& name : removed) {
    const auto found = members_.find(key_of(name));
    if (found == members_.end()) continue;
    take_away(found);
    facts.insert_or_assign(found->first, Fact{prefix_ + found->first, std::nullopt});
    members_.erase(found);
  }
  for (const ProducedMember& wanted : set) {
    const auto [at, is_new] = members_.try_emplace(key_of(wanted.name));
    if (!is_new && at->second.group == wanted.group) continue;
    if (is_new) {
      at->second.id = next_id_++;
    } else {
      take_away(at);
    }
    at->second.group = wanted.group;
    records_of(at->first, at->second,
               [&](const Name& owner, RRType type, ByteView rdata) { delta.add(owner, type, 0, rdata); });
    facts.insert_or_assign(at->first, member_fact(at->first, at->second));
  }
  if (facts.empty() && before) {
    serial_ = before;
    return std::nullopt;
  }
  Update out;
  if (before) {
    US_ASSIGN(out.delta, delta.finish());
    if (version_) deltas_.push_back(out.delta);
  }
  out.facts.push_back(header_fact());
  for (auto& [name, fact] : facts) out.facts.push_back(std::move(fact));
  return out;
}

Result<std::optional<CatalogProducer::Update>> CatalogProducer::replace(std::span<const ProducedMember> members,
                                                                        std::span<const Name> removed,
                                                                        WallSeconds now) {
  std::set<std::string, std::less<>> wanted;
  for (const ProducedMember& member : members) wanted.insert(key_of(member.name));
  std::vector<Name> leaving(removed.begin(), removed.end());
  for (const auto& [name, member] : members_) {
    if (!wanted.contains(name)) leaving.emplace_back(NameView::trusted(view_of(name)));
  }
  return change(members, leaving, now);
}

}  // namespace understudy
