#include "control/proof_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "control/proof_claims.h"
#include "dns/nsec3.h"

namespace understudy {
namespace {

using Kind = ProofClaim::Kind;
using Records = std::vector<Record>;
using Why = std::optional<std::string>;  // none: it is proved

// RFC 4034 section 4.1.2.
bool has_type(ByteView bitmap, RRType type) {
  const std::uint16_t wanted = number(type);
  ByteReader reader(bitmap);
  while (!reader.at_end()) {
    const std::uint8_t window = reader.u8();
    const ByteView bits = reader.bytes(reader.u8());
    const std::size_t octet = (wanted & 255U) / 8;
    if (window == wanted >> 8) return octet < bits.size() && (bits[octet] & 0x80U >> wanted % 8) != 0;
  }
  return false;
}

// A cut seen from above, which says nothing of what is at or below it but DS (RFC 6840 section 4.1).
bool is_cut(ByteView bitmap) {
  return has_type(bitmap, RRType::NS) && !has_type(bitmap, RRType::SOA);
}

// What hinders that names below the owner of this bit map are denied (RFC 6840 sections 4.1 and 4.4).
bool hides_below(ByteView bitmap) {
  return is_cut(bitmap) || has_type(bitmap, RRType::DNAME);
}

Name wildcard_below(NameView encloser) {
  static constexpr std::uint8_t asterisk[] = {'*'};
  return Name::prepend(asterisk, encloser).value_or(Name(encloser));
}

NameView last_labels(NameView name, std::size_t labels) {
  return name.ancestor(name.label_count() - labels);
}

// The record at the name itself, or at the wildcard that stands for it, against a missing type.
Why bitmap_objection(NameView owner, ByteView bitmap, const ProofClaim& claim) {
  if (has_type(bitmap, claim.type)) return fmt::format("{} has {}", owner.text(), type_text(claim.type));
  if (has_type(bitmap, RRType::CNAME)) return fmt::format("{} has CNAME", owner.text());
  if (claim.type != RRType::DS) {
    if (is_cut(bitmap)) return fmt::format("{} is a zone cut", owner.text());
  } else if (has_type(bitmap, RRType::SOA) && claim.zone.view() != owner) {
    return fmt::format("{} is the child's apex", owner.text());
  }
  return {};
}

// RFC 5155 section 8.9; RFC 4035 section 5.2.
Why cut_objection(NameView cut, ByteView bitmap) {
  if (has_type(bitmap, RRType::DS)) return fmt::format("{} has DS", cut.text());
  if (!is_cut(bitmap)) return fmt::format("{} is no zone cut", cut.text());
  return {};
}

class NsecProof {
 public:
  void add(const Record& record) {
    ByteReader reader(record.rdata);
    const auto next = NameView::read(reader);
    if (!next) return;
    const ByteView bitmap = reader.rest();
    links_.push_back({record.owner, *next, Bytes(bitmap.begin(), bitmap.end())});
  }
  [[nodiscard]] bool is_empty() const { return links_.empty(); }

  [[nodiscard]] Why objection(const ProofClaim& claim) const {
    switch (claim.kind) {
      case Kind::name_error: {
        if (const Why why = denial_objection("the name", claim.name)) return why;
        return denial_objection("the wildcard", wildcard_below(encloser(claim.name)));
      }
      case Kind::no_data:
        return no_data_objection(claim);
      case Kind::expansion:
        return denial_objection("the next closer name", last_labels(claim.name, claim.known_labels + 1));
      case Kind::no_ds:
        if (const Link* link = match(claim.name)) return cut_objection(claim.name, link->bitmap);
        return fmt::format("the zone cut {} is not matched", claim.name.text());
    }
    return {};
  }

 private:
  struct Link {
    Name owner, next;
    Bytes bitmap;

    // The last one's next name is the apex.
    [[nodiscard]] bool covers(NameView name) const {
      if (name <= owner.view()) return false;
      return owner < next ? name < next.view() : name.is_at_or_below(next);
    }
    // An empty non-terminal: between the two, but with the next name below it.
    [[nodiscard]] bool is_inside(NameView name) const { return covers(name) && next.view().is_below(name); }
    [[nodiscard]] bool hides(NameView name) const { return name.is_below(owner) && hides_below(bitmap); }
    [[nodiscard]] bool denies(NameView name) const { return covers(name) && !is_inside(name) && !hides(name); }
  };

  [[nodiscard]] const Link* match(NameView name) const {
    const auto at = std::ranges::find_if(links_, [&](const Link& link) { return link.owner.view() == name; });
    return at == links_.end() ? nullptr : &*at;
  }
  [[nodiscard]] bool is_empty_non_terminal(NameView name) const {
    return std::ranges::any_of(links_, [&](const Link& link) { return link.is_inside(name) && !link.hides(name); });
  }

  [[nodiscard]] Why denial_objection(const char* what, NameView name) const {
    if (std::ranges::any_of(links_, [&](const Link& link) { return link.denies(name); })) return {};
    const char* why = "is not covered";
    if (match(name) != nullptr) {
      why = "is matched, so that it exists";
    } else if (is_empty_non_terminal(name)) {
      why = "is an empty non-terminal, so that it exists";
    } else if (std::ranges::any_of(links_, [&](const Link& link) { return link.covers(name); })) {
      why = "is covered by a zone cut or DNAME above it only";
    }
    return fmt::format("{} {} {}", what, name.text(), why);
  }

  // The longest suffix of a denied name that the record which denies it shows to exist.
  [[nodiscard]] NameView encloser(NameView name) const {
    for (const Link& link : links_) {
      if (!link.denies(name)) continue;
      while (!link.owner.view().is_at_or_below(name) && !link.next.view().is_at_or_below(name)) name = name.parent();
      break;
    }
    return name;
  }

  // RFC 4035 sections 3.1.3.1 and 3.1.3.4.
  [[nodiscard]] Why no_data_objection(const ProofClaim& claim) const {
    if (const Link* link = match(claim.name)) return bitmap_objection(claim.name, link->bitmap, claim);
    if (is_empty_non_terminal(claim.name)) return {};
    if (const Why why = denial_objection("the name", claim.name)) return why;
    const Name wildcard = wildcard_below(encloser(claim.name));
    if (const Link* link = match(wildcard)) return bitmap_objection(wildcard, link->bitmap, claim);
    if (is_empty_non_terminal(wildcard)) return {};
    return fmt::format("neither {} nor the wildcard {} is matched", claim.name.text(), wildcard.text());
  }

  std::vector<Link> links_;
};

// What the hashes for one response may still cost, in blocks of SHA-1.
class HashBudget {
 public:
  /// False: there is not enough left, and so for all that follow.
  bool take(std::size_t name_size, const Nsec3Params& params) {
    const auto blocks = [&](std::size_t octets) { return (octets + params.salt.size() + 8) / 64 + 1; };
    const std::size_t cost = blocks(name_size) + params.iterations * blocks(Nsec3Hash().size());
    is_spent_ = is_spent_ || cost > left_;
    if (!is_spent_) left_ -= cost;
    return !is_spent_;
  }
  [[nodiscard]] bool is_spent() const { return is_spent_; }

 private:
  std::size_t left_ = most_checked_blocks;
  bool is_spent_ = false;
};

// One chain: records of a zone with the same parameters (RFC 5155 section 8.2).
class Nsec3Proof {
 public:
  Nsec3Proof(const Record& first, HashBudget& budget)
      : zone_(first.owner.view().parent()), first_(first.rdata), budget_(&budget) {}

  [[nodiscard]] const Name& zone() const { return zone_; }
  [[nodiscard]] Nsec3Params params() const { return nsec3_params(first_); }
  /// False: it belongs to another chain.
  bool add(const Record& record) {
    if (record.owner.view().parent() != zone_.view()) return false;
    const Nsec3Params of_record = nsec3_params(record.rdata);
    if (!of_record.is_same_chain(params())) return false;
    ByteReader reader(record.rdata, 5 + of_record.salt.size());
    const ByteView next = reader.bytes(reader.u8());
    const ByteView bitmap = reader.rest();
    const ByteView own = record.owner.view().first_label();
    Nsec3Hash hash;
    if (next.size() != hash.size() || own.size() != nsec3_label_size || of_record.flags > 1) return true;
    std::ranges::copy(next, hash.begin());
    Link link{{}, nsec3_label(hash), of_record.flags == 1, Bytes(bitmap.begin(), bitmap.end())};
    std::ranges::transform(own, link.own.begin(), ascii_lower);
    links_.push_back(std::move(link));
    return true;
  }

  /// Means nothing if the budget was spent.
  [[nodiscard]] Why objection(const ProofClaim& claim) const {
    switch (claim.kind) {
      case Kind::name_error: {
        const Encloser found = find_encloser(claim.name);
        if (found.why) return found.why;
        return cover_objection("the wildcard", wildcard_below(found.name));
      }
      case Kind::no_data:
        return no_data_objection(claim);
      case Kind::expansion:
        return cover_objection("the next closer name", last_labels(claim.name, claim.known_labels + 1));
      case Kind::no_ds: {
        if (const Link* link = match(label_of(claim.name))) return cut_objection(claim.name, link->bitmap);
        const Encloser found = find_encloser(claim.name);
        if (found.why || found.next_closer->opt_out) return found.why;
        return fmt::format("the zone cut {} is neither matched nor covered by opt-out", claim.name.text());
      }
    }
    return {};
  }

 private:
  struct Link {
    Nsec3Label own, next;
    bool opt_out;
    Bytes bitmap;

    // Hashes in base32hex have the order of the hashes (RFC 4648 section 7).
    [[nodiscard]] bool covers(const Nsec3Label& hash) const {
      if (own < next) return own < hash && hash < next;
      return own < hash || hash < next;
    }
  };
  struct Encloser {
    NameView name;
    const Link* next_closer = nullptr;  // what covers that name
    Why why;                            // not found
  };

  [[nodiscard]] Nsec3Label label_of(NameView name) const {
    if (!budget_->take(name.wire().size(), params())) return {};
    return nsec3_label(nsec3_hash(name, params()));
  }
  [[nodiscard]] const Link* match(const Nsec3Label& hash) const {
    const auto at = std::ranges::find_if(links_, [&](const Link& link) { return link.own == hash; });
    return at == links_.end() ? nullptr : &*at;
  }
  [[nodiscard]] const Link* cover(const Nsec3Label& hash) const {
    const auto at = std::ranges::find_if(links_, [&](const Link& link) { return link.covers(hash); });
    return at == links_.end() ? nullptr : &*at;
  }
  [[nodiscard]] Why cover_objection(const char* what, NameView name) const {
    return cover_objection(what, name, label_of(name));
  }
  [[nodiscard]] Why cover_objection(const char* what, NameView name, const Nsec3Label& hash) const {
    if (match(hash) != nullptr) return fmt::format("{} {} is matched, so that it exists", what, name.text());
    if (cover(hash) == nullptr) return fmt::format("{} {} is not covered", what, name.text());
    return {};
  }

  // RFC 5155 section 8.3.
  [[nodiscard]] Encloser find_encloser(NameView name) const {
    std::optional<NameView> next_closer;
    for (NameView at = name; at.is_at_or_below(zone_); at = at.parent()) {
      if (const Link* link = match(label_of(at))) {
        if (!next_closer) return {at, nullptr, fmt::format("the name {} is matched, so that it exists", at.text())};
        if (hides_below(link->bitmap)) {
          return {at, nullptr, fmt::format("the closest encloser {} is a zone cut or has DNAME", at.text())};
        }
        const Nsec3Label hash = label_of(*next_closer);
        return {at, cover(hash), cover_objection("the next closer name", *next_closer, hash)};
      }
      next_closer = at;
      if (at.is_root()) break;
    }
    return {name, nullptr, fmt::format("no closest encloser of {} is matched", name.text())};
  }

  // RFC 5155 sections 8.5 to 8.7. A name that only unsigned delegations make one has no record under opt-out, whatever
  // type is asked for (section 7.1 and erratum 3441).
  [[nodiscard]] Why no_data_objection(const ProofClaim& claim) const {
    if (const Link* link = match(label_of(claim.name))) return bitmap_objection(claim.name, link->bitmap, claim);
    const Encloser found = find_encloser(claim.name);
    if (found.why) return found.why;
    const Name wildcard = wildcard_below(found.name);
    if (const Link* link = match(label_of(wildcard))) return bitmap_objection(wildcard, link->bitmap, claim);
    if (found.next_closer->opt_out) return {};
    return fmt::format("neither {} nor the wildcard {} is matched", claim.name.text(), wildcard.text());
  }

  const Name zone_;
  const Bytes first_;  // whose parameters are the chain's
  HashBudget* const budget_;
  std::vector<Link> links_;
};

class ProofChecker {
 public:
  ProofChecker(const ProofChecker&) = delete;  // the chains share the budget
  ProofChecker& operator=(const ProofChecker&) = delete;
  explicit ProofChecker(const Records& authority) {
    const auto owners = signed_owners(authority);
    for (const Record& record : authority) {
      if (record.type != RRType::NSEC && record.type != RRType::NSEC3) continue;
      if (!owners.contains({record.owner, number(record.type)})) {
        if (unsigned_.empty()) {
          unsigned_ = fmt::format("{} {} has no signature of its own", record.owner.text(), type_text(record.type));
        }
      } else if (record.type == RRType::NSEC) {
        nsec_.add(record);
      } else {
        add_nsec3(record);
      }
    }
  }

  [[nodiscard]] ProofVerdict judge(const ProofClaim& claim) {
    using Judged = ProofVerdict::Kind;
    std::vector<ProofVerdict> verdicts;
    const auto add = [&](Why why) { verdicts.push_back({why ? Judged::fails : Judged::proves, why.value_or("")}); };
    if (!nsec_.is_empty()) add(nsec_.objection(claim));
    if (!verdicts.empty() && verdicts[0].kind == Judged::proves) return verdicts[0];
    for (const Nsec3Proof& chain : chains_) {
      const Nsec3Params params = chain.params();
      if (!claim.name.view().is_at_or_below(chain.zone())) continue;
      if (params.algorithm != nsec3_sha1) {
        verdicts.push_back({Judged::not_computed, fmt::format("hash algorithm {} is not known", params.algorithm)});
      } else if (params.iterations > most_checked_iterations) {
        verdicts.push_back({Judged::not_computed,
                            fmt::format("{} iterations are over {}", params.iterations, most_checked_iterations)});
      } else {
        Why why = chain.objection(claim);
        if (budget_.is_spent()) {
          return {Judged::not_computed, fmt::format("the hashes take over {} blocks of SHA-1", most_checked_blocks)};
        }
        if (!why) return {};
        add(std::move(why));
      }
    }
    if (verdicts.empty()) verdicts.push_back({Judged::fails, fmt::format("none for {}", claim.name.text())});
    for (const Judged kind : {Judged::proves, Judged::not_computed}) {
      const auto found = std::ranges::find(verdicts, kind, &ProofVerdict::kind);
      if (found != verdicts.end()) return *found;
    }
    if (!unsigned_.empty()) verdicts[0].why = unsigned_;
    return verdicts[0];
  }

 private:
  static constexpr std::size_t most_chains = 8;  // a response has one, or few more where aliases go through zones

  // With the type that is signed. A signature of a wildcard that was expanded shows nothing of the owner (RFC 4035
  // section 5.4).
  static std::set<std::pair<NameView, std::uint16_t>> signed_owners(const Records& authority) {
    std::set<std::pair<NameView, std::uint16_t>> owners;
    for (const Record& record : authority) {
      if (record.type == RRType::RRSIG && record.rdata[3] == signed_labels(record.owner)) {
        owners.emplace(record.owner.view(), load_u16(record.rdata.data()));
      }
    }
    return owners;
  }

  void add_nsec3(const Record& record) {
    if (record.owner.is_root()) return;
    if (std::ranges::any_of(chains_, [&](Nsec3Proof& chain) { return chain.add(record); })) return;
    if (chains_.size() < most_chains) chains_.emplace_back(record, budget_).add(record);
  }

  HashBudget budget_;
  NsecProof nsec_;
  std::vector<Nsec3Proof> chains_;
  std::string unsigned_;
};

}  // namespace

ProofVerdict check_proof(const MessageView& response) {
  Records answer, authority;
  response.for_each_record([&](const RecordView& view) {
    if (view.section == Section::additional) return false;
    const auto rdata = view.rdata();
    if (!rdata) return true;
    (view.section == Section::answer ? answer : authority)
        .push_back({view.owner(), view.type, view.klass, view.ttl_value(), *rdata});
    return true;
  });
  const auto claims = find_claims(response, answer, authority);
  if (!claims) {
    return {ProofVerdict::Kind::not_computed,
            fmt::format("over {} names are to be proved, or over {} aliases to be followed", most_claims,
                        most_followed_aliases)};
  }
  ProofVerdict worst;
  if (claims->empty()) return worst;
  ProofChecker checker(authority);
  for (const ProofClaim& claim : *claims) {
    const ProofVerdict verdict = checker.judge(claim);
    if (verdict.kind == ProofVerdict::Kind::fails) return verdict;
    if (verdict.kind == ProofVerdict::Kind::not_computed) worst = verdict;
  }
  return worst;
}

}  // namespace understudy
