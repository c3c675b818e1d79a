#include "xfr/ixfr_fixture.h"

namespace understudy {
namespace {

using namespace ixfr_fixture;

// --- What is accepted

struct Form {
  const char* what;
  std::uint32_t ours;
  Lines answers;
  Answer answer;
  std::uint32_t serial;
  Lines deltas, whole;
};

const std::uint32_t top = 0xffff'ffff;

const Form forms[] = {
    {"we are current", 3, {soa(3)}, Answer::current, 3, {}, {}},
    {"the primary is behind", 3, {soa(2)}, Answer::current, 2, {}, {}},
    {"the primary is behind, over the wrap", 0, {soa(top)}, Answer::current, top, {}, {}},
    {"serials that cannot be compared", 0, {soa(0x8000'0000)}, Answer::current, 0x8000'0000, {}, {}},
    {"one difference",
     1,
     {soa(2), soa(1), a, soa(2), b, c, soa(2)},
     Answer::differences,
     2,
     {"1 > 2", "-" + a, "+" + b, "+" + c},
     {}},
    {"nothing but the serial changes", 1, {soa(2), soa(1), soa(2), soa(2)}, Answer::differences, 2, {"1 > 2"}, {}},
    {"only removals",
     1,
     {soa(2), soa(1), a, b, soa(2), soa(2)},
     Answer::differences,
     2,
     {"1 > 2", "-" + a, "-" + b},
     {}},
    {"only additions", 1, {soa(2), soa(1), soa(2), a, soa(2)}, Answer::differences, 2, {"1 > 2", "+" + a}, {}},
    {"the example of RFC 1995",
     1,
     {soa(3), soa(1), a, soa(2), b, c, soa(2), b, soa(3), a, soa(3)},
     Answer::differences,
     3,
     {"1 > 2", "-" + a, "+" + b, "+" + c, "2 > 3", "-" + b, "+" + a},
     {}},
    {"condensed, serials left out",
     1,
     {soa(9), soa(1), a, soa(9), b, soa(9)},
     Answer::differences,
     9,
     {"1 > 9", "-" + a, "+" + b},
     {}},
    {"over the wrap",
     top - 1,
     {soa(1), soa(top - 1), a, soa(top), soa(top), soa(0), b, soa(0), soa(1), c, soa(1)},
     Answer::differences,
     1,
     {"4294967294 > 4294967295", "-" + a, "4294967295 > 0", "+" + b, "0 > 1", "+" + c},
     {}},
    {"the longest way",
     0,
     {soa(0x7fff'ffff), soa(0), soa(0x7fff'ffff), soa(0x7fff'ffff)},
     Answer::differences,
     0x7fff'ffff,
     {"0 > 2147483647"},
     {}},
    {"the SOA itself changes",
     1,
     {soa(2, "60"), soa(1), soa(2, "60"), soa(2, "60")},
     Answer::differences,
     2,
     {"1 > 2"},
     {}},
    {"the SOA of another owner is a record",
     1,
     {soa(2), soa(1), soa(2), "sub.example. 1 IN SOA a. b. 7 1 1 1 1", soa(2)},
     Answer::differences,
     2,
     {"1 > 2", "+sub.example. 1 IN SOA a. b. 7 1 1 1 1"},
     {}},
    {"a whole zone", 1, {soa(2), ns, a, soa(2)}, Answer::whole, 2, {}, {soa(2), ns, a}},
};

TEST(IxfrReader, FormsOverTcpInAnyGrouping) {
  for (const Form& form : forms) {
    std::vector<std::vector<Lines>> groupings = {{form.answers}, apart(form.answers)};
    for (std::size_t cut = 1; cut < form.answers.size(); ++cut) {
      const auto at = form.answers.begin() + static_cast<std::ptrdiff_t>(cut);
      groupings.push_back({{form.answers.begin(), at}, {}, {at, form.answers.end()}});
    }
    for (const auto& grouping : groupings) {
      const Outcome outcome = run(grouping, {.ours = form.ours});
      ASSERT_TRUE(outcome.last) << form.what << ": " << outcome.last.error().text();
      EXPECT_EQ(*outcome.last, Progress::done) << form.what;
      EXPECT_EQ(outcome.answer, form.answer) << form.what;
      EXPECT_EQ(outcome.serial, Serial{form.serial}) << form.what;
      EXPECT_EQ(outcome.deltas, form.deltas) << form.what;
      EXPECT_EQ(outcome.whole, form.whole) << form.what;
      EXPECT_EQ(outcome.counts.records, form.answers.size()) << form.what;
    }
  }
}

TEST(IxfrReader, FormsOverUdp) {
  for (const Form& form : forms) {
    const Outcome outcome = run({form.answers}, {.ours = form.ours, .via = Via::datagram});
    ASSERT_TRUE(outcome.last) << form.what << ": " << outcome.last.error().text();
    EXPECT_EQ(*outcome.last, Progress::done) << form.what;
    EXPECT_EQ(outcome.answer, form.answer) << form.what;
    EXPECT_EQ(outcome.deltas, form.deltas) << form.what;
    EXPECT_EQ(outcome.whole, form.whole) << form.what;
  }
}

TEST(IxfrReader, ASingleNewerSoa) {
  const Outcome by_udp = run({{soa(2)}}, {.via = Via::datagram});
  ASSERT_TRUE(by_udp.last);
  EXPECT_EQ(*by_udp.last, Progress::done);
  EXPECT_EQ(by_udp.answer, Answer::ask_over_tcp);
  EXPECT_EQ(by_udp.serial, Serial{2});

  const Outcome by_tcp = run({{soa(2)}});
  ASSERT_TRUE(by_tcp.last);
  EXPECT_EQ(*by_tcp.last, Progress::more) << "the next message may bring more";
  EXPECT_EQ(by_tcp.answer, Answer::single_soa);
  EXPECT_THAT(by_tcp.closed.text(), HasSubstr("answers no IXFR"));
}

TEST(IxfrReader, TruncatedDatagramsMeanTcp) {
  auto messages = messages_of({{soa(2)}});
  messages[0].flags |= Header::tc;
  for (const bool with_answer : {true, false}) {
    if (!with_answer) messages[0].answers.clear();
    const Outcome outcome = run(bytes_of(messages), {.via = Via::datagram});
    ASSERT_TRUE(outcome.last);
    EXPECT_EQ(*outcome.last, Progress::done);
    EXPECT_EQ(outcome.answer, Answer::ask_over_tcp);
  }
  expect_error(run(bytes_of(messages)), Errc::bad_header, "TC", "on a stream");
}

TEST(IxfrReader, ForeignDatagramsArePassedOver) {
  auto messages = messages_of({{soa(2), ns, soa(2)}, {soa(1)}});
  messages[0].id = 99;
  messages[1].has_question = true;
  std::vector<Bytes> bytes = bytes_of(messages);
  bytes.insert(bytes.begin(), Bytes{1, 2, 3});
  const Outcome outcome = run(bytes, {.via = Via::datagram});
  ASSERT_TRUE(outcome.last) << outcome.last.error().text();
  EXPECT_EQ(outcome.answer, Answer::current);
  EXPECT_EQ(outcome.counts.messages, 1U);
  expect_error(run(bytes_of({messages[0]})), Errc::wrong_id, "expected 4660, got 99", "on a stream");
}

TEST(IxfrReader, AcceptedVariants) {
  struct Case {
    const char* what;
    std::function<void(std::vector<TestMessage>&)> change;
  };
  const Case cases[] = {
      {"question in every message", [](auto& m) { m[1].has_question = m[2].has_question = true; }},
      {"question in other case", [](auto& m) { m[0].question = "ExAmPlE."; }},
      {"AA clear, other bits set", [](auto& m) { m[0].flags = Header::qr | Header::ra | Header::ad | Header::z; }},
      {"OPT in every message", [](auto& m) { m[0].opt = m[1].opt = m[2].opt = true; }},
      {"records in other sections",
       [](auto& m) {
         m[1].authority = {soa(7), b};
         m[2].additional = {soa(8)};
       }},
      {"closing SOA in other case and with another TTL",
       [](auto& m) { m[2].answers = {"EXAMPLE. 60 IN SOA NS1.example. HOST.EXAMPLE. 2 3600 600 86400 300"}; }},
      {"empty messages", [](auto& m) { m.insert(m.begin(), 1, messages_of({{}})[0]); }},
  };
  for (const Case& each : cases) {
    auto messages = messages_of({{soa(2), soa(1)}, {a, soa(2), b}, {soa(2)}});
    each.change(messages);
    const Outcome outcome = run(bytes_of(messages));
    ASSERT_TRUE(outcome.last) << each.what << ": " << outcome.last.error().text();
    EXPECT_EQ(*outcome.last, Progress::done) << each.what;
    EXPECT_THAT(outcome.deltas, ElementsAre("1 > 2", "-" + a, "+" + b)) << each.what;
  }
}

TEST(IxfrReader, DroppedAndCounted) {
  const std::string chaos = "c.example. 1 CH TXT \"chaos\"", foreign = "c.elsewhere. 1 IN A 192.0.2.1";
  const Outcome differences =
      run({{soa(2), soa(1), chaos, foreign, a, soa(2), "example. 1 CH SOA a. b. 9 1 1 1 1", foreign, b, soa(2)}});
  ASSERT_TRUE(differences.last) << differences.last.error().text();
  EXPECT_THAT(differences.deltas, ElementsAre("1 > 2", "-" + a, "+" + b));
  EXPECT_EQ(differences.counts.wrong_class, 2U);
  EXPECT_EQ(differences.counts.out_of_zone, 2U);
  const Outcome whole = run({{soa(2), chaos, foreign, ns, a, a, soa(2)}});
  ASSERT_TRUE(whole.last) << whole.last.error().text();
  EXPECT_THAT(whole.whole, ElementsAre(soa(2), ns, a));
  EXPECT_EQ(whole.counts.wrong_class, 1U);
  EXPECT_EQ(whole.counts.out_of_zone, 1U);
  EXPECT_EQ(whole.counts.duplicates, 1U);
}

TEST(IxfrReader, ManyDifferences) {
  Lines lines = {soa(1000)};
  for (std::uint32_t serial = 1; serial < 1000; ++serial) {
    lines.push_back(soa(serial));
    lines.push_back("x.example. 60 IN TXT \"" + std::to_string(serial) + "\"");
    lines.push_back(soa(serial + 1));
    lines.push_back("x.example. 60 IN TXT \"" + std::to_string(serial + 1) + "\"");
  }
  lines.push_back(soa(1000));
  std::vector<Lines> parts;
  for (std::size_t at = 0; at < lines.size(); at += 100) {
    parts.emplace_back(lines.begin() + static_cast<std::ptrdiff_t>(at),
                       lines.begin() + static_cast<std::ptrdiff_t>(std::min(at + 100, lines.size())));
  }
  const Outcome outcome = run(parts);
  ASSERT_TRUE(outcome.last) << outcome.last.error().text();
  EXPECT_EQ(outcome.deltas.size(), 999U * 3);
  expect_error(run(parts, {.limits = {.max_differences = 998}}), Errc::bad_delta, "more than 998 differences", "limit");
  EXPECT_TRUE(run(parts, {.limits = {.max_differences = 999}}).last);
}

/// Messages as they came from a server, each behind its length.
std::vector<Bytes> captured(const std::string& file) {
  std::ifstream in(std::string(TEST_DATA_DIR) + "/xfr/data/" + file, std::ios::binary);
  const Bytes all{std::istreambuf_iterator<char>(in), {}};
  std::vector<Bytes> out;
  for (ByteReader reader(all); !reader.at_end();) {
    const ByteView message = reader.bytes(reader.u16());
    EXPECT_TRUE(reader.ok()) << file;
    out.emplace_back(message.begin(), message.end());
  }
  EXPECT_FALSE(out.empty()) << file;
  return out;
}

// What Knot 3.2, BIND 9.18 and NSD 4.6 sent for the same three changes of a zone.
TEST(IxfrReader, AnswersOfOtherServers) {
  for (const char* file : {"knot-differences.bin", "bind-differences.bin", "nsd-differences.bin"}) {
    const Outcome outcome = run(captured(file));
    ASSERT_TRUE(outcome.last) << file << ": " << outcome.last.error().text();
    EXPECT_THAT(lower(outcome.deltas),
                ElementsAre("1 > 2", "-one.example. 3600 in a 192.0.2.9", "+three.example. 3600 in a 192.0.2.9",
                            "2 > 3", "+four.example. 3600 in a 192.0.2.9",  //
                            "3 > 4", "-three.example. 3600 in a 192.0.2.9", "+one.example. 3600 in a 192.0.2.9"))
        << file;
    EXPECT_EQ(outcome.expire, std::string_view(file).starts_with("knot") ? std::optional(86400U) : std::nullopt);
  }
  const Outcome nsd = run(captured("nsd-differences-by-udp.bin"), {.via = Via::datagram});
  EXPECT_EQ(nsd.answer, Answer::differences);
  EXPECT_EQ(nsd.deltas.size(), 8U);
  const Outcome bind = run(captured("bind-single-by-udp.bin"), {.via = Via::datagram});
  EXPECT_EQ(bind.answer, Answer::ask_over_tcp);
  const Outcome part = run(captured("nsd-part-by-udp.bin"), {.ours = 0xffff'fff0, .via = Via::datagram});
  EXPECT_EQ(part.answer, Answer::ask_over_tcp) << "the beginning of a whole zone, without TC";
}

// --- What is refused

TEST(IxfrReader, RefusedStreams) {
  struct Case {
    const char* what;
    std::uint32_t ours;
    Lines answers;
    Errc code;
    const char* words;
  };
  const Case cases[] = {
      {"starts with NS", 1, {ns, soa(2)}, Errc::bad_transfer_start, "example. NS, expected example. SOA"},
      {"starts with another zone's SOA",
       1,
       {"other. 60 IN SOA a. b. 7 1 1 1 1"},
       Errc::bad_transfer_start,
       "other. SOA"},
      {"starts with class CH", 1, {"example. 60 CH SOA a. b. 7 1 1 1 1"}, Errc::wrong_class, "example. SOA"},
      {"begins at another serial than ours",
       1,
       {soa(3), soa(2), soa(3), soa(3)},
       Errc::bad_delta,
       "begins at serial 2, ours is 1"},
      {"begins at the serial it ends with", 1, {soa(3), soa(3)}, Errc::bad_delta, "begins at serial 3, ours is 1"},
      {"a gap between two differences",
       1,
       {soa(4), soa(1), soa(2), soa(3), soa(4), soa(4)},
       Errc::bad_delta,
       "begins at serial 3, the one before ended at 2"},
      {"a difference twice",
       1,
       {soa(3), soa(1), a, soa(2), b, soa(1), a, soa(2), b},
       Errc::bad_delta,
       "begins at serial 1, the one before ended at 2"},
      {"a difference that leads nowhere", 1, {soa(2), soa(1), a, soa(1)}, Errc::bad_delta, "leads nowhere"},
      {"a difference that goes backwards",
       2,
       {soa(3), soa(2), a, soa(1)},
       Errc::bad_delta,
       "from serial 2 to 1: it goes backwards"},
      {"a loop", 1, {soa(3), soa(1), soa(2), soa(2), soa(1)}, Errc::bad_delta, "goes backwards"},
      {"half way round", 0, {soa(1), soa(0), soa(0x8000'0000)}, Errc::bad_delta, "goes backwards"},
      {"a difference that passes the end", 1, {soa(3), soa(1), soa(4)}, Errc::bad_delta, "from serial 1 to 4 passes 3"},
      {"ends before its end",
       1,
       {soa(3), soa(1), a, soa(2), b, soa(3)},
       Errc::bad_delta,
       "begins at serial 3, the one before ended at 2"},
      {"the last SOA is another one", 1, {soa(2), soa(1), soa(2, "60"), soa(2)}, Errc::bad_delta, "another SOA"},
      {"the closing SOA is another one",
       1,
       {soa(2), soa(1), soa(2), soa(2, "60")},
       Errc::bad_delta,
       "another SOA than it opened with"},
      {"the closing SOA has another serial",
       1,
       {soa(2), soa(1), soa(2), soa(3)},
       Errc::bad_delta,
       "another SOA than it opened with, of serial 3"},
      {"a record behind the end", 1, {soa(2), soa(1), soa(2), soa(2), a}, Errc::extra_records, "ns1.example. A"},
      {"an SOA behind the end", 1, {soa(2), soa(1), soa(2), soa(2), soa(2)}, Errc::extra_records, "example. SOA"},
      {"a record behind the SOA of ours", 2, {soa(2), ns, soa(2)}, Errc::extra_records, "example. NS"},
      {"a record behind an older SOA", 2, {soa(1), soa(1)}, Errc::extra_records, "example. SOA"},
      {"a meta type to add",
       1,
       {soa(2), soa(1), soa(2), "x.example. 60 IN TYPE255 \\# 0", soa(2)},
       Errc::bad_rdata,
       "x.example. ANY: a type that no zone can hold"},
      {"a meta type to remove",
       1,
       {soa(2), soa(1), "x.example. 60 IN TYPE0 \\# 0", soa(2), soa(2)},
       Errc::bad_rdata,
       "no zone can hold"},
      {"a whole zone that closes with another serial",
       1,
       {soa(2), ns, soa(3)},
       Errc::bad_transfer_end,
       "serial 2 and closed with 3"},
      {"a whole zone in which a difference begins",
       1,
       {soa(2), ns, soa(1), a, soa(2), soa(2)},
       Errc::bad_transfer_end,
       "serial 2 and closed with 1"},
      {"a record behind a whole zone", 1, {soa(2), ns, soa(2), a}, Errc::extra_records, "ns1.example. A"},
  };
  for (const Case& each : cases) {
    for (const Via via : {Via::stream, Via::datagram}) {
      expect_error(run({each.answers}, {.ours = each.ours, .via = via}), each.code, each.words, each.what);
    }
    // What is done already when the odd record comes in a message of its own is found there.
    Setting setting{.ours = each.ours};
    RecordingSink sink;
    IxfrReader in = reader(setting, sink);
    Result<Progress> last = Progress::more;
    for (const Bytes& message : bytes_of(messages_of(apart(each.answers)))) {
      if (last) last = in.feed(message, now);
    }
    ASSERT_FALSE(last) << each.what << ", one record a message";
    EXPECT_EQ(last.error().code, each.code) << each.what << ": " << last.error().text();
  }
}

TEST(IxfrReader, RefusedEnvelopes) {
  struct Case {
    const char* what;
    std::size_t message;
    std::function<void(TestMessage&)> change;
    Errc code;
    const char* words;
  };
  const Case cases[] = {
      {"wrong id later", 2, [](auto& m) { m.id = 0; }, Errc::wrong_id, "got 0"},
      {"QR clear", 0, [](auto& m) { m.flags = Header::aa; }, Errc::not_a_response, "QR"},
      {"wrong opcode", 1, [](auto& m) { m.flags |= opcode_bits(Opcode::UPDATE); }, Errc::wrong_opcode, "UPDATE"},
      {"NOTIMP", 0, [](auto& m) { m.flags |= 4; }, Errc::rcode, "NOTIMP"},
      {"SERVFAIL in the middle", 1, [](auto& m) { m.flags |= 2; }, Errc::rcode, "SERVFAIL"},
      {"no question", 0, [](auto& m) { m.has_question = false; }, Errc::wrong_question, "no question"},
      {"another zone", 0, [](auto& m) { m.question = "example.com."; }, Errc::wrong_question, "example.com."},
      {"the answer to an AXFR", 0, [](auto& m) { m.type = RRType::AXFR; }, Errc::wrong_question, "AXFR"},
      {"TC later", 1, [](auto& m) { m.flags |= Header::tc; }, Errc::bad_header, "TC"},
  };
  for (const Case& each : cases) {
    auto messages = messages_of({{soa(2), soa(1)}, {a, soa(2), b}, {soa(2)}});
    each.change(messages[each.message]);
    expect_error(run(bytes_of(messages)), each.code, each.words, each.what);
  }
}

TEST(IxfrReader, DatagramsThatAreNotTheWholeAnswer) {
  for (const Lines& answers : {Lines{soa(2), soa(1), a, soa(2), b, soa(2)}, Lines{soa(2), ns, a, soa(2)}}) {
    for (std::size_t size = 1; size < answers.size(); ++size) {
      const Lines part(answers.begin(), answers.begin() + static_cast<std::ptrdiff_t>(size));
      const Outcome outcome = run({part}, {.via = Via::datagram});
      ASSERT_TRUE(outcome.last) << outcome.last.error().text();
      EXPECT_EQ(*outcome.last, Progress::done);
      EXPECT_EQ(outcome.answer, Answer::ask_over_tcp);
      EXPECT_THAT(outcome.deltas, IsEmpty());
    }
  }
  expect_error(run({Lines{}}, {.via = Via::datagram}), Errc::empty_message, "a datagram without answer", "empty");
}

TEST(IxfrReader, EmptyMessagesUpToAHundredInARow) {
  for (const std::size_t run_length : {100U, 101U}) {
    std::vector<Lines> parts = {{soa(2)}};
    parts.resize(1 + run_length);
    parts.push_back({soa(1), soa(2), soa(2)});
    const Outcome outcome = run(parts);
    if (run_length == 100) {
      EXPECT_TRUE(outcome.last) << outcome.last.error().text();
    } else {
      expect_error(outcome, Errc::empty_message, "101 messages in a row", "too many");
    }
  }
}

TEST(IxfrReader, EveryTruncationOfAMessageIsAnError) {
  const Bytes whole = messages_of({{soa(2), soa(1), a, soa(2), b, soa(2)}})[0].bytes();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const Outcome outcome = run({Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size))});
    EXPECT_FALSE(outcome.last) << size;
    EXPECT_THAT(outcome.deltas, IsEmpty()) << "a message is taken whole or not at all";
  }
}

TEST(IxfrReader, MalformedRecordsAreNamed) {
  auto bytes = messages_of({{soa(2), soa(1), soa(2), "www.example. 60 IN A 192.0.2.1", soa(2)}})[0].bytes();
  const std::string address("\xc0\x00\x02\x01", 4);
  const std::size_t at = std::string(text_of(bytes)).find(address);
  ASSERT_NE(at, std::string::npos);
  bytes.erase(bytes.begin() + static_cast<std::ptrdiff_t>(at));
  store_u16(&bytes[at - 2], 3);
  expect_error(run(std::vector<Bytes>{bytes}), Errc::bad_rdata, "www.example. A", "RDLENGTH 3");
}

TEST(IxfrReader, Limits) {
  const std::vector<Lines> parts = {{soa(2), soa(1), a}, {soa(2), b, soa(2)}};
  EXPECT_TRUE(run(parts, {.limits = {.max_records = 6}}).last);
  expect_error(run(parts, {.limits = {.max_records = 5}}), Errc::record_limit, "5 records are allowed", "records");
  std::uint64_t octets = 0;
  for (const Bytes& message : bytes_of(messages_of(parts))) octets += message.size();
  expect_error(run(parts, {.limits = {.max_octets = octets - 1}}), Errc::byte_limit, "octets are allowed", "octets");
}

// Compressed messages hold names of 255 octets in few: what is made of them is bounded, too.
TEST(IxfrReader, MemoryIsLimited) {
  const std::string label(60, 'x');
  const std::string longest = label + "." + label + "." + label + ".example.";
  Lines lines = {soa(2), soa(1), soa(2)};
  for (int i = 0; i < 400; ++i) {
    lines.push_back(std::to_string(i) + ".example. 60 IN CNAME " + longest);
    lines.push_back(std::to_string(i) + "." + longest + " 60 IN A 192.0.2.1");
  }
  lines.push_back(soa(2));
  const std::size_t octets = messages_of({lines})[0].bytes().size();
  expect_error(run({lines}, {.limits = {.max_octets = octets + 100}}), Errc::byte_limit, "octets of memory", "names");
  EXPECT_TRUE(run({lines}, {.limits = {.max_octets = 40 * octets}}).last);
}

TEST(IxfrReader, SerialOlderThanProbed) {
  const Lines answers = {soa(3), soa(1), soa(3), soa(3)};
  EXPECT_TRUE(run({answers}, {.probed = 3}).last);
  EXPECT_TRUE(run({answers}, {.probed = 2}).last);
  expect_error(run({answers}, {.probed = 4}), Errc::serial_backwards, "the transfer has 3, announced was 4", "older");
  expect_error(run({{soa(1)}}, {.probed = 2}), Errc::serial_backwards, "announced was 2", "told to be current");
  expect_error(run({{soa(3), ns, soa(3)}}, {.probed = 4}), Errc::serial_backwards, "announced was 4", "whole");
}

TEST(IxfrReader, ClosedEarlySaysWhatCame) {
  EXPECT_EQ(run(std::vector<Bytes>{}).closed.code, Errc::connection_closed);
  EXPECT_THAT(run({Lines{}}).closed.text(), HasSubstr("empty messages only"));
  EXPECT_THAT(run({{soa(3), soa(1)}, {a}}).closed.text(), HasSubstr("3 records in 2 messages"));
  EXPECT_EQ(run({{soa(3), ns}}).closed.code, Errc::bad_transfer_end);
  for (const Lines& answers : {Lines{soa(2)}, Lines{soa(2), soa(1), soa(2), a}}) {
    EXPECT_NE(run({answers}).closed.code, Errc::internal);
  }
}

}  // namespace
}  // namespace understudy
