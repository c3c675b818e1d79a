#include "xfr/ixfr_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "xfr/ixfr_reader.h"
#include "xfr/transfer_fixture.h"
#include "zone/apply.h"
#include "zone/builder.h"

namespace understudy {
namespace {

using namespace transfer_fixture;
using Step = ResponseSource::Step;
using DeltaPtr = std::shared_ptr<const ZoneDelta>;

constexpr std::uint64_t now = 1'700'000'000;

std::string soa(std::uint32_t serial) {
  return "example. 3600 IN SOA ns1.example. host.example. " + std::to_string(serial) + " 3600 600 86400 300";
}

DeltaPtr delta_of(const std::vector<Record>& removed, const std::vector<Record>& added) {
  ZoneDeltaBuilder builder(name("example."));
  for (const Record& r : removed) builder.remove(r.owner, r.type, r.ttl, r.rdata);
  for (const Record& r : added) builder.add(r.owner, r.type, r.ttl, r.rdata);
  return builder.finish().value();
}

std::vector<Record> records_of(const std::vector<std::string>& lines) {
  std::vector<Record> out;
  for (const std::string& line : lines) out.push_back(record(line));
  return out;
}

DeltaPtr delta_of(const std::vector<std::string>& removed, const std::vector<std::string>& added) {
  return delta_of(records_of(removed), records_of(added));
}

TransferReply reply() {
  return {.request = Header{.id = test_id, .flags = Header::rd | Header::cd},
          .question = Question{name("EXAMPLE."), RRType::IXFR, RRClass::IN},
          .edns = {},
          .tsig = {}};
}

std::vector<Bytes> write(const Differences& differences, TransferReply with = reply()) {
  const ManualClock clock;
  IxfrWriter writer(differences, std::move(with), clock);
  std::vector<Bytes> messages;
  Bytes out;
  while (true) {
    const Step step = writer.next(out);
    EXPECT_NE(step, Step::failed);
    if (step != Step::message) break;
    messages.push_back(out);
  }
  EXPECT_EQ(writer.next(out), Step::done) << "done stays done";
  return messages;
}

/// Reads the messages as the client of `ours`.
Differences read(const std::vector<Bytes>& messages, Serial ours, std::optional<TsigStream> tsig = std::nullopt) {
  RecordingSink sink;
  IxfrReader reader({.zone = name("example."), .id = test_id, .type = RRType::IXFR, .tsig = std::move(tsig)}, ours, {},
                    sink);
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const auto progress = reader.feed(messages[i], now);
    EXPECT_TRUE(progress) << progress.error().text();
    if (!progress) return {};
    EXPECT_EQ(*progress == IxfrReader::Progress::done, i + 1 == messages.size());
  }
  EXPECT_EQ(reader.answer(), IxfrReader::Answer::differences);
  return reader.take_deltas();
}

void expect_same(const Differences& got, const Differences& expected) {
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    const ByteView a = got[i]->wire(), b = expected[i]->wire();
    EXPECT_TRUE(std::ranges::equal(a, b)) << "difference " << i;
  }
}

const Differences three = {
    delta_of({soa(1), "nezu.example. 60 IN A 192.0.2.5"}, {soa(2), "JAIN.example. 60 IN A 192.0.2.4"}),
    delta_of({soa(2)}, {soa(3)}),
    delta_of({soa(3), "JAIN.example. 60 IN A 192.0.2.4"}, {soa(5), "jain.example. 60 IN MX 10 Mail.Example."})};

TEST(IxfrWriter, TheOrderOfRfc1995) {
  const auto messages = write(three);
  ASSERT_EQ(messages.size(), 1U);
  const MessageView view = MessageView::parse(messages[0]).value();
  EXPECT_EQ(view.header().id, test_id);
  EXPECT_EQ(view.header().flags, Header::qr | Header::aa | Header::rd);
  EXPECT_TRUE(view.question()->name.view().identical(name("EXAMPLE.")));
  std::vector<std::string> lines;
  view.for_each_record([&](const RecordView& r) {
    EXPECT_EQ(r.section, Section::answer);
    lines.push_back(Record{r.owner(), r.type, r.klass, r.ttl, r.rdata().value()}.text());
    return true;
  });
  EXPECT_EQ(lines, (std::vector<std::string>{soa(5), soa(1), "nezu.example. 60 IN A 192.0.2.5", soa(2),
                                             "JAIN.example. 60 IN A 192.0.2.4", soa(2), soa(3), soa(3),
                                             "JAIN.example. 60 IN A 192.0.2.4", soa(5),
                                             "jain.example. 60 IN MX 10 Mail.Example.", soa(5)}))
      << "names keep their case";
  expect_same(read(messages, Serial{1}), three);
}

TEST(IxfrWriter, EdnsInTheFirstMessage) {
  TransferReply with = reply();
  with.edns = {.udp_size = 1400, .options = {0, 9, 0, 4, 0, 0, 1, 0}};
  std::vector<Record> many = records_of({soa(2)});
  for (int i = 0; i < 2000; ++i) many.push_back(record("h" + std::to_string(i) + ".example. 60 IN A 192.0.2.1"));
  const auto messages = write({delta_of(records_of({soa(1)}), many)}, std::move(with));
  ASSERT_GT(messages.size(), 1U);
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const MessageView view = MessageView::parse(messages[i]).value();
    EXPECT_EQ(view.question().has_value(), i == 0);
    EXPECT_EQ(view.edns().has_value(), i == 0);
    EXPECT_LE(messages[i].size(), 16384U);
    if (i + 1 < messages.size()) EXPECT_GT(messages[i].size(), 16000U) << "messages are to be full";
  }
  const MessageView first = MessageView::parse(messages[0]).value();
  EXPECT_EQ(first.edns()->udp_size, 1400);
  EXPECT_EQ(expire_option(first), 256U);
}

TEST(IxfrWriter, LargeRecords) {
  for (const std::size_t size : {16000U, 16384U, 20000U, 65400U}) {
    const Record big{.owner = name("big.example."), .type = static_cast<RRType>(65280), .ttl = 1, .rdata = Bytes(size)};
    const auto messages = write({delta_of({record(soa(1)), big}, {record(soa(2)), big})});
    EXPECT_GE(messages.size(), 2U);
    expect_same(read(messages, Serial{1}), {delta_of({record(soa(1)), big}, {record(soa(2)), big})});
  }
  const Record impossible{
      .owner = name("big.example."), .type = static_cast<RRType>(65280), .ttl = 1, .rdata = Bytes(65535)};
  const ManualClock clock;
  IxfrWriter writer({delta_of({record(soa(1)), impossible}, {record(soa(2))})}, reply(), clock);
  Bytes out;
  EXPECT_EQ(writer.next(out), Step::message) << "what comes before it";
  EXPECT_EQ(writer.next(out), Step::failed);
  EXPECT_EQ(writer.next(out), Step::failed) << "and stays ended";
}

/// A random history: differences of random records, over the wrap of the serial now and then.
class RandomHistory {
 public:
  explicit RandomHistory(std::uint64_t seed) : random_(seed) {}

  std::size_t below(std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random_); }

  Differences differences() {
    Differences out;
    auto serial = static_cast<std::uint32_t>(below(2) == 0 ? 0xffff'fff0 + below(16) : below(1000));
    for (std::size_t i = 1 + below(below(4) == 0 ? 60 : 4); i > 0; --i) {
      const auto next = static_cast<std::uint32_t>(serial + 1 + below(below(5) == 0 ? 1'000'000 : 3));
      out.push_back(delta_of(side(serial), side(next)));
      serial = next;
    }
    return out;
  }
  /// The same messages, cut at records into others: each with one record at least, some empty ones between.
  std::vector<Bytes> regrouped(const std::vector<Bytes>& messages) {
    std::vector<Bytes> out;
    const std::size_t usual = 1 + below(40);
    std::optional<MessageWriter> writer;
    Bytes buffer;
    const auto flush = [&] {
      if (writer) {
        buffer.resize(writer->size());
        out.push_back(std::exchange(buffer, {}));
        writer.reset();
      }
    };
    const auto begin = [&] {
      buffer.assign(max_message_size, 0);
      writer.emplace(buffer, buffer.size(), MessageWriter::Compression::keeps_case);
      writer->set_header(test_id, Header::qr);
      if (out.empty() || below(5) == 0) writer->add_question(name("example."), RRType::IXFR, RRClass::IN);
    };
    for (const Bytes& message : messages) {
      MessageView::parse(message).value().for_each_record([&](const RecordView& r) {
        if (!writer) begin();
        const Bytes rdata = r.rdata().value();
        if (!writer->add_record(Section::answer, r.owner(), r.type, r.klass, r.ttl, rdata)) {
          flush();
          begin();
          EXPECT_TRUE(writer->add_record(Section::answer, r.owner(), r.type, r.klass, r.ttl, rdata));
        }
        if (below(usual) == 0) {
          flush();
          if (below(10) == 0) begin(), flush();
        }
        return true;
      });
    }
    flush();
    // An empty message behind the end would be one too many.
    while (load_u16(&out.back()[6]) == 0) out.pop_back();
    return out;
  }

 private:
  std::vector<Record> side(std::uint32_t serial) {
    std::vector<Record> out = {record(soa(serial))};
    const std::size_t most = below(50) == 0 ? 2000 : 12;
    for (std::size_t i = below(most); i > 0; --i) out.push_back(any_record());
    return out;
  }
  Record any_record() {
    static const char* const owners[] = {"example.",     "a.example.",      "A.example.",
                                         "b.a.example.", "*.wild.example.", "long-label.example."};
    const std::string owner = owners[below(std::size(owners))];
    switch (below(6)) {
      case 0:
        return record(owner + " 60 IN MX 10 Mail" + std::to_string(below(9)) + ".EXAMPLE.");
      case 1:
        return record(owner + " 60 IN NS ns.elsewhere.");
      case 2:
        return record(owner + " 60 IN RRSIG A 13 2 60 20300101000000 20200101000000 1 example. AAAA");
      case 3:
        return {.owner = name(owner),
                .type = static_cast<RRType>(65280),
                .ttl = static_cast<std::uint32_t>(below(100)),
                .rdata = Bytes(below(60) == 0 ? below(60'000) : below(300), 7)};
      case 4:
        return record(owner + " 60 IN TXT \"" + std::string(below(200), 't') + "\"");
      default:
        return record(owner + " 60 IN A 192.0.2." + std::to_string(below(256)));
    }
  }

  std::mt19937_64 random_;
};

TEST(IxfrWriter, RandomHistoriesReadBack) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    SCOPED_TRACE(seed);
    RandomHistory random(seed);
    const Differences differences = random.differences();
    const Serial ours = differences.front()->from();
    const auto messages = write(differences);
    expect_same(read(messages, ours), differences);
    expect_same(read(random.regrouped(messages), ours), differences);
    if (testing::Test::HasFailure()) return;
  }
}

TEST(IxfrWriter, EveryMessageIsSigned) {
  TsigKeyring keys;
  keys.add({name("key."), TsigAlgorithm::hmac_sha512, Bytes(64, 3)});
  const auto key = keys.find(name("key."));
  const ManualClock clock;
  const auto at = static_cast<std::uint64_t>(clock.wall_seconds());
  Bytes request = ixfr_query(name("example."), test_id, Serial{1});
  const Bytes mac = sign_request(request, *key, at).value();
  const auto session = verify_request(MessageView::parse(request).value(), keys, at).value().value();
  for (const int count : {0, 1, 700, 701, 702, 703, 704, 705, 3000}) {
    std::vector<Record> many = records_of({soa(2)});
    for (int i = 0; i < count; ++i) many.push_back(record("h" + std::to_string(i) + ".example. 60 IN A 192.0.2.1"));
    TransferReply with = reply();
    with.tsig = session;
    with.edns = {.udp_size = 1232, .options = {}};
    const Differences differences = {delta_of(records_of({soa(1)}), many)};
    const auto messages = write(differences, std::move(with));
    RecordingSink sink;
    IxfrReader reader({.zone = name("example."), .id = test_id, .type = RRType::IXFR, .tsig = TsigStream(key, mac)},
                      Serial{1}, {}, sink);
    Result<IxfrReader::Progress> last = IxfrReader::Progress::more;
    for (const Bytes& message : messages) {
      EXPECT_TRUE(MessageView::parse(message).value().tsig_offset());
      EXPECT_LE(message.size(), 16384U);
      last = reader.feed(message, at);
      ASSERT_TRUE(last) << last.error().text();
    }
    EXPECT_EQ(*last, IxfrReader::Progress::done);
    expect_same(reader.take_deltas(), differences);
  }
}

// --- Which differences

std::shared_ptr<const Zone> zone_of(std::uint32_t serial, int hosts) {
  ZoneBuilder builder(name("example."));
  std::vector<Record> records = records_of({soa(serial), "example. 60 IN NS ns1.example."});
  for (int i = 0; i < hosts; ++i) records.push_back(record("h" + std::to_string(i) + ".example. 60 IN A 192.0.2.1"));
  for (const Record& r : records) EXPECT_TRUE(builder.add(r.owner, r.type, r.ttl, r.rdata));
  return builder.finish().value();
}

std::vector<std::uint32_t> steps(const Differences& differences) {
  std::vector<std::uint32_t> out;
  for (const DeltaPtr& delta : differences) out.push_back(delta->from().value);
  if (!differences.empty()) out.push_back(differences.back()->to().value);
  return out;
}

using Steps = std::vector<std::uint32_t>;

TEST(ChooseDifferences, FromAKnownSerialToTheVersionAtHand) {
  const ZoneHistory history(three);
  const auto zone = zone_of(5, 100);
  EXPECT_EQ(steps(choose_differences(*zone, &history, Serial{1}, 0)), (Steps{1, 2, 3, 5}));
  EXPECT_EQ(steps(choose_differences(*zone, &history, Serial{3}, 0)), (Steps{3, 5}));
  EXPECT_EQ(steps(choose_differences(*zone, &history, Serial{4}, 0)), (Steps{})) << "a serial that never was";
  EXPECT_EQ(steps(choose_differences(*zone, &history, Serial{0}, 0)), (Steps{})) << "too old";
  EXPECT_EQ(steps(choose_differences(*zone, nullptr, Serial{1}, 0)), (Steps{}));
  // The history may be that of the next version already, or still that of the one before.
  EXPECT_EQ(steps(choose_differences(*zone_of(3, 100), &history, Serial{1}, 0)), (Steps{1, 2, 3}));
  EXPECT_EQ(steps(choose_differences(*zone_of(6, 100), &history, Serial{1}, 0)), (Steps{}));
}

TEST(ChooseDifferences, NoneThatTakeMoreThanTheZone) {
  std::vector<Record> many = records_of({soa(2)});
  for (int i = 0; i < 200; ++i) many.push_back(record("h" + std::to_string(i) + ".example. 60 IN A 192.0.2.1"));
  const ZoneHistory history({delta_of(records_of({soa(1)}), many)});
  EXPECT_TRUE(choose_differences(*zone_of(2, 20), &history, Serial{1}, 0).empty());
  EXPECT_EQ(choose_differences(*zone_of(2, 400), &history, Serial{1}, 0).size(), 1U);
}

TEST(ChooseDifferences, NoneThatTakeMoreThanAZoneThatHasShrunk) {
  std::shared_ptr<const Zone> zone = zone_of(1, 4001);
  std::vector<DeltaPtr> deltas;
  int left = 4001;
  for (const int fewer : {1, 1000, 1000, 900, 600, 300}) {  // never most of it at once, so it stays in its memory
    const std::uint32_t serial = zone->serial().value;
    std::vector<Record> before = records_of({soa(serial)});
    for (int i = left - fewer; i < left; ++i) {
      before.push_back(record("h" + std::to_string(i) + ".example. 60 IN A 192.0.2.1"));
    }
    deltas.push_back(delta_of(before, records_of({soa(serial + 1)})));
    left -= fewer;
    zone = apply_deltas(zone, {&deltas.back(), 1}).value();
  }
  ASSERT_NE(zone->shared(), nullptr);
  const ZoneHistory history(deltas);
  EXPECT_TRUE(choose_differences(*zone, &history, Serial{2}, 0).empty()) << "3,800 records for a zone of 200";
  EXPECT_EQ(choose_differences(*zone, &history, Serial{zone->serial().value - 1}, 0).size(), 1U);
}

TEST(ChooseDifferences, SeveralAreMadeOneWhereThatIsShorter) {
  const ZoneHistory history(three);
  const auto zone = zone_of(5, 100);
  std::uint64_t octets = 0;
  for (const DeltaPtr& delta : three) octets += delta->size();
  const Differences one = choose_differences(*zone, &history, Serial{1}, octets);
  EXPECT_EQ(steps(one), (Steps{1, 5}));
  EXPECT_EQ(one.at(0)->removed_count(), 2U);
  EXPECT_EQ(one.at(0)->added_count(), 2U) << "what came and went is gone";
  EXPECT_EQ(choose_differences(*zone, &history, Serial{1}, octets - 1).size(), 3U) << "not worth the time";
}

}  // namespace
}  // namespace understudy
