#include "xfr/axfr_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "xfr/transfer_fixture.h"

namespace understudy {
namespace {

using namespace transfer_fixture;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::uint64_t now = 1'700'000'000;

const std::string soa = "example. 3600 IN SOA ns1.example. host.example. 7 3600 600 86400 300";
const std::string ns = "example. 3600 IN NS ns1.example.";
const std::string a = "ns1.example. 3600 IN A 192.0.2.1";

std::string soa_with_serial(std::uint32_t serial) {
  return "example. 3600 IN SOA ns1.example. host.example. " + std::to_string(serial) + " 3600 600 86400 300";
}

/// A transfer as the table below has it: each inner list is one message's answers.
struct Outcome {
  Result<AxfrReader::Progress> last = AxfrReader::Progress::more;
  std::vector<std::string> records;
  TransferCounts counts;
  Error closed{Errc::internal, ""};
};

Outcome run(const std::vector<TestMessage>& messages, TransferLimits limits = {},
            std::optional<Serial> probed = std::nullopt) {
  RecordingSink sink;
  AxfrReader reader(name("example."), test_id, limits, probed, std::nullopt, sink);
  Outcome out;
  for (const TestMessage& message : messages) {
    out.last = reader.feed(message.bytes(), now);
    if (!out.last) break;
  }
  out.records = sink.records;
  out.counts = reader.counts();
  out.closed = reader.closed_early();
  return out;
}

std::vector<TestMessage> transfer(const std::vector<std::vector<std::string>>& answers) {
  std::vector<TestMessage> messages;
  for (const auto& lines : answers) {
    messages.emplace_back();
    messages.back().answers = lines;
    messages.back().has_question = messages.size() == 1;
  }
  return messages;
}

std::vector<std::string> lower(std::vector<std::string> lines) {
  for (std::string& line : lines) {
    for (char& c : line) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  }
  return lines;
}

void expect_error(const Outcome& outcome, Errc code, std::string_view words, std::string_view what) {
  ASSERT_FALSE(outcome.last) << what;
  EXPECT_EQ(outcome.last.error().code, code) << what << ": " << outcome.last.error().text();
  EXPECT_THAT(outcome.last.error().text(), HasSubstr(std::string(words))) << what;
}

// --- What is accepted

TEST(AxfrReader, OneMessage) {
  const Outcome outcome = run(transfer({{soa, ns, a, soa}}));
  ASSERT_TRUE(outcome.last) << outcome.last.error().text();
  EXPECT_EQ(*outcome.last, AxfrReader::Progress::done);
  EXPECT_THAT(outcome.records, ElementsAre(soa, ns, a));
  EXPECT_EQ(outcome.counts.messages, 1U);
  EXPECT_EQ(outcome.counts.records, 4U);
  EXPECT_EQ(outcome.counts.octets, transfer({{soa, ns, a, soa}})[0].bytes().size());
}

TEST(AxfrReader, AnyGroupingGivesTheSame) {
  const std::vector<std::string> all = {soa, ns, a, soa};
  for (unsigned cuts = 0; cuts < 8; ++cuts) {
    std::vector<std::vector<std::string>> parts(1);
    for (unsigned i = 0; i < 4; ++i) {
      parts.back().push_back(all[i]);
      if (i < 3 && (cuts >> i & 1) != 0) parts.emplace_back();
    }
    RecordingSink sink;
    AxfrReader reader(name("EXAMPLE."), test_id, {}, std::nullopt, std::nullopt, sink);
    const auto messages = transfer(parts);
    for (std::size_t i = 0; i < messages.size(); ++i) {
      const auto progress = reader.feed(messages[i].bytes(), now);
      ASSERT_TRUE(progress) << progress.error().text();
      EXPECT_EQ(*progress == AxfrReader::Progress::done, i + 1 == messages.size()) << cuts;
    }
    EXPECT_THAT(sink.records, ElementsAre(soa, ns, a));
    EXPECT_EQ(reader.serial(), Serial{7});
  }
}

TEST(AxfrReader, AcceptedVariants) {
  struct Case {
    const char* what;
    std::function<void(std::vector<TestMessage>&)> change;
  };
  const Case cases[] = {
      {"question in every message", [](auto& m) { m[1].has_question = m[2].has_question = true; }},
      {"question in other case", [](auto& m) { m[0].question = "ExAmPlE."; }},
      {"AA clear, RA, AD, CD, Z and RD set",
       [](auto& m) { m[0].flags = Header::qr | Header::ra | Header::ad | Header::cd | Header::z | Header::rd; }},
      {"OPT in every message", [](auto& m) { m[0].opt = m[1].opt = m[2].opt = true; }},
      {"records in the authority and additional sections",
       [](auto& m) {
         m[1].authority = {soa, "x.example. 1 IN A 192.0.2.9"};
         m[1].additional = {"y.example. 1 IN A 192.0.2.9"};
         m[2].additional = {soa};
       }},
      {"closing SOA in other case and with another TTL",
       [](auto& m) { m[2].answers = {"EXAMPLE. 60 IN SOA NS1.example. HOST.EXAMPLE. 7 3600 600 86400 300"}; }},
  };
  for (const Case& c : cases) {
    auto messages = transfer({{soa}, {ns, a}, {soa}});
    c.change(messages);
    const Outcome outcome = run(messages);
    ASSERT_TRUE(outcome.last) << c.what << ": " << outcome.last.error().text();
    EXPECT_EQ(*outcome.last, AxfrReader::Progress::done) << c.what;
    // The case of the first mention of a name may be that of the others, through compression.
    EXPECT_EQ(lower(outcome.records), lower({soa, ns, a})) << c.what;
  }
}

TEST(AxfrReader, DroppedAndCounted) {
  const Outcome outcome =
      run(transfer({{soa, "example. 3600 CH TXT \"chaos\"", ns, "example. 3600 CH SOA a. b. 9 1 1 1 1",
                     "www.elsewhere. 3600 IN A 192.0.2.7", a, a, "xexample. 60 IN A 192.0.2.8", soa}}));
  ASSERT_TRUE(outcome.last) << outcome.last.error().text();
  EXPECT_THAT(outcome.records, ElementsAre(soa, ns, a));
  EXPECT_EQ(outcome.counts.wrong_class, 2U);
  EXPECT_EQ(outcome.counts.out_of_zone, 2U);
  EXPECT_EQ(outcome.counts.duplicates, 1U);
  EXPECT_EQ(outcome.counts.records, 9U);
}

TEST(AxfrReader, SoaOfAnotherOwnerIsARecord) {
  const std::string odd = "sub.example. 3600 IN SOA ns1.example. host.example. 7 3600 600 86400 300";
  const Outcome outcome = run(transfer({{soa, ns, odd, a}, {soa}}));
  ASSERT_TRUE(outcome.last) << outcome.last.error().text();
  EXPECT_THAT(outcome.records, ElementsAre(soa, ns, odd, a));
}

TEST(AxfrReader, TtlWithTopBitIsZero) {  // RFC 2181 section 8
  const Outcome outcome =
      run(transfer({{soa, "a.example. 2147483648 IN A 192.0.2.1", "b.example. 2147483647 IN A 192.0.2.1", soa}}));
  ASSERT_TRUE(outcome.last);
  EXPECT_THAT(outcome.records, ElementsAre(soa, "a.example. 0 IN A 192.0.2.1", "b.example. 2147483647 IN A 192.0.2.1"));
}

TEST(AxfrReader, UnknownTypesAreKept) {
  const std::string unknown = "x.example. 60 IN TYPE65280 \\# 3 010203";
  const Outcome outcome = run(transfer({{soa, unknown, soa}}));
  ASSERT_TRUE(outcome.last);
  EXPECT_THAT(outcome.records, ElementsAre(soa, unknown));
}

TEST(AxfrReader, EmptyMessagesUpToAHundredInARow) {
  for (const unsigned run_length : {1U, 100U, 101U}) {
    std::vector<std::vector<std::string>> parts = {{}, {soa, ns}};
    for (unsigned i = 0; i < run_length; ++i) parts.push_back({});
    parts.push_back({a});
    parts.push_back({});
    parts.push_back({soa});
    const Outcome outcome = run(transfer(parts));
    if (run_length <= 100) {
      ASSERT_TRUE(outcome.last) << outcome.last.error().text();
      EXPECT_EQ(*outcome.last, AxfrReader::Progress::done);
    } else {
      expect_error(outcome, Errc::empty_message, "101 messages in a row", "too many");
    }
  }
}

// --- What is refused

TEST(AxfrReader, BadEnvelopes) {
  struct Case {
    const char* what;
    std::size_t message;
    std::function<void(TestMessage&)> change;
    Errc code;
    const char* words;
  };
  const Case cases[] = {
      {"wrong id", 0, [](auto& m) { m.id = 0x4321; }, Errc::wrong_id, "expected 4660, got 17185"},
      {"wrong id later", 2, [](auto& m) { m.id = 0; }, Errc::wrong_id, "got 0"},
      {"QR clear", 0, [](auto& m) { m.flags = Header::aa; }, Errc::not_a_response, "QR"},
      {"QR clear later", 1, [](auto& m) { m.flags = 0; }, Errc::not_a_response, "QR"},
      {"wrong opcode", 0, [](auto& m) { m.flags |= opcode_bits(Opcode::NOTIFY); }, Errc::wrong_opcode, "NOTIFY"},
      {"wrong opcode later", 1, [](auto& m) { m.flags |= opcode_bits(Opcode::UPDATE); }, Errc::wrong_opcode, "UPDATE"},
      {"REFUSED", 0, [](auto& m) { m.flags |= 5; }, Errc::rcode, "REFUSED"},
      {"SERVFAIL in the middle", 1, [](auto& m) { m.flags |= 2; }, Errc::rcode, "SERVFAIL"},
      {"extended response code", 1,
       [](auto& m) {
         m.opt = true;
         m.extended_rcode = 1;
       },
       Errc::rcode, "BADVERS"},
      {"no question", 0, [](auto& m) { m.has_question = false; }, Errc::wrong_question, "no question"},
      {"another zone", 0, [](auto& m) { m.question = "example.com."; }, Errc::wrong_question, "example.com."},
      {"another type", 0, [](auto& m) { m.type = RRType::SOA; }, Errc::wrong_question, "SOA"},
      {"another class", 0, [](auto& m) { m.klass = RRClass::CH; }, Errc::wrong_question, "CH"},
      {"another zone later", 2,
       [](auto& m) {
         m.has_question = true;
         m.question = "other.";
       },
       Errc::wrong_question, "other."},
      {"TC", 0, [](auto& m) { m.flags |= Header::tc; }, Errc::bad_header, "TC"},
      {"TC later", 1, [](auto& m) { m.flags |= Header::tc; }, Errc::bad_header, "TC"},
  };
  for (const Case& c : cases) {
    auto messages = transfer({{soa}, {ns, a}, {soa}});
    c.change(messages[c.message]);
    expect_error(run(messages), c.code, c.words, c.what);
  }
}

TEST(AxfrReader, BadStreams) {
  struct Case {
    const char* what;
    std::vector<std::vector<std::string>> answers;
    Errc code;
    const char* words;
  };
  const Case cases[] = {
      {"starts with NS", {{ns, soa, soa}}, Errc::bad_transfer_start, "example. NS, expected example. SOA"},
      {"starts with another zone's SOA",
       {{"other. 60 IN SOA a. b. 7 1 1 1 1", soa}},
       Errc::bad_transfer_start,
       "other. SOA"},
      {"starts with a SOA of class CH", {{"example. 60 CH SOA a. b. 7 1 1 1 1"}}, Errc::wrong_class, "example. SOA"},
      {"closes with another serial",
       {{soa, ns}, {soa_with_serial(8)}},
       Errc::bad_transfer_end,
       "serial 7 and closed with 8"},
      {"closes with another field",
       {{soa, ns, "example. 3600 IN SOA ns1.example. host.example. 7 3601 600 86400 300"}},
       Errc::bad_transfer_end,
       "not in its serial"},
      {"a record behind the closing SOA", {{soa, ns, soa, a}}, Errc::extra_records, "ns1.example. A"},
      {"a third SOA", {{soa, ns, soa, soa}}, Errc::extra_records, "example. SOA"},
      {"a message behind the closing SOA", {{soa, ns, soa}, {a}}, Errc::extra_records, "a further message"},
      {"a meta type", {{soa, "example. 60 IN TYPE255 \\# 0", soa}}, Errc::bad_rdata, "example. ANY"},
      {"type 0", {{soa, "x.example. 60 IN TYPE0 \\# 0", soa}}, Errc::bad_rdata, "no zone can hold"},
  };
  for (const Case& c : cases) expect_error(run(transfer(c.answers)), c.code, c.words, c.what);
}

TEST(AxfrReader, MalformedRecordsAreNamed) {
  auto bytes = transfer({{soa, "www.example. 60 IN A 192.0.2.1", soa}})[0].bytes();
  // One octet is taken from the address: RDLENGTH 3.
  const std::string address("\xc0\x00\x02\x01", 4);
  const std::size_t at = std::string(text_of(bytes)).find(address);
  ASSERT_NE(at, std::string::npos);
  bytes.erase(bytes.begin() + static_cast<std::ptrdiff_t>(at));
  store_u16(&bytes[at - 2], 3);
  RecordingSink sink;
  AxfrReader reader(name("example."), test_id, {}, std::nullopt, std::nullopt, sink);
  const auto result = reader.feed(bytes, now);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::bad_rdata);
  EXPECT_THAT(result.error().text(), HasSubstr("www.example. A"));
}

TEST(AxfrReader, EveryTruncationOfAMessageIsAnError) {
  const Bytes whole = transfer({{soa, ns, a, soa}})[0].bytes();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    RecordingSink sink;
    AxfrReader reader(name("example."), test_id, {}, std::nullopt, std::nullopt, sink);
    EXPECT_FALSE(reader.feed(ByteView(whole).first(size), now)) << size;
    EXPECT_THAT(sink.records, IsEmpty()) << "a message is taken whole or not at all";
  }
  Bytes more = whole;
  more.push_back(0);
  RecordingSink sink;
  AxfrReader reader(name("example."), test_id, {}, std::nullopt, std::nullopt, sink);
  const auto result = reader.feed(more, now);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::trailing_data);
}

TEST(AxfrReader, Limits) {
  const auto messages = transfer({{soa, ns}, {a, soa}});
  EXPECT_TRUE(run(messages, {.max_records = 4}).last);
  expect_error(run(messages, {.max_records = 3}), Errc::record_limit, "3 records are allowed", "records");
  const std::uint64_t octets = messages[0].bytes().size() + messages[1].bytes().size();
  EXPECT_TRUE(run(messages, {.max_octets = octets}).last);
  expect_error(run(messages, {.max_octets = octets - 1}), Errc::byte_limit, "octets are allowed", "octets");
}

TEST(AxfrReader, SerialOlderThanProbed) {
  const auto with_serial = [](std::uint32_t serial) {
    return transfer({{soa_with_serial(serial), ns, soa_with_serial(serial)}});
  };
  struct Case {
    std::uint32_t probed, transferred;
    bool accepted;
  };
  for (const Case& c : {Case{7, 7, true}, Case{7, 8, true}, Case{8, 7, false}, Case{0xffff'ffff, 0, true},
                        Case{0, 0xffff'ffff, false}, Case{0, 0x8000'0000, true}}) {
    const Outcome outcome = run(with_serial(c.transferred), {}, Serial{c.probed});
    if (c.accepted) {
      EXPECT_TRUE(outcome.last) << c.probed << " " << c.transferred;
    } else {
      expect_error(outcome, Errc::serial_backwards, "announced was", "older");
      EXPECT_THAT(outcome.records, IsEmpty());
    }
  }
}

TEST(AxfrReader, ClosedEarlySaysWhatCame) {
  EXPECT_EQ(run({}).closed.code, Errc::connection_closed);
  const Error single = run(transfer({{soa}})).closed;
  EXPECT_EQ(single.code, Errc::bad_transfer_end);
  EXPECT_THAT(single.text(), HasSubstr("single SOA"));
  EXPECT_THAT(run(transfer({{}})).closed.text(), HasSubstr("empty messages only"));
  EXPECT_THAT(run(transfer({{soa, ns}, {a}})).closed.text(), HasSubstr("3 records in 2 messages"));
}

TEST(AxfrReader, SinkErrorsEndTheTransfer) {
  class FullSink final : public ZoneUpdateSink {
    Result<Taken> add(NameView, RRType type, std::uint32_t, ByteView) override {
      if (type == RRType::A) return fail(Errc::record_limit, "full");
      return Taken::added;
    }
  } sink;
  AxfrReader reader(name("example."), test_id, {}, std::nullopt, std::nullopt, sink);
  const auto result = reader.feed(transfer({{soa, ns, a, soa}})[0].bytes(), now);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::record_limit);
  EXPECT_THAT(result.error().text(), HasSubstr("ns1.example. A: full"));
}

// --- Signed transfers

class SignedTransfer : public testing::Test {
 protected:
  SignedTransfer() {
    TsigKey key{name("key."), TsigAlgorithm::hmac_sha256, Bytes(32, 0x11)};
    TsigKeyring keys;
    keys.add(key);
    key_ = keys.find(name("key."));
    Bytes request(512);
    MessageWriter writer(request, request.size());
    writer.set_header(test_id, 0);
    writer.add_question(name("example."), RRType::AXFR, RRClass::IN);
    request.resize(writer.size());
    mac_ = sign_request(request, *key_, now).value();
    session_ = verify_request(MessageView::parse(request).value(), keys, now).value().value();
  }
  AxfrReader reader() { return {name("example."), test_id, {}, std::nullopt, TsigStream(key_, mac_), sink_}; }

  std::shared_ptr<const TsigKey> key_;
  Bytes mac_;
  TsigSession session_;
  RecordingSink sink_;
};

TEST_F(SignedTransfer, EveryMessageSigned) {
  TsigResponseSigner signer(session_);
  AxfrReader in = reader();
  Result<AxfrReader::Progress> last = AxfrReader::Progress::more;
  for (const TestMessage& message : transfer({{soa}, {ns}, {a}, {soa}})) {
    Bytes bytes = message.bytes();
    ASSERT_TRUE(signer.sign(bytes, now));
    last = in.feed(bytes, now);
    ASSERT_TRUE(last) << last.error().text();
  }
  EXPECT_EQ(*last, AxfrReader::Progress::done);
  EXPECT_THAT(sink_.records, ElementsAre(soa, ns, a));
}

TEST_F(SignedTransfer, UnsignedOrPartlySigned) {
  const auto messages = transfer({{soa, ns}, {a, soa}});
  AxfrReader unsigned_reader = reader();
  const auto first = unsigned_reader.feed(messages[0].bytes(), now);
  ASSERT_FALSE(first);
  EXPECT_EQ(first.error().code, Errc::tsig_missing);

  TsigResponseSigner signer(session_);
  AxfrReader half_reader = reader();
  Bytes bytes = messages[0].bytes();
  ASSERT_TRUE(signer.sign(bytes, now));
  ASSERT_TRUE(half_reader.feed(bytes, now));
  const auto last = half_reader.feed(messages[1].bytes(), now);
  ASSERT_FALSE(last) << "the last message must be signed";
  EXPECT_EQ(last.error().code, Errc::tsig_missing);
}

TEST_F(SignedTransfer, TamperedOrLate) {
  for (const bool tampered : {true, false}) {
    TsigResponseSigner signer(session_);
    AxfrReader in = reader();
    Bytes bytes = transfer({{soa, ns, a, soa}})[0].bytes();
    const std::size_t unsigned_size = bytes.size();
    ASSERT_TRUE(signer.sign(bytes, now));
    if (tampered) bytes[unsigned_size - 1] ^= 1;
    const auto result = in.feed(bytes, tampered ? now : now + 301);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, tampered ? Errc::tsig_bad_signature : Errc::tsig_bad_time);
    EXPECT_THAT(sink_.records, IsEmpty()) << "nothing of an unverified message may be taken";
  }
}

TEST_F(SignedTransfer, UnsignedRefusalNamesTheReason) {
  AxfrReader in = reader();
  TestMessage refusal;
  refusal.flags |= 9;
  const auto result = in.feed(refusal.bytes(), now);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::tsig_missing);
  EXPECT_THAT(result.error().text(), HasSubstr("NOTAUTH"));
}

}  // namespace
}  // namespace understudy
