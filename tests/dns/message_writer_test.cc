#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>
#include <set>
#include <string>
#include <vector>

#include "dns/edns.h"
#include "dns/message.h"
#include "dns/rdata.h"
#include "dns/record.h"

namespace understudy {
namespace {

Name name(std::string_view text) {
  return Name::parse(text).value();
}

Record record(std::string_view owner, RRType type, std::string_view text) {
  return {name(owner), type, RRClass::IN, 3600, parse_rdata(type, text, NameView()).value()};
}

bool add(MessageWriter& writer, const Record& r, Section section = Section::answer) {
  return writer.add_record(section, r.owner, r.type, r.klass, r.ttl, r.rdata);
}

std::vector<Record> records_of(ByteView message) {
  const auto parsed = MessageView::parse(message);
  EXPECT_TRUE(parsed) << parsed.error().text();
  std::vector<Record> out;
  if (!parsed) return out;
  parsed->for_each_record([&](const RecordView& view) {
    const auto data = view.rdata();
    EXPECT_TRUE(data);
    out.push_back({view.owner(), view.type, view.klass, view.ttl, data.value_or(Bytes())});
    return true;
  });
  return out;
}

Bytes copy(ByteView view) {
  return {view.begin(), view.end()};
}

TEST(MessageWriter, WholeMessage) {
  Bytes buffer(512, 0xee);
  MessageWriter writer(buffer, 512);
  EXPECT_EQ(writer.size(), header_size);
  writer.set_header(0x0102, Header::qr | Header::aa);
  EXPECT_TRUE(writer.add_question(name("www.Example."), RRType::A, RRClass::IN));
  EXPECT_TRUE(add(writer, record("WWW.example.", RRType::CNAME, "a.example.")));
  EXPECT_TRUE(add(writer, record("a.example.", RRType::A, "192.0.2.1")));
  EXPECT_TRUE(add(writer, record("example.", RRType::NS, "ns.a.EXAMPLE."), Section::authority));
  EXPECT_TRUE(add(writer, record("ns.a.example.", RRType::A, "192.0.2.2"), Section::additional));
  writer.set_flags(writer.flags() | Header::ra);
  using namespace std::string_view_literals;
  const std::string_view expected =
      "\x01\x02\x84\x80\0\1\0\2\0\1\0\1"
      "\3www\7Example\0\0\1\0\1"                      // at 12; Example at 16
      "\xc0\x0c\0\5\0\1\0\0\x0e\x10\0\4\1a\xc0\x10"   // at 29; a.example at 41
      "\xc0\x29\0\1\0\1\0\0\x0e\x10\0\4\300\0\2\1"    // at 45
      "\xc0\x10\0\2\0\1\0\0\x0e\x10\0\5\2ns\xc0\x29"  // at 61; ns.a.example at 73
      "\xc0\x49\0\1\0\1\0\0\x0e\x10\0\4\300\0\2\2"sv;
  EXPECT_EQ(text_of(writer.message()), expected);
  EXPECT_EQ(writer.count(Section::answer), 2);
  EXPECT_EQ(writer.count(Section::authority), 1);
  EXPECT_EQ(writer.count(Section::additional), 1);
  EXPECT_EQ(buffer[writer.size()], 0xee);
  const auto records = records_of(writer.message());
  ASSERT_EQ(records.size(), 4U);
  EXPECT_EQ(records[3], record("ns.a.example.", RRType::A, "192.0.2.2"));
}

TEST(MessageWriter, OnlyNamesOfOldTypesAreCompressed) {
  struct Case {
    RRType type;
    std::string_view text;
    std::size_t rdata_size;
  };
  // The owner is example., so a compressed name below it costs its own labels and two octets.
  const Case cases[] = {
      {RRType::NS, "ns.example.", 5},
      {RRType::PTR, "example.", 2},
      {RRType::MX, "10 mx.example.", 7},
      {RRType::SOA, "ns.example. host.ns.example. 1 2 3 4 5", 5 + 7 + 20},
      {RRType::CNAME, ".", 1},
      {RRType::SRV, "0 0 53 ns.example.", 6 + 12},
      {RRType::DNAME, "b.example.", 11},
      {RRType::RP, "a.example. b.example.", 22},
      {RRType::NSEC, "a.example. A", 11 + 3},
      {RRType::KX, "1 a.example.", 13},
  };
  for (const Case& c : cases) {
    Bytes buffer(512);
    MessageWriter writer(buffer, 512);
    const Record r = record("example.", c.type, c.text);
    ASSERT_TRUE(add(writer, r));
    EXPECT_EQ(writer.size(), header_size + 9 + 10 + c.rdata_size) << type_text(c.type);
    EXPECT_EQ(records_of(writer.message()), std::vector{r}) << type_text(c.type);
  }
}

TEST(MessageWriter, UncompressedNamesAreTargetsToo) {
  Bytes buffer(512);
  MessageWriter writer(buffer, 512);
  const Record srv = record("_dns._udp.example.", RRType::SRV, "0 0 53 server.example.");
  const Record a = record("server.example.", RRType::A, "192.0.2.1");
  ASSERT_TRUE(add(writer, srv));
  const std::size_t before = writer.size();
  ASSERT_TRUE(add(writer, a));
  EXPECT_EQ(writer.size() - before, 2U + 10 + 4);
  EXPECT_EQ(records_of(writer.message()), (std::vector{srv, a}));
}

TEST(MessageWriter, KeepsCaseWhereWanted) {
  const auto size_with = [](MessageWriter::Compression compression) {
    Bytes buffer(512);
    MessageWriter writer(buffer, 512, compression);
    for (const char* owner : {"host.example.", "HOST.example.", "host.EXAMPLE.", "host.example."}) {
      EXPECT_TRUE(writer.add_record(Section::answer, name(owner), RRType::TXT, RRClass::IN, 1, Bytes{0}));
    }
    const MessageView view = MessageView::parse(writer.message()).value();
    std::string owners;
    view.for_each_record([&](const RecordView& r) {
      owners += r.owner().text() + " ";
      return true;
    });
    return std::pair{writer.size(), owners};
  };
  const std::size_t fixed = header_size + 4 * 11;
  EXPECT_EQ(size_with(MessageWriter::Compression::without_case),
            (std::pair{fixed + 14 + 3 * 2, std::string("host.example. host.example. host.example. host.example. ")}));
  EXPECT_EQ(
      size_with(MessageWriter::Compression::keeps_case),
      (std::pair{fixed + 14 + 7 + 14 + 2, std::string("host.example. HOST.example. host.EXAMPLE. host.example. ")}));
}

TEST(MessageWriter, WhatDoesNotFitLeavesNoTrace) {
  const Record first = record("a.example.", RRType::MX, "10 b.example.");
  const Record second = record("c.example.", RRType::MX, "10 d.e.f.other.");
  Bytes reference(512);
  MessageWriter roomy(reference, 512);
  ASSERT_TRUE(add(roomy, first));
  const std::size_t size_with_first = roomy.size();
  ASSERT_TRUE(add(roomy, second));
  const std::size_t size_with_both = roomy.size();
  for (std::size_t limit = size_with_first; limit <= size_with_both; ++limit) {
    Bytes buffer(512, 0xee);
    MessageWriter writer(buffer, limit);
    ASSERT_TRUE(add(writer, first));
    const Bytes before = copy(writer.message());
    EXPECT_EQ(add(writer, second), limit == size_with_both) << limit;
    if (limit < size_with_both) {
      EXPECT_EQ(copy(writer.message()), before);
    } else {
      EXPECT_EQ(copy(writer.message()), copy(roomy.message()));
    }
    EXPECT_EQ(buffer[limit], 0xee) << "written past the limit";
  }
}

TEST(MessageWriter, QuestionsComeFirstAndMayNotFit) {
  Bytes buffer(512);
  MessageWriter small(buffer, header_size + 9 + 3);
  EXPECT_FALSE(small.add_question(name("example."), RRType::A, RRClass::IN));
  EXPECT_EQ(small.size(), header_size);
  EXPECT_EQ(load_u16(&buffer[4]), 0);
  MessageWriter writer(buffer, 512);
  ASSERT_TRUE(add(writer, record("a.", RRType::A, "192.0.2.1")));
  EXPECT_FALSE(writer.add_question(name("example."), RRType::A, RRClass::IN));
}

TEST(MessageWriter, RewindForgetsNamesAndCounts) {
  const Record kept = record("a.example.", RRType::NS, "b.example.");
  const Record dropped = record("c.other.", RRType::NS, "d.e.other.");
  const Record later = record("d.e.other.", RRType::NS, "c.other.");
  Bytes once(1024);
  MessageWriter direct(once, 1024);
  ASSERT_TRUE(add(direct, kept));
  ASSERT_TRUE(add(direct, later, Section::authority));

  Bytes twice(1024);
  MessageWriter writer(twice, 1024);
  ASSERT_TRUE(add(writer, kept));
  const auto mark = writer.mark();
  ASSERT_TRUE(add(writer, dropped));
  ASSERT_TRUE(add(writer, later, Section::additional));
  writer.rewind(mark);
  EXPECT_EQ(writer.count(Section::answer), 1);
  EXPECT_EQ(writer.count(Section::additional), 0);
  ASSERT_TRUE(add(writer, later, Section::authority));
  EXPECT_EQ(copy(writer.message()), copy(direct.message()));
}

TEST(MessageWriter, ReservedSpaceIsForOpt) {
  Bytes options;
  append_edns_option(options, edns_nsid, view_of("ns1"));
  const std::size_t opt_size = 11 + options.size();
  const Record a = record("a.", RRType::A, "192.0.2.1");  // 17 octets
  Bytes buffer(512);
  MessageWriter writer(buffer, header_size + 17 + opt_size);
  writer.set_header(1, Header::qr);
  writer.reserve(opt_size + 1);
  EXPECT_FALSE(add(writer, a));
  writer.reserve(10'000);  // more than there is
  EXPECT_FALSE(add(writer, a));
  writer.reserve(opt_size);
  EXPECT_TRUE(add(writer, a));
  EXPECT_FALSE(add(writer, a));
  EXPECT_TRUE(writer.add_opt(1232, Rcode::BADCOOKIE, true, options));
  EXPECT_EQ(writer.size(), writer.limit());
  EXPECT_FALSE(writer.add_opt(1232, Rcode::NOERROR, false, {}));

  const auto message = MessageView::parse(writer.message());
  ASSERT_TRUE(message) << message.error().text();
  ASSERT_TRUE(message->edns());
  EXPECT_EQ(message->edns()->udp_size, 1232);
  EXPECT_EQ(message->edns()->extended_rcode, 1);
  EXPECT_EQ(message->edns()->version, 0);
  EXPECT_EQ(message->edns()->z_flags, 0x8000);
  EXPECT_EQ(text_of(message->edns()->option(edns_nsid).value()), "ns1");
  EXPECT_EQ(writer.count(Section::additional), 1);
}

TEST(MessageWriter, OptLeavesTheRestOfTheReservation) {
  Bytes buffer(512);
  MessageWriter writer(buffer, 100);
  writer.reserve(11 + 40);
  ASSERT_TRUE(writer.add_opt(1232, Rcode::NOERROR, false, {}));
  // 100 - 12 - 11 - 40 = 37 octets are left for records.
  EXPECT_TRUE(add(writer, record(".", RRType::TXT, "\"1234567890123456789012345\""), Section::additional));
  EXPECT_FALSE(add(writer, record(".", RRType::A, "192.0.2.1"), Section::additional));
}

TEST(MessageWriter, LimitsAreTheBufferAndTheProtocol) {
  Bytes buffer(100);
  EXPECT_EQ(MessageWriter(buffer, 1000).limit(), 100U);
  Bytes huge(100'000);
  EXPECT_EQ(MessageWriter(huge, 100'000).limit(), max_message_size);
}

TEST(MessageWriter, PointersStayBelow16384) {
  Bytes buffer(max_message_size);
  MessageWriter writer(buffer, max_message_size);
  std::vector<Record> written;
  std::size_t beyond = 0;
  for (int i = 0;; ++i) {
    Record r =
        record(fmt::format("name-number-{}.example.", i), RRType::MX, fmt::format("10 mx-{}.net-{}.example.", i, i));
    if (!add(writer, r)) break;
    // The same owner again: far behind, it cannot be a single pointer.
    const std::size_t before = writer.size();
    if (!add(writer, record(written.empty() ? "a." : written.back().owner.text(), RRType::A, "192.0.2.1"))) break;
    if (writer.size() - before > 16) ++beyond;
    written.push_back(std::move(r));
  }
  EXPECT_GT(beyond, 500U);
  const auto records = records_of(writer.message());
  ASSERT_GT(records.size(), 1000U);
  for (std::size_t i = 0; i < written.size(); ++i) ASSERT_EQ(records[2 * i], written[i]);
}

TEST(MessageWriter, AFullTableStillUsesItsNames) {
  // Names of many labels fill the table soon; the suffix that all share was there first and serves to the end.
  Bytes buffer(max_message_size);
  MessageWriter writer(buffer, max_message_size);
  const auto owner = [](int i) {
    std::string text;
    for (int k = 0; k < 16; ++k) text += fmt::format("{:x}.", (i * 7919 >> k) & 15);
    return text + "8.b.d.0.1.0.0.2.ip6.arpa.";
  };
  std::vector<Record> written;
  for (int i = 0;; ++i) {
    const Record r = record(owner(i), RRType::PTR, "host.example.");
    if (!add(writer, r)) break;
    written.push_back(r);
  }
  EXPECT_EQ(records_of(writer.message()), written);
  // 32 octets of labels, a pointer, the fixed part and a pointer to the target: 46 at most.
  EXPECT_GT(written.size(), (max_message_size - 200) / 46);
}

TEST(MessageWriter, PacksATransferTightly) {
  Bytes buffer(max_message_size);
  MessageWriter writer(buffer, max_message_size);
  int hosts = 0;
  while (true) {
    const std::string owner = fmt::format("h{:06}.hosts.example.", hosts);
    if (!add(writer, record(owner, RRType::A, "192.0.2.1"))) break;
    if (!add(writer, record(owner, RRType::AAAA, "2001:db8::1"))) break;
    ++hosts;
  }
  // Below 16384: 8 + 2 + 14 for the first record of a name, 2 + 26 for the second; beyond: 10 + 26 for the second.
  const std::size_t near = 16384 / 52;
  const std::size_t far = (max_message_size - 16384) / 60;
  EXPECT_GE(static_cast<std::size_t>(hosts), near + far - 4);
}

// What a name takes if it is compressed against all suffixes in `known`, which get its own.
std::size_t octets_of(NameView owner, bool keeps_case, std::set<std::string>& known) {
  std::size_t octets = owner.size();
  for (NameView suffix = owner; !suffix.is_root(); suffix = suffix.parent()) {
    const std::string text = keeps_case ? suffix.text() : Name(suffix).lowered().text();
    if (!known.insert(text).second) octets = std::min(octets, owner.size() - suffix.size() + 2);
  }
  return octets;
}

TEST(MessageWriter, FindsTheLongestSuffixThatIsThere) {
  std::mt19937 random(6);
  const auto pick = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
  const auto random_name = [&] {
    // Of all lengths to beyond two words, and of one that differ in the last octet alone.
    static constexpr std::string_view labels[] = {
        "a",       "A",       "host001", "host002",         "host00x",
        "example", "EXAMPLE", "abcdefg", "abcdefghijklmno", "abcdefghijklmnp"};
    std::string text;
    for (unsigned i = pick(5); i > 0; --i) text += std::string(labels[pick(std::size(labels))]) + ".";
    return name(text.empty() ? "." : text);
  };
  for (unsigned round = 0; round < 400; ++round) {
    const bool keeps_case = round % 2 == 0;
    Bytes buffer(max_message_size);
    MessageWriter writer(
        buffer, 16384, keeps_case ? MessageWriter::Compression::keeps_case : MessageWriter::Compression::without_case);
    std::set<std::string> known;
    Name last = random_name();
    std::vector<Record> written;
    for (unsigned i = 0; i < 60; ++i) {
      const Name owner = pick(3) == 0 ? last : random_name();
      const Name target = random_name();
      const auto kept = known;
      std::size_t expected = writer.size() + octets_of(owner, keeps_case, known) + 10;
      expected += octets_of(target, keeps_case, known);
      const auto mark = writer.mark();
      const Record r{owner, RRType::NS, RRClass::IN, 60, copy(target.wire())};
      ASSERT_TRUE(add(writer, r));
      ASSERT_EQ(writer.size(), expected) << owner.text() << " NS " << target.text();
      if (pick(5) == 0) {
        writer.rewind(mark);
        known = kept;
      } else {
        written.push_back(r);
      }
      last = owner;
    }
    const auto records = records_of(writer.message());
    ASSERT_EQ(records.size(), written.size());
    const auto same = [&](NameView a, NameView b) { return keeps_case ? a.identical(b) : a.equals(b); };
    for (std::size_t i = 0; i < records.size(); ++i) {
      ASSERT_TRUE(same(records[i].owner, written[i].owner));
      ASSERT_TRUE(same(NameView::trusted(records[i].rdata), NameView::trusted(written[i].rdata)));
    }
  }
}

TEST(MessageWriter, RandomRecordsRoundTrip) {
  std::mt19937 random(4);
  const auto pick = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
  const auto random_name = [&] {
    static constexpr std::string_view labels[] = {"a", "A", "b", "www", "WWW", "example", "Example", "x\\.y", "com"};
    std::string text;
    for (unsigned i = pick(5); i > 0; --i) text += std::string(labels[pick(std::size(labels))]) + ".";
    return text.empty() ? std::string(".") : text;
  };
  for (int round = 0; round < 300; ++round) {
    Bytes buffer(max_message_size);
    MessageWriter writer(buffer, 100 + pick(3'000));
    std::vector<Record> written;
    std::size_t failures = 0;
    if (pick(2) == 0) ASSERT_TRUE(writer.add_question(name(random_name()), RRType::A, RRClass::IN));
    while (failures < 3) {
      Record r;
      switch (pick(5)) {
        case 0:
          r = record(random_name(), RRType::A, "192.0.2.1");
          break;
        case 1:
          r = record(random_name(), RRType::MX, "5 " + random_name());
          break;
        case 2:
          r = record(random_name(), RRType::SRV, "1 2 3 " + random_name());
          break;
        case 3:
          r = record(random_name(), RRType::SOA, random_name() + " " + random_name() + " 1 2 3 4 5");
          break;
        default:
          r = record(random_name(), static_cast<RRType>(65280), "\\# 3 c00c00");
          break;
      }
      const auto mark = writer.mark();
      const Bytes before = copy(writer.message());
      if (!add(writer, r)) {
        ++failures;
        ASSERT_EQ(copy(writer.message()), before);
      } else if (pick(4) == 0) {
        writer.rewind(mark);
        ASSERT_EQ(copy(writer.message()), before);
      } else {
        written.push_back(std::move(r));
      }
    }
    // Equality of names is without case; RDATA may differ in the case of its names only.
    const auto read = records_of(writer.message());
    ASSERT_EQ(read.size(), written.size());
    for (std::size_t i = 0; i < read.size(); ++i) {
      ASSERT_EQ(read[i].owner, written[i].owner);
      ASSERT_EQ(read[i].type, written[i].type);
      Bytes a, b;
      append_canonical_rdata(read[i].type, read[i].rdata, a);
      append_canonical_rdata(written[i].type, written[i].rdata, b);
      ASSERT_EQ(a, b);
    }
  }
}

}  // namespace
}  // namespace understudy
