// Records drawn from a seed: few owners, names in RDATA that share suffixes with them, every shape of RDATA.
#pragma once

#include <array>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "zone/zone_fixture.h"

namespace understudy::zone_fixture {

class RandomRecords {
 public:
  explicit RandomRecords(std::uint64_t seed) : random_(seed) {}

  /// Below `total`, each as likely.
  std::size_t below(std::size_t total) { return std::uniform_int_distribution<std::size_t>(0, total - 1)(random_); }
  bool once_in(std::size_t n) { return below(n) == 0; }
  template <typename T>
  void shuffle(std::vector<T>& list) {
    std::shuffle(list.begin(), list.end(), random_);
  }

  Bytes octets(std::size_t count) {
    Bytes out(count);
    for (auto& octet : out) octet = static_cast<std::uint8_t>(below(256));
    return out;
  }
  /// A name below `parent`, up to `labels` labels deeper; few different ones.
  Name name_below(NameView parent, std::size_t labels) {
    static constexpr std::array few = {"a", "b", "c", "ns", "mail", "*", "a-longer-label", "A", "Ns"};
    Name at(parent);
    for (std::size_t i = below(labels + 1); i > 0; --i) {
      const std::string_view label = few[below(few.size())];
      at = Name::prepend(once_in(20) ? Bytes(1 + below(63), 'z') : Bytes(label.begin(), label.end()), at).value_or(at);
    }
    return at;
  }
  Name other_case(const Name& at) {
    Bytes wire(at.wire().begin(), at.wire().end());
    for (auto& octet : wire) {
      if (octet >= 'a' && octet <= 'z' && once_in(3)) octet = static_cast<std::uint8_t>(octet - 32);
    }
    return NameView::trusted(wire);
  }

  Bytes rdata(RRType type, NameView apex) {
    Bytes out;
    const auto put = [&](const Name& n) { append(out, other_case(n).wire()); };
    const auto target = [&] { return once_in(5) ? name("ns.elsewhere.") : name_below(apex, 4); };
    switch (type) {
      case RRType::A:
        return octets(4);
      case RRType::AAAA:
        return octets(16);
      case RRType::NS:
      case RRType::CNAME:
      case RRType::PTR:
      case RRType::DNAME:
        put(target());
        return out;
      case RRType::MX:
        out = octets(2);
        put(target());
        return out;
      case RRType::SRV:
        out = octets(6);
        put(target());
        return out;
      case RRType::RP:
        put(target());
        put(target());
        return out;
      case RRType::SOA:
        put(target());
        put(target());
        append(out, octets(20));
        return out;
      case RRType::TXT:
        out = octets(1 + below(200));
        out[0] = static_cast<std::uint8_t>(out.size() - 1);
        return out;
      default:
        return octets(below(60));
    }
  }
  /// RDATA of the name servers of one of few hosters, inside or outside the zone.
  std::vector<Bytes> common_servers(NameView apex) {
    const std::string hoster = "h" + std::to_string(below(3)) + ".";
    const std::string zone = once_in(2) ? "elsewhere." : apex.is_root() ? "" : apex.text();
    std::vector<Bytes> out;
    for (const char* server : {"ns1.", "ns2."}) {
      const Name at = name(server + hoster + zone);
      out.emplace_back(at.wire().begin(), at.wire().end());
    }
    return out;
  }
  RRType type() {
    static constexpr std::array types = {RRType::A,
                                         RRType::AAAA,
                                         RRType::NS,
                                         RRType::CNAME,
                                         RRType::MX,
                                         RRType::SRV,
                                         RRType::TXT,
                                         RRType::PTR,
                                         RRType::SOA,
                                         RRType::RP,
                                         RRType::DNAME,
                                         static_cast<RRType>(65280),
                                         static_cast<RRType>(65281)};
    return types[below(types.size())];
  }
  Record signature(const Name& owner, RRType covered) {
    Bytes out;
    append_u16(out, number(covered));
    append(out, octets(16));
    append(out, name("example.").wire());
    append(out, octets(1 + below(80)));
    return {owner, RRType::RRSIG, RRClass::IN, static_cast<std::uint32_t>(below(100)), out};
  }

  /// Records of a zone that can be served, no two of one RRset with different TTLs, no duplicates.
  std::vector<Record> zone(const Name& apex, std::size_t rrsets) {
    std::vector<Record> out;
    std::map<std::pair<Name, RRType>, std::set<Bytes>> seen;
    const auto add = [&](const Name& owner, RRType t, const Bytes& data) {
      Bytes canonical;
      append_canonical_rdata(t, data, canonical);
      if (!seen[{owner, t}].insert(canonical).second) return;
      out.push_back({owner, t, RRClass::IN, static_cast<std::uint32_t>(number(t) + owner.size()), data});
    };
    add(apex, RRType::SOA, rdata(RRType::SOA, apex));
    add(apex, RRType::NS, rdata(RRType::NS, apex));
    for (std::size_t i = 0; i < rrsets; ++i) {
      const Name owner = name_below(apex, 4).lowered();
      RRType t = type();
      if (t == RRType::SOA && owner == apex) t = RRType::A;
      if (t == RRType::NS && once_in(2)) {
        for (const Bytes& server : common_servers(apex)) add(owner, t, server);
        continue;
      }
      const std::size_t count = once_in(15) ? below(60) : 1 + below(3);
      for (std::size_t k = 0; k < count; ++k) add(owner, t, rdata(t, apex));
      if (once_in(3)) out.push_back(signature(owner, once_in(4) ? RRType::NSEC : t));
    }
    return out;
  }

 private:
  std::mt19937_64 random_;
};

}  // namespace understudy::zone_fixture
