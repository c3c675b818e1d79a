// What is served after IXFR is what is served after AXFR, the whole way: differences and zones written by our writers,
// message by message, read by our readers, applied or built, and asked. Histories are random
// (tests/zone/random_history.h).
#include <gtest/gtest.h>

#include <array>
#include <cctype>
#include <chrono>
#include <cstdio>
#include <set>

#include "answer/answer_fixture.h"
#include "xfr/axfr_reader.h"
#include "xfr/axfr_writer.h"
#include "xfr/ixfr_reader.h"
#include "xfr/ixfr_writer.h"
#include "zone/random_history.h"

namespace understudy {
namespace {

using namespace answer_fixture;
using zone_fixture::RandomHistory;
using Version = std::shared_ptr<const Zone>;

constexpr std::uint16_t query_id = 0x4d2;

class BuildingSink final : public ZoneUpdateSink {
 public:
  explicit BuildingSink(const Name& apex) : builder(apex, {.slack = std::size_t{1} << 16}) {}
  Result<Taken> add(NameView owner, RRType type, std::uint32_t ttl, ByteView rdata) override {
    used = true;
    US_ASSIGN(const AddOutcome outcome, builder.add(owner, type, ttl, rdata));
    EXPECT_EQ(outcome, AddOutcome::added) << owner.text();
    return Taken::added;
  }
  ZoneBuilder builder;
  bool used = false;
};

class TransferContent : public testing::Test {
 protected:
  TransferReply reply(RRType type) {
    return {.request = {.id = query_id, .flags = 0, .qdcount = 1, .ancount = 0, .nscount = 0, .arcount = 0},
            .question = {.name = apex_, .type = type, .klass = RRClass::IN}};
  }
  TransferRequest request(RRType type) { return {.zone = apex_, .id = query_id, .type = type, .via = Via::stream}; }

  /// Every message of the writer to the reader. Done with the last one, and not before.
  static void carry(TransferWriter& writer, TransferReader& reader, std::uint64_t& messages) {
    Bytes message;
    auto progress = Result<TransferReader::Progress>(TransferReader::Progress::more);
    while (true) {
      message.clear();
      const auto step = writer.next(message);
      ASSERT_NE(step, ResponseSource::Step::failed);
      if (step == ResponseSource::Step::done) break;
      ASSERT_EQ(*progress, TransferReader::Progress::more);
      progress = reader.feed(message, 1'700'000'000);
      ASSERT_TRUE(progress) << progress.error().text();
      ++messages;
    }
    ASSERT_EQ(*progress, TransferReader::Progress::done);
  }
  Version by_axfr(const Version& from) {
    AxfrWriter writer(from, reply(RRType::AXFR), clock_);
    BuildingSink sink(apex_);
    AxfrReader reader(request(RRType::AXFR), {}, sink);
    carry(writer, reader, messages_);
    auto built = sink.builder.finish();
    EXPECT_TRUE(built) << built.error().text();
    return built ? *built : nullptr;
  }
  /// What a secondary that has `held` makes of an answer by these differences; by the whole zone if there are none.
  Version by_ixfr(const Version& held, const Version& newest, Differences differences) {
    std::unique_ptr<TransferWriter> writer;
    if (differences.empty()) {
      writer = std::make_unique<AxfrWriter>(newest, reply(RRType::IXFR), clock_);
    } else {
      writer = std::make_unique<IxfrWriter>(std::move(differences), reply(RRType::IXFR), clock_);
    }
    BuildingSink sink(apex_);
    IxfrReader reader(request(RRType::IXFR), held->serial(), {}, sink);
    carry(*writer, reader, messages_);
    ++(sink.used ? wholes_ : incremental_);
    auto made = sink.used ? sink.builder.finish() : apply_deltas(held, reader.take_deltas());
    if (!made && made.error().code == Errc::bad_delta) {
      ++refused_;
      return by_axfr(newest);
    }
    EXPECT_TRUE(made) << made.error().text();
    return made ? *made : nullptr;
  }

  /// Every record in canonical form with its TTL, in order: what ZONEMD would digest, and the TTLs.
  static std::vector<Bytes> canonical(const Version& version) {
    std::vector<Bytes> out;
    for (ZoneCursor cursor(version); cursor.next();) {
      const Name owner = Name(cursor.owner()).lowered();
      const auto add = [&](RRType type, std::uint32_t ttl, ByteView rdata) {
        Bytes& one = out.emplace_back(owner.wire().begin(), owner.wire().end());
        append_u16(one, number(type));
        append_u32(one, ttl);
        append_canonical_rdata(type, rdata, one);
      };
      const RRsetView rrset = cursor.rrset();
      rrset.for_each_rdata([&](ByteView rdata) { add(rrset.type(), rrset.ttl(), rdata); });
      rrset.for_each_signature([&](std::uint32_t ttl, ByteView rdata) { add(RRType::RRSIG, ttl, rdata); });
    }
    std::ranges::sort(out);
    return out;
  }

  static Bytes lowered(Bytes message) {
    for (auto& octet : message) {
      if (octet >= 'A' && octet <= 'Z') octet = static_cast<std::uint8_t>(octet + 32);
    }
    return message;
  }
  /// Of several CNAMEs or DNAMEs at a name, which RFC 1034 and RFC 6672 forbid, the first is followed, whichever it is.
  static bool has_several_aliases(const std::string& answer) {
    return std::ranges::any_of(std::array{" IN CNAME ", " IN DNAME "}, [&](const char* alias) {
      const std::size_t first = answer.find(alias);
      return first != std::string::npos && answer.find(alias, first + 1) != std::string::npos;
    });
  }
  /// Answers about names of the zone and one that is not there: octet for octet but for the case of names, or at least
  /// with the same records in another order.
  void expect_same_answers(const std::vector<Version>& made, const Version& expected, RandomHistory& random) {
    std::set<Name> names{name("nowhere.example.")};
    for (const Record& r : random.records()) names.insert(r.owner);
    static constexpr std::array types = {RRType::A, RRType::NS, RRType::TXT, RRType::SOA, RRType::DS, RRType::MX};
    expected_slot_.publish(expected);
    std::vector<Query> queries;
    std::vector<Bytes> answers;
    for (const Name& owner : names) {
      queries.push_back(
          {.qname = owner.text(), .type = types[random.random().below(types.size())], .edns = true, .dnssec_ok = true});
      answers.push_back(expected_.udp(queries.back().bytes()));
    }
    for (const Version& version : made) {
      made_slot_.publish(version);
      for (std::size_t i = 0; i < queries.size(); ++i) {
        ++questions_;
        const Bytes answer = made_.udp(queries[i].bytes());
        if (lowered(answer) == lowered(answers[i])) continue;
        ++reordered_;
        const std::string text = joined(message_lines(answer)), wanted = joined(message_lines(answers[i]));
        if (has_several_aliases(wanted)) continue;
        const auto lower = [](std::string line) {
          std::ranges::transform(line, line.begin(), [](unsigned char c) { return std::tolower(c); });
          return line;
        };
        ASSERT_EQ(lower(text), lower(wanted));
      }
    }
  }

  const Name apex_ = name("example.");
  ManualClock clock_;
  TestServer made_, expected_;
  ZoneSlot& made_slot_ = made_.environment.add_slot("example.");
  ZoneSlot& expected_slot_ = expected_.environment.add_slot("example.");
  std::uint64_t messages_ = 0, incremental_ = 0, wholes_ = 0, questions_ = 0, reordered_ = 0, refused_ = 0;
};

TEST_F(TransferContent, AfterIxfrIsTheSameAsAfterAxfr) {
  const auto began = std::chrono::steady_clock::now();
  std::uint64_t seed = 0;
  for (; seed < 2000 && std::chrono::steady_clock::now() - began < std::chrono::seconds(60); ++seed) {
    const auto data = seed % 2 == 0 ? RandomHistory::Data::odd : RandomHistory::Data::regular;
    RandomHistory random(seed, apex_, seed % 100 == 0 ? 200 : 8, data);
    Version newest = zone_fixture::build_shared(random.records(), apex_, std::size_t{1} << 16);
    auto history = ZoneHistory::none();
    // Secondaries that get every difference as it was, all of them as one, and what our server would choose.
    const Version first = by_axfr(newest);
    ASSERT_TRUE(first);
    Version many = first, condensed = by_axfr(newest), chosen = by_axfr(newest);
    const std::size_t rounds = 1 + random.random().below(4);
    for (std::size_t round = 0; round < rounds; ++round) {
      const Serial theirs = newest->serial();
      for (std::size_t steps = 1 + random.random().below(4); steps > 0; --steps) {
        const DeltaPtr delta = random.step(1 + random.random().below(6));
        const auto next = apply_deltas(newest, {&delta, 1});
        ASSERT_TRUE(next || data == RandomHistory::Data::odd) << next.error().text();
        const Version before = std::exchange(
            newest, next ? *next : zone_fixture::build_shared(random.records(), apex_, std::size_t{1} << 16));
        // What the engine keeps of a version that came whole.
        const DeltaPtr kept = next ? delta : difference(before, newest).value();
        history = history->with({&kept, 1}, {.versions = 100});
      }
      const auto since = history->since(theirs);
      ASSERT_FALSE(since.empty());
      const auto as_one = condense(apex_, since);
      ASSERT_TRUE(as_one) << as_one.error().text();
      many = by_ixfr(many, newest, {since.begin(), since.end()});
      condensed = by_ixfr(condensed, newest, {*as_one});
      chosen = by_ixfr(chosen, newest, choose_differences(*newest, history.get(), theirs, std::uint64_t{1} << 20));
      const Version whole = by_axfr(newest);
      ASSERT_TRUE(many && condensed && chosen && whole);
      const auto content = canonical(whole);
      ASSERT_EQ(canonical(newest), content) << "seed " << seed;
      for (const Version& made : {many, condensed, chosen}) {
        ASSERT_EQ(canonical(made), content) << "seed " << seed;
        ASSERT_EQ(made->serial(), newest->serial());
        if (round + 1 == rounds && seed % 10 == 0) zone_fixture::expect_same(made, whole);
      }
      if (round + 1 == rounds) expect_same_answers({many, condensed, chosen}, whole, random);
      if (HasFailure()) FAIL() << "seed " << seed;
    }
  }
  std::printf(
      "%llu histories, %llu messages, %llu answers by differences, %llu whole; %llu questions, "
      "%llu answers in another order, %.1f s\n",
      static_cast<unsigned long long>(seed), static_cast<unsigned long long>(messages_),
      static_cast<unsigned long long>(incremental_), static_cast<unsigned long long>(wholes_),
      static_cast<unsigned long long>(questions_), static_cast<unsigned long long>(reordered_),
      std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count());
  EXPECT_GT(incremental_, wholes_);
  EXPECT_GT(refused_, 0U) << "as RRsets had several TTLs";
  EXPECT_LT(refused_, incremental_ / 10);
  EXPECT_GT(wholes_, 0U);
  EXPECT_LT(reordered_, questions_ / 4);
}

}  // namespace
}  // namespace understudy
