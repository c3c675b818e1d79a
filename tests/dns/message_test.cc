#include "dns/message.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <string>
#include <vector>

#include "dns/edns.h"
#include "dns/rdata.h"
#include "dns/record.h"

namespace understudy {
namespace {

Name name(std::string_view text) {
  return Name::parse(text).value();
}

Bytes rdata(RRType type, std::string_view text) {
  return parse_rdata(type, text, NameView()).value();
}

/// Wire data put together by hand, so that it can be wrong.
class Wire {
 public:
  Wire(std::uint16_t flags, std::uint16_t qd, std::uint16_t an, std::uint16_t ns, std::uint16_t ar) {
    bytes.resize(header_size);
    Header{.id = 0x1234, .flags = flags, .qdcount = qd, .ancount = an, .nscount = ns, .arcount = ar}.write(
        bytes.data());
  }
  Wire& question(std::string_view owner, RRType type = RRType::A) {
    append(bytes, name(owner).wire());
    append_u16(bytes, number(type));
    append_u16(bytes, number(RRClass::IN));
    return *this;
  }
  Wire& record(ByteView owner, RRType type, ByteView data, std::uint16_t klass = 1, std::uint32_t ttl = 60) {
    append(bytes, owner);
    append_u16(bytes, number(type));
    append_u16(bytes, klass);
    append_u32(bytes, ttl);
    append_u16(bytes, static_cast<std::uint16_t>(data.size()));
    append(bytes, data);
    return *this;
  }
  Wire& opt(ByteView options = {}, std::uint32_t ttl = 0, std::uint16_t size = 1232) {
    return record(root, RRType::OPT, options, size, ttl);
  }
  Wire& raw(std::initializer_list<std::uint8_t> octets) {
    bytes.insert(bytes.end(), octets);
    return *this;
  }

  static constexpr std::uint8_t root[] = {0};
  static constexpr std::uint8_t to_question[] = {0xc0, 0x0c};
  Bytes bytes;
};

constexpr std::uint8_t address[] = {192, 0, 2, 1};

std::vector<Record> records_of(const MessageView& message) {
  std::vector<Record> out;
  message.for_each_record([&](const RecordView& view) {
    out.push_back({view.owner(), view.type, view.klass, view.ttl_value(), view.rdata().value_or(Bytes())});
    return true;
  });
  return out;
}

Errc error_of(const Bytes& message) {
  const auto parsed = MessageView::parse(message);
  EXPECT_FALSE(parsed);
  return parsed ? Errc::internal : parsed.error().code;
}

TEST(HeaderTest, ReadsAndWrites) {
  const Bytes octets{0xab, 0xcd, 0xa4, 0x03, 0, 1, 0, 2, 0, 3, 0, 4};
  const auto header = Header::read(octets);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->id, 0xabcd);
  EXPECT_TRUE(header->is_response());
  EXPECT_EQ(header->opcode(), Opcode::NOTIFY);
  EXPECT_EQ(header->rcode(), 3);
  EXPECT_NE(header->flags & Header::aa, 0);
  EXPECT_EQ(header->qdcount, 1);
  EXPECT_EQ(header->ancount, 2);
  EXPECT_EQ(header->nscount, 3);
  EXPECT_EQ(header->arcount, 4);
  Bytes again(header_size);
  header->write(again.data());
  EXPECT_EQ(again, octets);
  EXPECT_FALSE(Header::read(ByteView(octets).first(11)));
  EXPECT_EQ(opcode_bits(Opcode::UPDATE), 0x2800);
}

TEST(MessageParse, QueryWithEdns) {
  Bytes options;
  append_edns_option(options, edns_nsid, {});
  append_edns_option(options, edns_cookie, view_of("12345678"));
  const Wire wire = Wire(Header::rd, 1, 0, 0, 1).question("Example.org.", RRType::AAAA).opt(options, 0x0100'8001, 4096);
  const auto message = MessageView::parse(wire.bytes);
  ASSERT_TRUE(message) << message.error().text();
  ASSERT_TRUE(message->question());
  EXPECT_EQ(message->question()->name.text(), "Example.org.");
  EXPECT_EQ(message->question()->type, RRType::AAAA);
  EXPECT_EQ(message->question()->klass, RRClass::IN);
  ASSERT_TRUE(message->edns());
  EXPECT_EQ(message->edns()->udp_size, 4096);
  EXPECT_EQ(message->edns()->extended_rcode, 1);
  EXPECT_EQ(message->edns()->version, 0);
  EXPECT_TRUE(message->edns()->dnssec_ok);
  EXPECT_EQ(message->edns()->z_flags, 0x8001);
  EXPECT_EQ(text_of(message->edns()->option(edns_cookie).value()), "12345678");
  EXPECT_EQ(message->rcode(), Rcode::BADVERS);
  EXPECT_FALSE(message->tsig_offset());
  EXPECT_EQ(message->record_count(), 1U);
}

TEST(MessageParse, SectionsAndStopping) {
  const Bytes ns = rdata(RRType::NS, "ns.example.");
  const Wire wire = Wire(Header::qr, 1, 1, 1, 2)
                        .question("example.")
                        .record(Wire::to_question, RRType::A, address)
                        .record(Wire::to_question, RRType::NS, ns)
                        .record(Wire::to_question, RRType::A, address, 1, 0x8000'0000)
                        .opt();
  const auto message = MessageView::parse(wire.bytes);
  ASSERT_TRUE(message) << message.error().text();
  std::vector<Section> sections;
  message->for_each_record([&](const RecordView& record) {
    sections.push_back(record.section);
    return true;
  });
  EXPECT_EQ(sections, (std::vector{Section::answer, Section::authority, Section::additional, Section::additional}));
  const auto records = records_of(*message);
  EXPECT_EQ(records[0], (Record{name("example."), RRType::A, RRClass::IN, 60, {192, 0, 2, 1}}));
  EXPECT_EQ(records[1], (Record{name("example."), RRType::NS, RRClass::IN, 60, ns}));
  EXPECT_EQ(records[2].ttl, 0U);  // RFC 2181 section 8
  int seen = 0;
  message->for_each_record([&](const RecordView&) { return ++seen < 2; });
  EXPECT_EQ(seen, 2);
}

TEST(MessageParse, NamesInRdataAreExpanded) {
  const std::uint8_t data[] = {0, 10, 4, 'm', 'a', 'i', 'l', 0xc0, 0x0c};
  const Wire wire = Wire(Header::qr, 1, 1, 0, 0).question("example.").record(Wire::to_question, RRType::MX, data);
  const auto message = MessageView::parse(wire.bytes);
  ASSERT_TRUE(message);
  EXPECT_EQ(records_of(*message).at(0).rdata, rdata(RRType::MX, "10 mail.example."));
  message->for_each_record([&](const RecordView& record) {
    EXPECT_EQ(text_of(record.raw_rdata()), text_of(data));
    return true;
  });
}

TEST(MessageParse, BrokenRdataIsFoundWhenItIsRead) {
  const std::uint8_t short_address[] = {192, 0, 2};
  const std::uint8_t forward[] = {0xc0, 0xff};
  const Wire wire =
      Wire(Header::qr, 0, 2, 0, 0).record(Wire::root, RRType::A, short_address).record(Wire::root, RRType::NS, forward);
  const auto message = MessageView::parse(wire.bytes);
  ASSERT_TRUE(message);
  std::vector<bool> readable;
  message->for_each_record([&](const RecordView& record) {
    readable.push_back(record.rdata().has_value());
    return true;
  });
  EXPECT_EQ(readable, (std::vector{false, false}));
}

TEST(MessageParse, QuestionsMayBeMissing) {
  EXPECT_TRUE(MessageView::parse(Wire(Header::qr, 0, 0, 0, 0).bytes));
  const Wire continuation = Wire(Header::qr, 0, 1, 0, 0).record(Wire::root, RRType::A, address);
  const auto message = MessageView::parse(continuation.bytes);
  ASSERT_TRUE(message);
  EXPECT_FALSE(message->question());
  EXPECT_EQ(records_of(*message).size(), 1U);
}

TEST(MessageParse, SeveralQuestions) {
  for (const std::uint16_t flags : {std::uint16_t{0}, Header::qr, opcode_bits(Opcode::NOTIFY)}) {
    EXPECT_EQ(error_of(Wire(flags, 2, 0, 0, 0).question("a.").question("b.").bytes), Errc::bad_header) << flags;
  }
  const Wire update = Wire(opcode_bits(Opcode::UPDATE), 2, 0, 0, 0).question("a.").question("b.");
  const auto message = MessageView::parse(update.bytes);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->question()->name.text(), "a.");
}

TEST(MessageParse, TsigPosition) {
  const std::uint8_t any = 255;
  const Wire good = Wire(0, 1, 0, 0, 2).question("a.").opt().record(name("key.").wire(), RRType::TSIG, {}, any, 0);
  const auto message = MessageView::parse(good.bytes);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->tsig_offset(), header_size + 7 + 11);
  EXPECT_EQ(error_of(Wire(0, 1, 0, 0, 2).question("a.").record(Wire::root, RRType::TSIG, {}, any, 0).opt().bytes),
            Errc::bad_tsig);
  EXPECT_EQ(error_of(Wire(0, 0, 0, 0, 2)
                         .record(Wire::root, RRType::TSIG, {}, any, 0)
                         .record(Wire::root, RRType::TSIG, {}, any, 0)
                         .bytes),
            Errc::bad_tsig);
  EXPECT_EQ(error_of(Wire(0, 0, 1, 0, 0).record(Wire::root, RRType::TSIG, {}, any, 0).bytes), Errc::bad_tsig);
}

TEST(MessageParse, BrokenEdns) {
  const std::uint8_t cut_option[] = {0, 3, 0, 2, 'x'};
  const std::uint8_t cut_header[] = {0, 3, 0};
  const std::uint8_t pointer_to_root[] = {0xc0, 0x0e};
  EXPECT_EQ(error_of(Wire(0, 0, 0, 0, 2).opt().opt().bytes), Errc::bad_edns);
  EXPECT_EQ(error_of(Wire(0, 0, 1, 0, 0).opt().bytes), Errc::bad_edns);
  EXPECT_EQ(error_of(Wire(0, 0, 0, 1, 0).opt().bytes), Errc::bad_edns);
  EXPECT_EQ(error_of(Wire(0, 0, 0, 0, 1).record(name("a.").wire(), RRType::OPT, {}).bytes), Errc::bad_edns);
  EXPECT_EQ(error_of(Wire(0, 1, 0, 0, 1).question("a.").record(pointer_to_root, RRType::OPT, {}).bytes),
            Errc::bad_edns);
  EXPECT_EQ(error_of(Wire(0, 0, 0, 0, 1).opt(cut_option).bytes), Errc::bad_edns);
  EXPECT_EQ(error_of(Wire(0, 0, 0, 0, 1).opt(cut_header).bytes), Errc::bad_edns);
}

TEST(MessageParse, CountsAndNames) {
  EXPECT_EQ(error_of(Bytes(11)), Errc::truncated);
  EXPECT_EQ(error_of(Wire(0, 1, 0, 0, 0).bytes), Errc::truncated);
  EXPECT_EQ(error_of(Wire(0, 1, 0, 0, 0).raw({1, 'a', 0, 0, 1, 0}).bytes), Errc::truncated);
  EXPECT_EQ(error_of(Wire(0, 1, 1, 0, 0).question("a.").bytes), Errc::truncated);
  EXPECT_EQ(error_of(Wire(0, 0, 65535, 65535, 65535).bytes), Errc::truncated);
  EXPECT_EQ(error_of(Wire(0, 0, 1, 0, 0).raw({0, 0, 1, 0, 1, 0, 0, 0, 0, 0}).bytes), Errc::truncated);
  EXPECT_EQ(error_of(Wire(0, 0, 1, 0, 0).raw({0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 1}).bytes), Errc::truncated);
  EXPECT_EQ(error_of(Wire(0, 1, 0, 0, 0).question("a.").raw({0}).bytes), Errc::trailing_data);
  EXPECT_EQ(error_of(Wire(0, 1, 0, 0, 0).raw({0x41, 'a', 0, 0, 1, 0, 1}).bytes), Errc::bad_label);
  EXPECT_EQ(error_of(Wire(0, 1, 0, 0, 0).raw({0xc0, 0x0c, 0, 1, 0, 1}).bytes), Errc::bad_pointer);
  EXPECT_EQ(error_of(Wire(0, 0, 1, 0, 0).raw({0x80, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0}).bytes), Errc::bad_label);
  EXPECT_EQ(error_of(Wire(0, 0, 1, 0, 0).raw({0xc0, 0xff, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0}).bytes), Errc::bad_pointer);
  Wire long_name(0, 0, 1, 0, 0);
  for (int i = 0; i < 128; ++i) long_name.raw({1, 'a'});
  EXPECT_EQ(error_of(long_name.raw({0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0}).bytes), Errc::name_too_long);
  Wire huge(0, 0, 0, 0, 0);
  huge.bytes.resize(max_message_size + 1);
  EXPECT_EQ(error_of(huge.bytes), Errc::trailing_data);
}

TEST(MessageParse, DamageIsHarmless) {
  std::mt19937 random(1);
  const std::uint8_t data[] = {0, 10, 4, 'm', 'a', 'i', 'l', 0xc0, 0x0c};
  const Wire wire = Wire(Header::qr, 1, 2, 1, 2)
                        .question("www.example.")
                        .record(Wire::to_question, RRType::MX, data)
                        .record(Wire::to_question, RRType::A, address)
                        .record(name("example.").wire(), RRType::SOA, rdata(RRType::SOA, "a. b. 1 2 3 4 5"))
                        .opt()
                        .record(name("key.").wire(), RRType::TSIG, {}, 255, 0);
  int accepted = 0;
  for (int i = 0; i < 100'000; ++i) {
    Bytes copy = wire.bytes;
    for (unsigned changes = random() % 3; changes > 0; --changes) {
      copy[random() % copy.size()] = static_cast<std::uint8_t>(random());
    }
    if (random() % 4 == 0) copy.resize(random() % copy.size());
    const auto message = MessageView::parse(copy);
    if (!message) continue;
    ++accepted;
    std::uint32_t seen = 0;
    message->for_each_record([&](const RecordView& record) {
      EXPECT_GE(record.owner().size(), 1U);
      EXPECT_EQ(record.raw_rdata().size(), record.rdata_size);
      (void)record.rdata();
      ++seen;
      return true;
    });
    ASSERT_EQ(seen, message->record_count());
  }
  EXPECT_GT(accepted, 1'000);
  EXPECT_LT(accepted, 99'000);
}

TEST(SkipName, StandsBehindTheName) {
  struct Case {
    Bytes data;
    bool ok;
    std::size_t behind;
  };
  const Case cases[] = {
      {{0}, true, 1},
      {{1, 'a', 0, 7}, true, 3},
      {{1, 'a', 0xc0, 0xff, 7}, true, 4},
      {{0xff, 0xff}, true, 2},
      {{}, false, 0},
      {{1}, false, 0},
      {{1, 'a'}, false, 0},
      {{0xc0}, false, 0},
      {{0x40, 0}, false, 0},
      {{0x80, 0}, false, 0},
  };
  for (const Case& c : cases) {
    ByteReader reader(c.data);
    EXPECT_EQ(skip_name(reader), c.ok) << &c - cases;
    if (c.ok) {
      EXPECT_EQ(reader.position(), c.behind) << &c - cases;
    }
  }
}

}  // namespace
}  // namespace understudy
