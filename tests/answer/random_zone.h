// Zones and questions drawn from a seed, dense around every edge of the lookup: few labels, so that wildcards, cuts,
// DNAMEs, empty non-terminals and occluded names meet often.
#pragma once

#include <array>
#include <random>
#include <string>
#include <vector>

#include "answer/answer_fixture.h"
#include "dns/nsec3.h"
#include "dns/record.h"

namespace understudy::answer_fixture {

class RandomZones {
 public:
  explicit RandomZones(std::uint64_t seed) : random_(seed) {}

  /// Below `total`, each as likely.
  std::size_t below(std::size_t total) { return std::uniform_int_distribution<std::size_t>(0, total - 1)(random_); }
  /// Once in `n` times.
  bool once_in(std::size_t n) { return below(n) == 0; }

  /// Records of a zone: an apex that can be served and up to `names` other names.
  std::vector<Record> zone(const std::string& apex, std::size_t names) {
    const Name top = name(apex);
    std::vector<Record> out;
    std::vector<Name> owners;
    for (std::size_t i = 0; i < names; ++i) owners.push_back(owner(top));
    pool_.insert(pool_.end(), owners.begin(), owners.end());
    pool_.push_back(top);
    signed_ = !once_in(3);
    put_soa(out, top);
    rrset(out, top, RRType::NS);
    if (once_in(4)) rrset(out, top, any_type());
    for (const Name& at : owners) {
      for (std::size_t i = 0; i <= below(3); ++i) rrset(out, at, any_type());
    }
    owners.push_back(top);
    chain_ = static_cast<Chain>(below(4));
    if (chain_ == Chain::nsec || chain_ == Chain::both) put_nsec_chain(out, owners);
    if (chain_ == Chain::nsec3 || chain_ == Chain::both) put_nsec3_chain(out, top, owners);
    std::shuffle(out.begin(), out.end(), random_);
    if (once_in(2)) {
      std::ranges::sort(out, [](const Record& a, const Record& b) { return a.owner < b.owner; });
    }
    return out;
  }

  Query question() {
    static constexpr std::array types = {RRType::A,     RRType::AAAA,  RRType::NS,   RRType::CNAME,
                                         RRType::MX,    RRType::DNAME, RRType::SRV,  RRType::TXT,
                                         RRType::DS,    RRType::SOA,   RRType::ANY,  RRType::RRSIG,
                                         RRType::NSEC,  RRType::NSEC3, RRType::PTR,  static_cast<RRType>(65280),
                                         RRType::HTTPS, RRType::SVCB,  RRType::NAPTR};
    Query q;
    Name at = pool_[below(pool_.size())];
    for (std::size_t i = below(3); i > 0; --i) at = mutate(at);
    q.qname = other_case(at).text();
    q.type = once_in(3) ? RRType::A : types[below(types.size())];
    q.flags = once_in(4) ? Header::rd | Header::cd : 0;
    q.edns = !once_in(3);
    q.dnssec_ok = q.edns && once_in(2);
    static constexpr std::array<std::uint16_t, 7> sizes = {0, 512, 513, 600, 1232, 4096, 65535};
    q.udp_size = sizes[below(sizes.size())];
    if (q.edns && once_in(3)) q.options = options();
    return q;
  }

 private:
  static constexpr std::array labels_ = {"a", "b", "c", "*", "ns", "A", "with.dot"};

  // Options that are answered, others, and content that must not be.
  Bytes options() {
    static constexpr std::array<std::uint16_t, 8> codes = {3, 8, 9, 10, 11, 12, 19, 65001};
    Bytes out;
    for (std::size_t i = 1 + below(3); i > 0; --i) {
      const std::uint16_t code = codes[below(codes.size())];
      const std::size_t cookie = std::array<std::size_t, 4>{8, 8, 24, below(45)}[below(4)];
      append_edns_option(out, code, Bytes(code == 10 ? cookie : once_in(4) ? below(9) : 0, 7));
    }
    return out;
  }

  Name label_below(NameView parent) {
    return Name::prepend(view_of(std::string_view(labels_[below(labels_.size())])), parent).value_or(Name(parent));
  }
  Name owner(NameView top) {
    Name at(top);
    for (std::size_t i = 0; i <= below(4); ++i) at = label_below(at);
    if (once_in(25)) at = Name::prepend(Bytes(63, 'x'), at).value_or(at);
    return at;
  }
  Name mutate(const Name& at) {
    switch (below(5)) {
      case 0:
        return at.is_root() ? at : Name(at.view().parent());
      case 1:
        return at.is_root() ? label_below(at) : label_below(at.view().parent());
      case 2:
        return Name::prepend(view_of("*"), at).value_or(at);
      case 3:
        return Name::prepend(Bytes(1 + below(63), 'y'), at).value_or(at);
      default:
        return label_below(at);
    }
  }
  Name other_case(const Name& at) {
    if (once_in(2)) return at;
    std::string text = at.text();
    for (char& c : text) {
      if (once_in(2) && c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
    }
    return Name::parse(text).value();
  }
  Name target() {
    if (once_in(6)) return name(once_in(2) ? "ns.elsewhere." : ".");
    Name at = pool_[below(pool_.size())];
    if (once_in(3)) at = mutate(at);
    return other_case(at);
  }
  RRType any_type() {
    static constexpr std::array types = {RRType::A,     RRType::A,     RRType::AAAA,  RRType::NS,    RRType::NS,
                                         RRType::CNAME, RRType::CNAME, RRType::DNAME, RRType::MX,    RRType::SRV,
                                         RRType::TXT,   RRType::DS,    RRType::NSEC,  RRType::NSEC3, RRType::PTR,
                                         RRType::HTTPS, RRType::SVCB,  RRType::NAPTR};
    return types[below(types.size())];
  }
  std::uint32_t ttl() { return static_cast<std::uint32_t>(60 * (1 + below(3))); }

  Bytes rdata(RRType type) {
    Bytes out;
    const auto put_name = [&](const Name& n) { append(out, n.wire()); };
    const auto octets = [&](std::size_t count) {
      for (std::size_t i = 0; i < count; ++i) out.push_back(static_cast<std::uint8_t>(below(256)));
    };
    switch (type) {
      case RRType::A:
        octets(4);
        break;
      case RRType::AAAA:
        octets(16);
        break;
      case RRType::NS:
      case RRType::CNAME:
      case RRType::DNAME:
      case RRType::PTR:
        put_name(target());
        break;
      case RRType::MX:
        octets(2);
        put_name(target());
        break;
      case RRType::SRV:
        octets(6);
        put_name(target());
        break;
      case RRType::SVCB:
      case RRType::HTTPS:
        append_u16(out, static_cast<std::uint16_t>(below(2)));
        put_name(once_in(3) ? Name() : target());
        break;
      case RRType::NAPTR: {
        octets(4);
        static constexpr std::array flags = {"a", "S", "u", ""};
        for (const std::string_view text :
             {std::string_view(flags[below(4)]), std::string_view("x"), std::string_view()}) {
          out.push_back(static_cast<std::uint8_t>(text.size()));
          append(out, view_of(text));
        }
        put_name(target());
        break;
      }
      case RRType::TXT: {
        const std::size_t size = below(256);
        out.push_back(static_cast<std::uint8_t>(size));
        octets(size);
        break;
      }
      case RRType::DS:
        octets(4 + 20);
        break;
      case RRType::NSEC:
        put_name(target());
        append(out, Bytes{0, 1, 0x40});
        break;
      case RRType::NSEC3:
        append(out, Bytes{1, 0, 0, 0, 0, 20});
        octets(20);
        break;
      default:
        octets(below(40));
        break;
    }
    return out;
  }

  void rrset(std::vector<Record>& out, const Name& at, RRType type) {
    const bool alone = (type == RRType::CNAME || type == RRType::DNAME) && !once_in(10);
    const std::size_t count = alone ? 1 : once_in(12) ? 1 + below(60) : 1 + below(3);
    const std::uint32_t common = ttl();
    if (type == RRType::NS && once_in(2)) return common_servers(out, at);
    for (std::size_t i = 0; i < count; ++i) {
      out.push_back({other_case(at), type, RRClass::IN, once_in(10) ? ttl() : common, rdata(type)});
    }
    if (signed_ && !once_in(5)) signature(out, at, type, common);
  }
  // The same servers and TTL as other names have, so that they are stored once.
  void common_servers(std::vector<Record>& out, const Name& at) {
    const std::string zone = once_in(3) ? "elsewhere." : pool_.back().text();
    for (const std::string label : {"a.", "b.ns."}) {
      const auto server = Name::parse(zone == "." ? label : label + zone);
      if (!server) continue;
      out.push_back({at, RRType::NS, RRClass::IN, 60, Bytes(server->wire().begin(), server->wire().end())});
    }
  }
  void signature(std::vector<Record>& out, const Name& at, RRType type, std::uint32_t ttl_of_set) {
    Bytes sig;
    append_u16(sig, number(type));
    append(sig, Bytes{8, static_cast<std::uint8_t>(at.view().label_count())});
    append_u32(sig, ttl_of_set);
    for (int i = 0; i < 10; ++i) sig.push_back(static_cast<std::uint8_t>(below(256)));
    append(sig, name("example.").wire());
    for (std::size_t i = 0; i < 20 + below(100); ++i) sig.push_back(static_cast<std::uint8_t>(below(256)));
    out.push_back({at, RRType::RRSIG, RRClass::IN, ttl_of_set, sig});
  }
  // Chains with a hole now and then; whom records name as the next does not matter for which are sent.
  void put_nsec_chain(std::vector<Record>& out, const std::vector<Name>& owners) {
    for (const Name& at : owners) {
      if (!once_in(12)) rrset(out, at, RRType::NSEC);
    }
  }
  void put_nsec3_chain(std::vector<Record>& out, const Name& top, const std::vector<Name>& owners) {
    Bytes params{1, 0, 0, static_cast<std::uint8_t>(once_in(20) ? 151 : below(3)), static_cast<std::uint8_t>(below(3))};
    for (int i = 0; i < params[4]; ++i) params.push_back(static_cast<std::uint8_t>(below(256)));
    if (once_in(4)) out.push_back({top, RRType::NSEC3PARAM, RRClass::IN, 0, {1, 0, 0, 7, 0}});  // without a chain
    out.push_back({top, RRType::NSEC3PARAM, RRClass::IN, 0, params});
    std::vector<Name> names;
    for (const Name& owner : owners) {
      for (Name at = owner; at.size() >= top.size(); at = at.view().parent()) {
        if (std::ranges::find(names, at) == names.end()) names.push_back(at);
        if (at.is_root()) break;
      }
    }
    for (const Name& at : names) {
      const Nsec3Label label = nsec3_label(nsec3_hash(at, nsec3_params(params)));
      const auto owner = Name::prepend(ByteView(label), top);
      if (!owner || once_in(12)) continue;
      Bytes rdata = params;
      rdata[1] = static_cast<std::uint8_t>(below(2));
      rdata.push_back(20);
      for (int i = 0; i < 20; ++i) rdata.push_back(static_cast<std::uint8_t>(below(256)));
      const std::uint32_t common = ttl();
      out.push_back({other_case(*owner), RRType::NSEC3, RRClass::IN, common, rdata});
      if (signed_ && !once_in(5)) signature(out, *owner, RRType::NSEC3, common);
      if (once_in(4)) pool_.push_back(*owner);
    }
  }
  void put_soa(std::vector<Record>& out, const Name& top) {
    Bytes soa;
    append(soa, target().wire());
    append(soa, target().wire());
    for (std::uint32_t value : {1U, 7200U, 3600U, 1209600U}) append_u32(soa, value);
    append_u32(soa, ttl());
    out.push_back({top, RRType::SOA, RRClass::IN, ttl(), soa});
    if (signed_) signature(out, top, RRType::SOA, ttl());
  }

  enum class Chain : std::uint8_t { none, nsec, nsec3, both };

  std::mt19937_64 random_;
  Chain chain_ = Chain::none;
  std::vector<Name> pool_;  // names that may be asked for or aimed at
  bool signed_ = false;
};

}  // namespace understudy::answer_fixture
