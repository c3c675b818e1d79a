#include "control/comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <tuple>

#include "control/proof_check.h"
#include "dns/rdata.h"
#include "dns/record.h"

namespace understudy {
namespace {

// Sections without order: canonical owner, type and RDATA of a record, with its TTL and its text.
struct Shown {
  std::uint32_t ttl = 0;
  std::string text;  // without the TTL
};
using RecordKey = std::tuple<std::string, std::uint16_t, std::string>;
using Records = std::map<RecordKey, Shown>;

struct Said {
  Rcode rcode = Rcode::NOERROR;
  bool authoritative = false;
  std::array<Records, 3> sections;
  Records proofs;

  [[nodiscard]] bool is_referral() const { return !authoritative && rcode == Rcode::NOERROR && sections[0].empty(); }
};

bool is_denial(RRType type, ByteView rdata) {
  const RRType what = type == RRType::RRSIG ? static_cast<RRType>(load_u16(rdata.data())) : type;
  return what == RRType::NSEC || what == RRType::NSEC3;
}

bool is_of_servers(RRType type, ByteView rdata) {
  return type == RRType::NS || (type == RRType::RRSIG && load_u16(rdata.data()) == number(RRType::NS));
}

void add_record(Records& records, const Record& record) {
  const Name owner = record.owner.lowered();
  Bytes canonical;
  append_canonical_rdata(record.type, record.rdata, canonical);
  const std::string text =
      fmt::format("{} {} {}", record.owner.text(), type_text(record.type), rdata_text(record.type, record.rdata));
  records.insert_or_assign({std::string(text_of(owner.wire())), number(record.type), std::string(text_of(canonical))},
                           Shown{record.ttl, text});
}

// Glue of a referral is what lies at or below its cut.
void drop_free_choices(Said& said, const std::vector<Name>& cuts) {
  const bool positive = said.rcode == Rcode::NOERROR && said.authoritative && !said.sections[0].empty();
  if (positive) {
    std::erase_if(said.sections[1], [](const auto& entry) {
      const auto& [key, shown] = entry;
      return is_of_servers(static_cast<RRType>(std::get<1>(key)), view_of(std::get<2>(key)));
    });
  }
  if (!said.is_referral()) said.sections[2].clear();
  std::erase_if(said.sections[2], [&](const auto& entry) {
    const NameView owner = NameView::trusted(view_of(std::get<0>(entry.first)));
    const auto type = static_cast<RRType>(std::get<1>(entry.first));
    const bool address = type == RRType::A || type == RRType::AAAA;
    return !address || std::ranges::none_of(cuts, [&](const Name& cut) { return owner.is_at_or_below(cut); });
  });
}

Said read(const MessageView& message) {
  Said said;
  said.rcode = message.rcode();
  said.authoritative = (message.header().flags & Header::aa) != 0;
  std::vector<Name> cuts;
  message.for_each_record([&](const RecordView& view) {
    const auto rdata = view.rdata();
    if (view.type == RRType::OPT || view.type == RRType::TSIG || !rdata) return true;
    const Record record{view.owner(), view.type, view.klass, view.ttl_value(), *rdata};
    if (view.section == Section::authority && view.type == RRType::NS) cuts.push_back(record.owner);
    const bool proof = view.section == Section::authority && is_denial(record.type, record.rdata);
    add_record(proof ? said.proofs : said.sections[static_cast<std::size_t>(view.section)], record);
    return true;
  });
  drop_free_choices(said, cuts);
  return said;
}

class Comparer {
 public:
  Comparer(const MessageView& ours, const MessageView& theirs)
      : messages_{ours, theirs}, ours_(read(ours)), theirs_(read(theirs)) {}

  Comparison run() {
    if (ours_.rcode != theirs_.rcode) add_value("code", rcode_text(ours_.rcode), rcode_text(theirs_.rcode));
    if (ours_.authoritative != theirs_.authoritative) {
      const auto word = [](bool set) { return set ? "set" : "clear"; };
      add_value("flag AA", word(ours_.authoritative), word(theirs_.authoritative));
    }
    constexpr const char* names[] = {"answer", "authority", "glue"};
    for (std::size_t i = 0; i < 3; ++i) {
      compare_records(names[i], ours_.sections[i], theirs_.sections[i], out_.differences);
    }
    compare_proofs();
    return std::move(out_);
  }

 private:
  static constexpr const char* proof = "proof of absence";

  // Other records are no difference if both sides' prove what they say; none are enough where nothing is to be proved.
  void compare_proofs() {
    std::vector<Difference> apart;
    compare_records(proof, ours_.proofs, theirs_.proofs, apart);
    if (apart.empty()) return;
    auto& to = judge_proofs() ? out_.proofs : out_.differences;
    std::ranges::move(apart, std::back_inserter(to));
  }

  // False: at least one side's do not, which is said.
  bool judge_proofs() {
    const ProofVerdict here = check_proof(messages_[0]), there = check_proof(messages_[1]);
    const auto why = [](const ProofVerdict& verdict) {
      return verdict.kind == ProofVerdict::Kind::not_computed ? "not judged, as " + verdict.why : verdict.why;
    };
    const bool fails = here.kind == ProofVerdict::Kind::fails || there.kind == ProofVerdict::Kind::fails;
    if (here.why.empty() && there.why.empty()) return true;
    Difference found;
    found.kind = Difference::Kind::proof;
    found.what = proof;
    found.here = why(here);
    found.there = why(there);
    (fails ? out_.differences : out_.proofs).push_back(std::move(found));
    return !fails;
  }

  // An NSEC or NSEC3 record, or its signature, of an owner whose record both sides send: those are the zone's data, and
  // no choice.
  [[nodiscard]] bool is_of_shared_proof(const RecordKey& key) const {
    const auto& [owner, type, rdata] = key;
    const bool is_signature = static_cast<RRType>(type) == RRType::RRSIG;
    const RecordKey first{owner, is_signature ? load_u16(view_of(rdata).data()) : type, ""};
    const auto has = [&](const Records& records) {
      const auto at = records.lower_bound(first);
      return at != records.end() && std::get<0>(at->first) == owner && std::get<1>(at->first) == std::get<1>(first);
    };
    return has(ours_.proofs) && has(theirs_.proofs);
  }

  void add_value(const char* what, std::string here, std::string there) {
    Difference found;
    found.what = what;
    found.here = std::move(here);
    found.there = std::move(there);
    out_.differences.push_back(std::move(found));
  }

  // Records that one side lacks go to `one_sided`.
  void compare_records(const char* what, const Records& ours, const Records& theirs,
                       std::vector<Difference>& one_sided) {
    const auto add = [what](std::vector<Difference>& to, const Shown* here, const Shown* there) {
      Difference found;
      found.kind = Difference::Kind::record;
      found.what = what;
      found.record = (here != nullptr ? here : there)->text;
      if (here != nullptr) found.ttl_here = here->ttl;
      if (there != nullptr) found.ttl_there = there->ttl;
      to.push_back(std::move(found));
    };
    const auto place = [&](const RecordKey& key) -> auto& {
      return is_of_shared_proof(key) ? out_.differences : one_sided;
    };
    for (const auto& [key, here] : ours) {
      const auto there = theirs.find(key);
      if (there == theirs.end()) {
        add(place(key), &here, nullptr);
      } else if (there->second.ttl != here.ttl) {
        add(out_.differences, &here, &there->second);
      }
    }
    for (const auto& [key, there] : theirs) {
      if (!ours.contains(key)) add(place(key), nullptr, &there);
    }
  }

  const MessageView messages_[2];
  const Said ours_, theirs_;
  Comparison out_;
};

}  // namespace

std::string Difference::text() const {
  if (kind == Kind::value) return fmt::format("{}: {} here, {} there", what, here, there);
  if (kind == Kind::proof) {
    return fmt::format("{}: {}{}{}{}{}", what, here.empty() ? "" : "this server: ", here,
                       here.empty() || there.empty() ? "" : "; ", there.empty() ? "" : "the other server: ", there);
  }
  if (is_ttl()) return fmt::format("{}: TTL {} here, {} there: {}", what, *ttl_here, *ttl_there, record);
  return ttl_here ? fmt::format("{}: only here: {} (TTL {})", what, record, *ttl_here)
                  : fmt::format("{}: only there: {} (TTL {})", what, record, ttl_there.value_or(0));
}

bool Comparison::ttl_only() const {
  return !differences.empty() && std::ranges::all_of(differences, &Difference::is_ttl);
}

Comparison compare_responses(const MessageView& ours, const MessageView& theirs) {
  return Comparer(ours, theirs).run();
}

}  // namespace understudy
