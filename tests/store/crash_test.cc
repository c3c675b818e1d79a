// A process that commits is killed at random moments. Whatever it had acknowledged through a pipe is there afterwards,
// or something newer, and whole.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <chrono>
#include <functional>
#include <map>
#include <thread>

#include "store/delta_fixture.h"

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

// Runs `run` in a child and kills it `delay` after its `after`th acknowledgement (0: after its start) and takes all of
// them. Returns their number.
std::uint32_t run_and_kill(const std::function<void(int pipe)>& run, std::uint32_t after,
                           std::chrono::microseconds delay, Acknowledged& acknowledged) {
  int ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(ends[0]);
    run(ends[1]);
    ::_exit(7);
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
    std::uint32_t serial = 1;
    for (const auto& [zone, done] : acknowledged) serial = std::max(serial, done.serial + 1);
    const auto run = [&](int pipe) { commit_forever(directory.path(), pipe, round, serial + 1); };
    commits += run_and_kill(run, after, delay, acknowledged);
    verify(directory.path(), acknowledged);
  }
  EXPECT_GE(commits, 66U);
  EXPECT_EQ(acknowledged.size(), zone_count);
}

// Commits as deltas, some of them whole, of a small and of a large zone. A change is a function of the serial, so the
// parent can make every version and every delta again.
ChangingZone changing_zone(std::uint32_t which) {
  ChangingZone zone(apex_of(which), which);
  zone.with_hosts(30).with_weights(which == 0 ? 10 : 0);
  return zone;
}

std::size_t octets_of_change(std::uint32_t serial) {
  return serial % 10 == 0 ? 3'000 : 16;
}

void change(ChangingZone& zone, Commit& commit) {
  commit.deltas.push_back(zone.change(octets_of_change(zone.serial())));
}

[[noreturn]] void change_forever(const std::string& directory, int pipe, std::uint32_t round) {
  auto store = ZoneStore::open(directory);
  if (!store) ::_exit(3);
  RandomZones random(round);
  std::vector<ChangingZone> zones;
  for (std::uint32_t which = 0; which < 2; ++which) {
    zones.push_back(changing_zone(which));
    const auto loaded = (*store)->load(zones[which].apex());
    if (!loaded && !(*store)->commit(*zones[which].version(), {}, "x")) ::_exit(4);
    Commit past;
    while (loaded && zones[which].serial() != loaded->version->serial().value) change(zones[which], past);
  }
  const auto commit_next = [&](std::uint32_t which) {
    Commit commit{.whole = random.below(8) == 0, .keep = {.versions = 5}};
    for (std::uint32_t n = random.below(3); n < 3; ++n) change(zones[which], commit);
    commit.version = zones[which].version();
    if (!(*store)->commit(commit)) ::_exit(4);
    const Acknowledgement done{which, zones[which].serial(), 0};
    if (::write(pipe, &done, sizeof done) != sizeof done) ::_exit(5);
  };
  for (;;) {
    const std::uint32_t which = random.below(4) == 0 ? 0 : 1;
    commit_next(which);
    // Now and then it is written whole beside the next commits.
    const auto rewrite = random.below(4) == 0 ? (*store)->begin_rewrite(zones[which].version()) : nullptr;
    if (!rewrite) continue;
    {
      const std::jthread aside([&] {
        if (!(*store)->write_aside(*rewrite)) ::_exit(8);
      });
      commit_next(which);
      commit_next(1 - which);
    }
    if (const auto done = (*store)->switch_to(*rewrite); !done && done.error().code != Errc::cancelled) ::_exit(9);
  }
}

void verify_changes(const std::string& directory, const Acknowledged& acknowledged) {
  const auto store = open_store(directory);
  ASSERT_NE(store, nullptr);
  for (const auto& [which, done] : acknowledged) {
    ChangingZone zone = changing_zone(which);
    const auto loaded = store->load(zone.apex());
    ASSERT_TRUE(loaded) << loaded.error().text();
    const std::uint32_t serial = loaded->version->serial().value;
    ASSERT_GE(serial, done.serial) << apex_of(which) << " went back";
    Commit past;
    while (zone.serial() != serial) change(zone, past);
    expect_loads(*store, zone.version(), newest(past.deltas, 5));
  }
}

TEST(StoreCrash, AKilledProcessLosesNoDeltaThatItAcknowledged) {
  TemporaryDirectory directory;
  RandomZones random(77);
  Acknowledged acknowledged;
  std::uint32_t commits = 0;
  for (std::uint32_t round = 0; round < 40 && !testing::Test::HasFailure(); ++round) {
    const std::uint32_t after = round % 4 == 0 ? 0 : 1 + random.below(20);
    const std::chrono::microseconds delay(random.below(after == 0 ? 60'000 : 8'000));
    const auto run = [&](int pipe) { change_forever(directory.path(), pipe, round); };
    commits += run_and_kill(run, after, delay, acknowledged);
    verify_changes(directory.path(), acknowledged);
  }
  EXPECT_GE(commits, 30U);
  EXPECT_EQ(acknowledged.size(), 2U);
}

}  // namespace
}  // namespace understudy
