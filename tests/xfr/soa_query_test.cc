#include "xfr/soa_query.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "dns/edns.h"
#include "xfr/transfer_fixture.h"

namespace understudy {
namespace {

using namespace transfer_fixture;
using testing::HasSubstr;

constexpr std::uint64_t now = 1'700'000'000;
const std::string soa = "example. 3600 IN SOA ns1.example. host.example. 4294967295 3600 600 86400 300";

TestMessage soa_answer() {
  TestMessage message;
  message.type = RRType::SOA;
  message.answers = {soa};
  return message;
}

Result<SoaAnswer> read(const TestMessage& message, Via via = Via::datagram) {
  return read_soa_answer(message.bytes(), name("example."), test_id, via, nullptr, now);
}

TEST(SoaQuery, IsPlain) {
  const Bytes bytes = soa_query(name("Example."), 0x1234);
  const MessageView view = MessageView::parse(bytes).value();
  EXPECT_EQ(view.header().id, 0x1234);
  EXPECT_EQ(view.header().flags, 0) << "RD clear";
  EXPECT_EQ(view.record_count(), 0U) << "no EDNS";
  ASSERT_TRUE(view.question());
  EXPECT_TRUE(view.question()->name.view().identical(name("Example.")));
  EXPECT_EQ(view.question()->type, RRType::SOA);
  EXPECT_EQ(view.question()->klass, RRClass::IN);
  EXPECT_EQ(MessageView::parse(axfr_query(name("."), 1)).value().question()->type, RRType::AXFR);
}

TEST(SoaQuery, LongestNameFits) {
  std::string text;
  for (int i = 0; i < 127; ++i) text += "a.";
  EXPECT_EQ(soa_query(name(text), 1).size(), header_size + 255 + 4);
}

// RFC 1995 section 3: our SOA in the authority section.
TEST(SoaQuery, IxfrHasOurSerial) {
  for (const char* zone : {".", "Example."}) {
    const Bytes bytes = ixfr_query(name(zone), 7, Serial{0xffff'fffe});
    const MessageView view = MessageView::parse(bytes).value();
    EXPECT_EQ(view.header().id, 7);
    EXPECT_EQ(view.header().flags, 0);
    EXPECT_EQ(view.question()->type, RRType::IXFR);
    EXPECT_EQ(view.header().ancount, 0);
    ASSERT_EQ(view.header().nscount, 1);
    EXPECT_EQ(view.header().arcount, 0);
    view.for_each_record([&](const RecordView& r) {
      EXPECT_EQ(r.section, Section::authority);
      EXPECT_TRUE(r.owner().view().identical(name(zone)));
      EXPECT_EQ(r.type, RRType::SOA);
      EXPECT_EQ(r.klass, RRClass::IN);
      EXPECT_EQ(soa_view(r.rdata().value()).serial, 0xffff'fffeU);
      return true;
    });
  }
}

// RFC 7314 section 2: an option of no length.
TEST(SoaQuery, AsksForExpire) {
  const auto zone = name("example.");
  for (const Bytes& bytes : {soa_query(zone, 1, WithEdns::expire), axfr_query(zone, 1, WithEdns::expire),
                             ixfr_query(zone, 1, Serial{1}, WithEdns::expire)}) {
    const MessageView view = MessageView::parse(bytes).value();
    ASSERT_TRUE(view.edns());
    EXPECT_EQ(view.edns()->version, 0);
    EXPECT_EQ(view.edns()->udp_size, 1232);
    EXPECT_FALSE(view.edns()->dnssec_ok);
    ASSERT_TRUE(view.edns()->option(edns_expire));
    EXPECT_TRUE(view.edns()->option(edns_expire)->empty());
  }
  std::string longest;
  for (int i = 0; i < 127; ++i) longest += "a.";
  EXPECT_TRUE(MessageView::parse(ixfr_query(name(longest), 1, Serial{1}, WithEdns::expire)).value().edns());
}

TEST(SoaAnswer, Expire) {
  const auto with = [](const Bytes& content) {
    Bytes bytes = soa_answer().bytes();
    Bytes options;
    append_edns_option(options, edns_expire, content);
    append(bytes, Bytes{0, 0, 41, 4, 208, 0, 0, 0, 0, 0, static_cast<std::uint8_t>(options.size())});
    append(bytes, options);
    store_u16(&bytes[10], 1);
    return read_soa_answer(bytes, name("example."), test_id, Via::datagram, nullptr, now, WithEdns::expire);
  };
  EXPECT_EQ(with({0, 1, 0, 2})->expire, 65538U);
  EXPECT_EQ(with({0, 0, 0, 0})->expire, 0U);
  EXPECT_EQ(with({})->expire, std::nullopt);
  EXPECT_EQ(with({0, 1, 0})->expire, std::nullopt) << "four octets, or it does not count";
  EXPECT_EQ(with({0, 1, 0, 2, 0})->expire, std::nullopt);
  EXPECT_EQ(read(soa_answer())->expire, std::nullopt);
}

TEST(SoaAnswer, ServersThatDoNotKnowEdns) {
  const auto ask = [](const TestMessage& message, WithEdns edns, TsigStream* tsig = nullptr) {
    return read_soa_answer(message.bytes(), name("example."), test_id, Via::datagram, tsig, now, edns).error().code;
  };
  TestMessage message;
  message.has_question = false;
  for (const Rcode rcode : {Rcode::FORMERR, Rcode::NOTIMP}) {
    message.flags = static_cast<std::uint16_t>(Header::qr | number(rcode));
    EXPECT_EQ(ask(message, WithEdns::expire), Errc::edns_refused);
    EXPECT_EQ(ask(message, WithEdns::no), Errc::rcode) << "then it is about something else";
    TsigStream tsig(std::make_shared<const TsigKey>(name("key."), TsigAlgorithm::hmac_sha256, Bytes(32)), Bytes(32));
    EXPECT_EQ(ask(message, WithEdns::expire, &tsig), Errc::edns_refused) << "also unsigned: the next is to be signed";
    EXPECT_EQ(ask(message, WithEdns::no, &tsig), Errc::tsig_missing);
  }
  message.flags = Header::qr;
  message.opt = true;
  message.extended_rcode = 1;
  EXPECT_EQ(ask(message, WithEdns::expire), Errc::edns_refused) << "BADVERS";
  message.opt = false;
  for (const Rcode rcode : {Rcode::SERVFAIL, Rcode::NXDOMAIN, Rcode::REFUSED, Rcode::NOTAUTH}) {
    message.flags = static_cast<std::uint16_t>(Header::qr | number(rcode));
    EXPECT_EQ(ask(message, WithEdns::expire), Errc::rcode);
  }
}

TEST(SoaAnswer, Serial) {
  const auto answer = read(soa_answer());
  ASSERT_TRUE(answer) << answer.error().text();
  EXPECT_EQ(answer->kind, SoaAnswer::Kind::serial);
  EXPECT_EQ(answer->serial, Serial{0xffff'ffff});
}

TEST(SoaAnswer, CaseAndNeighboursDoNotMatter) {
  TestMessage message = soa_answer();
  message.question = "EXAMPLE.";
  message.answers = {"other. 1 IN SOA a. b. 1 1 1 1 1", "example. 1 IN TXT \"x\"", soa};
  message.authority = {"example. 1 IN NS ns1.example."};
  message.opt = true;
  const auto answer = read(message);
  ASSERT_TRUE(answer) << answer.error().text();
  EXPECT_EQ(answer->serial, Serial{0xffff'ffff});
}

TEST(SoaAnswer, TruncatedMeansTcp) {
  TestMessage message = soa_answer();
  message.flags |= Header::tc;
  message.answers.clear();
  const auto answer = read(message);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->kind, SoaAnswer::Kind::retry_over_tcp);
  const auto stream = read(message, Via::stream);
  ASSERT_FALSE(stream);
  EXPECT_EQ(stream.error().code, Errc::bad_header);
}

TEST(SoaAnswer, ForeignDatagramsAreIgnoredStreamsAreNot) {
  TestMessage message = soa_answer();
  message.id = 99;
  const auto datagram = read(message);
  ASSERT_TRUE(datagram);
  EXPECT_EQ(datagram->kind, SoaAnswer::Kind::ignored);
  const auto stream = read(message, Via::stream);
  ASSERT_FALSE(stream);
  EXPECT_EQ(stream.error().code, Errc::wrong_id);
  const auto noise = read_soa_answer(view_of("noise"), name("example."), test_id, Via::datagram, nullptr, now);
  ASSERT_TRUE(noise);
  EXPECT_EQ(noise->kind, SoaAnswer::Kind::ignored);
}

TEST(SoaAnswer, Errors) {
  struct Case {
    const char* what;
    std::function<void(TestMessage&)> change;
    Errc code;
    const char* words;
  };
  const Case cases[] = {
      {"a query", [](auto& m) { m.flags = 0; }, Errc::not_a_response, "QR"},
      {"a NOTIFY", [](auto& m) { m.flags |= opcode_bits(Opcode::NOTIFY); }, Errc::wrong_opcode, "NOTIFY"},
      {"REFUSED", [](auto& m) { m.flags |= 5; }, Errc::rcode, "REFUSED"},
      {"REFUSED without question",
       [](auto& m) {
         m.flags |= 5;
         m.has_question = false;
       },
       Errc::rcode, "REFUSED"},
      {"NXDOMAIN", [](auto& m) { m.flags |= 3; }, Errc::rcode, "NXDOMAIN"},
      {"no question", [](auto& m) { m.has_question = false; }, Errc::wrong_question, "no question"},
      {"another question", [](auto& m) { m.question = "other."; }, Errc::wrong_question, "other."},
      {"another type", [](auto& m) { m.type = RRType::NS; }, Errc::wrong_question, "NS"},
      {"lame", [](auto& m) { m.flags = Header::qr | Header::ra; }, Errc::not_authoritative, "without AA"},
      {"no answer", [](auto& m) { m.answers.clear(); }, Errc::not_authoritative, "no SOA"},
      {"SOA in the authority section only",
       [](auto& m) {
         m.answers.clear();
         m.authority = {soa};
       },
       Errc::not_authoritative, "no SOA"},
      {"another zone's SOA", [](auto& m) { m.answers = {"a.example. 1 IN SOA a. b. 1 1 1 1 1"}; },
       Errc::not_authoritative, "no SOA for example."},
      {"another class", [](auto& m) { m.answers = {"example. 1 CH SOA a. b. 1 1 1 1 1"}; }, Errc::not_authoritative,
       "no SOA"},
  };
  for (const Case& c : cases) {
    TestMessage message = soa_answer();
    c.change(message);
    for (const Via via : {Via::datagram, Via::stream}) {
      const auto answer = read(message, via);
      ASSERT_FALSE(answer) << c.what;
      EXPECT_EQ(answer.error().code, c.code) << c.what << ": " << answer.error().text();
      EXPECT_THAT(answer.error().text(), HasSubstr(c.words)) << c.what;
    }
  }
}

TEST(SoaAnswer, MalformedSoa) {
  Bytes bytes = soa_answer().bytes();
  std::size_t rdata_at = 0;
  MessageView::parse(bytes).value().for_each_record([&](const RecordView& r) {
    rdata_at = r.rdata_offset;
    return true;
  });
  bytes.pop_back();  // the last octet of MINIMUM, in the record's length too
  store_u16(&bytes[rdata_at - 2], static_cast<std::uint16_t>(load_u16(&bytes[rdata_at - 2]) - 1));
  const auto answer = read_soa_answer(bytes, name("example."), test_id, Via::stream, nullptr, now);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::bad_rdata);
}

TEST(SoaAnswer, ReasonsOfThePeerAreShownWithoutControlCharacters) {
  TestMessage message = soa_answer();
  message.flags |= 5;
  Bytes bytes = message.bytes();
  Bytes options;
  append_extended_error(options, ExtendedError::prohibited, "not\nyou");
  append(bytes, Bytes{0, 0, 41, 4, 208, 0, 0, 0, 0, 0, static_cast<std::uint8_t>(options.size())});
  append(bytes, options);
  store_u16(&bytes[10], 1);
  const auto answer = read_soa_answer(bytes, name("example."), test_id, Via::datagram, nullptr, now);
  ASSERT_FALSE(answer);
  EXPECT_THAT(answer.error().text(), HasSubstr("REFUSED, extended error 18: not?you"));
}

TEST(SoaAnswer, Signed) {
  TsigKeyring keys;
  keys.add({name("key."), TsigAlgorithm::hmac_sha256, Bytes(32, 7)});
  const auto key = keys.find(name("key."));
  Bytes request = soa_query(name("example."), test_id);
  const Bytes mac = sign_request(request, *key, now).value();
  const auto session = verify_request(MessageView::parse(request).value(), keys, now).value().value();
  EXPECT_EQ(session.error, Rcode::NOERROR);
  Bytes response = soa_answer().bytes();
  TsigStream missing(key, mac);
  const auto unsigned_answer = read_soa_answer(response, name("example."), test_id, Via::datagram, &missing, now);
  ASSERT_FALSE(unsigned_answer);
  EXPECT_EQ(unsigned_answer.error().code, Errc::tsig_missing);
  ASSERT_TRUE(sign_response(response, session, now));
  TsigStream stream(key, mac);
  const auto answer = read_soa_answer(response, name("example."), test_id, Via::datagram, &stream, now);
  ASSERT_TRUE(answer) << answer.error().text();
  EXPECT_EQ(answer->serial, Serial{0xffff'ffff});
}

// --- NOTIFY

TEST(Notify, CarriesTheSoaAsHint) {
  const Record hint = record(soa);
  const Bytes bytes = notify_query(name("example."), 5, hint.ttl, hint.rdata);
  const MessageView view = MessageView::parse(bytes).value();
  EXPECT_EQ(view.header().opcode(), Opcode::NOTIFY);
  EXPECT_EQ(view.header().flags, opcode_bits(Opcode::NOTIFY) | Header::aa);
  EXPECT_EQ(view.question()->type, RRType::SOA);
  EXPECT_EQ(view.header().ancount, 1);
  view.for_each_record([&](const RecordView& r) {
    EXPECT_EQ(r.type, RRType::SOA);
    EXPECT_EQ(r.ttl, 3600U);
    EXPECT_EQ(r.rdata().value(), hint.rdata);
    return true;
  });
  EXPECT_EQ(MessageView::parse(notify_query(name("example."), 5, 0, {})).value().record_count(), 0U);
}

TEST(Notify, Answers) {
  TestMessage ack;
  ack.type = RRType::SOA;
  ack.flags = Header::qr | Header::aa | opcode_bits(Opcode::NOTIFY);
  const auto read_it = [](const TestMessage& m) {
    return read_notify_answer(m.bytes(), name("example."), test_id, Via::datagram, nullptr, now);
  };
  EXPECT_EQ(read_it(ack).value(), NotifyAnswer::acknowledged);
  TestMessage foreign = ack;
  foreign.id = 1;
  EXPECT_EQ(read_it(foreign).value(), NotifyAnswer::ignored);
  TestMessage refused = ack;
  refused.flags |= 9;
  EXPECT_EQ(read_it(refused).error().code, Errc::rcode);
  TestMessage other = ack;
  other.question = "other.";
  EXPECT_EQ(read_it(other).error().code, Errc::wrong_question);
  TestMessage query = ack;
  query.flags = Header::qr;
  EXPECT_EQ(read_it(query).error().code, Errc::wrong_opcode);
}

}  // namespace
}  // namespace understudy
