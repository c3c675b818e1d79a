// Differences as a client gets them: composed into a datagram, or message by message over TCP.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "answer/answer_fixture.h"
#include "xfr/ixfr_reader.h"

namespace understudy {
namespace {

using namespace answer_fixture;
using Answer = IxfrReader::Answer;

class NoZone final : public ZoneUpdateSink {
 public:
  Result<Taken> add(NameView, RRType, std::uint32_t, ByteView) override {
    ++records;
    return Taken::added;
  }
  unsigned records = 0;
};

constexpr std::uint16_t query_id = 0x4d2;

class TransferAnswerTest : public testing::Test {
 protected:
  /// A zone of serial 2 with `hosts` names, and the difference that added the last `added` of them.
  void serve(int hosts, int added) {
    ZoneDeltaBuilder delta(name("example."));
    const Record before = zone_fixture::record("@ 3600 SOA ns.example. admin.example. 1 7200 3600 1209600 300");
    const Record after = zone_fixture::record("@ 3600 SOA ns.example. admin.example. 2 7200 3600 1209600 300");
    delta.remove(before.owner, before.type, before.ttl, before.rdata);
    delta.add(after.owner, after.type, after.ttl, after.rdata);
    std::vector<Record> zone = {after, zone_fixture::record("@ 3600 NS ns.example.")};
    for (int i = 0; i < hosts; ++i) {
      zone.push_back(zone_fixture::record("Host-" + std::to_string(i) + " 60 A 192.0.2.1"));
      const Record& host = zone.back();
      if (i >= hosts - added) delta.add(host.owner, host.type, host.ttl, host.rdata);
    }
    delta_ = delta.finish().value();
    ZoneSlot& slot = server_.environment.add_slot(
        "example.", {.transfer = {AccessRule::parse("192.0.2.0/24").value()}, .notify = {}});
    slot.publish(zone_fixture::build(zone), std::make_shared<const ZoneHistory>(std::vector{delta_}));
  }
  Query ask(std::uint32_t serial, std::uint16_t udp_size = 0) {
    const auto soa = zone_fixture::record("@ 0 SOA . . " + std::to_string(serial) + " 1 1 1 1");
    return {.qname = "EXAMPLE.", .type = RRType::IXFR, .edns = udp_size != 0, .udp_size = udp_size, .authority = {soa}};
  }
  IxfrReader reader(Via via, std::optional<TsigStream> tsig = std::nullopt) {
    return {{.zone = name("example."), .id = query_id, .type = RRType::IXFR, .via = via, .tsig = std::move(tsig)},
            Serial{1},
            {},
            sink_};
  }
  void expect_delta(IxfrReader& in) {
    EXPECT_EQ(in.answer(), Answer::differences);
    const auto deltas = in.take_deltas();
    ASSERT_EQ(deltas.size(), 1U);
    EXPECT_TRUE(std::ranges::equal(deltas[0]->wire(), delta_->wire())) << "the case of names, too";
  }
  [[nodiscard]] std::uint64_t now() { return static_cast<std::uint64_t>(server_.environment.clock().wall_seconds()); }

  TestServer server_;
  NoZone sink_;
  std::shared_ptr<const ZoneDelta> delta_;
};

// RFC 1995 section 2: in one datagram if it fits, else the SOA alone, which says "ask by TCP".
TEST_F(TransferAnswerTest, ByUdpWhereItFits) {
  serve(200, 20);
  bool some_do_not = false;
  unsigned fit = 0;
  const auto key = server_.environment.settings()->keys->find(name("key.example."));
  for (const bool is_signed : {false, true}) {
    for (std::uint16_t size = 512; size < 900; ++size) {
      Query query = ask(1, size);
      append_edns_option(query.options, edns_expire, {});
      Bytes request = query.bytes();
      std::optional<TsigStream> tsig;
      if (is_signed) tsig.emplace(key, sign_request(request, *key, now()).value());
      const Bytes response = server_.udp(request);
      EXPECT_LE(response.size(), size);
      IxfrReader in = reader(Via::datagram, std::move(tsig));
      const auto progress = in.feed(response, now());
      ASSERT_TRUE(progress) << progress.error().text();
      EXPECT_EQ(in.expire(), 1209600U) << "there is room for the option";
      if (in.answer() == Answer::ask_over_tcp) {
        some_do_not = true;
        EXPECT_EQ(in.counts().records, 1U);
        EXPECT_EQ(load_u16(&response[2]) & Header::tc, 0);
      } else {
        ++fit;
        expect_delta(in);
      }
    }
    EXPECT_TRUE(fit != 0 && some_do_not);
    EXPECT_EQ(server_.counters.transfers, fit);
  }
}

TEST_F(TransferAnswerTest, ByTcp) {
  serve(5000, 2000);
  (void)server_.tcp(ask(1).bytes());
  ASSERT_NE(server_.rest, nullptr);
  IxfrReader in = reader(Via::stream);
  Bytes message;
  unsigned messages = 0;
  while (server_.rest->next(message) == ResponseSource::Step::message) {
    const auto progress = in.feed(message, now());
    ASSERT_TRUE(progress) << progress.error().text();
    ++messages;
  }
  EXPECT_GT(messages, 1U);
  expect_delta(in);
  EXPECT_EQ(server_.counters.transfers, 1U);
}

TEST_F(TransferAnswerTest, TheWholeZoneWhereTheSerialIsNotKnown) {
  serve(100, 10);
  (void)server_.tcp(ask(0).bytes());
  ASSERT_NE(server_.rest, nullptr);
  IxfrReader in = reader(Via::stream);
  Bytes message;
  ASSERT_EQ(server_.rest->next(message), ResponseSource::Step::message);
  ASSERT_TRUE(in.feed(message, now()));
  EXPECT_EQ(in.answer(), Answer::whole);
  EXPECT_EQ(sink_.records, 102U);
}

// A transfer that runs while the zone changes is of one version and its differences.
TEST_F(TransferAnswerTest, DifferencesOutliveTheirVersion) {
  serve(5000, 2000);
  (void)server_.tcp(ask(1).bytes());
  ASSERT_NE(server_.rest, nullptr);
  ZoneSlot* slot = server_.environment.table()->find_exact(HashedName(name("example.")));
  slot->publish(zone_fixture::build(zone_fixture::apex_text()));
  qsbr_drain();
  IxfrReader in = reader(Via::stream);
  Bytes message;
  while (server_.rest->next(message) == ResponseSource::Step::message) ASSERT_TRUE(in.feed(message, now()));
  expect_delta(in);
}

// The option goes where there is room for it; it never makes an answer truncated that would not be.
TEST(ExpireTest, TheOptionMakesNoAnswerTruncated) {
  const std::string label(60, 'm');
  bool some_with = false, some_without = false;
  for (std::size_t size = 1; size < 60; ++size) {
    TestServer server;
    const std::string soa = "@ SOA " + label + "." + label + "." + label + "." + std::string(20, 'n') + ". " + label +
                            "." + label + "." + label + "." + std::string(size, 'r') +
                            ".x. 1 7200 3600 1209600 300\n@ NS ns\n";
    server.environment.add_zone("example.", "$TTL 60\n" + soa);
    Query query{.qname = "example.", .type = RRType::SOA, .edns = true, .udp_size = 512};
    const Bytes plain = server.udp(query.bytes());
    append_edns_option(query.options, edns_expire, {});
    const Bytes asked = server.udp(query.bytes());
    EXPECT_LE(asked.size(), 512U);
    EXPECT_EQ(load_u16(&asked[2]), load_u16(&plain[2])) << size;
    if ((load_u16(&plain[2]) & Header::tc) != 0) continue;
    const auto view = MessageView::parse(asked);
    ASSERT_TRUE(view);
    (expire_option(*view) ? some_with : some_without) = true;
  }
  EXPECT_TRUE(some_with && some_without);
}

// What is left is measured by the clock that nobody sets.
TEST(ExpireTest, AStepOfTheWallClockChangesNothing) {
  TestServer server;
  ZoneSlot& slot = server.environment.add_zone("example.", zone_fixture::apex_text());
  ManualClock& clock = server.environment.manual_clock();
  slot.set_expires(static_cast<double>(clock.mono_ns()) / 1e9 + 5000);
  Query query{.qname = "example.", .type = RRType::SOA, .edns = true};
  append_edns_option(query.options, edns_expire, {});
  const auto left = [&] {
    const Bytes answer = server.udp(query.bytes());
    const auto view = MessageView::parse(answer);
    return view ? expire_option(*view) : std::nullopt;
  };
  EXPECT_EQ(left(), 5000U);
  clock.advance_ms(1500);
  EXPECT_EQ(left(), 4998U);
  for (const std::int64_t step : {-365 * 86'400, 2 * 365 * 86'400, -3600}) {
    clock.jump_wall_seconds(step);
    EXPECT_EQ(left(), 4998U) << step;
  }
}

// Versions come and go whose lives differ, while one thread asks.
TEST(ExpireTest, NoVersionIsToldTheLifeOfAnother) {
  TestServer server;
  ZoneSlot& slot = server.environment.add_slot("example.");
  const double now = static_cast<double>(server.environment.manual_clock().mono_ns()) / 1e9;
  const auto life_of = [](std::uint32_t serial) { return serial % 2 == 0 ? 1000U : 9000U; };
  const auto publish = [&](std::uint32_t serial) {
    const double expires = now + life_of(serial);
    slot.set_expires(std::min(slot.expires(), expires));
    slot.publish(zone_fixture::build(zone_fixture::records(
        "@ SOA ns h " + std::to_string(serial) + " 7200 3600 1209600 300\n@ NS ns\n", "example.")));
    slot.set_expires(expires);
  };
  publish(1);
  std::atomic<bool> ends{false};
  std::thread writer([&] {
    for (std::uint32_t serial = 2; !ends; ++serial) publish(serial);
  });
  Query query{.qname = "example.", .type = RRType::SOA, .edns = true};
  append_edns_option(query.options, edns_expire, {});
  int most = 0;
  {
    const QsbrReader reader;
    for (int i = 0; i < 20'000; ++i) {
      const Bytes answer = server.udp(query.bytes());
      const auto view = MessageView::parse(answer);
      std::uint32_t serial = 0;
      view->for_each_record([&](const RecordView& record) {
        if (record.section == Section::answer) serial = soa_view(*record.rdata()).serial;
        return true;
      });
      const std::uint32_t left = expire_option(*view).value_or(0);
      EXPECT_LE(left, life_of(serial)) << serial;
      if (left == 9000) ++most;
      QsbrReader::quiescent();
    }
  }
  ends = true;
  writer.join();
  EXPECT_GT(most, 0);
  qsbr_drain();
}

}  // namespace
}  // namespace understudy
