#include "answer/query.h"

#include <gtest/gtest.h>

#include <random>

#include "answer/answer_fixture.h"

namespace understudy {
namespace {

using namespace answer_fixture;

TEST(QueryTest, ReadsNameTypeAndEdns) {
  const Bytes message =
      Query{.qname = "WWW.a.example.", .type = RRType::MX, .edns = true, .dnssec_ok = true, .udp_size = 4096}.bytes();
  PlainQuery query;
  ASSERT_TRUE(read_plain_query(message, query));
  EXPECT_EQ(query.name.name.text(), "WWW.a.example.");
  EXPECT_EQ(query.name.labels, 3);
  EXPECT_EQ(query.type, RRType::MX);
  EXPECT_TRUE(query.has_edns);
  EXPECT_TRUE(query.dnssec_ok);
  EXPECT_EQ(query.udp_size, 4096);
  EXPECT_EQ(query.question_end, header_size + 15 + 4);
}

TEST(QueryTest, WithoutEdns) {
  const Bytes message = Query{.qname = "."}.bytes();
  PlainQuery query;
  query.dnssec_ok = true;  // left over from the query before
  query.udp_size = 4096;
  ASSERT_TRUE(read_plain_query(message, query));
  EXPECT_TRUE(query.name.name.is_root());
  EXPECT_EQ(query.name.labels, 0);
  EXPECT_FALSE(query.has_edns);
  EXPECT_FALSE(query.dnssec_ok);
  EXPECT_EQ(query.udp_size, 512);
}

TEST(QueryTest, HashesEverySuffix) {
  for (const char* text : {".", "a.", "www.example.", "WWW.Example.", "a.b.c.d.e.f.g.h.i.j.k.example."}) {
    const Bytes message = Query{.qname = text}.bytes();
    PlainQuery query;
    ASSERT_TRUE(read_plain_query(message, query));
    const Name plain = name(text);
    const HashedName expected(plain);
    ASSERT_EQ(query.name.labels, expected.labels);
    for (std::size_t i = 0; i <= expected.labels; ++i) {
      EXPECT_EQ(query.name.offsets[i], expected.offsets[i]);
      EXPECT_EQ(query.name.hashes[i], expected.hashes[i]);
    }
  }
}

TEST(QueryTest, LongestNames) {
  const std::string label(61, 'x');
  const std::string text = label + "." + label + "." + label + "." + label + ".";  // 249 octets
  PlainQuery query;
  EXPECT_TRUE(read_plain_query(Query{.qname = "yyyyy." + text}.bytes(), query));  // 255
  EXPECT_EQ(query.name.name.size(), 255U);
  std::string many;
  for (int i = 0; i < 127; ++i) many += "a.";
  EXPECT_TRUE(read_plain_query(Query{.qname = many}.bytes(), query));
  EXPECT_EQ(query.name.labels, 127);
  // One octet more than a name may have.
  Bytes message = Query{.qname = "yyyyy." + text}.bytes();
  message[header_size] = 6;
  message.insert(message.begin() + header_size + 1, 'z');
  EXPECT_FALSE(read_plain_query(message, query));
}

TEST(QueryTest, LeavesEverythingElseToOthers) {
  const std::pair<const char*, Query> others[] = {
      {"response", {.qname = "a.", .flags = Header::qr}},
      {"NOTIFY", {.qname = "a.", .flags = opcode_bits(Opcode::NOTIFY)}},
      {"class CH", {.qname = "a.", .klass = RRClass::CH}},
      {"ANY", {.qname = "a.", .type = RRType::ANY}},
      {"AXFR", {.qname = "a.", .type = RRType::AXFR}},
      {"OPT", {.qname = "a.", .type = RRType::OPT}},
      {"RRSIG", {.qname = "a.", .type = RRType::RRSIG}},
      {"no question", {.qname = ""}},
      {"version 1", {.qname = "a.", .edns = true, .version = 1}},
      {"two OPTs", {.qname = "a.", .edns = true, .opts = 2}},
      {"answer records", {.qname = "a.", .answers = {zone_fixture::record("a. 1 A 192.0.2.1")}}},
      {"authority records", {.qname = "a.", .authority = {zone_fixture::record("a. 1 A 192.0.2.1")}}},
  };
  for (const auto& [what, query] : others) {
    PlainQuery out;
    EXPECT_FALSE(read_plain_query(query.bytes(), out)) << what;
  }
}

TEST(QueryTest, LeavesQuestionsForExpireToOthers) {
  Query query{.qname = "a.", .type = RRType::SOA, .edns = true};
  PlainQuery out;
  EXPECT_TRUE(read_plain_query(query.bytes(), out));
  append_edns_option(query.options, edns_cookie, Bytes(8));
  EXPECT_TRUE(read_plain_query(query.bytes(), out));
  append_edns_option(query.options, edns_expire, {});
  EXPECT_FALSE(read_plain_query(query.bytes(), out));
  query.type = RRType::A;
  EXPECT_TRUE(read_plain_query(query.bytes(), out)) << "nothing to do with zone maintenance";
}

TEST(QueryTest, IgnoresFlagsThatMeanNothingInAQuery) {
  PlainQuery query;
  EXPECT_TRUE(read_plain_query(
      Query{.qname = "a.",
            .flags = Header::aa | Header::tc | Header::rd | Header::ra | Header::z | Header::ad | Header::cd}
          .bytes(),
      query));
}

// Whatever it takes, MessageView takes too and understands the same.
TEST(QueryTest, AgreesWithMessageView) {
  std::mt19937_64 random(7);
  const auto below = [&](std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random); };
  unsigned taken = 0;
  for (int round = 0; round < 100'000; ++round) {
    Query start{.qname = "www.example.", .edns = below(3) != 0, .dnssec_ok = below(2) != 0};
    if (below(2) != 0) append_edns_option(start.options, 10, Bytes(below(9), 1));
    Bytes message = start.bytes();
    for (std::size_t i = below(3); i > 0; --i) message[below(message.size())] = static_cast<std::uint8_t>(below(256));
    if (below(8) == 0) message.resize(below(message.size() + 4));
    PlainQuery query;
    if (!read_plain_query(message, query)) continue;
    ++taken;
    const auto view = MessageView::parse(message);
    ASSERT_TRUE(view) << view.error().text();
    ASSERT_TRUE(view->question());
    EXPECT_TRUE(view->question()->name.view().identical(query.name.name));
    EXPECT_EQ(view->question()->type, query.type);
    EXPECT_EQ(view->edns().has_value(), query.has_edns);
    EXPECT_EQ(view->edns() && view->edns()->dnssec_ok, query.dnssec_ok);
    if (view->edns()) {
      EXPECT_EQ(view->edns()->udp_size, query.udp_size);
    }
  }
  EXPECT_GT(taken, 10'000U);
}

}  // namespace
}  // namespace understudy
