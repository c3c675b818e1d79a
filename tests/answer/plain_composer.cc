#include "answer/plain_composer.h"

#include <fmt/format.h>
#include <nettle/sha1.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "base/encoding.h"
#include "dns/edns.h"
#include "dns/rdata.h"

namespace understudy::plain {
Bytes canonical(RRType type, ByteView rdata) {
  Bytes out;
  append_canonical_rdata(type, rdata, out);
  return out;
}

namespace {

RRType covered_type(ByteView rdata) {
  return rdata.size() < 2 ? RRType::RRSIG : static_cast<RRType>(load_u16(rdata.data()));
}

Name child(std::string_view label, NameView parent) {
  return Name::prepend(view_of(label), parent).value_or(Name());
}

// The name and its ancestors down to `top`, from `top` to the name.
std::vector<Name> path(NameView top, NameView name) {
  std::vector<Name> out;
  for (NameView at = name; at.size() > top.size(); at = at.parent()) out.emplace_back(at);
  out.emplace_back(top);
  std::reverse(out.begin(), out.end());
  return out;
}

}  // namespace

namespace {

// RFC 4034 section 6.1: labels from the right, without case.
bool canonically_before(NameView a, NameView b) {
  const auto labels = [](NameView name) {
    std::vector<Bytes> out;
    for (const Name lowered = Name(name).lowered(); const Name& at : path(Name(), lowered)) {
      if (!at.is_root()) out.emplace_back(at.wire().begin() + 1, at.wire().begin() + 1 + at.wire()[0]);
    }
    return out;
  };
  return labels(a) < labels(b);
}

// RFC 5155 section 5, in words of its own: the label of a hash.
Name hashed(NameView name, NameView apex, const Bytes& params) {
  const Name lowered = Name(name).lowered();
  Bytes data(lowered.wire().begin(), lowered.wire().end());
  const ByteView salt = ByteView(params).subspan(5);
  for (int i = 0; i <= load_u16(&params[2]); ++i) {
    append(data, salt);
    sha1_ctx context;
    sha1_init(&context);
    sha1_update(&context, data.size(), data.data());
    data.resize(20);
    sha1_digest(&context, 20, data.data());
  }
  return Name::prepend(view_of(base32hex_encode(data)), apex).value_or(Name());
}

Bytes chain_of(ByteView rdata) {
  Bytes out(rdata.begin(), rdata.begin() + 5 + rdata[4]);
  out[1] = 0;
  return out;
}

}  // namespace

const Name* Zone::chain_owner(NameView name) const {
  if (chain_.empty()) return nullptr;
  const auto behind = std::upper_bound(chain_.begin(), chain_.end(), name, canonically_before);
  return behind == chain_.begin() ? &chain_.back() : &behind[-1];
}

void Zone::find_chain() {
  const RRset* params = find(apex_, RRType::NSEC3PARAM);
  for (std::size_t i = 0; params != nullptr && i < params->data.size() && i < 8 && !denial_; ++i) {
    const Bytes& rdata = params->data[i];
    if (rdata[0] != 1 || rdata[1] != 0) continue;
    if (load_u16(&rdata[2]) > 2500) {
      denial_ = RRType::NSEC3;
      nsec3_ = rdata;
      break;
    }
    const RRset* of_apex = find(hashed(apex_, apex_, rdata), RRType::NSEC3);
    if (of_apex == nullptr) continue;
    for (const Bytes& record : of_apex->data) {
      if (chain_of(record) == rdata) denial_ = RRType::NSEC3;
    }
    nsec3_ = rdata;
  }
  if (!denial_ && has(apex_, RRType::NSEC)) denial_ = RRType::NSEC;
  for (const auto& [owner, types] : nodes_) {
    const auto rrset = denial_ ? types.find(*denial_) : types.end();
    if (rrset == types.end() || rrset->second.data.empty()) continue;
    const auto is_of_chain = [&](const Bytes& record) {
      return *denial_ == RRType::NSEC || chain_of(record) == nsec3_;
    };
    if (std::ranges::any_of(rrset->second.data, is_of_chain)) chain_.push_back(owner);
  }
  std::ranges::sort(chain_, canonically_before);
}

Zone::Zone(NameView apex, const std::vector<Record>& records, State state) : apex_(apex), state_(state) {
  for (const Record& r : records) {
    if (!r.owner.view().is_at_or_below(apex)) continue;
    const RRType type = r.type == RRType::RRSIG ? covered_type(r.rdata) : r.type;
    RRset& rrset = nodes_[r.owner][type];
    const auto same = [&](ByteView other) { return canonical(r.type, other) == canonical(r.type, r.rdata); };
    if (r.type == RRType::RRSIG) {
      const bool known = std::any_of(rrset.signatures.begin(), rrset.signatures.end(),
                                     [&](const auto& signature) { return same(signature.second); });
      if (!known) rrset.signatures.emplace_back(r.ttl, r.rdata);
      continue;
    }
    if (std::any_of(rrset.data.begin(), rrset.data.end(), same)) continue;
    rrset.ttl = rrset.data.empty() ? r.ttl : std::min(rrset.ttl, r.ttl);
    rrset.data.push_back(r.rdata);
  }
  find_chain();
}

const RRset* Zone::find(NameView owner, RRType type) const {
  const auto node = nodes_.find(Name(owner));
  if (node == nodes_.end()) return nullptr;
  const auto rrset = node->second.find(type);
  return rrset == node->second.end() ? nullptr : &rrset->second;
}

bool Zone::has(NameView owner, RRType type) const {
  const RRset* rrset = find(owner, type);
  return rrset != nullptr && !rrset->data.empty();
}

std::vector<RRType> Zone::types(NameView owner) const {
  std::vector<RRType> out;
  if (const auto node = nodes_.find(Name(owner)); node != nodes_.end()) {
    for (const auto& [type, rrset] : node->second) out.push_back(type);
  }
  return out;
}

bool Zone::exists(NameView owner) const {
  for (const RRType type : types(owner)) {
    if (type != RRType::NSEC3) return true;
  }
  return std::any_of(nodes_.begin(), nodes_.end(), [&](const auto& node) { return node.first.view().is_below(owner); });
}

namespace {

constexpr std::size_t most_aliases = 16;
constexpr std::size_t most_addressed = 64;

struct Found {
  enum class Kind { data, cname, dname, referral, nodata, name_error } kind;
  Name at;                         // where the records are, or the name that exists
  std::optional<Name> encloser{};  // of a name that does not exist itself
};

class Composer {
 public:
  Composer(const std::vector<Zone>& zones, const Question& question, bool dnssec_ok, const Settings& settings)
      : zones_(zones), question_(question), dnssec_ok_(dnssec_ok), settings_(settings) {}

  Response run() {
    Name current = question_.name;
    std::vector<Name> visited;
    const Zone* zone = nullptr;
    while (true) {
      if (visited.empty() || settings_.follows_aliases) {
        zone = closest_zone(current, question_.type);
      } else if (!current.view().is_at_or_below(zone->apex())) {
        return out_;
      }
      if (zone == nullptr || zone->state() != Zone::State::served) {
        if (visited.empty()) unavailable(zone);
        return out_;
      }
      if (visited.empty()) zone_version(*zone);
      const Found found = look_up(*zone, current);
      if (visited.empty()) out_.authoritative = found.kind != Found::Kind::referral;
      visited.push_back(current);
      Name next;
      if (!step(*zone, found, current, next)) return out_;
      if (visited.size() == most_aliases || std::find(visited.begin(), visited.end(), next) != visited.end())
        return out_;
      current = next;
    }
  }

 private:
  // RFC 1034 section 4.3.2 step 2; DS of an apex belongs to the parent if we have it (RFC 4035 section 3.1.4.1).
  const Zone* closest_zone(NameView name, RRType type) const {
    const Zone* best = nullptr;
    for (const Zone& zone : zones_) {
      if (!name.is_at_or_below(zone.apex())) continue;
      if (type == RRType::DS && name.equals(zone.apex()) && has_parent_zone(name)) continue;
      if (best == nullptr || zone.apex().size() > best->apex().size()) best = &zone;
    }
    return best;
  }
  bool has_parent_zone(NameView name) const {
    return std::any_of(zones_.begin(), zones_.end(), [&](const Zone& zone) { return name.is_below(zone.apex()); });
  }

  void unavailable(const Zone* zone) {
    out_.rcode = zone == nullptr ? Rcode::REFUSED : Rcode::SERVFAIL;
    if (zone == nullptr) out_.extended_error = static_cast<std::uint16_t>(ExtendedError::not_authoritative);
    if (zone == nullptr) return;
    out_.extended_error = static_cast<std::uint16_t>(zone->state() == Zone::State::expired ? 24 : 14);
  }

  // RFC 9660 section 2: labels of the apex, type 0, serial.
  void zone_version(const Zone& zone) {
    const auto labels = static_cast<std::uint8_t>(path(Name(), zone.apex()).size() - 1);
    Bytes version{labels, 0};
    append_u32(version, soa_view(zone.find(zone.apex(), RRType::SOA)->data[0]).serial);
    out_.zone_version = std::move(version);
  }

  // Step 3: down from the apex, label by label.
  Found look_up(const Zone& zone, NameView name) const {
    for (const Name& at : path(zone.apex(), name)) {
      const bool is_apex = at == zone.apex();
      const bool is_name = at.view().equals(name);
      if (!is_apex && zone.has(at, RRType::NS) && !(is_name && question_.type == RRType::DS)) {
        return {Found::Kind::referral, at};
      }
      if (!is_name && zone.has(at, RRType::DNAME)) return {Found::Kind::dname, at};
    }
    if (zone.exists(name)) return at_name(zone, name);
    NameView encloser = name.parent();
    while (!zone.exists(encloser)) encloser = encloser.parent();
    const Name wildcard = child("*", encloser);
    if (wildcard.is_root() || !zone.exists(wildcard)) return {Found::Kind::name_error, Name(), encloser};
    Found found = at_name(zone, wildcard);
    if (zone.has(wildcard, RRType::NS) && question_.type != RRType::DS) found = {Found::Kind::nodata, wildcard};
    found.encloser = encloser;
    return found;
  }

  Found at_name(const Zone& zone, NameView at) const {
    const auto types = zone.types(at);
    if (question_.type == RRType::ANY) return {types.empty() ? Found::Kind::nodata : Found::Kind::data, at};
    if (zone.has(at, question_.type)) return {Found::Kind::data, at};
    if (question_.type == RRType::RRSIG && has_signatures(zone, at)) return {Found::Kind::data, at};
    if (zone.has(at, RRType::CNAME)) return {Found::Kind::cname, at};
    return {Found::Kind::nodata, at};
  }

  static bool has_signatures(const Zone& zone, NameView at) {
    const auto types = zone.types(at);
    return std::any_of(types.begin(), types.end(), [&](RRType t) { return !zone.find(at, t)->signatures.empty(); });
  }

  // Adds what was found under the name `current`. True if `next` is to be looked up.
  bool step(const Zone& zone, const Found& found, const Name& current, Name& next) {
    switch (found.kind) {
      case Found::Kind::data:
        data(zone, found, current);
        return false;
      case Found::Kind::cname:
        put(Section::answer, zone, found.at, RRType::CNAME, current, true, true);
        next = NameView::trusted(zone.find(found.at, RRType::CNAME)->data[0]);
        if (found.encloser) no_closer_match(zone, current, *found.encloser);
        return out_.rcode != Rcode::SERVFAIL;
      case Found::Kind::dname:
        return dname(zone, found.at, current, next) && question_.type != RRType::CNAME;
      case Found::Kind::referral:
        referral(zone, found.at);
        return false;
      case Found::Kind::name_error:
        out_.rcode = Rcode::NXDOMAIN;
        [[fallthrough]];
      case Found::Kind::nodata:
        negative(zone);
        prove(zone, found, current);
        return false;
    }
    return false;
  }

  void data(const Zone& zone, const Found& found, const Name& owner) {
    const Name& at = found.at;
    if (question_.type == RRType::ANY) {
      if (!any(zone, at, owner)) return prove(zone, {Found::Kind::nodata, at, found.encloser}, owner);
    } else if (question_.type == RRType::RRSIG) {
      signatures(zone, at, owner);
    } else {
      put(Section::answer, zone, at, question_.type, owner, true, true);
    }
    if (found.encloser) no_closer_match(zone, owner, *found.encloser);
    if (question_.type == RRType::ANY || question_.type == RRType::RRSIG || out_.rcode == Rcode::SERVFAIL) return;
    addresses(zone, *zone.find(at, question_.type), question_.type, at, owner, nullptr);
  }

  // What proves the negative `found` says of `name`: RFC 4035 section 3.1.3, RFC 5155 section 7.2.
  void prove(const Zone& zone, const Found& found, const Name& name) {
    if (!starts_proof(zone)) return;
    const bool is_name_error = found.kind == Found::Kind::name_error;
    if (zone.denial() == RRType::NSEC) {
      if (!is_name_error) put_chain(zone, zone.chain_owner(found.at));
      if (found.encloser) put_chain(zone, zone.chain_owner(name));
      if (is_name_error) put_chain(zone, zone.chain_owner(child("*", *found.encloser)));
      return;
    }
    if (!found.encloser) return match_or_encloser(zone, name);
    const Name proved = encloser(zone, name, *found.encloser);
    const Name& wildcard_of = is_name_error ? proved : *found.encloser;
    put_chain(zone, zone.chain_owner(hash(zone, child("*", wildcard_of))));
  }

  // A wildcard stands in for `name`.
  void no_closer_match(const Zone& zone, const Name& name, const Name& closest) {
    if (!starts_proof(zone)) return;
    const Name next = path(closest, name)[1];
    put_chain(zone, zone.chain_owner(zone.denial() == RRType::NSEC ? name : hash(zone, next)));
  }

  void no_ds(const Zone& zone, const Name& cut) {
    if (zone.has(cut, RRType::DS) || !starts_proof(zone)) return;
    if (zone.denial() == RRType::NSEC3) return match_or_encloser(zone, cut);
    if (zone.has(cut, RRType::NSEC)) put_chain(zone, &cut);
  }

  void match_or_encloser(const Zone& zone, const Name& name) {
    if (is_match(zone, name)) {
      put_chain(zone, zone.chain_owner(hash(zone, name)));
    } else if (!name.view().equals(zone.apex())) {
      encloser(zone, name, Name(name.view().parent()));
    }
  }

  // The closest encloser, from `first` up, that has an NSEC3 record; found by halving, which says which one it is where
  // a chain has holes.
  Name encloser(const Zone& zone, const Name& name, Name first) {
    if (!is_match(zone, first) && first != zone.apex()) {
      const auto down = path(zone.apex(), first);
      std::size_t has = 0, lacks = down.size() - 1;
      while (lacks - has > 1) {
        const std::size_t middle = (has + lacks) / 2;
        (is_match(zone, down[middle]) ? has : lacks) = middle;
      }
      first = down[has];
    }
    if (is_match(zone, first)) put_chain(zone, zone.chain_owner(hash(zone, first)));
    const auto down = path(first, name);
    if (down.size() > 1) put_chain(zone, zone.chain_owner(hash(zone, down[1])));
    return first;
  }

  static Name hash(const Zone& zone, NameView name) { return hashed(name, zone.apex(), zone.nsec3()); }
  static bool is_match(const Zone& zone, NameView name) {
    const Name owner = hash(zone, name);
    return zone.chain_owner(owner) != nullptr && zone.chain_owner(owner)->view().equals(owner);
  }

  bool starts_proof(const Zone& zone) {
    if (!dnssec_ok_ || !zone.denial()) return false;
    if (zone.denial() == RRType::NSEC || load_u16(&zone.nsec3()[2]) <= 150) return true;
    out_.parts.clear();
    out_.rcode = Rcode::SERVFAIL;
    out_.authoritative = false;
    out_.extended_error = 27;
    return false;
  }

  void put_chain(const Zone& zone, const Name* owner) {
    if (owner == nullptr) return;
    const bool known = std::any_of(out_.parts.begin(), out_.parts.end(), [&](const Part& part) {
      return part.section == Section::authority && part.type == *zone.denial() && part.owner == *owner;
    });
    if (!known) put(Section::authority, zone, *owner, *zone.denial(), *owner, true, true);
  }

  // RFC 8482 section 4.1: one RRset; not DNSSEC's own if there is another.
  bool any(const Zone& zone, NameView at, const Name& owner) {
    std::optional<RRType> chosen;
    for (const RRType type : zone.types(at)) {
      const bool dnssec = type == RRType::NSEC || type == RRType::NSEC3;
      const bool chosen_is_dnssec = chosen == RRType::NSEC || chosen == RRType::NSEC3;
      if (zone.has(at, type) && (!chosen || (chosen_is_dnssec && !dnssec))) chosen = type;
    }
    if (!chosen) {
      negative(zone);
      return false;
    }
    put(Section::answer, zone, at, *chosen, owner, true, true);
    return true;
  }

  void signatures(const Zone& zone, NameView at, const Name& owner) {
    Part part{Section::answer, owner, RRType::RRSIG, {}, true, true};
    for (const RRType type : zone.types(at)) {
      if (type == RRType::DNAME && dnssec_ok_ && is_answered_dname(owner)) continue;
      for (const auto& [ttl, rdata] : zone.find(at, type)->signatures) {
        part.records.push_back({owner, RRType::RRSIG, RRClass::IN, ttl, rdata});
      }
    }
    out_.parts.push_back(std::move(part));
  }

  // RFC 6672 section 3.2.
  bool dname(const Zone& zone, NameView at, const Name& current, Name& next) {
    const RRset& rrset = *zone.find(at, RRType::DNAME);
    put(Section::answer, zone, at, RRType::DNAME, Name(at), true, true);
    const ByteView prefix = current.wire().first(current.size() - at.size());
    Bytes wire(prefix.begin(), prefix.end());
    append(wire, rrset.data[0]);
    if (wire.size() > max_name_size) {
      out_.rcode = Rcode::YXDOMAIN;
      return false;
    }
    next = NameView::trusted(wire);
    out_.parts.push_back({Section::answer,
                          current,
                          RRType::CNAME,
                          {{current, RRType::CNAME, RRClass::IN, rrset.ttl, wire}},
                          true,
                          true});
    return true;
  }

  void referral(const Zone& zone, const Name& cut) {
    put(Section::authority, zone, cut, RRType::NS, cut, true, true);
    const bool is_signed =
        zone.has(cut, RRType::DS) && (zone.denial() || !zone.find(cut, RRType::DS)->signatures.empty());
    if (dnssec_ok_ && is_signed) put(Section::authority, zone, cut, RRType::DS, cut, true, false);
    no_ds(zone, cut);
    if (out_.rcode == Rcode::SERVFAIL) return;
    addresses(zone, *zone.find(cut, RRType::NS), RRType::NS, cut, cut, &cut);
  }

  // RFC 2308 section 3: the TTL is the lesser of the SOA's own and its MINIMUM.
  void negative(const Zone& zone) {
    const RRset& soa = *zone.find(zone.apex(), RRType::SOA);
    const std::uint32_t ttl = std::min(soa.ttl, soa_view(soa.data[0]).minimum);
    Part part{Section::authority, zone.apex(), RRType::SOA, {}, true, true};
    part.records.push_back({zone.apex(), RRType::SOA, RRClass::IN, ttl, soa.data[0]});
    if (dnssec_ok_) {
      for (const auto& [own_ttl, rdata] : soa.signatures) {
        part.records.push_back({zone.apex(), RRType::RRSIG, RRClass::IN, std::min(own_ttl, ttl), rdata});
      }
    }
    out_.parts.push_back(std::move(part));
  }

  // The name in a record that a client will ask for next: RFC 1035, 2782, 9460 section 4.1, 3403 section 4.2.
  static std::optional<Name> next_name(RRType type, ByteView rdata, const Name& owner) {
    std::size_t skip = 0;
    switch (type) {
      case RRType::NS:
        break;
      case RRType::MX:
        skip = 2;
        break;
      case RRType::SRV:
        skip = 6;
        break;
      case RRType::SVCB:
      case RRType::HTTPS:
        if (rdata[2] == 0) return load_u16(rdata.data()) == 0 ? std::nullopt : std::optional(owner);
        skip = 2;
        break;
      case RRType::NAPTR: {
        const std::string flags(rdata.begin() + 5, rdata.begin() + 5 + rdata[4]);
        if (flags != "a" && flags != "A" && flags != "s" && flags != "S") return std::nullopt;
        skip = 4;
        for (int i = 0; i < 3; ++i) skip += rdata[skip] + 1U;
        break;
      }
      default:
        return std::nullopt;
    }
    ByteReader rest(rdata, skip);
    return Name(NameView::read(rest).value());
  }

  // What goes along with a record of `at`, answered as `owner`. With a cut: glue counts too, and what is below the cut
  // is required.
  void addresses(const Zone& zone, const RRset& rrset, RRType type, const Name& at, const Name& owner,
                 const Name* cut) {
    std::vector<RRType> wanted = {RRType::A, RRType::AAAA};
    if (type == RRType::SVCB || type == RRType::HTTPS) wanted.push_back(type);
    if (type == RRType::NAPTR) wanted.push_back(RRType::SRV);
    std::set<Name> seen;
    for (const Bytes& rdata : rrset.data) {
      const auto next = next_name(type, rdata, owner);
      if (!next) continue;
      const Name& target = *next;
      const bool required = cut != nullptr && target.view().is_at_or_below(*cut);
      if (settings_.minimal_responses && !required) continue;
      if (!target.view().is_at_or_below(zone.apex()) || !zone.exists(target)) continue;
      if (seen.size() >= most_addressed && !required) continue;
      bool below_dname = false, cut_off = false;
      for (const Name& above : path(zone.apex(), target)) {
        if (above != target && zone.has(above, RRType::DNAME)) below_dname = true;
        if (above != zone.apex() && zone.has(above, RRType::NS)) cut_off = true;
      }
      if (below_dname || (cut == nullptr && cut_off) || !seen.insert(target).second) continue;
      for (const RRType each : wanted) {
        if (each == type && target == at) continue;
        if (zone.has(target, each)) put(Section::additional, zone, target, each, target, required, false);
      }
    }
  }

  // A chain may come by one DNAME more than once, or end at it.
  [[nodiscard]] bool is_answered_dname(const Name& owner) const {
    return std::any_of(out_.parts.begin(), out_.parts.end(),
                       [&](const Part& part) { return part.type == RRType::DNAME && part.owner == owner; });
  }

  void put(Section section, const Zone& zone, NameView at, RRType type, const Name& owner, bool required, bool last) {
    if (type == RRType::DNAME && is_answered_dname(owner)) return;
    const RRset& rrset = *zone.find(at, type);
    Part part{section, owner, type, {}, required, last};
    for (const Bytes& rdata : rrset.data) part.records.push_back({owner, type, RRClass::IN, rrset.ttl, rdata});
    if (dnssec_ok_) {
      for (const auto& [ttl, rdata] : rrset.signatures) {
        part.records.push_back({owner, RRType::RRSIG, RRClass::IN, ttl, rdata});
      }
    }
    out_.parts.push_back(std::move(part));
  }

  const std::vector<Zone>& zones_;
  const Question& question_;
  const bool dnssec_ok_;
  const Settings& settings_;
  Response out_;
};

Response only(Rcode rcode) {
  Response out;
  out.rcode = rcode;
  return out;
}

Response only(Rcode rcode, ExtendedError why) {
  Response out = only(rcode);
  out.extended_error = static_cast<std::uint16_t>(why);
  return out;
}

// RFC 7873 section 4, RFC 9660 section 3.1.
bool has_malformed_option(const Edns& edns, bool tcp) {
  if (const auto cookie = edns.option(edns_cookie)) {
    if (cookie->size() != 8 && (cookie->size() < 16 || cookie->size() > 40)) return true;
  }
  if (const auto version = edns.option(edns_zone_version); version && !version->empty()) return true;
  const auto keepalive = edns.option(edns_keepalive);
  return tcp && keepalive && !keepalive->empty();
}

bool is_apex(const std::vector<Zone>& zones, NameView name) {
  return std::any_of(zones.begin(), zones.end(), [&](const Zone& zone) { return zone.apex().view().equals(name); });
}

}  // namespace

std::optional<Response> answer(const std::vector<Zone>& zones, ByteView query, bool tcp, const Settings& settings) {
  const auto header = Header::read(query);
  Response out;
  out.silent = !header || header->is_response();
  if (out.silent) return out;
  const bool known_opcode = header->opcode() == Opcode::QUERY || header->opcode() == Opcode::NOTIFY;
  const auto message = MessageView::parse(query);
  if (!message) {
    out.header_only = true;
    out.rcode = known_opcode ? Rcode::FORMERR : Rcode::NOTIMP;
    return out;
  }
  if (message->edns() && message->edns()->version != 0) return only(Rcode::BADVERS);
  if (message->edns() && has_malformed_option(*message->edns(), tcp)) return only(Rcode::FORMERR);
  if (message->tsig_offset()) return std::nullopt;
  if (!known_opcode) return only(Rcode::NOTIMP);
  const auto& question = message->question();
  if (!question) {
    const auto cookie = message->edns() ? message->edns()->option(edns_cookie) : std::nullopt;
    const bool asks_for_cookie =
        cookie && header->opcode() == Opcode::QUERY && header->ancount == 0 && header->nscount == 0;
    if (!asks_for_cookie) return only(Rcode::FORMERR);
    return only(cookie->size() == 8 ? Rcode::NOERROR : Rcode::BADCOOKIE);  // nobody here has the secret
  }
  if (question->klass != RRClass::IN) return only(Rcode::REFUSED);
  if (header->opcode() == Opcode::NOTIFY) return only(Rcode::REFUSED, ExtendedError::prohibited);
  if (question->type == RRType::AXFR || question->type == RRType::IXFR) {
    return is_apex(zones, question->name) ? only(Rcode::REFUSED, ExtendedError::prohibited)
                                          : only(Rcode::NOTAUTH, ExtendedError::not_authoritative);
  }
  const bool impossible =
      question->type == RRType::OPT || question->type == RRType::TSIG || number(question->type) == 0;
  if (impossible) return only(Rcode::FORMERR);
  if (is_meta_type(question->type) && question->type != RRType::ANY) return only(Rcode::NOTIMP);
  out = Composer(zones, *question, message->edns() && message->edns()->dnssec_ok, settings).run();
  const std::vector<Part> parts = std::exchange(out.parts, {});
  for (const Section section : {Section::answer, Section::authority, Section::additional}) {
    std::ranges::copy_if(parts, std::back_inserter(out.parts),
                         [&](const Part& part) { return part.section == section; });
  }
  return out;
}

}  // namespace understudy::plain
