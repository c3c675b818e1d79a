#include "control/proof_claims.h"

#include <algorithm>

#include "base/bytes.h"

namespace understudy {
namespace {

const Record* find(const std::vector<Record>& records, NameView owner, RRType type) {
  const auto at = std::ranges::find_if(records, [&](const Record& record) {
    return (type == RRType::ANY || record.type == type) && record.owner.view() == owner;
  });
  return at == records.end() ? nullptr : &*at;
}

// The name at the end of the aliases, as far as the answer follows them.
struct End {
  Name name;
  bool is_answered = false;
};

// None: too many aliases.
std::optional<End> follow(const Question& question, const std::vector<Record>& answer) {
  End end{question.name};
  for (std::size_t i = 0; i <= std::min(answer.size(), most_followed_aliases); ++i) {
    if (find(answer, end.name, question.type) != nullptr) {
      end.is_answered = true;
      return end;
    }
    const Record* alias = find(answer, end.name, RRType::CNAME);
    if (alias == nullptr) return end;
    end.name = NameView::trusted(alias->rdata);
  }
  if (answer.size() > most_followed_aliases) return {};
  end.is_answered = true;  // a loop: there is no end that anything could be said of
  return end;
}

// False: too many.
bool add_expansions(const std::vector<Record>& answer, std::vector<ProofClaim>& claims) {
  for (const Record& record : answer) {
    if (record.type != RRType::RRSIG) continue;
    const std::size_t labels = record.rdata[3];
    if (labels >= signed_labels(record.owner)) continue;
    const bool is_known = std::ranges::any_of(
        claims, [&](const ProofClaim& claim) { return claim.name == record.owner && claim.known_labels == labels; });
    if (is_known) continue;
    if (claims.size() == most_claims) return false;
    ProofClaim claim{ProofClaim::Kind::expansion, record.owner};
    claim.known_labels = labels;
    claims.push_back(claim);
  }
  return true;
}

}  // namespace

std::size_t signed_labels(NameView owner) {
  return owner.label_count() - (owner.is_wildcard() ? 1 : 0);
}

std::optional<std::vector<ProofClaim>> find_claims(const MessageView& response, const std::vector<Record>& answer,
                                                   const std::vector<Record>& authority) {
  std::vector<ProofClaim> claims;
  if (!response.question()) return claims;
  if (!add_expansions(answer, claims)) return {};
  const std::optional<End> end = follow(*response.question(), answer);
  if (!end) return {};
  if (response.rcode() == Rcode::NXDOMAIN) claims.push_back({ProofClaim::Kind::name_error, end->name});
  if (response.rcode() == Rcode::NOERROR && !end->is_answered) {
    const auto is_of_zone = [&](RRType type) {
      return std::ranges::find_if(authority, [&, type](const Record& record) {
        return record.type == type && end->name.view().is_at_or_below(record.owner);
      });
    };
    if (const auto soa = is_of_zone(RRType::SOA); soa != authority.end()) {
      claims.push_back({ProofClaim::Kind::no_data, end->name, response.question()->type, soa->owner});
    } else if (const auto cut = is_of_zone(RRType::NS); cut != authority.end()) {
      if (find(authority, cut->owner, RRType::DS) == nullptr) claims.push_back({ProofClaim::Kind::no_ds, cut->owner});
    }
  }
  if (claims.size() > most_claims) return {};
  return claims;
}

}  // namespace understudy
