#include "answer/slow_answer.h"

#include <gtest/gtest.h>

#include <set>

#include "answer/answer_fixture.h"

namespace understudy {
namespace {

using namespace answer_fixture;

class SlowAnswerTest : public testing::Test {
 protected:
  void SetUp() override { server_.set_fast_path(false); }
  void serve(const std::string& text, ZoneAccess access = {}) {
    server_.environment.add_zone("example.", zone_fixture::apex_text() + text, std::move(access));
  }
  TestServer server_;
};

// 5000 addresses take 80,000 octets.
std::string crowd(int count) {
  std::string out;
  for (int i = 0; i < count; ++i)
    out += "crowd A 10.1." + std::to_string(i / 256) + "." + std::to_string(i % 256) + "\n";
  return out;
}

TEST_F(SlowAnswerTest, AnRRsetThatNoMessageHolds) {
  serve(crowd(5000) + "alias CNAME crowd\n");
  const Query query{.qname = "crowd.example."};
  EXPECT_TRUE(server_.udp_text(query).starts_with("NOERROR aa tc\n"));
  EXPECT_TRUE(server_.tcp_text(query).starts_with("SERVFAIL\n")) << "TC by TCP would send the client round in circles";
  const Query alias{.qname = "alias.example."};
  EXPECT_EQ(server_.tcp_text(alias), "SERVFAIL\nquestion: alias.example. IN A\n") << "nor is the alias of use with TC";
  EXPECT_NE(server_.udp_text(alias).find("alias.example. 3600 IN CNAME crowd.example."), std::string::npos);
}

TEST_F(SlowAnswerTest, GlueThatNoMessageHolds) {
  std::string cut;
  for (int i = 0; i < 1000; ++i) {
    const std::string server = "n" + std::to_string(i) + ".cut";
    cut += "cut NS " + server + "\n";
    for (int j = 0; j < 6; ++j) {
      cut +=
          server + " A 10." + std::to_string(j) + "." + std::to_string(i / 250) + "." + std::to_string(i % 250) + "\n";
    }
  }
  serve(cut);
  const std::string text = server_.tcp_text({.qname = "www.cut.example."});
  EXPECT_TRUE(text.starts_with("NOERROR tc\n")) << text.substr(0, 200);
  EXPECT_NE(text.find("cut.example. 3600 IN NS n999.cut.example."), std::string::npos);
  EXPECT_NE(text.find("n0.cut.example. 3600 IN A 10.0.0.0"), std::string::npos);
}

TEST_F(SlowAnswerTest, AnRRsetThatOneMessageJustHolds) {
  serve(crowd(3000));
  const Bytes response = server_.tcp(Query{.qname = "crowd.example."}.bytes());
  const auto message = MessageView::parse(response);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->header().ancount, 3000);
  EXPECT_EQ(message->header().flags & Header::tc, 0);
}

TEST_F(SlowAnswerTest, SignedAnswersVerify) {
  serve("www A 192.0.2.1\n");
  const auto key = server_.environment.settings()->keys->find(name("key.example."));
  ASSERT_NE(key, nullptr);
  const auto now = static_cast<std::uint64_t>(server_.environment.clock().wall_seconds());
  for (const bool edns : {false, true}) {
    Bytes request = Query{.qname = "www.example.", .edns = edns}.bytes();
    const auto mac = sign_request(request, *key, now);
    ASSERT_TRUE(mac);
    for (const Transport transport : {Transport::udp, Transport::tcp}) {
      TsigStream stream(key, *mac);
      const Bytes response = server_.ask(request, transport);
      const auto message = MessageView::parse(response);
      ASSERT_TRUE(message);
      const auto verified = stream.verify(*message, now);
      EXPECT_TRUE(verified) << verified.error().text();
      EXPECT_TRUE(stream.finish());
    }
  }
}

// Room for the signature is kept: the answer with it is no larger than the client can take.
TEST_F(SlowAnswerTest, SignedAnswersKeepTheirSize) {
  std::string text;
  for (int i = 0; i < 60; ++i) text += "n" + std::to_string(i) + " A 192.0.2.1\n";
  for (int count = 1; count < 60; ++count) {
    for (int i = 0; i < count; ++i) text += "c" + std::to_string(count) + " A 10.0.0." + std::to_string(i) + "\n";
  }
  serve(text);
  const auto key = server_.environment.settings()->keys->find(name("key.example."));
  const auto now = static_cast<std::uint64_t>(server_.environment.clock().wall_seconds());
  bool some_whole = false, some_truncated = false;
  for (int count = 1; count < 60; ++count) {
    Bytes request = Query{.qname = "c" + std::to_string(count) + ".example.", .edns = true, .udp_size = 700}.bytes();
    ASSERT_TRUE(sign_request(request, *key, now));
    const Bytes response = server_.udp(request);
    EXPECT_LE(response.size(), 700U);
    const auto message = MessageView::parse(response);
    ASSERT_TRUE(message);
    EXPECT_TRUE(message->edns());
    EXPECT_TRUE(message->tsig_offset());
    const bool truncated = (message->header().flags & Header::tc) != 0;
    EXPECT_EQ(message->header().ancount, truncated ? 0 : count);
    (truncated ? some_truncated : some_whole) = true;
  }
  EXPECT_TRUE(some_whole && some_truncated);
}

// The largest names that a request can bring make no answer larger than the client can take: its TSIG is left out.
TEST_F(SlowAnswerTest, LongestNamesInTheRequest) {
  serve("");
  const std::string label(61, 'k');
  const std::string longest = "kkkkk." + label + "." + label + "." + label + "." + label + ".";
  Bytes request = Query{.qname = longest, .edns = true, .udp_size = 512}.bytes();
  const TsigKey unknown{name(longest), TsigAlgorithm::hmac_sha512, Bytes(64, 1)};
  ASSERT_TRUE(sign_request(request, unknown, static_cast<std::uint64_t>(server_.environment.clock().wall_seconds())));
  const Bytes response = server_.udp(request);
  const auto message = MessageView::parse(response);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->header().rcode(), number(Rcode::NOTAUTH));
  EXPECT_LE(response.size(), 512U);
  EXPECT_FALSE(message->tsig_offset());
  EXPECT_TRUE(message->edns());
  EXPECT_TRUE(message->header().flags & Header::tc);
}

TEST_F(SlowAnswerTest, ManyTargetsHaveBoundedAdditionalRecords) {
  std::string text;
  for (int i = 0; i < 200; ++i) {
    const std::string host = "m" + std::to_string(i);
    text += "mail MX 10 " + host + "\n" + host + " A 192.0.2.1\n";
  }
  serve(text);
  for (const bool fast : {false, true}) {
    server_.set_fast_path(fast);
    const Bytes response = server_.tcp(Query{.qname = "mail.example.", .type = RRType::MX}.bytes());
    const auto message = MessageView::parse(response);
    ASSERT_TRUE(message);
    EXPECT_EQ(message->header().ancount, 200);
    EXPECT_EQ(message->header().arcount, 64);
  }
}

// RFC 9471 section 3: glue below the cut is there, or TC is set, however many servers there are.
TEST_F(SlowAnswerTest, RequiredGlueIsNotCountedOut) {
  std::string text;
  for (int i = 0; i < 100; ++i) {
    const std::string host = "n" + std::to_string(i) + ".sub";
    text += "sub NS " + host + "\n" + host + " A 192.0.2.1\n";
    text += "sub NS m" + std::to_string(i) + "\nm" + std::to_string(i) + " A 192.0.2.2\n";
  }
  serve(text);
  for (const bool fast : {false, true}) {
    server_.set_fast_path(fast);
    const Bytes response = server_.tcp(Query{.qname = "x.sub.example."}.bytes());
    const auto message = MessageView::parse(response);
    ASSERT_TRUE(message);
    EXPECT_EQ(message->header().nscount, 200);
    std::set<Name> glue;
    message->for_each_record([&](const RecordView& record) {
      if (record.section == Section::additional && record.owner().view().is_at_or_below(name("sub.example."))) {
        glue.insert(record.owner());
      }
      return true;
    });
    EXPECT_EQ(glue.size(), 100U);
    EXPECT_LE(message->header().arcount, 164) << "the others are few";
    const Bytes cut = server_.udp(Query{.qname = "x.sub.example.", .edns = true, .udp_size = 4096}.bytes());
    EXPECT_NE(load_u16(cut.data() + 2) & Header::tc, 0);
  }
}

TEST_F(SlowAnswerTest, TransferIsHandedOver) {
  serve("www A 192.0.2.1\n", {.transfer = {AccessRule::parse("192.0.2.0/24").value()}, .notify = {}});
  const Bytes response = server_.tcp(Query{.qname = "example.", .type = RRType::AXFR}.bytes());
  EXPECT_TRUE(response.empty()) << "the messages come from the source";
  ASSERT_NE(server_.rest, nullptr);
  Bytes message;
  ASSERT_EQ(server_.rest->next(message), ResponseSource::Step::message);
  const auto view = MessageView::parse(message);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->header().ancount, 4) << "SOA, NS, A, SOA";
  EXPECT_EQ(server_.counters.transfers, 1U);
}

TEST_F(SlowAnswerTest, BeforeAnyZoneIsSet) {
  EXPECT_EQ(server_.udp_text({.qname = "example."}), "SERVFAIL\nquestion: example. IN A\n");
}

TEST_F(SlowAnswerTest, Counts) {
  serve("www A 192.0.2.1\n");
  (void)server_.udp(Query{.qname = "www.example."}.bytes());
  (void)server_.udp(Query{.qname = "gone.example.", .type = RRType::CAA}.bytes());
  (void)server_.tcp(Query{.qname = "elsewhere."}.bytes());
  (void)server_.udp(Query{.qname = "x.", .flags = Header::qr}.bytes());
  (void)server_.udp(Query{.qname = "example.", .type = RRType::SOA, .flags = opcode_bits(Opcode::NOTIFY)}.bytes());
  const AnswerCounters& c = server_.counters;
  EXPECT_EQ(c.queries[0], 4U);
  EXPECT_EQ(c.queries[1], 1U);
  EXPECT_EQ(c.types[number(RRType::A)], 2U);
  EXPECT_EQ(c.types[AnswerCounters::type_slots - 1], 1U);
  EXPECT_EQ(c.rcodes[number(Rcode::NOERROR)], 1U);
  EXPECT_EQ(c.rcodes[number(Rcode::NXDOMAIN)], 1U);
  EXPECT_EQ(c.rcodes[number(Rcode::REFUSED)], 2U);
  EXPECT_EQ(c.dropped, 1U);
  EXPECT_EQ(c.notifies, 1U);
  EXPECT_EQ(c.notifies_refused, 1U);
  EXPECT_EQ(c.slow, 5U);
}

}  // namespace
}  // namespace understudy
