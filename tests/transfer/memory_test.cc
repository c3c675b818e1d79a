// What a zone at rest costs.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <malloc.h>

#include <cstdio>
#include <fstream>

#include "base/largest_allocation.h"
#include "transfer/catalog_manager_fixture.h"
#include "transfer/commit.h"
#include "transfer/file_zone.h"
#include "transfer/fixture.h"
#include "transfer/primary_check.h"
#include "transfer/spawn.h"

namespace understudy {
namespace {

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define UNDERSTUDY_COUNTS_OTHERWISE
#endif
#endif

using Memory = EngineTest;

TEST_F(Memory, AZoneAtRestTakesAboutOneKibibyte) {
#ifdef UNDERSTUDY_COUNTS_OTHERWISE
  GTEST_SKIP() << "a sanitizer has its own memory";
#else
  constexpr std::size_t count = 20'000;
  start();
  std::vector<ZoneSettings> zones;
  const ZoneSettings one = zone("example.", {});
  for (std::size_t i = 0; i < count; ++i) {
    ZoneSettings next = one;
    next.name = *Name::parse("customer-zone-" + std::to_string(i) + ".example.");
    next.produced = true;  // nobody is asked for it
    zones.push_back(std::move(next));
  }
  const std::size_t before = ::mallinfo2().uordblks;
  set_zones(zones);
  qsbr_drain();
  const std::size_t each = (::mallinfo2().uordblks - before) / count;
  RecordProperty("octets", static_cast<int>(each));
  std::printf("%zu octets a zone: its agent, slot, place in the table and in the directory\n", each);
  EXPECT_LT(each, 1100U);
#endif
}

/// Stands for an allocation that fails inside an exchange.
class ClockWithoutMemory final : public Clock {
 public:
  [[nodiscard]] std::int64_t wall_ms() const override { return 0; }
  [[nodiscard]] std::int64_t mono_ns() const override { throw std::bad_alloc(); }
};

TEST(MemoryThatRunsOut, EndsAnExchangeAsFailed) {
  boost::asio::io_context io;
  const ClockWithoutMemory clock;
  PrimaryTraits traits;
  PeerConnections connections(io.get_executor());
  Attempt attempt;
  Result<Serial> serial{};
  Result<Taken> whole{}, differences{};
  const auto ask = [&]() -> boost::asio::awaitable<void> {
    DatagramExchanges datagrams(io.get_executor());
    const PrimaryAccess access{clock, traits, connections, datagrams};
    serial = co_await probe_primary(access, attempt, 1s);
    differences = co_await take_differences(access, attempt, {});
    whole = co_await take_zone(access, attempt, {});
  };
  (void)spawn(io, ask());
  io.run();
  ASSERT_FALSE(serial);
  EXPECT_EQ(serial.error().text(), Error(Errc::io, "out of memory").text());
  EXPECT_FALSE(differences);
  EXPECT_FALSE(whole);
}

constexpr std::size_t enough = std::size_t{64} << 10;  // for everything that does not grow with a zone

class LittleMemory : public CatalogManagerTest {
 protected:
  void SetUp() override {
    if (!LargestAllocation::works) GTEST_SKIP() << "a sanitizer has its own memory";
  }
  static std::string hosts(int count) {
    std::string out = "@ 300 SOA ns host 2 3600 600 86400 60\n@ 300 NS ns\n";
    for (int i = 0; i < count; ++i) out += "host" + std::to_string(i) + " 300 A 192.0.2.1\n";
    return out;
  }
};

TEST_F(LittleMemory, FailsACommitOfDifferencesAndItAlone) {
  start();
  const auto base = zone_fixture::build(hosts(10), "example.");
  const auto next = zone_fixture::build(hosts(20'000).replace(22, 1, "3"), "example.");
  const auto delta = difference(base, next, ~std::uint64_t{0});
  ASSERT_TRUE(delta) << delta.error().text();
  const auto slot = std::make_shared<ZoneSlot>(base->apex(), std::make_shared<ZoneAccess>());
  const auto other_slot = std::make_shared<ZoneSlot>(*Name::parse("other."), std::make_shared<ZoneAccess>());
  slot->publish(base, ZoneHistory::none());
  Result<void> failed, other{fail(Errc::internal)};
  std::vector<CommitTask> tasks;
  tasks.push_back(
      {.slot = slot, .deltas = {*delta}, .base = base, .schedule = RefreshSchedule({}), .done = [&](CommitTask&& task) {
         failed = task.result;
       }});
  tasks.push_back({.slot = other_slot,
                   .stored = false,  // the database takes more at once than what this is about
                   .schedule = RefreshSchedule({}),
                   .done = [&](CommitTask&& task) { other = task.result; },
                   .version = zone_fixture::build(hosts(10), "other.")});
  {
    const LargestAllocation limit(enough);
    commit_versions(*store_, system_clock_, tasks);
  }
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Errc::io) << "a failure of ours: no other primary is asked for all of it";
  EXPECT_THAT(failed.error().text(), ::testing::ContainsRegex("out of memory: a version and the differences .*MiB"));
  EXPECT_EQ(slot->zone()->serial(), base->serial());
  EXPECT_TRUE(other) << other.error().text();
}

TEST_F(LittleMemory, HasACompactionTriedAgainAndSaysSoOnce) {
  settings_.stall_timeout = 20s;
  settings_.compaction = {.share = 0.5, .slice = 2ms, .settle = 1h, .retry = 100ms};
  constexpr unsigned names = 240'000, parts = 4;
  ScriptedPrimary primary;
  primary.ixfr = Ixfr::differences;
  const auto serve = [&](unsigned part) {
    std::string lines = "@ NSEC example. NS\n";
    for (unsigned i = 0; i < names; ++i) {
      if (i >= names / parts * part || i % 4 == 0) lines += fmt::format("t{} NSEC example. NSEC\n", i);
    }
    primary.serve({.serial = 1 + part, .extra = std::move(lines)});
  };
  serve(0);
  start();
  set_zones({zone("example.", {peer(primary)})});
  ASSERT_TRUE(waits_for(1) && rests());
  for (unsigned part = 1; part <= parts; ++part) {
    serve(part);
    ASSERT_TRUE(refresh().result);
  }
  ASSERT_EQ(primary.transfers, 1);
  primary.stop();  // it copies all of its zone for each answer
  const std::uint64_t before = status()->memory;
  ::testing::internal::CaptureStderr();
  {
    const LargestAllocation limit(2 * enough);  // less than a list of these names takes
    settings_.compaction.settle = 10ms;
    engine_->set_settings(settings_);
    set_zones({zone("example.", {peer(primary, "renamed")})});  // which has it looked at
    EXPECT_TRUE(eventually([&] { return engine_->counters().compactions_thrown_away >= 3; }));
  }
  EXPECT_TRUE(eventually([&] { return engine_->counters().compactions == 1; }));
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, ::testing::ContainsRegex("example.*could not be compacted: .*out of memory: .*MiB"));
  const std::size_t first = log.find("could not be compacted");
  EXPECT_EQ(log.find("could not be compacted", first + 1), std::string::npos) << log;
  EXPECT_LT(status()->memory, before / 2);
  EXPECT_EQ(served(), 1 + parts);
}

TEST_F(LittleMemory, FailsTheReadingOfAFile) {
  const std::string path = (folder_ / "example.zone").string();
  std::ofstream(path) << hosts(20'000);
  FileReading reading;
  {
    const LargestAllocation limit(enough);
    reading = read_file_version(path, *Name::parse("example."), {}, system_clock_);
  }
  ASSERT_FALSE(reading.version);
  EXPECT_EQ(reading.version.error().code, Errc::io);
  EXPECT_THAT(reading.version.error().text(), ::testing::ContainsRegex("out of memory: .*MiB"));
}

TEST_F(LittleMemory, LeavesTheMembersOfACatalogThatCannotBeReadAsTheyAre) {
  start_all(sources());
  publish(catalog(1, member("one", "one.example.")));
  ASSERT_TRUE(status("one.example."));
  std::string members;
  for (int i = 0; i < 10'000; ++i) members += member("m" + std::to_string(i), "m" + std::to_string(i) + ".example.");
  const auto large = catalog(2, member("one", "one.example.") + members);
  {
    const LargestAllocation limit(enough);
    publish(large);
  }
  ASSERT_TRUE(catalog_status()->hold);
  EXPECT_EQ(catalog_status()->hold->reason, HoldReason::broken);
  EXPECT_THAT(catalog_status()->hold->detail, ::testing::ContainsRegex("serial 2: .*out of memory: .*MiB.*retransfer"));
  EXPECT_EQ(catalog_status()->members, 1U);
  publish(large);
  EXPECT_FALSE(catalog_status()->hold);
  EXPECT_EQ(catalog_status()->members, 10'001U);
}

}  // namespace
}  // namespace understudy
