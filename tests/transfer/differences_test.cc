// Changes taken as differences (IXFR), and the whole zone where that does not work.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <rocksdb/env.h>

#include <algorithm>
#include <fstream>

#include "store/transfer_log.h"
#include "transfer/fixture.h"
#include "zone/builder.h"
#include "zone/zone_digest.h"

namespace understudy {
namespace {

using ::testing::HasSubstr;

class Differences : public EngineTest {
 protected:
  /// Version 1 is held, and the primary has version 2.
  void hold_first(ScriptedPrimary& primary, Ixfr how) {
    primary.ixfr = how;
    primary.serve({.serial = 1, .hosts = 50});
    start();
    set_zones({zone("example.", {peer(primary)})});
    ASSERT_TRUE(waits_for(1) && rests());
    primary.serve({.serial = 2, .hosts = 50, .extra = "new A 192.0.2.9\n"});
  }
  /// What is held is, record by record, what the primary has.
  void expect_content(const ZoneSpec& spec) {
    std::vector<std::string> wanted, got;
    for (const Record& record : zone_records(spec)) wanted.push_back(record.text());
    const auto version = engine_->version(*Name::parse(spec.name));
    ASSERT_TRUE(version);
    ZoneCursor cursor(version);
    while (cursor.next()) {
      const RRsetView rrset = cursor.rrset();
      rrset.for_each_rdata([&](ByteView rdata) {
        got.push_back(
            Record{cursor.owner(), rrset.type(), RRClass::IN, rrset.ttl(), {rdata.begin(), rdata.end()}}.text());
      });
    }
    std::ranges::sort(wanted);
    std::ranges::sort(got);
    EXPECT_EQ(got, wanted);
  }
};

TEST_F(Differences, ANotifyWithANewerSerialGoesStraightToThem) {
  ScriptedPrimary primary;
  hold_first(primary, Ixfr::differences);
  const int probes = primary.udp_probes;
  notify(2);
  ASSERT_TRUE(waits_for(2) && rests());
  EXPECT_EQ(primary.udp_probes, probes) << "the answer says what the SOA would";
  EXPECT_EQ(primary.ixfrs, 1);
  EXPECT_EQ(primary.transfers, 1) << "the first one";
  EXPECT_EQ(engine_->counters().transfers_by_differences, 1U);
  expect_content({.serial = 2, .hosts = 50, .extra = "new A 192.0.2.9\n"});
}

TEST_F(Differences, ManyAtOnceAndAfterARestart) {
  ScriptedPrimary primary;
  hold_first(primary, Ixfr::differences);
  primary.serve({.serial = 3, .hosts = 10});
  primary.serve({.serial = 7, .hosts = 70, .extra = "h3 TXT \"more\"\n"});
  EXPECT_THAT(refresh().text, HasSubstr("serial 1 -> 7"));
  EXPECT_EQ(primary.transfers, 1);
  expect_content({.serial = 7, .hosts = 70, .extra = "h3 TXT \"more\"\n"});
  stop();
  start();
  set_zones({zone("example.", {peer(primary)})});
  EXPECT_EQ(served(), 7U);
  expect_content({.serial = 7, .hosts = 70, .extra = "h3 TXT \"more\"\n"});
  const auto history = engine_->history(*Name::parse("example."));
  ASSERT_TRUE(history);
  ASSERT_EQ(history->deltas().size(), 3U);
  EXPECT_EQ(history->deltas()[0]->from().value, 1U);
  primary.serve({.serial = 8, .hosts = 70});
  refresh();
  EXPECT_EQ(served(), 8U);
  EXPECT_EQ(primary.transfers, 1) << "the primary that it is from is known after a start too";
}

TEST_F(Differences, NotifiesThatFindNothingDelayNoneOfSomethingNewer) {
  ScriptedPrimary primary;
  hold_first(primary, Ixfr::differences);
  const int probes = primary.udp_probes;
  primary.lie_in_probe = 1;
  for (int i = 0; i < 8; ++i) {
    notify(1);
    std::this_thread::sleep_for(10ms);
  }
  EXPECT_LE(primary.udp_probes, probes + 5) << "they are bounded";
  const auto began = std::chrono::steady_clock::now();
  notify(2);
  ASSERT_TRUE(waits_for(2));
  EXPECT_LT(std::chrono::steady_clock::now() - began, 400ms) << "but the newer one does not wait for the next second";
}

/// Texts of 480 octets, of which the serial changes some.
std::string many_texts(std::uint32_t serial) {
  std::string out;
  for (std::uint32_t i = 0; i < 1200; ++i) {
    const std::string text(240, static_cast<char>('a' + (i % 60 == serial % 60 ? serial : i) % 26));
    out += fmt::format("t{} TXT \"{}\" \"{}\"\n", i, text, text);
  }
  return out;
}

TEST_F(Differences, ALongChainIsWrittenWholeBesideWhatComesNext) {
  settings_.stall_timeout = 10s;  // a busy machine must not look like a primary that hangs
  ScriptedPrimary primary;
  primary.ixfr = Ixfr::differences;
  primary.serve({.serial = 1, .extra = many_texts(1)});
  start();
  set_zones({zone("example.", {peer(primary)})});
  ASSERT_TRUE(waits_for(1) && rests());
  const Name name = *Name::parse("example.");
  for (std::uint32_t serial = 2; serial < 26; ++serial) {
    primary.serve({.serial = serial, .extra = many_texts(serial)});
    notify(serial);
    ASSERT_TRUE(waits_for(serial));
    // Without another commit.
    ASSERT_TRUE(eventually([&] { return !store_->wants_whole(name); })) << "serial " << serial;
  }
  EXPECT_EQ(engine_->counters().transfers_by_differences, 24U);
  stop();
  start();
  set_zones({zone("example.", {peer(primary)})});
  EXPECT_EQ(served(), 25U);
  expect_content({.serial = 25, .extra = many_texts(25)});
}

/// Holds up the writing of large versions as long as a test wants that.
class SlowDisk final : public rocksdb::EnvWrapper {
 public:
  SlowDisk() : EnvWrapper(rocksdb::Env::Default()) {}
  const char* Name() const override { return "SlowDisk"; }
  std::atomic<bool> holds{false};
  std::atomic<int> held{0};

  rocksdb::Status NewWritableFile(const std::string& name, std::unique_ptr<rocksdb::WritableFile>* file,
                                  const rocksdb::EnvOptions& options) override {
    if (holds && name.find("/incoming/") != std::string::npos) {
      ++held;
      while (holds) std::this_thread::sleep_for(5ms);
    }
    return target()->NewWritableFile(name, file, options);
  }
};

/// A fortieth of which changes with every serial, as much as one message holds.
std::string texts_that_change(std::uint32_t serial) {
  std::string out;
  for (std::uint32_t i = 0; i < 1200; ++i) {
    const std::string text(240, static_cast<char>('a' + (i % 40 == serial % 40 ? serial + i : i) % 26));
    out += fmt::format("t{} TXT \"{}\" \"{}\"\n", i, text, text);
  }
  return out;
}

// On a slow disk it takes long; what reads zones must not wait for it.
TEST_F(Differences, LargeVersionsThatAreWrittenBesideHoldUpNoOtherWork) {
  settings_.stall_timeout = 10s;  // likewise
  SlowDisk disk;
  struct EndsFirst {
    ~EndsFirst() { end(); }
    const std::function<void()> end;
  };
  const EndsFirst before_the_disk{[&] {
    disk.holds = false;
    stop();
  }};
  ScriptedPrimary primary;
  primary.ixfr = Ixfr::differences;
  const unsigned count = std::max(std::thread::hardware_concurrency(), 2U);
  std::vector<ZoneSettings> zones;
  const auto serve = [&](std::uint32_t serial) {
    for (unsigned i = 0; i < count; ++i) {
      primary.serve({.name = fmt::format("z{}.", i), .serial = serial, .extra = texts_that_change(serial)});
    }
  };
  for (unsigned i = 0; i < count; ++i) zones.push_back(zone(fmt::format("z{}.", i), {peer(primary)}));
  serve(1);
  start(&disk);
  set_zones(zones);
  for (unsigned i = 0; i < count; ++i)
    ASSERT_TRUE(waits_for(1, fmt::format("z{}.", i)) && rests(fmt::format("z{}.", i)));
  disk.holds = true;
  for (std::uint32_t serial = 2; serial < 14; ++serial) {
    serve(serial);
    for (unsigned i = 0; i < count; ++i) {
      notify(serial, fmt::format("z{}.", i));
      ASSERT_TRUE(waits_for(serial, fmt::format("z{}.", i))) << "commits go on";
    }
  }
  ASSERT_TRUE(eventually([&] { return disk.held == 1; })) << "some are to be written";
  std::this_thread::sleep_for(300ms);
  EXPECT_EQ(disk.held, 1) << "one at a time";
  std::promise<void> ran;
  engine_->run_job([&] { ran.set_value(); });
  EXPECT_EQ(ran.get_future().wait_for(5s), std::future_status::ready);
  disk.holds = false;
  // What was committed meanwhile may be so much that it is written once more.
  const auto is_written = [&] { return !store_->wants_whole(*Name::parse("z0.")); };
  for (std::uint32_t serial = 14; serial < 24 && !eventually(is_written, 1s); ++serial) {
    serve(serial);
    notify(serial, "z0.");
    ASSERT_TRUE(waits_for(serial, "z0."));
  }
  EXPECT_TRUE(is_written());
}

TEST_F(Differences, WholeZoneAsTheAnswer) {
  ScriptedPrimary primary;
  hold_first(primary, Ixfr::whole);
  refresh();
  EXPECT_EQ(served(), 2U);
  EXPECT_EQ(primary.transfers, 1);
  expect_content({.serial = 2, .hosts = 50, .extra = "new A 192.0.2.9\n"});
  EXPECT_EQ(engine_->history(*Name::parse("example."))->deltas().size(), 1U) << "what changed is found by comparison";
}

TEST_F(Differences, ByADatagram) {
  ScriptedPrimary primary;
  primary.ixfr = Ixfr::differences;
  primary.serve({.serial = 1, .hosts = 50});
  start();
  PeerSettings by_udp = peer(primary);
  by_udp.ixfr_over_udp = true;
  set_zones({zone("example.", {by_udp})});
  ASSERT_TRUE(waits_for(1) && rests());
  primary.serve({.serial = 2, .hosts = 50, .extra = "new A 192.0.2.9\n"});
  refresh();
  EXPECT_EQ(served(), 2U);
  EXPECT_EQ(primary.udp_ixfrs, 1);
  EXPECT_EQ(primary.ixfrs, 0);
  primary.serve({.serial = 3, .hosts = 900});
  refresh();
  EXPECT_EQ(served(), 3U);
  EXPECT_EQ(primary.udp_ixfrs, 2);
  EXPECT_EQ(primary.ixfrs, 1) << "what does not fit is asked for by TCP";
  EXPECT_EQ(primary.transfers, 1);
}

/// A way for it to go wrong.
class DifferencesThatFail : public Differences, public ::testing::WithParamInterface<Ixfr> {};

TEST_P(DifferencesThatFail, LeadToTheWholeZoneAtOnce) {
  ScriptedPrimary primary;
  settings_.stall_timeout = 300ms;
  hold_first(primary, GetParam());
  primary.serve({.serial = 3, .hosts = 50, .extra = "new A 192.0.2.9\nnewer A 192.0.2.10\n"});
  primary.serve({.serial = 4, .hosts = 50, .extra = "new A 192.0.2.9\nnewest A 192.0.2.11\n"});
  const CommandOutcome outcome = refresh();
  EXPECT_TRUE(outcome.result) << outcome.text;
  EXPECT_EQ(served(), 4U);
  EXPECT_EQ(primary.transfers, 2);
  EXPECT_EQ(engine_->counters().differences_failed, 1U);
  expect_content({.serial = 4, .hosts = 50, .extra = "new A 192.0.2.9\nnewest A 192.0.2.11\n"});
  const auto kept = store_->transfers().list(*Name::parse("example."), 0, 10);
  ASSERT_TRUE(kept);
  ASSERT_EQ(kept->size(), 3U);
  EXPECT_TRUE((*kept)[0].ok);
  EXPECT_EQ((*kept)[0].came, "whole zone");
  EXPECT_FALSE((*kept)[1].ok);
  EXPECT_EQ((*kept)[1].asked, "IXFR");
  EXPECT_FALSE((*kept)[1].reason.empty());
  EXPECT_FALSE((*kept)[1].exchange.empty()) << "what was sent and what came back";
}

INSTANTIATE_TEST_SUITE_P(Ways, DifferencesThatFail,
                         ::testing::Values(Ixfr::single_soa, Ixfr::refused, Ixfr::not_implemented, Ixfr::silent,
                                           Ixfr::half_then_close, Ixfr::other_start, Ixfr::gap, Ixfr::missing_removal,
                                           Ixfr::doubled_addition));

TEST_F(Differences, APrimaryThatDoesNotSendThemIsNotAskedAgain) {
  ScriptedPrimary primary;
  hold_first(primary, Ixfr::not_implemented);
  refresh();
  EXPECT_EQ(primary.ixfrs, 2) << "the second without EDNS, which might have been what it does not know";
  primary.serve({.serial = 3});
  refresh();
  EXPECT_EQ(served(), 3U);
  EXPECT_EQ(primary.ixfrs, 2);
}

TEST_F(Differences, OneWhoAnswersAllButThemIsLeftAlone) {
  settings_.stall_timeout = 300ms;
  ScriptedPrimary primary;
  hold_first(primary, Ixfr::silent);
  refresh();
  ASSERT_EQ(served(), 2U);
  EXPECT_EQ(primary.ixfrs, 1);
  primary.serve({.serial = 3});
  refresh();
  EXPECT_EQ(served(), 3U);
  EXPECT_EQ(primary.ixfrs, 1) << "it need not be waited for again";
}

TEST_F(Differences, AreAskedForAgainAfterAPrimaryWasAway) {
  ScriptedPrimary primary;
  hold_first(primary, Ixfr::differences);
  primary.stop();
  notify(2);
  ASSERT_TRUE(eventually([&] { return engine_->counters().differences_failed == 1; }) && rests());
  primary.resume();
  notify(2);
  ASSERT_TRUE(waits_for(2) && rests());
  primary.serve({.serial = 3, .hosts = 50});
  notify(3);
  ASSERT_TRUE(waits_for(3) && rests());
  EXPECT_EQ(primary.transfers, 1) << "the first one";
  EXPECT_EQ(engine_->counters().transfers_by_differences, 2U);
}

TEST_F(Differences, AreAskedForAgainAfterAPrimaryRefusedEverything) {
  ScriptedPrimary primary;
  hold_first(primary, Ixfr::refused);
  primary.axfr = Axfr::refused;  // as while it reads its zones
  EXPECT_FALSE(refresh().result);
  EXPECT_EQ(primary.ixfrs, 1);
  primary.ixfr = Ixfr::differences;
  primary.axfr = Axfr::whole;
  EXPECT_TRUE(refresh().result);
  EXPECT_EQ(served(), 2U);
  EXPECT_EQ(primary.ixfrs, 2);
}

TEST_F(Differences, OfOneAddressFailWithoutHarmToThoseOfTheOther) {
  ScriptedPrimary first(IpAddress::v4(127, 0, 0, 2)), second(IpAddress::v4(127, 0, 0, 3));
  for (ScriptedPrimary* each : {&first, &second}) {
    each->ixfr = Ixfr::differences;
    each->serve({.serial = 1, .hosts = 50});
  }
  start();
  set_zones({zone("example.", {peer(first), peer(second)})});
  ASSERT_TRUE(waits_for(1) && rests());
  for (ScriptedPrimary* each : {&first, &second}) each->serve({.serial = 2, .hosts = 51});
  first.close_tcp();
  EXPECT_TRUE(refresh().result);
  EXPECT_EQ(served(), 2U);
  EXPECT_EQ(engine_->counters().differences_failed, 1U) << "those of the first";
  EXPECT_EQ(second.ixfrs, 1);
  EXPECT_EQ(second.transfers, 0);
}

TEST_F(Differences, PauseAtOneAddressOnly) {
  ScriptedPrimary first(IpAddress::v4(127, 0, 0, 2)), second(IpAddress::v4(127, 0, 0, 3));
  for (ScriptedPrimary* each : {&first, &second}) {
    each->ixfr = Ixfr::differences;
    each->serve({.serial = 1, .hosts = 50});
  }
  start();
  set_zones({zone("example.", {peer(first), peer(second)})});
  ASSERT_TRUE(waits_for(1) && rests());
  first.ixfr = Ixfr::half_then_close;
  first.serve({.serial = 2, .hosts = 51});
  refresh();
  ASSERT_EQ(served(), 2U);
  EXPECT_EQ(first.transfers, 2);
  first.serve({.serial = 3, .hosts = 52});
  refresh();
  ASSERT_EQ(served(), 3U);
  EXPECT_EQ(first.ixfrs, 1) << "broken ones are not asked for again at once";
  EXPECT_EQ(first.transfers, 3);
  for (std::uint32_t serial : {3U, 4U}) second.serve({.serial = serial, .hosts = 49 + serial});
  notify(4, "example.", IpAddress::v4(127, 0, 0, 3));
  ASSERT_TRUE(waits_for(4) && rests());
  EXPECT_EQ(second.ixfrs, 1);
  EXPECT_EQ(second.transfers, 0);
}

TEST_F(Differences, AreNotAskedForWhereTheConfigurationForbidsIt) {
  ScriptedPrimary primary;
  primary.ixfr = Ixfr::differences;
  primary.serve({.serial = 1});
  start();
  PeerSettings plain = peer(primary);
  plain.ixfr = false;
  set_zones({zone("example.", {plain})});
  ASSERT_TRUE(waits_for(1) && rests());
  primary.serve({.serial = 2});
  refresh();
  EXPECT_EQ(served(), 2U);
  EXPECT_EQ(primary.ixfrs, 0);
}

TEST_F(Differences, OfOnePrimaryAreNotAppliedToDataOfAnother) {
  ScriptedPrimary first(IpAddress::v4(127, 0, 0, 2)), second(IpAddress::v4(127, 0, 0, 3));
  for (ScriptedPrimary* each : {&first, &second}) each->ixfr = Ixfr::differences;
  first.serve({.serial = 1, .hosts = 50, .extra = "here A 192.0.2.1\n"});
  second.serve({.serial = 1, .hosts = 50, .extra = "there A 192.0.2.1\n"});
  start();
  set_zones({zone("example.", {peer(first, "first"), peer(second, "second")})});
  ASSERT_TRUE(waits_for(1) && rests());
  // Both say the serial is 2, but they differ: what the second changed does not fit what the first sent.
  second.serve({.serial = 2, .hosts = 50, .extra = "there A 192.0.2.2\n"});
  notify(2, "example.", IpAddress::v4(127, 0, 0, 3));
  ASSERT_TRUE(waits_for(2) && rests());
  EXPECT_EQ(second.ixfrs, 0);
  EXPECT_EQ(second.transfers, 1);
  EXPECT_EQ(first.udp_probes, 2) << "the one that the version is from was asked before: it might have had it too";
  expect_content({.serial = 2, .hosts = 50, .extra = "there A 192.0.2.2\n"});
  second.serve({.serial = 3, .hosts = 50, .extra = "there A 192.0.2.3\n"});
  notify(3, "example.", IpAddress::v4(127, 0, 0, 3));
  ASSERT_TRUE(waits_for(3) && rests());
  EXPECT_EQ(second.ixfrs, 1) << "now it is the second's data";
  EXPECT_EQ(second.transfers, 1);
}

TEST_F(Differences, ComeFromTheOriginIfItHasTheNewVersionToo) {
  ScriptedPrimary first(IpAddress::v4(127, 0, 0, 2)), second(IpAddress::v4(127, 0, 0, 3));
  for (ScriptedPrimary* each : {&first, &second}) {
    each->ixfr = Ixfr::differences;
    each->serve({.serial = 1, .hosts = 50});
  }
  start();
  set_zones({zone("example.", {peer(first, "first"), peer(second, "second")})});
  ASSERT_TRUE(waits_for(1) && rests());
  for (ScriptedPrimary* each : {&first, &second}) each->serve({.serial = 2, .hosts = 51});
  notify(2, "example.", IpAddress::v4(127, 0, 0, 3));
  ASSERT_TRUE(waits_for(2) && rests());
  EXPECT_EQ(second.transfers, 0);
  EXPECT_EQ(first.ixfrs, 1);
}

/// The zone with the digest that it has, as a record at its apex.
ZoneSpec with_digest(ZoneSpec spec) {
  ZoneBuilder builder(*Name::parse(spec.name));
  for (const Record& r : zone_records(spec)) EXPECT_TRUE(builder.add(r.owner, r.type, r.ttl, r.rdata));
  std::string digest;
  for (const std::uint8_t octet : zone_digest(**builder.finish(), DigestHash::sha384)) {
    digest += fmt::format("{:02x}", octet);
  }
  spec.extra += fmt::format("@ ZONEMD {} 1 1 {}\n", spec.serial, digest);
  return spec;
}

class DifferencesOfTwo : public Differences {
 protected:
  /// Both have version 1, which came from the first; the second has version 2 and says so.
  void take_from_second(const ZoneSpec& firsts, const ZoneSpec& seconds, const ZoneSpec& next) {
    for (ScriptedPrimary* each : {&first_, &second_}) each->ixfr = Ixfr::differences;
    first_.serve(firsts);
    second_.serve(seconds);
    start();
    set_zones({zone("example.", {peer(first_, "first"), peer(second_, "second")})});
    ASSERT_TRUE(waits_for(1) && rests());
    second_.serve(next);
    notify(2, "example.", IpAddress::v4(127, 0, 0, 3));
    ASSERT_TRUE(waits_for(2) && rests());
    expect_content(next);
  }
  ScriptedPrimary first_{IpAddress::v4(127, 0, 0, 2)}, second_{IpAddress::v4(127, 0, 0, 3)};
};

TEST_F(DifferencesOfTwo, ADigestShowsThatPrimariesAgree) {
  const ZoneSpec same = with_digest({.serial = 1, .hosts = 5, .extra = "x A 192.0.2.1\n"});
  take_from_second(same, same, with_digest({.serial = 2, .hosts = 5, .extra = "x A 192.0.2.2\n"}));
  EXPECT_EQ(second_.ixfrs, 1);
  EXPECT_EQ(second_.transfers, 0);
}

TEST_F(DifferencesOfTwo, ADigestThatIsNotThatOfTheDataShowsNothing) {
  const std::string digest = "@ ZONEMD 1 1 1 " + std::string(96, 'a') + "\n";
  const ZoneSpec same{.serial = 1, .hosts = 5, .extra = "x A 192.0.2.1\n" + digest};
  take_from_second(same, same, {.serial = 2, .hosts = 5, .extra = "x A 192.0.2.2\n"});
  EXPECT_EQ(second_.ixfrs, 0);
  EXPECT_EQ(second_.transfers, 1);
}

TEST_F(DifferencesOfTwo, WhatOneForgedDoesNotOutliveTheDifferencesOfTheOther) {
  const ZoneSpec honest = with_digest({.serial = 1, .hosts = 5, .extra = "x A 192.0.2.1\n"});
  ZoneSpec forged = honest;
  forged.extra += "bank A 192.0.2.66\n";
  take_from_second(forged, honest, with_digest({.serial = 2, .hosts = 5, .extra = "x A 192.0.2.2\n"}));
  EXPECT_EQ(second_.ixfrs, 0);
  EXPECT_EQ(second_.transfers, 1);
}

TEST_F(DifferencesOfTwo, AForgeryWithADigestOfItsOwnIsNotWhatTheOtherBeginsWith) {
  const ZoneSpec honest = with_digest({.serial = 1, .hosts = 5, .extra = "x A 192.0.2.1\n"});
  const ZoneSpec forged = with_digest({.serial = 1, .hosts = 5, .extra = "x A 192.0.2.1\nbank A 192.0.2.66\n"});
  take_from_second(forged, honest, with_digest({.serial = 2, .hosts = 5, .extra = "x A 192.0.2.2\n"}));
  EXPECT_EQ(second_.ixfrs, 1);
  EXPECT_EQ(second_.transfers, 1) << "its differences were refused";
}

TEST_F(Differences, AreNotAppliedToWhatCameFromAFile) {
  ScriptedPrimary primary;
  hold_first(primary, Ixfr::differences);
  std::ofstream(folder_ / "example.zone") << zone_file_text({.serial = 1, .hosts = 3, .extra = "file A 192.0.2.1\n"});
  set_zones({file_zone("example.", "example.zone")});
  ASSERT_TRUE(eventually([&] { return status()->records < 20; }) && rests());
  set_zones({zone("example.", {peer(primary)})});
  ASSERT_TRUE(waits_for(2) && rests());
  EXPECT_EQ(primary.ixfrs, 0);
  expect_content({.serial = 2, .hosts = 50, .extra = "new A 192.0.2.9\n"});
  stop();
  start();
  set_zones({zone("example.", {peer(primary)})});
  EXPECT_EQ(served(), 2U);
  expect_content({.serial = 2, .hosts = 50, .extra = "new A 192.0.2.9\n"});
}

TEST_F(Differences, OfAVersionThatIsNotNewerAreNotTaken) {
  ScriptedPrimary primary;
  hold_first(primary, Ixfr::differences);
  refresh();
  ASSERT_EQ(served(), 2U);
  const int before = primary.udp_probes;
  for (int i = 0; i < 30; ++i) {
    notify(9);  // a lie
    std::this_thread::sleep_for(2ms);
  }
  ASSERT_TRUE(rests());
  EXPECT_EQ(served(), 2U);
  EXPECT_LE(primary.ixfrs + primary.udp_probes - before, 15) << "who announces what is not there keeps nobody busy";
}

}  // namespace
}  // namespace understudy
