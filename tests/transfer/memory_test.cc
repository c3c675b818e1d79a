// What a zone at rest costs.
#include <gtest/gtest.h>
#include <malloc.h>

#include <cstdio>

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

}  // namespace
}  // namespace understudy
