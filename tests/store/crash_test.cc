// A process that commits is killed at random moments. Whatever it had acknowledged through a pipe is there afterwards,
// or something newer, and whole.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <chrono>
#include <map>
#include <thread>

#include "store/store_fixture.h"

namespace understudy {
namespace {

using namespace store_fixture;

constexpr std::uint32_t zone_count = 6;

std::string apex_of(std::uint32_t zone) {
  return "z" + std::to_string(zone) + ".example.";
}

// The version of a zone is a function of its serial, so that the parent can tell which one it finds. Zone 0 is large
// every other time.
std::shared_ptr<const Zone> version_of(std::uint32_t zone, std::uint32_t serial) {
  RandomZones random(serial * zone_count + zone);
  if (zone == 0 && serial % 2 == 1) return random.large_zone(apex_of(zone), serial);
  return random.zone(apex_of(zone), serial, 5 + zone * 20);
}

struct Acknowledgement {
  std::uint32_t zone, serial;
  std::int64_t expire_at;  // 0: a commit; otherwise durable timers
};

// Runs in the child until it is killed.
[[noreturn]] void commit_forever(const std::string& directory, int pipe, std::uint32_t round, std::uint32_t serial) {
  auto store = ZoneStore::open(directory);
  if (!store) ::_exit(3);
  RandomZones random(round);
  for (;; ++serial) {  // no two commits with the same serial, so that it tells them apart
    const std::uint32_t zone = random.below(zone_count);
    if (!(*store)->commit(*version_of(zone, serial), {.expire_at = serial}, "x")) ::_exit(4);
    Acknowledgement done{zone, serial, 0};
    if (::write(pipe, &done, sizeof done) != sizeof done) ::_exit(5);
    if (random.below(3) != 0) continue;
    done.expire_at = std::int64_t{serial} + 1'000'000;
    const ZoneTimers timers{.expire_at = done.expire_at, .expired = true};
    if (!(*store)->save_timers(name(apex_of(zone)), timers, true)) ::_exit(6);
    if (::write(pipe, &done, sizeof done) != sizeof done) ::_exit(5);
  }
}

using Acknowledged = std::map<std::uint32_t, Acknowledgement>;

// Kills the child `delay` after its `after`th acknowledgement (0: after its start) and takes all of them. Returns
// their number.
std::uint32_t run_and_kill(const std::string& directory, std::uint32_t round, std::uint32_t after,
                           std::chrono::microseconds delay, Acknowledged& acknowledged) {
  std::uint32_t serial = 1;
  for (const auto& [zone, done] : acknowledged) serial = std::max(serial, done.serial + 1);
  int ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(ends[0]);
    commit_forever(directory, ends[1], round, serial + 1);
  }
  ::close(ends[1]);
  std::jthread killer;
  std::uint32_t count = 0;
  for (Acknowledgement done{};; acknowledged[done.zone] = done, ++count) {
    if (count == after) {
      killer = std::jthread([child, delay] {
        std::this_thread::sleep_for(delay);
        ::kill(child, SIGKILL);
      });
    }
    if (::read(ends[0], &done, sizeof done) != sizeof done) break;
  }
  killer = {};
  ::close(ends[0]);
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status)) << "the child ended by itself with " << WEXITSTATUS(status);
  return count;
}

void verify(const std::string& directory, const Acknowledged& acknowledged) {
  const auto store = open_store(directory);
  ASSERT_NE(store, nullptr);
  std::map<std::string, StoredZone> zones;
  for (StoredZone& zone : list(*store)) zones.emplace(zone.name.text(), std::move(zone));
  for (const auto& [zone, done] : acknowledged) {
    const auto found = zones.find(apex_of(zone));
    ASSERT_NE(found, zones.end()) << apex_of(zone) << " was acknowledged and is gone";
    const StoredZone& stored = found->second;
    ASSERT_GE(stored.serial.value, done.serial) << apex_of(zone) << " went back";
    if (done.expire_at != 0 && stored.serial.value == done.serial) {
      EXPECT_EQ(stored.timers.expire_at, done.expire_at);
      EXPECT_TRUE(stored.timers.expired);
    }
    expect_stored(*store, version_of(zone, stored.serial.value));
  }
}

TEST(StoreCrash, AKilledProcessLosesNothingThatItAcknowledged) {
  TemporaryDirectory directory;
  RandomZones random(2024);
  Acknowledged acknowledged;
  std::uint32_t commits = 0;
  for (std::uint32_t round = 0; round < 100 && !testing::Test::HasFailure(); ++round) {
    // Every third child is killed while it opens the store, the others while they commit.
    const std::uint32_t after = round % 3 == 0 ? 0 : 1 + random.below(8);
    const std::chrono::microseconds delay(random.below(after == 0 ? 60'000 : 8'000));
    commits += run_and_kill(directory.path(), round, after, delay, acknowledged);
    verify(directory.path(), acknowledged);
  }
  EXPECT_GE(commits, 66U);
  EXPECT_EQ(acknowledged.size(), zone_count);
}

}  // namespace
}  // namespace understudy
