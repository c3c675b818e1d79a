// Catalogs: arbitrary records become a catalog zone that is read, or refused; what is read goes through the registry
// and its facts and comes out the same.
//
// Input: a run of records, each an octet that selects the owner (see `owner_of`), one for the type, one for the size of
// the RDATA, and the RDATA. RDATA that does not fit its type is left out.
#include <array>
#include <cstdint>
#include <cstdlib>
#include <map>

#include "dns/rdata.h"
#include "dns/record.h"
#include "transfer/catalog.h"
#include "transfer/catalog_facts.h"
#include "transfer/catalog_registry.h"
#include "zone/builder.h"

using namespace understudy;

namespace {

constexpr std::size_t most_records = 300;

void require(bool condition) {
  if (!condition) std::abort();
}

// Two bits choose what stands in front, four the label, two the parent.
Name owner_of(std::uint8_t octet) {
  constexpr std::array<const char*, 4> properties = {"", "group", "coo", "ext"};
  constexpr std::array<const char*, 4> parents = {"zones", "version", "", "x.zones"};
  Name out = Name::parse("c.").value();
  const std::string parent = parents[octet >> 6];
  if (parent == "x.zones") {
    out = Name::parse("x.zones.c.").value();
  } else if (!parent.empty()) {
    out = Name::prepend(view_of(parent), out).value();
  }
  if (parent == "version") return out;
  const char label[] = {static_cast<char>('A' + (octet >> 2 & 15))};
  out = Name::prepend(view_of(std::string_view(label, 1)), out).value();
  const std::string property = properties[octet & 3];
  return property.empty() ? out : Name::prepend(view_of(property), out).value();
}

std::shared_ptr<const Zone> zone_of(ByteView data) {
  const Name apex = Name::parse("c.").value();
  ZoneBuilder builder(apex);
  Bytes soa(2 + 20);
  require(builder.add(apex, RRType::SOA, 0, soa).has_value());
  require(builder.add(apex, RRType::NS, 0, Bytes{0}).has_value());
  constexpr std::array types = {RRType::PTR, RRType::TXT, RRType::A, RRType::CNAME};
  ByteReader in(data);
  for (std::size_t i = 0; in.remaining() >= 3 && i < most_records; ++i) {
    const Name owner = owner_of(in.u8());
    const RRType type = types[in.u8() % types.size()];
    const ByteView rdata = in.bytes(std::min<std::size_t>(in.u8(), in.remaining()));
    if (check_rdata(type, rdata)) (void)builder.add(owner, type, 0, rdata);
  }
  return builder.finish().value();
}

bool same(const CatalogMember& a, const CatalogMember& b) {
  return a.name.identical(b.name) && std::ranges::equal(a.label, b.label) && a.coo.identical(b.coo) &&
         std::ranges::equal(a.groups, b.groups);
}

void follow(CatalogRegistry& registry, std::map<std::string, Bytes>& facts, const CatalogContent::Ptr& content) {
  CatalogPlan plan = registry.update(content, 1000);
  if (plan.held) plan = registry.accept(content->catalog(), std::nullopt, 1000).value();
  plan.for_each_fact([&](Fact fact) {
    if (fact.value) {
      facts[fact.key] = *fact.value;
    } else {
      facts.erase(fact.key);
    }
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  (void)read_member_fact("member/a", input);
  (void)read_member_fact(std::string("member/\1a\0", 10), input);
  // Two versions, one after the other.
  const std::size_t middle = size / 2;
  const auto not_reserved = [](NameView) { return false; };
  CatalogRegistry registry(not_reserved);
  const std::array rules = {CatalogRule{.catalog = Name::parse("c.").value()}};
  registry.set_catalogs(rules, 1000);
  std::map<std::string, Bytes> facts;
  for (const ByteView part : {input.first(middle), input.subspan(middle)}) {
    const auto content = read_catalog(zone_of(part));
    if (!content) continue;
    follow(registry, facts, *content);
    CatalogRegistry again(not_reserved);
    for (const auto& [key, value] : facts) require(again.restore(key, value).has_value());
    require(again.restored(1000).empty());
    require(again.member_count() == registry.member_count());
    for (std::size_t i = 0; i < (*content)->size(); ++i) {
      const CatalogMember member = (*content)->member(i);
      const auto known = registry.find(member.name), restored = again.find(member.name);
      require(known.has_value() == restored.has_value());
      require(known.has_value() || member.name == (*content)->catalog().view());
      if (known) require(same(known->get(), member) && same(restored->get(), member));
    }
  }
  return 0;
}
