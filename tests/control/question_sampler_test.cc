#include "control/question_sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

namespace understudy {
namespace {

using Lines = std::vector<std::string>;

Lines texts(const std::vector<ComparedQuestion>& questions) {
  Lines out;
  for (const auto& question : questions) out.push_back(question.text());
  return out;
}

// Those with EDNS; the others are the same.
Lines drawn(const std::string& text) {
  QuestionSampler sampler(1000);
  for (const char c : text) EXPECT_TRUE(sampler.take({&c, 1}));
  const Lines all = texts(sampler.questions());
  EXPECT_EQ(sampler.seen(), all.size());
  const Lines out(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2));
  for (std::size_t i = 0; i < out.size(); ++i) EXPECT_EQ(all[out.size() + i], out[i] + " no-edns");
  return out;
}

const std::string apex = "example.\t300\tIN\tSOA\tns. h. 1 2 3 4 5\n";
const Lines of_apex{"example. SOA", "example. A", "no-such-name.example. A"};

Lines behind_apex(const Lines& rest) {
  Lines out = of_apex;
  out.insert(out.end(), rest.begin(), rest.end());
  return out;
}

TEST(QuestionSamplerTest, EveryRRsetAndNearMisses) {
  EXPECT_EQ(drawn(apex + "example.\t300\tIN\tNS\tns.\nexample.\t300\tIN\tNS\tns2.\n"
                         "example.\t300\tIN\tRRSIG\tNS 8 1 1 1 1 1 . AAAA\nwww.example.\t300\tIN\tA\t192.0.2.1\n"),
            (Lines{"example. SOA", "example. NS", "example. A", "no-such-name.example. A", "www.example. A",
                   "www.example. TXT", "no-such-name.www.example. A", "www-.example. A"}));
}

TEST(QuestionSamplerTest, EmptyNonTerminals) {
  const Lines found = drawn(apex + "a.b.c.example.\t300\tIN\tTXT\tx\nd.b.c.example.\t300\tIN\tTXT\tx\n");
  EXPECT_EQ(found, behind_apex({"b.c.example. A", "no-such-name.b.c.example. A", "c.example. A",
                                "no-such-name.c.example. A", "a.b.c.example. TXT", "a.b.c.example. A",
                                "no-such-name.a.b.c.example. A", "a-.b.c.example. A", "d.b.c.example. TXT",
                                "d.b.c.example. A", "no-such-name.d.b.c.example. A", "d-.b.c.example. A"}))
      << "each once";
  const Lines existing = drawn(apex + "c.example.\t300\tIN\tTXT\tx\na.c.example.\t300\tIN\tTXT\tx\n");
  EXPECT_EQ(std::ranges::count(existing, "c.example. A"), 1) << "its own near miss, and no more";
}

TEST(QuestionSamplerTest, MissingDs) {
  const std::string cut = "sub.example.\t300\tIN\tNS\tns.\n", ds = "sub.example.\t300\tIN\tDS\t1 8 2 00\n";
  const Lines insecure = drawn(apex + cut), secure = drawn(apex + cut + ds);
  EXPECT_EQ(std::ranges::count(insecure, "sub.example. DS"), 1);
  EXPECT_EQ(std::ranges::count(secure, "sub.example. DS"), 1) << "as an RRset";
  EXPECT_EQ(insecure.size(), secure.size());
  EXPECT_EQ(std::ranges::count(drawn(apex + "example.\t300\tIN\tNS\tns.\n"), "example. DS"), 0)
      << "the parent's, which either may serve as well";
}

TEST(QuestionSamplerTest, SiblingsOfFullLabels) {
  const std::string most(63, 'a'), dash = std::string(62, 'a') + "-";
  const auto siblings = [](const std::string& label) {
    return drawn(apex + label + ".example.\t300\tIN\tA\t192.0.2.1\n");
  };
  EXPECT_EQ(siblings(most).back(), dash + ".example. A");
  EXPECT_EQ(siblings(dash).back(), std::string(62, 'a') + "x.example. A");
}

TEST(QuestionSamplerTest, HashesAreNoNames) {
  const std::string hash = "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom";
  const std::string nsec3 = hash + ".example.\t300\tIN\tNSEC3\t1 0 0 - " + hash + "\n";
  EXPECT_EQ(drawn(apex + nsec3), of_apex);
  EXPECT_EQ(drawn(apex + nsec3 + hash + ".example.\t300\tIN\tA\t192.0.2.1\n").size(), of_apex.size() + 4)
      << "but for one that is";
}

TEST(QuestionSamplerTest, EvenlySpread) {
  QuestionSampler sampler(400);
  ASSERT_TRUE(sampler.take(apex));
  for (int i = 0; i < 10'000; ++i)
    ASSERT_TRUE(sampler.take("n" + std::to_string(i) + ".example.\t300\tIN\tA\t192.0.2.1\n"));
  const auto questions = sampler.questions();
  ASSERT_EQ(questions.size(), 400U);
  EXPECT_EQ(sampler.seen(), 2 * 40'003U);
  std::set<std::string> thousands;
  std::map<std::string, int> kinds;
  for (const auto& question : questions) {
    if (question.type == RRType::SOA) continue;
    const std::string owner = question.name.text();
    const std::size_t at = owner.find('n', owner.starts_with("no-such") ? 12 : 0) + 1;
    if (at < owner.size() && owner[at] >= '0' && owner[at] <= '9') {  // not the apex
      thousands.insert(std::to_string(std::stoi(owner.substr(at)) / 1000));
    }
    const std::string kind = owner.starts_with("no-such")           ? "below"
                             : owner.find('-') != std::string::npos ? "beside"
                                                                    : "";
    ++kinds[kind + type_text(question.type) + (question.edns ? "" : " no-edns")];
  }
  EXPECT_EQ(thousands.size(), 10U);
  ASSERT_EQ(kinds.size(), 8U);
  for (const auto& [kind, count] : kinds) {
    EXPECT_GE(count, kind.ends_with("no-edns") ? 5 : 50) << kind;
  }
}

TEST(QuestionSamplerTest, NoZoneText) {
  QuestionSampler sampler(100);
  EXPECT_FALSE(sampler.take("this is no record\n"));
}

TEST(ReadQuestionsTest, NamesAndTypes) {
  const Name zone = Name::parse("example.").value();
  const auto read = read_questions("# about\n\nwww A\nother.test. AAAA\nwww MX no-edns\n", "file", zone);
  ASSERT_TRUE(read) << read.error().text();
  EXPECT_EQ(texts(*read), (Lines{"www.example. A", "other.test. AAAA", "www.example. MX no-edns"}));
  for (const char* bad : {"www\n", "www BOGUS\n", "www A B\n", "a..b A\n", "www A no-edns x\n"}) {
    const auto wrong = read_questions(std::string("www A\n") + bad, "file", zone);
    ASSERT_FALSE(wrong) << bad;
    EXPECT_NE(wrong.error().text().find("file:2:"), std::string::npos) << wrong.error().text();
  }
}

}  // namespace
}  // namespace understudy
