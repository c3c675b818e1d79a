#include "control/proof_check.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>

#include "control/response.h"
#include "dns/nsec3.h"

namespace understudy {
namespace {

using control_fixture::name, control_fixture::record, control_fixture::Response, control_fixture::signature_of;
using Kind = ProofVerdict::Kind;

constexpr Section answer = Section::answer, authority = Section::authority;

ProofVerdict verdict(const Response& response) {
  const Bytes bytes = response.bytes();
  return check_proof(*MessageView::parse(bytes));
}

// Empty: it proves.
std::string why(const Response& response) {
  const ProofVerdict found = verdict(response);
  EXPECT_EQ(found.kind == Kind::proves, found.why.empty()) << found.why;
  return found.why;
}

struct Example {
  std::string title;
  Response response;
};

// The responses of a table in tests/conformance.
std::vector<Example> examples(const std::string& file) {
  std::ifstream in(std::string(TEST_DATA_DIR "/conformance/") + file);
  std::vector<Example> out;
  bool in_zone = false;
  for (std::string line, title; std::getline(in, line);) {
    std::istringstream words(line);
    std::string first, second, third;
    words >> first >> second >> third;
    if (first == "zone" || first == "end") {
      in_zone = first == "zone";
    } else if (in_zone || first.empty()) {
      continue;
    } else if (first == "#") {
      if (second.starts_with("B.")) title = line;
    } else if (first == "ask") {
      out.push_back({title, {.name = second, .type = type_from_text(third).value()}});
    } else if (first == "NOERROR" || first == "NXDOMAIN") {
      out.back().response.rcode = first == "NOERROR" ? Rcode::NOERROR : Rcode::NXDOMAIN;
      out.back().response.authoritative = second == "aa";
    } else if (first == "answer:" || first == "authority:") {
      out.back().response.records.emplace_back(first == "answer:" ? answer : authority,
                                               line.substr(line.find(' ') + 1));
    }
  }
  return out;
}

bool is_about(const std::string& line, NameView owner, RRType type) {
  const Record r = record(line);
  const bool is_of_type =
      r.type == type || (r.type == RRType::RRSIG && static_cast<RRType>(load_u16(r.rdata.data())) == type);
  return r.owner.view() == owner && is_of_type;
}

Response without(Response response, NameView owner, RRType type) {
  std::erase_if(response.records, [&](const auto& line) { return is_about(line.second, owner, type); });
  return response;
}

Response unsigned_one(Response response, NameView owner, RRType type) {
  std::erase_if(response.records, [&](const auto& line) {
    return is_about(line.second, owner, type) && record(line.second).type == RRType::RRSIG;
  });
  return response;
}

Response without_opt_out(Response response) {
  for (auto& [section, line] : response.records) {
    if (const std::size_t at = line.find("NSEC3 1 1 "); at != std::string::npos) line[at + 8] = '0';
  }
  return response;
}

// Every example proves what it says, and with any of its records left out, or without signature, none does. Those that
// need no opt-out are without: with it nothing is said of what lies at the next closer name.
void check_examples(const std::string& file, std::size_t responses, std::size_t proofs) {
  const auto all = examples(file);
  EXPECT_EQ(all.size(), responses);
  std::size_t seen = 0;
  for (const auto& [title, as_printed] : all) {
    EXPECT_EQ(why(as_printed), "") << title;
    const Response response = title.find("Opt-Out") == std::string::npos ? without_opt_out(as_printed) : as_printed;
    EXPECT_EQ(why(response), "") << title;
    for (const auto& [section, line] : response.records) {
      const Record r = record(line);
      if (section != authority || (r.type != RRType::NSEC && r.type != RRType::NSEC3)) continue;
      ++seen;
      EXPECT_NE(why(without(response, r.owner, r.type)), "") << title << " without " << line;
      EXPECT_EQ(why(unsigned_one(response, r.owner, r.type)),
                r.owner.text() + " " + type_text(r.type) + " has no signature of its own")
          << title;
    }
  }
  EXPECT_EQ(seen, proofs);
}

TEST(ProofCheckTest, Rfc4035AppendixB) {
  check_examples("rfc4035_appendix_b.txt", 8, 8);
}

TEST(ProofCheckTest, Rfc5155AppendixB) {
  check_examples("rfc5155_appendix_b.txt", 7, 12);
}

// The example of a table whose title begins so.
Response example(const std::string& file, const std::string& title) {
  for (const auto& found : examples(file)) {
    if (found.title.starts_with("# " + title)) return found.response;
  }
  ADD_FAILURE() << title;
  return {};
}

Response nsec(const std::string& title) {
  return example("rfc4035_appendix_b.txt", title);
}
Response nsec3(const std::string& title) {
  return example("rfc5155_appendix_b.txt", title);
}

Response changed(Response response, const std::string& from, const std::string& to) {
  bool is_changed = false;
  for (auto& [section, line] : response.records) {
    if (const std::size_t at = line.find(from); at != std::string::npos) {
      line.replace(at, from.size(), to);
      is_changed = true;
    }
  }
  EXPECT_TRUE(is_changed) << from;
  return response;
}

Response asked(Response response, const std::string& qname, RRType type) {
  response.name = qname;
  response.type = type;
  return response;
}

Response with(Response response, const std::string& line) {
  response.records.emplace_back(authority, line);
  response.records.emplace_back(authority, signature_of(line));
  return response;
}

TEST(ProofCheckTest, NsecNameErrorsThatAreNotProved) {
  const Response right = nsec("B.2.");
  EXPECT_EQ(why(without(right, name("b.example."), RRType::NSEC)), "the name ml.example. is not covered");
  EXPECT_EQ(why(without(right, name("example."), RRType::NSEC)), "the wildcard *.example. is not covered");
  EXPECT_EQ(why(asked(right, "b.example.", RRType::A)), "the name b.example. is matched, so that it exists");
  EXPECT_EQ(why(asked(right, "ml.b.example.", RRType::A)),
            "the name ml.b.example. is covered by a zone cut or DNAME above it only");
  EXPECT_EQ(why(changed(right, "NSEC ns1.example. ", "NSEC x.ml.example. ")),
            "the name ml.example. is an empty non-terminal, so that it exists");
  EXPECT_EQ(why(changed(right, "b.example. 3600 IN NSEC ns1.example. NS", "b.example. 3600 IN NSEC mk.example. NS")),
            "the name ml.example. is not covered");
  EXPECT_EQ(why(asked(right, "zz.example.", RRType::A)), "the name zz.example. is not covered");
}

TEST(ProofCheckTest, TheLastNsecCoversTheRest) {
  Response response = nsec("B.2.");
  response =
      with(without(response, name("b.example."), RRType::NSEC), "xx.example. 3600 IN NSEC example. A RRSIG NSEC");
  EXPECT_EQ(why(asked(response, "zz.example.", RRType::A)), "");
  EXPECT_EQ(why(asked(response, "ml.example.", RRType::A)), "the name ml.example. is not covered");
}

TEST(ProofCheckTest, NsecMissingTypesThatAreNotProved) {
  const Response right = nsec("B.3.");
  EXPECT_EQ(why(asked(right, "ns1.example.", RRType::A)), "ns1.example. has A");
  EXPECT_EQ(why(changed(right, "A RRSIG NSEC", "CNAME RRSIG NSEC")), "ns1.example. has CNAME");
  EXPECT_EQ(why(changed(right, "A RRSIG NSEC", "NS RRSIG NSEC")), "ns1.example. is a zone cut");
  const std::string cut = "NSEC ns2.example. NS RRSIG NSEC", apex = "NSEC ns2.example. NS SOA RRSIG NSEC";
  const std::string host = "NSEC ns2.example. A RRSIG NSEC";
  EXPECT_EQ(why(asked(changed(right, host, cut), "ns1.example.", RRType::DS)), "");
  EXPECT_EQ(why(asked(changed(right, host, apex), "ns1.example.", RRType::DS)), "ns1.example. is the child's apex");
  EXPECT_EQ(why(without(right, name("ns1.example."), RRType::NSEC)), "none for ns1.example.");
}

TEST(ProofCheckTest, NsecEmptyNonTerminals) {
  Response response = nsec("B.3.");
  response = with(without(response, name("ns1.example."), RRType::NSEC),
                  "x.w.example. 3600 IN NSEC x.y.w.example. MX RRSIG NSEC");
  EXPECT_EQ(why(asked(response, "y.w.example.", RRType::A)), "");
  EXPECT_EQ(why(asked(response, "a.y.w.example.", RRType::A)),
            "neither a.y.w.example. nor the wildcard *.y.w.example. is matched");
}

TEST(ProofCheckTest, NsecWildcardsThatAreNotProved) {
  EXPECT_EQ(why(without(nsec("B.6."), name("x.y.w.example."), RRType::NSEC)), "none for a.z.w.example.");
  const Response closer = changed(nsec("B.6."), "NSEC xx.example.", "NSEC b.z.w.example.");
  EXPECT_EQ(why(closer), "the next closer name z.w.example. is an empty non-terminal, so that it exists");
  const Response missing = nsec("B.7.");
  EXPECT_EQ(why(without(missing, name("*.w.example."), RRType::NSEC)),
            "neither a.z.w.example. nor the wildcard *.w.example. is matched");
  EXPECT_EQ(why(asked(missing, "a.z.w.example.", RRType::MX)), "*.w.example. has MX");
}

TEST(ProofCheckTest, NsecOfAWildcardThatWasExpandedIsNone) {
  Response response = nsec("B.3.");
  response = without(response, name("ns1.example."), RRType::NSEC);
  response.records.emplace_back(authority, "b.w.example. 3600 IN NSEC x.w.example. MX RRSIG NSEC");
  response.records.emplace_back(
      authority, "b.w.example. 3600 IN RRSIG NSEC 5 2 3600 20300101000000 20200101000000 1 example. AAAA");
  EXPECT_EQ(why(asked(response, "b.w.example.", RRType::A)), "b.w.example. NSEC has no signature of its own");
}

TEST(ProofCheckTest, NsecReferralsThatAreNotProved) {
  const Response right = nsec("B.5.");
  EXPECT_EQ(why(changed(right, "NS RRSIG NSEC", "NS DS RRSIG NSEC")), "b.example. has DS");
  EXPECT_EQ(why(changed(right, "NS RRSIG NSEC", "NS SOA RRSIG NSEC")), "b.example. is no zone cut");
  EXPECT_EQ(why(changed(right, "NS RRSIG NSEC", "A RRSIG NSEC")), "b.example. is no zone cut");
  const Response covered =
      with(without(right, name("b.example."), RRType::NSEC), "ai.example. 3600 IN NSEC ns1.example. A NSEC");
  EXPECT_EQ(why(covered), "the zone cut b.example. is not matched");
}

constexpr const char* apex_hash = "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom.example.";

TEST(ProofCheckTest, Nsec3NameErrorsThatAreNotProved) {
  const Response right = nsec3("B.1.");
  EXPECT_EQ(why(without(right, name("b4um86eghhds6nea196smvmlo4ors995.example."), RRType::NSEC3)),
            "the next closer name w.example. is not covered")
      << "the apex matches";
  EXPECT_EQ(why(without(right, name(apex_hash), RRType::NSEC3)), "the next closer name c.x.w.example. is not covered");
  EXPECT_EQ(why(without(right, name("35mthgpgcu1qg68fab165klnsnk3dpvl.example."), RRType::NSEC3)),
            "the wildcard *.x.w.example. is not covered");
  EXPECT_EQ(why(asked(right, "x.w.example.", RRType::A)), "the name x.w.example. is matched, so that it exists");
  EXPECT_EQ(
      why(changed(right, "gjeqe526plbf1g8mklp59enfd789njgi MX RRSIG", "gjeqe526plbf1g8mklp59enfd789njgi NS RRSIG")),
      "the closest encloser x.w.example. is a zone cut or has DNAME");
  EXPECT_EQ(
      why(changed(right, "gjeqe526plbf1g8mklp59enfd789njgi MX RRSIG", "gjeqe526plbf1g8mklp59enfd789njgi DNAME RRSIG")),
      "the closest encloser x.w.example. is a zone cut or has DNAME");
}

TEST(ProofCheckTest, Nsec3MissingTypesThatAreNotProved) {
  const Response right = nsec3("B.2.");
  EXPECT_EQ(why(asked(right, "ns1.example.", RRType::A)), "ns1.example. has A");
  EXPECT_EQ(why(changed(right, "A RRSIG", "CNAME RRSIG")), "ns1.example. has CNAME");
  EXPECT_EQ(why(asked(right, "ns3.example.", RRType::MX)), "no closest encloser of ns3.example. is matched");
  EXPECT_EQ(why(without(nsec3("B.5."), name("r53bq7cc2uvmubfu5ocmm6pers9tk9en.example."), RRType::NSEC3)), "")
      << "the next closer name is covered with opt-out, so that nothing is said of what lies there";
  const Response closed = without_opt_out(nsec3("B.5."));
  EXPECT_EQ(why(closed), "");
  EXPECT_EQ(why(without(closed, name("r53bq7cc2uvmubfu5ocmm6pers9tk9en.example."), RRType::NSEC3)),
            "neither a.z.w.example. nor the wildcard *.w.example. is matched");
  EXPECT_EQ(why(asked(closed, "a.z.w.example.", RRType::MX)), "*.w.example. has MX");
}

TEST(ProofCheckTest, Nsec3WildcardsThatAreNotProved) {
  const Response right = nsec3("B.4.");
  const std::string closer = "q04jkcevqvmu85r014c7dkba38o0ji5r";
  EXPECT_EQ(why(without(right, name(closer + ".example."), RRType::NSEC3)), "none for a.z.w.example.");
  EXPECT_EQ(why(changed(right, "r53bq7cc2uvmubfu5ocmm6pers9tk9en A", "q04jkcevqvmu85r014c7dkba38o0ji5s A")),
            "the next closer name z.w.example. is not covered");
}

TEST(ProofCheckTest, Nsec3ReferralsThatAreNotProved) {
  const Response right = nsec3("B.3.");
  const std::string cover = "NSEC3 1 1 12 aabbccdd b4um";
  EXPECT_EQ(why(changed(right, cover, "NSEC3 1 0 12 aabbccdd b4um")),
            "the zone cut c.example. is neither matched nor covered by opt-out");
  EXPECT_EQ(why(without(right, name(apex_hash), RRType::NSEC3)), "no closest encloser of c.example. is matched");
  EXPECT_EQ(why(changed(right, cover, "NSEC3 1 1 13 aabbccdd b4um")), "no closest encloser of c.example. is matched")
      << "records with other parameters are of another chain";
}

TEST(ProofCheckTest, Nsec3ThatCannotBeComputed) {
  Response many = nsec3("B.1.");
  for (auto& [section, line] : many.records) {
    if (const std::size_t at = line.find(" 12 aabbccdd"); at != std::string::npos) line.replace(at, 3, " 501");
  }
  EXPECT_EQ(verdict(many).kind, Kind::not_computed);
  EXPECT_EQ(verdict(many).why, "501 iterations are over 500");
  Response unknown = nsec3("B.1.");
  for (auto& [section, line] : unknown.records) {
    if (const std::size_t at = line.find("NSEC3 1 1"); at != std::string::npos) line.replace(at, 9, "NSEC3 2 1");
  }
  EXPECT_EQ(verdict(unknown).kind, Kind::not_computed);
  EXPECT_EQ(verdict(unknown).why, "hash algorithm 2 is not known");
}

TEST(ProofCheckTest, HashesOfAResponseAreBounded) {
  std::string far;
  for (int i = 0; i < 100; ++i) far += "a.";
  const auto chain = [](int iterations) {
    return std::string(31, '0') + "1.example. 300 IN NSEC3 1 0 " + std::to_string(iterations) + " - " +
           std::string(31, '0') + "2 A";
  };
  const Response one = with({{}, Rcode::NXDOMAIN, true, far + "example."}, chain(500));
  EXPECT_EQ(why(one), "no closest encloser of " + far + "example. is matched");
  const ProofVerdict found = verdict(with(one, chain(499)));
  EXPECT_EQ(found.kind, Kind::not_computed);
  EXPECT_EQ(found.why, "the hashes take over 65536 blocks of SHA-1");
}

TEST(ProofCheckTest, ClaimsAndAliasesOfAResponseAreBounded) {
  const std::string why_not = "over 16 names are to be proved, or over 64 aliases to be followed";
  Response wildcards{{{answer, "www.example. 300 IN A 192.0.2.1"}}};
  for (int i = 0; i < 16; ++i) {
    wildcards.records.emplace_back(answer, "w" + std::to_string(i) +
                                               ".example. 300 IN RRSIG A 8 1 300 20300101000000 20200101000000 1 "
                                               "example. AAAA");
  }
  EXPECT_EQ(why(wildcards), "none for w0.example.");
  Response end = wildcards;
  end.rcode = Rcode::NXDOMAIN;
  EXPECT_EQ(why(end), why_not) << "the end is one, too";
  wildcards.records.push_back(wildcards.records.back());
  EXPECT_EQ(why(wildcards), "none for w0.example.") << "the same again";
  wildcards.records.back().second.insert(0, "x");
  EXPECT_EQ(verdict(wildcards).kind, Kind::not_computed);
  EXPECT_EQ(why(wildcards), why_not);

  Response aliases{{}, Rcode::NXDOMAIN, true, "a0.example."};
  const auto add = [&](int i) {
    aliases.records.emplace_back(
        answer, "a" + std::to_string(i) + ".example. 300 IN CNAME a" + std::to_string(i + 1) + ".example.");
  };
  for (int i = 0; i < 64; ++i) add(i);
  EXPECT_EQ(why(aliases), "none for a64.example.");
  add(64);
  EXPECT_EQ(verdict(aliases).kind, Kind::not_computed);
  EXPECT_EQ(why(aliases), why_not);
}

TEST(ProofCheckTest, WhereNothingIsDeniedNothingIsToBeProved) {
  EXPECT_EQ(why({{{answer, "www.example. 300 IN A 192.0.2.1"}}}), "");
  EXPECT_EQ(why({{{answer, "www.example. 300 IN CNAME www.example."}}}), "") << "a loop";
  EXPECT_EQ(why({{{answer, "www.example. 300 IN CNAME www.test."}}}), "") << "out of the zone";
  EXPECT_EQ(why({{}, Rcode::REFUSED, false}), "");
  EXPECT_EQ(why({{{authority, "example. 300 IN SOA ns. h. 1 2 3 4 300"}}}), "none for www.example.");
}

TEST(ProofCheckTest, TheEndOfAnAliasIsDenied) {
  Response response = nsec("B.2.");
  response.records.insert(response.records.begin(), {answer, "www.example. 300 IN CNAME ml.example."});
  EXPECT_EQ(why(asked(response, "www.example.", RRType::A)), "");
  response.records.front().second = "www.example. 300 IN CNAME b.example.";
  EXPECT_EQ(why(asked(response, "www.example.", RRType::A)), "the name b.example. is matched, so that it exists");
}

// A chain with opt-out of names that exist, and its records by what they match or cover.
class OptOutChain {
 public:
  OptOutChain() {
    add("example.", "SOA NS DNSKEY NSEC3PARAM RRSIG");
    for (int i = 0; i < 40; ++i) add("host" + std::to_string(i) + ".example.", "A RRSIG");
  }
  [[nodiscard]] std::string at_or_before(std::string_view owner) const {
    auto at = types_.upper_bound(label(owner));
    const auto next = at == types_.end() ? types_.begin() : at;
    at = at == types_.begin() ? std::prev(types_.end()) : std::prev(at);
    return at->first + ".example. 300 IN NSEC3 1 1 0 - " + next->first + " " + at->second;
  }
  [[nodiscard]] bool matches(std::string_view owner) const { return types_.contains(label(owner)); }

 private:
  static std::string label(std::string_view owner) {
    return std::string(text_of(nsec3_label(nsec3_hash(name(owner), {.algorithm = nsec3_sha1}))));
  }
  void add(std::string_view owner, const char* types) { types_[label(owner)] = types; }

  std::map<std::string, std::string> types_;
};

TEST(ProofCheckTest, AnInsecureDelegationFarBelowASignedHost) {
  const OptOutChain chain;
  const std::string cut = "a.b.c.d.e.f.g.h.i.j.k.host7.example.";
  ASSERT_TRUE(chain.matches("host7.example."));
  ASSERT_FALSE(chain.matches("k.host7.example."));
  const Response referral{{{authority, cut + " 300 IN NS ns.test."}}, Rcode::NOERROR, false, "www." + cut};
  const Response right =
      with(with(referral, chain.at_or_before("host7.example.")), chain.at_or_before("k.host7.example."));
  EXPECT_EQ(why(right), "");
  const Response wrong = with(with(referral, chain.at_or_before("example.")), chain.at_or_before("host7.example."));
  EXPECT_EQ(why(wrong), "the next closer name k.host7.example. is not covered");
  const Response ds = asked({{{authority, "example. 300 IN SOA ns. h. 1 2 3 4 300"}}}, cut, RRType::DS);
  EXPECT_EQ(why(with(with(ds, chain.at_or_before("host7.example.")), chain.at_or_before("k.host7.example."))), "");
  EXPECT_EQ(why(with(with(ds, chain.at_or_before("example.")), chain.at_or_before("host7.example."))),
            "the next closer name k.host7.example. is not covered");
}

}  // namespace
}  // namespace understudy
