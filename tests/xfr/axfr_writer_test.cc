#include "xfr/axfr_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "xfr/axfr_reader.h"
#include "xfr/transfer_fixture.h"
#include "zone/builder.h"

namespace understudy {
namespace {

using namespace transfer_fixture;
using Step = ResponseSource::Step;

const std::string soa = "example. 3600 IN SOA ns1.example. host.example. 7 3600 600 86400 300";

std::shared_ptr<const Zone> zone_of(const std::vector<Record>& records) {
  ZoneBuilder builder(name("example."));
  for (const Record& r : records) {
    const auto added = builder.add(r.owner, r.type, r.ttl, r.rdata);
    EXPECT_TRUE(added) << added.error().text();
  }
  auto zone = builder.finish();
  EXPECT_TRUE(zone) << zone.error().text();
  return *zone;
}

std::vector<Record> records_of(const std::vector<std::string>& lines) {
  std::vector<Record> out;
  for (const std::string& line : lines) out.push_back(record(line));
  return out;
}

const std::vector<std::string> small_zone = {
    soa,
    "example. 3600 IN RRSIG SOA 13 1 3600 20300101000000 20200101000000 1 example. AAAA",
    "example. 3600 IN NS ns1.example.",
    "example. 3600 IN NS ns2.Elsewhere.",
    "example. 3600 IN MX 10 mail.example.",
    "ns1.example. 3600 IN A 192.0.2.1",
    "ns1.example. 3600 IN RRSIG A 13 2 3600 20300101000000 20200101000000 1 example. BBBB",
    "sub.example. 600 IN NS ns.sub.example.",
    "ns.sub.example. 600 IN AAAA 2001:db8::1",
    "only-signed.example. 60 IN RRSIG TXT 13 2 60 20300101000000 20200101000000 1 example. CCCC",
    "x.example. 60 IN TYPE65280 \\# 3 010203",
    "*.example. 60 IN TXT \"wild\" \"card\"",
};

TransferReply reply_to_axfr(std::string_view zone) {
  return {.request = Header{.id = test_id},
          .question = Question{name(zone), RRType::AXFR, RRClass::IN},
          .edns = {},
          .tsig = {}};
}

/// All messages of a transfer, without TSIG.
std::vector<Bytes> write(const std::shared_ptr<const Zone>& zone, std::optional<std::uint16_t> edns = std::nullopt,
                         std::optional<TsigSession> tsig = std::nullopt, std::uint16_t flags = 0) {
  const ManualClock clock;
  TransferReply reply = reply_to_axfr("EXAMPLE.");
  reply.request.flags = flags;
  if (edns) reply.edns = {.udp_size = *edns, .options = {}};
  reply.tsig = std::move(tsig);
  AxfrWriter writer(zone, std::move(reply), clock);
  std::vector<Bytes> messages;
  Bytes out;
  while (true) {
    const Step step = writer.next(out);
    EXPECT_NE(step, Step::failed);
    if (step != Step::message) break;
    EXPECT_LE(out.size(), max_message_size);
    messages.push_back(out);
  }
  EXPECT_EQ(writer.next(out), Step::done) << "done stays done";
  return messages;
}

/// Reads the messages back; the records in order, with their names in lower case.
std::vector<std::string> read(const std::vector<Bytes>& messages) {
  class Sink final : public ZoneUpdateSink {
   public:
    Result<Taken> add(NameView owner, RRType type, std::uint32_t ttl, ByteView rdata) override {
      Bytes canonical;
      append_canonical_rdata(type, rdata, canonical);
      records.push_back(
          Record{.owner = Name(owner).lowered(), .type = type, .ttl = ttl, .rdata = std::move(canonical)}.text());
      return Taken::added;
    }
    std::vector<std::string> records;
  } sink;
  AxfrReader reader(name("example."), test_id, {}, std::nullopt, std::nullopt, sink);
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const auto progress = reader.feed(messages[i], 1'700'000'000);
    EXPECT_TRUE(progress) << progress.error().text();
    if (!progress) return {};
    EXPECT_EQ(*progress == AxfrReader::Progress::done, i + 1 == messages.size());
  }
  return sink.records;
}

std::vector<std::string> sorted_lower(std::vector<std::string> lines) {
  for (std::string& line : lines) line = record(line).text();
  std::vector<std::string> out;
  for (const std::string& line : lines) {
    const Record r = record(line);
    Bytes canonical;
    append_canonical_rdata(r.type, r.rdata, canonical);
    out.push_back(Record{.owner = r.owner.lowered(), .type = r.type, .ttl = r.ttl, .rdata = canonical}.text());
  }
  std::ranges::sort(out);
  return out;
}

TEST(AxfrWriter, EveryRecordOnceTheSoaFirstAndLast) {
  const auto messages = write(zone_of(records_of(small_zone)));
  ASSERT_EQ(messages.size(), 1U);
  EXPECT_EQ(load_u16(&messages[0][6]), small_zone.size() + 1) << "the SOA is there twice";
  std::vector<std::string> got = read(messages);
  ASSERT_FALSE(got.empty());
  EXPECT_EQ(got[0], record(soa).text());
  std::ranges::sort(got);
  EXPECT_EQ(got, sorted_lower(small_zone));
}

TEST(AxfrWriter, HeaderAndQuestionAsAsked) {
  const auto messages =
      write(zone_of(records_of(small_zone)), std::nullopt, std::nullopt, Header::rd | Header::cd | Header::z);
  const MessageView view = MessageView::parse(messages[0]).value();
  EXPECT_EQ(view.header().id, test_id);
  EXPECT_EQ(view.header().flags, Header::qr | Header::aa | Header::rd);
  EXPECT_TRUE(view.question()->name.view().identical(name("EXAMPLE.")));
  EXPECT_FALSE(view.edns());
}

/// A zone of `hosts` names with an address each.
std::vector<Record> hosts_zone(unsigned hosts) {
  std::vector<Record> records = records_of({soa, "example. 3600 IN NS ns1.example."});
  for (unsigned i = 0; i < hosts; ++i) {
    Record r = record("host" + std::to_string(i) + ".example. 300 IN A 192.0.2.1");
    store_u32(r.rdata.data(), i);
    records.push_back(r);
  }
  return records;
}

TEST(AxfrWriter, ManyMessages) {
  const std::vector<Record> records = hosts_zone(5000);
  const auto messages = write(zone_of(records), 1400);
  ASSERT_GT(messages.size(), 3U);
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const MessageView view = MessageView::parse(messages[i]).value();
    EXPECT_EQ(view.question().has_value(), i == 0) << "RFC 5936 section 2.2.2";
    EXPECT_EQ(view.edns().has_value(), i == 0) << "RFC 5936 section 2.2.5";
    if (i == 0) EXPECT_EQ(view.edns()->udp_size, 1400);
    EXPECT_EQ(view.header().flags, Header::qr | Header::aa);
    if (i + 1 < messages.size()) EXPECT_GT(messages[i].size(), 16000U) << "messages are to be full";
  }
  std::vector<std::string> got = read(messages), expected;
  for (const Record& r : records) expected.push_back(r.text());
  EXPECT_EQ(got, expected) << "names go out in the order they came in";
}

TEST(AxfrWriter, NamesKeepTheirCase) {
  const std::vector<std::string> lines = {
      soa,
      "example. 3600 IN NS ns1.example.",
      "example. 3600 IN MX 10 MAIL.Example.",
      "Mixed.example. 3600 IN PTR mail.EXAMPLE.",
      "MIXED-too.example. 3600 IN PTR mail.Example.",
  };
  std::vector<std::string> got;
  for (const Bytes& message : write(zone_of(records_of(lines)))) {
    const MessageView view = MessageView::parse(message).value();
    view.for_each_record([&](const RecordView& r) {
      got.push_back(
          Record{.owner = r.owner(), .type = r.type, .klass = r.klass, .ttl = r.ttl, .rdata = r.rdata().value()}
              .text());
      return true;
    });
  }
  std::vector<std::string> expected;
  for (const std::string& line : lines) expected.push_back(record(line).text());
  expected.push_back(expected[0]);
  EXPECT_THAT(got, testing::UnorderedElementsAreArray(expected)) << "RFC 5936 section 3.4";
}

TEST(AxfrWriter, EveryMessageIsSigned) {
  TsigKeyring keys;
  keys.add({name("key."), TsigAlgorithm::hmac_sha512, Bytes(64, 3)});
  const auto key = keys.find(name("key."));
  const ManualClock clock;
  const auto now = static_cast<std::uint64_t>(clock.wall_seconds());
  Bytes request(512);
  MessageWriter writer(request, request.size());
  writer.set_header(test_id, 0);
  writer.add_question(name("example."), RRType::AXFR, RRClass::IN);
  request.resize(writer.size());
  const Bytes mac = sign_request(request, *key, now).value();
  const auto session = verify_request(MessageView::parse(request).value(), keys, now).value().value();

  for (const unsigned hosts : {0U, 1U, 700U, 701U, 702U, 703U, 704U, 705U, 3000U}) {
    RecordingSink sink;
    AxfrReader reader(name("example."), test_id, {}, std::nullopt, TsigStream(key, mac), sink);
    Result<AxfrReader::Progress> last = AxfrReader::Progress::more;
    for (const Bytes& message : write(zone_of(hosts_zone(hosts)), 1400, session)) {
      EXPECT_TRUE(MessageView::parse(message).value().tsig_offset());
      last = reader.feed(message, now);
      ASSERT_TRUE(last) << last.error().text();
    }
    EXPECT_EQ(*last, AxfrReader::Progress::done);
    EXPECT_EQ(reader.counts().records, hosts + 3U);
  }
}

TEST(AxfrWriter, AnRRsetMayGoOverManyMessages) {
  std::vector<Record> records = records_of({soa, "example. 3600 IN NS ns1.example."});
  for (unsigned i = 0; i < 3000; ++i) {
    Record r = record("many.example. 300 IN TXT \"0123456789012345678901234567890123456789\"");
    r.rdata[1] = static_cast<std::uint8_t>(i >> 8);
    r.rdata[2] = static_cast<std::uint8_t>(i);
    records.push_back(r);
  }
  records.push_back(record("many.example. 300 IN RRSIG TXT 13 2 300 20300101000000 20200101000000 1 example. AAAA"));
  const auto messages = write(zone_of(records));
  EXPECT_GT(messages.size(), 5U);
  const auto got = read(messages);
  EXPECT_EQ(got.size(), records.size());
}

TEST(AxfrWriter, LargeRecords) {
  // From comfortable to the largest that a message can hold beside its header and question.
  for (const std::size_t size : {16000U, 16300U, 16384U, 20000U, 60000U, 65450U}) {
    std::vector<Record> records = records_of({soa, "example. 3600 IN NS ns1.example."});
    records.push_back(
        {.owner = name("big.example."), .type = static_cast<RRType>(65280), .ttl = 1, .rdata = Bytes(size, 1)});
    records.push_back(record("z.example. 1 IN A 192.0.2.1"));
    const auto got = read(write(zone_of(records)));
    EXPECT_EQ(got.size(), records.size()) << size;
  }
}

TEST(AxfrWriter, RecordThatFitsIntoNoMessageEndsTheTransfer) {
  std::vector<Record> records = records_of({soa, "example. 3600 IN NS ns1.example."});
  records.push_back(
      {.owner = name("big.example."), .type = static_cast<RRType>(65280), .ttl = 1, .rdata = Bytes(65535, 1)});
  const ManualClock clock;
  AxfrWriter writer(zone_of(records), reply_to_axfr("example."), clock);
  Bytes out;
  Step step = Step::message;
  int messages = 0;
  for (; step == Step::message && messages < 10; ++messages) step = writer.next(out);
  EXPECT_EQ(step, Step::failed);
  EXPECT_EQ(writer.next(out), Step::failed) << "and stays ended";
}

TEST(AxfrWriter, KeepsItsVersionAlive) {
  auto zone = zone_of(hosts_zone(2000));
  const ManualClock clock;
  AxfrWriter writer(std::move(zone), reply_to_axfr("example."), clock);
  std::vector<Bytes> messages;
  Bytes out;
  while (writer.next(out) == Step::message) messages.push_back(out);
  EXPECT_EQ(read(messages).size(), 2002U);
}

}  // namespace
}  // namespace understudy
