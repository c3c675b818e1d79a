#include "control/comparison.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "control/response.h"

namespace understudy {
namespace {

using control_fixture::Response, control_fixture::signature_of;

Comparison compared(const Response& ours, const Response& theirs) {
  const Bytes here = ours.bytes(), there = theirs.bytes();
  return compare_responses(*MessageView::parse(here), *MessageView::parse(there));
}

using Lines = std::vector<std::string>;

Lines texts(const std::vector<Difference>& differences) {
  Lines out;
  for (const auto& difference : differences) out.push_back(difference.text());
  return out;
}

constexpr Section answer = Section::answer, authority = Section::authority, additional = Section::additional;

TEST(ComparisonTest, OrderCaseAndFreeChoicesMeanNothing) {
  const Response ours{{{answer, "www.example. 300 IN CNAME a.example."},
                       {answer, "a.example. 300 IN A 192.0.2.1"},
                       {answer, "a.example. 300 IN A 192.0.2.2"}}};
  const Response theirs{{{answer, "a.EXAMPLE. 300 IN A 192.0.2.2"},
                         {answer, "a.example. 300 IN A 192.0.2.1"},
                         {answer, "www.example. 300 IN CNAME A.example."},
                         {authority, "example. 300 IN NS ns1.example."},
                         {additional, "ns1.example. 300 IN A 192.0.2.3"}}};
  EXPECT_EQ(texts(compared(ours, theirs).differences), Lines{});
  EXPECT_EQ(texts(compared(theirs, ours).differences), Lines{});
}

TEST(ComparisonTest, WhatDiffersIsSaid) {
  const Response ours{{{answer, "www.example. 300 IN A 192.0.2.1"}, {answer, "www.example. 300 IN A 192.0.2.2"}}};
  const Response theirs{{{answer, "www.example. 300 IN A 192.0.2.1"}, {answer, "www.example. 300 IN A 192.0.2.9"}},
                        Rcode::NXDOMAIN,
                        false};
  const Comparison found = compared(ours, theirs);
  EXPECT_EQ(texts(found.differences), (Lines{"code: NOERROR here, NXDOMAIN there", "flag AA: set here, clear there",
                                             "answer: only here: www.example. A 192.0.2.2 (TTL 300)",
                                             "answer: only there: www.example. A 192.0.2.9 (TTL 300)"}));
  EXPECT_FALSE(found.ttl_only());
}

TEST(ComparisonTest, TtlsApart) {
  const Comparison found =
      compared({{{answer, "www.example. 300 IN A 192.0.2.1"}}}, {{{answer, "www.example. 60 IN A 192.0.2.1"}}});
  EXPECT_EQ(texts(found.differences), Lines{"answer: TTL 300 here, 60 there: www.example. A 192.0.2.1"});
  EXPECT_TRUE(found.ttl_only());
}

TEST(ComparisonTest, GlueOfReferralsCounts) {
  Response ours{
      {{authority, "sub.example. 300 IN NS ns.sub.example."}, {additional, "ns.sub.example. 300 IN A 192.0.2.1"}},
      Rcode::NOERROR,
      false};
  Response theirs = ours;
  theirs.records.emplace_back(additional, "ns.other.example. 300 IN A 192.0.2.7");  // not below the cut
  EXPECT_EQ(texts(compared(ours, theirs).differences), Lines{});
  ours.records.pop_back();
  EXPECT_EQ(texts(compared(ours, theirs).differences),
            Lines{"glue: only there: ns.sub.example. A 192.0.2.1 (TTL 300)"});
}

constexpr const char* soa = "example. 300 IN SOA ns. h. 1 2 3 4 300";

// A name error with these NSEC or NSEC3 records, signed.
Response name_error(const Lines& proofs) {
  Response out{{{authority, soa}}, Rcode::NXDOMAIN};
  for (const std::string& line : proofs) {
    out.records.emplace_back(authority, line);
    out.records.emplace_back(authority, signature_of(line));
  }
  return out;
}

TEST(ComparisonTest, ProofsThatProveAreNoDifference) {
  const std::string apex = "example. 300 IN NSEC x.example. SOA NSEC";
  const Response one = name_error({apex});
  const Response more = name_error({apex, "y.example. 300 IN NSEC example. A NSEC"});
  const Lines records{"NSEC example. A NSEC", "RRSIG NSEC 8 2 300 20300101000000 20200101000000 1 example. AAAA"};
  for (const bool swapped : {false, true}) {
    const Comparison found = swapped ? compared(more, one) : compared(one, more);
    EXPECT_EQ(texts(found.differences), Lines{});
    Lines expected;
    for (const std::string& line : records) {
      expected.push_back(std::string("proof of absence: only ") + (swapped ? "here" : "there") + ": y.example. " +
                         line + " (TTL 300)");
    }
    Lines shown = texts(found.proofs);
    std::ranges::sort(shown, {}, [](const std::string& text) { return text.find("RRSIG") != std::string::npos; });
    EXPECT_EQ(shown, expected);
  }
  EXPECT_EQ(texts(compared(one, one).proofs), Lines{});
}

TEST(ComparisonTest, ProofsOfOneSideOnly) {
  const Response without = name_error({}), with = name_error({"example. 300 IN NSEC x.example. SOA NSEC"});
  Comparison found = compared(without, with);
  ASSERT_EQ(found.differences.size(), 3U);
  EXPECT_EQ(texts(found.differences)[0], "proof of absence: this server: none for www.example.");
  EXPECT_EQ(texts(found.proofs), Lines{}) << "said once";
  found = compared(with, without);
  ASSERT_EQ(found.differences.size(), 3U);
  EXPECT_EQ(texts(found.differences)[0], "proof of absence: the other server: none for www.example.");
  found = compared(name_error({}), name_error({"example. 300 IN NSEC a.example. SOA NSEC"}));
  EXPECT_EQ(texts(found.differences)[0],
            "proof of absence: this server: none for www.example.; the other server: the name www.example. is not "
            "covered");
}

TEST(ComparisonTest, NeedlessProofsAreNoDifference) {
  const Response bare{{{answer, "www.example. 300 IN A 192.0.2.1"}}};
  const std::string apex = "example. 300 IN NSEC x.example. SOA NSEC";
  Response more = bare;
  more.records.emplace_back(authority, apex);
  more.records.emplace_back(authority, signature_of(apex));
  for (const bool swapped : {false, true}) {
    const Comparison found = swapped ? compared(more, bare) : compared(bare, more);
    EXPECT_EQ(texts(found.differences), Lines{});
    EXPECT_EQ(found.proofs.size(), 2U);
  }
}

TEST(ComparisonTest, ProofsThatDoNotProveAreDifferences) {
  const std::string apex = "example. 300 IN NSEC a.example. SOA NSEC";
  const Response right = name_error({apex, "v.example. 300 IN NSEC x.example. A NSEC"});
  const Response wrong = name_error({apex, "x.example. 300 IN NSEC y.example. A NSEC"});
  const std::string why = "the name www.example. is not covered";
  Comparison found = compared(wrong, right);
  EXPECT_EQ(texts(found.differences)[0], "proof of absence: this server: " + why);
  EXPECT_EQ(found.differences.size(), 5U) << "and the records";
  EXPECT_EQ(found.differences[0].there, "");
  EXPECT_EQ(texts(found.proofs), Lines{});
  EXPECT_FALSE(found.ttl_only());
  EXPECT_EQ(texts(compared(right, wrong).differences)[0], "proof of absence: the other server: " + why);
  const Response none = name_error({apex});
  EXPECT_EQ(texts(compared(none, wrong).differences)[0],
            "proof of absence: this server: " + why + "; the other server: " + why);
  EXPECT_EQ(texts(compared(wrong, wrong).differences), Lines{}) << "the same records";
}

TEST(ComparisonTest, TheSameOwnersProofsAreData) {
  const Response one = name_error({"example. 300 IN NSEC x.example. SOA NSEC"});
  EXPECT_EQ(texts(compared(one, name_error({"example. 300 IN NSEC x.example. SOA TXT NSEC"})).differences),
            (Lines{"proof of absence: only here: example. NSEC x.example. SOA NSEC (TTL 300)",
                   "proof of absence: only there: example. NSEC x.example. SOA TXT NSEC (TTL 300)"}));
  Response without = one;
  without.records.pop_back();
  const Lines found = texts(compared(one, without).differences);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_TRUE(found[0].starts_with("proof of absence: only here: example. RRSIG NSEC ")) << found[0];
}

TEST(ComparisonTest, WhatIsNotComputedIsSaid) {
  const std::string chain = ".example. 300 IN NSEC3 1 0 501 - ";
  const std::string hash(31, '0');
  const Comparison found =
      compared(name_error({hash + "1" + chain + hash + "2 A"}), name_error({hash + "2" + chain + hash + "3 A"}));
  EXPECT_EQ(texts(found.differences), Lines{});
  ASSERT_EQ(found.proofs.size(), 5U);
  EXPECT_EQ(found.proofs[0].text(),
            "proof of absence: this server: not judged, as 501 iterations are over 500; the other server: not judged, "
            "as 501 iterations are over 500");
}

TEST(ComparisonTest, TtlsOfProofsCount) {
  const Response one{{{authority, soa}, {authority, "a.example. 300 IN NSEC c.example. A NSEC"}}, Rcode::NXDOMAIN};
  const Response other{{{authority, soa}, {authority, "a.example. 60 IN NSEC c.example. A NSEC"}}, Rcode::NXDOMAIN};
  const Comparison found = compared(one, other);
  EXPECT_EQ(texts(found.differences),
            Lines{"proof of absence: TTL 300 here, 60 there: a.example. NSEC c.example. A NSEC"});
  EXPECT_TRUE(found.ttl_only());
}

}  // namespace
}  // namespace understudy
