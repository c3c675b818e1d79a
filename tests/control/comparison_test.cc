#include "control/comparison.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "dns/record.h"
#include "dns/zonefile.h"

namespace understudy {
namespace {

Name name(std::string_view text) {
  return Name::parse(text).value();
}

Record record(std::string_view line) {
  Record out;
  const auto read = read_zone_text(line, "test", name("example."),
                                   [&](NameView owner, RRType type, std::uint32_t ttl, ByteView rdata) -> Result<void> {
                                     out = {owner, type, RRClass::IN, ttl, Bytes(rdata.begin(), rdata.end())};
                                     return {};
                                   });
  EXPECT_TRUE(read) << read.error().text();
  return out;
}

struct Response {
  std::vector<std::pair<Section, std::string>> records;
  Rcode rcode = Rcode::NOERROR;
  bool authoritative = true;

  [[nodiscard]] Bytes bytes() const {
    Bytes out(max_message_size);
    MessageWriter writer(out, out.size());
    writer.set_header(1, static_cast<std::uint16_t>(Header::qr | (authoritative ? Header::aa : 0) | number(rcode)));
    writer.add_question(name("www.example."), RRType::A, RRClass::IN);
    for (const auto& [section, text] : records) {
      const Record r = record(text);
      writer.add_record(section, r.owner, r.type, r.klass, r.ttl, r.rdata);
    }
    out.resize(writer.size());
    return out;
  }
};

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

TEST(ComparisonTest, ProofsOfAbsence) {
  const std::string soa = "example. 300 IN SOA ns. h. 1 2 3 4 300";
  const Response none{{{authority, soa}}, Rcode::NXDOMAIN};
  const Response one{{{authority, soa}, {authority, "a.example. 300 IN NSEC c.example. A NSEC"}}, Rcode::NXDOMAIN};
  Response more = one;
  more.records.emplace_back(authority, "example. 300 IN NSEC a.example. SOA NSEC");
  const Comparison found = compared(one, more);
  EXPECT_EQ(texts(found.differences), Lines{});
  EXPECT_EQ(texts(found.proofs), Lines{"proof of absence: only there: example. NSEC a.example. SOA NSEC (TTL 300)"});
  EXPECT_EQ(texts(compared(more, one).proofs),
            Lines{"proof of absence: only here: example. NSEC a.example. SOA NSEC (TTL 300)"});
  EXPECT_EQ(texts(compared(one, one).proofs), Lines{});
  EXPECT_EQ(texts(compared(none, one).differences),
            Lines{"proof of absence: only there: a.example. NSEC c.example. A NSEC (TTL 300)"});
  EXPECT_EQ(texts(compared(none, one).proofs), Lines{}) << "said once";
}

TEST(ComparisonTest, TtlsOfProofsCount) {
  const std::string soa = "example. 300 IN SOA ns. h. 1 2 3 4 300";
  const Response one{{{authority, soa}, {authority, "a.example. 300 IN NSEC c.example. A NSEC"}}, Rcode::NXDOMAIN};
  const Response other{{{authority, soa}, {authority, "a.example. 60 IN NSEC c.example. A NSEC"}}, Rcode::NXDOMAIN};
  const Comparison found = compared(one, other);
  EXPECT_EQ(texts(found.differences),
            Lines{"proof of absence: TTL 300 here, 60 there: a.example. NSEC c.example. A NSEC"});
  EXPECT_TRUE(found.ttl_only());
}

Lines texts(const std::vector<ComparedQuestion>& questions) {
  Lines out;
  for (const auto& question : questions) out.push_back(question.text());
  return out;
}

TEST(QuestionSamplerTest, EveryRRsetAndNearMisses) {
  QuestionSampler sampler(100);
  const std::string text =
      "example.\t300\tIN\tSOA\tns. h. 1 2 3 4 5\n"
      "example.\t300\tIN\tNS\tns.\nexample.\t300\tIN\tNS\tns2.\nexample.\t300\tIN\tRRSIG\tNS 8 1 1 1 1 1 . AAAA\n"
      "www.example.\t300\tIN\tA\t192.0.2.1\n";
  for (const char c : text) ASSERT_TRUE(sampler.take({&c, 1}));
  EXPECT_EQ(texts(sampler.questions()), (Lines{"example. SOA", "example. NS", "example. A", "no-such-name.example. A",
                                               "www.example. A", "www.example. TXT", "no-such-name.www.example. A"}));
}

TEST(QuestionSamplerTest, EvenlySpread) {
  QuestionSampler sampler(100);
  for (int i = 0; i < 10'000; ++i)
    ASSERT_TRUE(sampler.take("n" + std::to_string(i) + ".example.\t300\tIN\tA\t192.0.2.1\n"));
  const auto questions = sampler.questions();
  ASSERT_EQ(questions.size(), 100U);
  EXPECT_EQ(sampler.seen(), 30'000U);
  std::set<std::string> thousands;
  for (const auto& question : questions) {
    const std::string owner = question.name.text();
    const std::size_t at = owner.find("n", owner.starts_with("no-such") ? 12 : 0) + 1;
    const int number = std::stoi(owner.substr(at));
    thousands.insert(std::to_string(number / 1000));
  }
  EXPECT_EQ(thousands.size(), 10U);
}

TEST(QuestionSamplerTest, NoZoneText) {
  QuestionSampler sampler(100);
  EXPECT_FALSE(sampler.take("this is no record\n"));
}

TEST(ReadQuestionsTest, NamesAndTypes) {
  const auto read = read_questions("# about\n\nwww A\nother.test. AAAA\n", "file", name("example."));
  ASSERT_TRUE(read) << read.error().text();
  EXPECT_EQ(texts(*read), (Lines{"www.example. A", "other.test. AAAA"}));
  for (const char* bad : {"www\n", "www BOGUS\n", "www A B\n", "a..b A\n"}) {
    const auto wrong = read_questions(std::string("www A\n") + bad, "file", name("example."));
    ASSERT_FALSE(wrong) << bad;
    EXPECT_NE(wrong.error().text().find("file:2:"), std::string::npos) << wrong.error().text();
  }
}

}  // namespace
}  // namespace understudy
