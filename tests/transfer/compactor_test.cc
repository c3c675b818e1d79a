// Memory that is compacted in the background: what comes of it, what happens meanwhile, and what ends it.
#include "transfer/compactor.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "transfer/fixture.h"
#include "zone/builder.h"

namespace understudy {
namespace {

using ::testing::HasSubstr;

/// Hosts with a long text each, of which some have gone.
std::string texts(unsigned from, unsigned hosts, unsigned every = 1) {
  const std::string text(200, 'x');
  std::string out;
  for (unsigned i = 0; i < hosts; ++i) {
    if (i >= from || i % every == 0) out += fmt::format("t{} TXT \"{}{}\" \"{}\"\n", i, text, i, text);
  }
  return out;
}

class CompactorTest : public EngineTest {
 protected:
  CompactorTest() {
    settings_.stall_timeout = 20s;  // a busy machine must not look like a primary that hangs
    settings_.compaction = {.share = 0.5, .slice = 2ms, .settle = 50ms, .retry = 200ms};
    primary_.ixfr = Ixfr::differences;
  }

  static constexpr unsigned hosts = 40'000;
  static constexpr unsigned parts = 5;

  void hold(std::vector<PeerSettings> notify = {}) {
    serve(1, texts(0, hosts));
    start();
    set_zones({zone("example.", {peer(primary_)}, std::move(notify))});
    ASSERT_TRUE(waits_for(1) && rests());
    full_ = status()->memory;
  }
  void serve(std::uint32_t serial, std::string extra) {
    spec_ = timers_;
    spec_.serial = serial;
    spec_.hosts = 0;
    spec_.extra = std::move(extra);
    primary_.serve(spec_);
  }
  /// All but each fourth host goes, a fifth of them with each version; then one more, so that what the last one left is
  /// free.
  void thin_out() {
    for (unsigned i = 1; i <= parts; ++i) {
      serve(1 + i, texts(hosts / parts * i, hosts, 4));
      ASSERT_TRUE(refresh().result);
    }
    add("one A 192.0.2.1\n");
  }
  void add(const std::string& line) {
    serve(spec_.serial + 1, spec_.extra + line);
    const auto outcome = refresh();
    ASSERT_TRUE(outcome.result) << outcome.result.error().text();
  }
  EngineCounters counts() { return engine_->counters(); }
  bool is_under_way() {
    const EngineCounters now = counts();
    return now.compactions_begun > now.compactions + now.compactions_thrown_away;
  }
  bool comes_to_its_end(std::uint64_t count = 1) {
    return eventually([&] { return counts().compactions >= count; }, 60s);
  }
  /// Goes on for very long.
  void begin_a_slow_one() {
    settings_.compaction.share = 0.0005;
    hold();
    thin_out();
    ASSERT_TRUE(eventually([&] { return is_under_way(); }));
    EXPECT_EQ(counts().compactions_thrown_away, 0U);
  }
  void expect_thrown_away() {
    EXPECT_TRUE(eventually([&] { return counts().compactions_thrown_away >= 1; }));
    EXPECT_EQ(counts().compactions, 0U);
  }

  static std::vector<std::string> text_of(const std::shared_ptr<const Zone>& version) {
    std::vector<std::string> out;
    ZoneCursor cursor(version);
    while (cursor.next()) {
      const RRsetView rrset = cursor.rrset();
      rrset.for_each_rdata([&](ByteView rdata) {
        out.push_back(
            Record{cursor.owner(), rrset.type(), RRClass::IN, rrset.ttl(), {rdata.begin(), rdata.end()}}.text());
      });
    }
    std::ranges::sort(out);
    return out;
  }
  std::shared_ptr<const Zone> held() { return engine_->version(*Name::parse("example.")); }
  void expect_content() {
    std::vector<std::string> wanted;
    for (const Record& record : zone_records(spec_)) wanted.push_back(record.text());
    std::ranges::sort(wanted);
    ASSERT_TRUE(held());
    EXPECT_TRUE(text_of(held()) == wanted);
    EXPECT_EQ(served(), spec_.serial);
  }

  ScriptedPrimary primary_;
  ZoneSpec timers_, spec_;
  std::uint64_t full_ = 0;  // octets of memory
};

TEST_F(CompactorTest, MemoryFallsAndNothingElseChanges) {
  ScriptedPrimary downstream;
  settings_.compaction.settle = 1h;
  hold({peer(downstream, "downstream")});
  thin_out();
  const auto before = held();
  const auto text_before = text_of(before);
  const ZoneHistory::Ptr history = engine_->history(*Name::parse("example."));
  settings_.compaction.settle = 10ms;
  engine_->set_settings(settings_);
  set_zones({zone("example.", {peer(primary_, "renamed")}, {peer(downstream, "downstream")})});  // has it looked at
  ASSERT_TRUE(comes_to_its_end());
  EXPECT_EQ(counts().compactions, 1U);
  EXPECT_LT(status()->memory, full_ / 2);
  EXPECT_NE(held()->id(), before->id());
  expect_content();
  EXPECT_TRUE(text_of(before) == text_before) << "a reader of the one before goes on";
  EXPECT_EQ(engine_->history(*Name::parse("example.")), history);
  ASSERT_TRUE(eventually([&] {
    return !downstream.notified_serials().empty() && downstream.notified_serials().back() == Serial{spec_.serial};
  }));
  const int notifies = downstream.notifies;
  std::this_thread::sleep_for(200ms);
  EXPECT_EQ(downstream.notifies, notifies) << "nobody is told";
  add("two A 192.0.2.2\n");
  expect_content();
  EXPECT_EQ(primary_.transfers, 1) << "differences fit what was compacted";
  EXPECT_EQ(counts().transfers_by_differences, parts + 2);
  stop();
  start();
  set_zones({zone("example.", {peer(primary_)})});
  expect_content();
  EXPECT_EQ(counts().compactions_begun, 0U);
}

// Nothing is free as long as somebody sees the version from before all went, however long that is.
TEST_F(CompactorTest, AReaderMayTakeItsTime) {
  settings_.compaction.settle = 10ms;
  hold();
  auto reader = held();
  ASSERT_NE(reader, nullptr);
  thin_out();
  std::this_thread::sleep_for(4s);  // after the looks that come soon
  EXPECT_EQ(counts().compactions_begun, 0U);
  reader.reset();
  EXPECT_TRUE(comes_to_its_end());
}

TEST_F(CompactorTest, TakesItsShareAndNoMore) {
  settings_.compaction = {.share = 0.1, .slice = 1ms, .settle = 50ms, .retry = 200ms};
  hold();
  thin_out();
  ASSERT_TRUE(comes_to_its_end());
  const EngineCounters after = counts();
  EXPECT_GT(after.compaction_busy, 0);
  EXPECT_LE(after.compaction_busy, after.compaction_seconds * 0.1 * 1.05);
  std::printf("%.3f s of processor time in %.3f s\n", after.compaction_busy, after.compaction_seconds);
}

TEST_F(CompactorTest, UpdatesMeanwhileAreServedAtOnceAndAreInTheResult) {
  settings_.compaction = {.share = 0.02, .slice = 1ms, .settle = 50ms, .retry = 200ms};
  hold();
  thin_out();
  ASSERT_TRUE(eventually([&] { return is_under_way(); }));
  unsigned meanwhile = 0;
  double longest = 0;
  while (counts().compactions == 0 && meanwhile < 60) {
    const auto began = std::chrono::steady_clock::now();
    add(fmt::format("new{} A 192.0.2.{}\n", meanwhile, meanwhile + 1));
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    if (is_under_way()) ++meanwhile;
    longest = std::max(longest, took.count());
    EXPECT_EQ(served(), spec_.serial);
  }
  EXPECT_GT(meanwhile, 1U);
  ASSERT_TRUE(comes_to_its_end());
  std::printf("%u updates while it was under way, the longest took %.0f ms with the primary\n", meanwhile,
              longest * 1000);
  EXPECT_EQ(counts().compactions_thrown_away, 0U);
  EXPECT_LT(status()->memory, full_ / 2);
  expect_content();
  add("last A 192.0.2.99\n");
  expect_content();
  EXPECT_EQ(primary_.transfers, 1);
}

TEST_F(CompactorTest, AWholeZoneEndsIt) {
  begin_a_slow_one();
  EXPECT_THAT(retransfer().text, HasSubstr("serial"));
  expect_thrown_away();
  expect_content();
}

TEST_F(CompactorTest, AnOlderVersionEndsIt) {
  settings_.compaction.share = 0.0005;
  hold();
  set_zones({with(zone("example.", {peer(primary_)}),
                  [](ZonePolicySettings& policy) { policy.serial_backwards = BackwardsPolicy::accept; })});
  thin_out();
  ASSERT_TRUE(eventually([&] { return is_under_way(); }));
  primary_.ixfr = Ixfr::refused;
  serve(2, "back A 192.0.2.1\n");
  ASSERT_TRUE(refresh().result);
  expect_thrown_away();
  expect_content();
}

TEST_F(CompactorTest, RemovalEndsIt) {
  begin_a_slow_one();
  set_zones({});
  expect_thrown_away();
  EXPECT_FALSE(is_under_way());
}

TEST_F(CompactorTest, AResetEndsIt) {
  begin_a_slow_one();
  ASSERT_TRUE(engine_->reset_zones({zone("example.", {peer(primary_)})}, {*Name::parse("example.")}));
  ASSERT_TRUE(waits_for(spec_.serial));
  expect_thrown_away();
  expect_content();
}

TEST_F(CompactorTest, OtherSettingsEndIt) {
  begin_a_slow_one();
  set_zones({zone("example.", {peer(primary_)})});
  std::this_thread::sleep_for(100ms);
  EXPECT_EQ(counts().compactions_thrown_away, 0U) << "a reload that changes nothing for it";
  std::ofstream(folder_ / "example.zone") << zone_file_text({.serial = 77});
  set_zones({file_zone("example.", "example.zone")});
  expect_thrown_away();
  EXPECT_TRUE(waits_for(77));
}

TEST_F(CompactorTest, OtherPrimariesBeginItAnew) {
  begin_a_slow_one();
  ScriptedPrimary other;
  other.serve(spec_);
  set_zones({zone("example.", {peer(other)})});
  expect_thrown_away();
  EXPECT_TRUE(eventually([&] { return counts().compactions_begun == 2; }));
}

TEST_F(CompactorTest, TheServersEndIsNotHeldUpByIt) {
  begin_a_slow_one();
  const auto began = std::chrono::steady_clock::now();
  stop();
  EXPECT_LT(std::chrono::steady_clock::now() - began, 5s);
}

TEST_F(CompactorTest, ItFollowsNotMoreThanItIsWorth) {
  settings_.compaction.share = 0.0005;
  settings_.compaction.retry = 100ms;
  hold();
  thin_out();
  ASSERT_TRUE(eventually([&] { return is_under_way(); }));
  for (unsigned i = 0; i < 6 && counts().compactions_thrown_away == 0; ++i) {
    std::string lines;  // a fifth of what was left
    for (unsigned k = 0; k < 2000; ++k) lines += fmt::format("n{}-{} TXT \"{}\"\n", i, k, std::string(250, 'y'));
    add(lines);
  }
  expect_thrown_away();
}

TEST_F(CompactorTest, ExpiryEndsIt) {
  timers_ = {.refresh = 1, .retry = 1, .expire = 3};
  begin_a_slow_one();
  primary_.stop();
  ASSERT_TRUE(eventually([&] { return status()->state == ZoneState::expired; }));
  expect_thrown_away();
  EXPECT_EQ(served(), std::nullopt);
}

}  // namespace
}  // namespace understudy
