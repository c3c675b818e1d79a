// Files of a store are flipped, cut, emptied and deleted. Afterwards each zone is there as it was last acknowledged, or
// it is reported; never an older version, never a mixture. And the store takes zones again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/log.h"
#include "store/store_fixture.h"

namespace understudy {
namespace {

using namespace store_fixture;
using testing::HasSubstr;
using testing::IsEmpty;

// A store with a history: zones in table files and in the log, replaced, removed and large ones.
class StoreDamage : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    set_log_level(LogLevel::error);
    original_ = std::make_unique<TemporaryDirectory>();
    RandomZones random(11);
    for (std::uint32_t session = 0; session < 3; ++session) {
      {
        const auto store = open_store(original_->path());
        for (std::uint32_t i = session; i < 8; ++i) {
          commit(*store, random, "z" + std::to_string(i) + ".", 10 * session + i);
        }
        commit(*store, random, "large.", 10 * session + 9);
        commit(*store, random, "removed.", session);
      }
      flush_log(*original_ / "zones");
    }
    const auto store = open_store(original_->path());
    ASSERT_TRUE(store->remove(name("removed.")));
    expected_.erase("removed.");
    commit(*store, random, "z7.", 1000);
    commit(*store, random, "log.", 1001);
    commit(*store, random, "large.", 1002);
  }

  static void TearDownTestSuite() {
    original_.reset();
    expected_.clear();
    set_log_level(LogLevel::info);
  }

  static void commit(ZoneStore& store, RandomZones& random, const std::string& apex, std::uint32_t serial) {
    auto zone = apex == "large." ? random.large_zone(apex, serial) : random.zone(apex, serial, 10);
    ASSERT_TRUE(store.commit(*zone, {.expire_at = serial}, "x"));
    expected_[apex] = std::move(zone);
  }

  static std::vector<std::string> files() {
    std::vector<std::string> names;
    for (const auto& file : std::filesystem::recursive_directory_iterator(original_->path())) {
      if (file.is_regular_file()) names.push_back(std::filesystem::relative(file.path(), original_->path()).string());
    }
    std::ranges::sort(names);
    return names;
  }

  struct Outcome {
    std::size_t whole = 0, reported = 0;
  };

  /// Opens the damaged copy and checks what this file's head promises.
  static Outcome check(const std::string& directory, const std::string& what) {
    SCOPED_TRACE(what);
    Outcome outcome;
    {
      auto opened = ZoneStore::open(directory);
      EXPECT_TRUE(opened) << opened.error().text();
      if (!opened) return outcome;
      ZoneStore& store = **opened;
      std::string reports;
      std::set<std::string> listed;
      const auto zones = store.list([&](const std::string& report) { reports += report + "\n"; });
      EXPECT_TRUE(zones) << zones.error().text();
      for (const StoredZone& zone : *zones) listed.insert(zone.name.text());
      EXPECT_FALSE(listed.contains("removed.")) << "a removed zone came back";
      for (const auto& [apex, zone] : expected_) {
        const auto loaded = store.load(name(apex));
        if (loaded) {
          EXPECT_EQ(loaded->version->serial(), zone->serial()) << apex;
          EXPECT_TRUE(content(loaded->version) == content(zone)) << apex << " has other records";
          EXPECT_TRUE(listed.contains(apex)) << apex << " is there but not listed";
          ++outcome.whole;
        } else {
          EXPECT_EQ(loaded.error().code, Errc::corrupt) << apex << ": " << loaded.error().text();
          EXPECT_TRUE(listed.contains(apex) || reports.find("zone " + apex) != std::string::npos)
              << apex << " is lost without a word";
          ++outcome.reported;
        }
        EXPECT_TRUE(store.commit(*zone, {}, "again"));
      }
    }
    expect_all(directory);
    return outcome;
  }

  static void expect_all(const std::string& directory) {
    const auto store = open_store(directory);
    ASSERT_NE(store, nullptr);
    EXPECT_EQ(list(*store).size(), expected_.size());
    for (const auto& [apex, zone] : expected_) expect_stored(*store, zone);
  }

  /// A copy of the store in which `damage` changed one file.
  template <typename F>
  static Outcome with_damage(const std::string& file, const std::string& what, F damage) {
    TemporaryDirectory copy;
    std::filesystem::copy(original_->path(), copy.path(), std::filesystem::copy_options::recursive);
    damage(copy / file);
    return check(copy.path(), what + " of " + file);
  }

  static inline std::unique_ptr<TemporaryDirectory> original_;
  static inline std::map<std::string, std::shared_ptr<const Zone>> expected_;
};

TEST_F(StoreDamage, NothingIsLostWithoutDamage) {
  const Outcome outcome = with_damage("promises", "no damage", [](const std::string&) {});
  EXPECT_EQ(outcome.whole, expected_.size());
  EXPECT_EQ(outcome.reported, 0U);
}

TEST_F(StoreDamage, EveryRegionOfEveryFileMayFlip) {
  std::size_t lost = 0;
  for (const std::string& file : files()) {
    const std::size_t size = read_file(*original_ / file).size();
    const std::size_t regions = std::min<std::size_t>(size, 12);
    for (std::size_t region = 0; region < regions; ++region) {
      const std::size_t at = size * region / regions + (size / regions) / 2;
      const Outcome outcome = with_damage(file, "octet " + std::to_string(at), [&](const std::string& path) {
        Bytes octets = read_file(path);
        octets[at] ^= 0x55;
        write_file(path, octets);
      });
      lost += outcome.reported;
      if (HasFailure()) return;
    }
  }
  EXPECT_GT(lost, 0U) << "no flip reached a zone";
}

TEST_F(StoreDamage, EveryFileMayBeCut) {
  for (const std::string& file : files()) {
    const std::size_t size = read_file(*original_ / file).size();
    for (const std::size_t keep : {std::size_t{0}, size / 3, size - size / 8, size - std::min<std::size_t>(size, 1)}) {
      with_damage(file, "cut to " + std::to_string(keep),
                  [&](const std::string& path) { std::filesystem::resize_file(path, keep); });
      if (HasFailure()) return;
    }
  }
}

TEST_F(StoreDamage, EveryFileMayBeMissing) {
  for (const std::string& file : files()) {
    with_damage(file, "deletion", [](const std::string& path) { std::filesystem::remove(path); });
    if (HasFailure()) return;
  }
}

TEST_F(StoreDamage, ALogCutAtARecordIsNotTakenForTheWhole) {
  // The log as it was before the last commits: nothing in it is damaged, it is only too old.
  TemporaryDirectory copy;
  std::filesystem::copy(original_->path(), copy.path(), std::filesystem::copy_options::recursive);
  std::map<std::string, Bytes> logs;
  {
    const auto store = open_store(copy.path());
    ASSERT_TRUE(store->commit(*expected_.at("z1."), {}, "x"));
    for (const auto& file : std::filesystem::directory_iterator(copy / "zones")) {
      if (file.path().extension() == ".log") logs[file.path().string()] = read_file(file.path().string());
    }
    ASSERT_FALSE(logs.empty());
    ASSERT_TRUE(store->commit(*small_zone("z1.", 5000), {}, "x"));
  }
  for (const auto& [path, octets] : logs) write_file(path, octets);
  const auto store = open_store(copy.path());
  std::vector<std::string> reports;
  const auto zones = store->list([&](const std::string& report) { reports.push_back(report); });
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_THAT(reports[0], HasSubstr("zone z1.: serial 5000 was stored here, but only the older version"));
  EXPECT_EQ(store->load(name("z1.")).error().code, Errc::corrupt);
  EXPECT_EQ(zones->size(), expected_.size() - 1);
}

TEST_F(StoreDamage, ALostZoneIsNamedAtEveryStartUntilItIsTakenOrRemoved) {
  TemporaryDirectory copy;
  std::filesystem::copy(original_->path(), copy.path(), std::filesystem::copy_options::recursive);
  std::filesystem::remove_all(copy / "zones");
  for (int start = 0; start < 2; ++start) {
    const auto store = open_store(copy.path());
    std::size_t reports = 0;
    EXPECT_THAT(*store->list([&](const std::string&) { ++reports; }), IsEmpty());
    EXPECT_EQ(reports, expected_.size());
  }
  {
    const auto store = open_store(copy.path());
    for (const auto& [apex, zone] : expected_) {
      if (apex == "z0.") ASSERT_TRUE(store->remove(name("z0.")));
      if (apex != "z0.") ASSERT_TRUE(store->commit(*zone, {}, "x"));
    }
    EXPECT_EQ(store->load(name("z0.")).error().code, Errc::not_found);
  }
  const auto store = open_store(copy.path());
  EXPECT_EQ(list(*store).size(), expected_.size() - 1);
}

TEST_F(StoreDamage, TheDamagedDatabaseIsKeptAndOnlyTheLastOne) {
  TemporaryDirectory copy;
  std::filesystem::copy(original_->path(), copy.path(), std::filesystem::copy_options::recursive);
  for (int time = 0; time < 2; ++time) {
    std::filesystem::remove(copy / "zones/CURRENT");
    const auto store = open_store(copy.path());
    EXPECT_EQ(list(*store).size(), expected_.size()) << "all of it could be saved";
    std::size_t kept = 0;
    for (const auto& file : std::filesystem::directory_iterator(copy.path())) {
      if (file.path().filename().string().starts_with("damaged-")) ++kept;
    }
    EXPECT_EQ(kept, 1U);
  }
}

// A table file with a bad block is found by a compaction, in the middle of other work. Commits go on.
TEST_F(StoreDamage, DamageThatShowsWhileRunningDoesNotStopCommits) {
  TemporaryDirectory copy;
  std::filesystem::copy(original_->path(), copy.path(), std::filesystem::copy_options::recursive);
  std::size_t damaged = 0;
  for (const auto& file : std::filesystem::directory_iterator(copy / "zones")) {
    if (file.path().extension() != ".sst" || file.file_size() > 300'000) continue;
    Bytes octets = read_file(file.path().string());
    octets[octets.size() / 3] ^= 0x55;  // among blocks of zones, in front of the heads
    write_file(file.path().string(), octets);
    ++damaged;
  }
  ASSERT_GT(damaged, 0U);
  const auto store = open_store(copy.path());
  RandomZones random(77);
  // Enough to fill memtables, and so to compact what is damaged.
  for (std::uint32_t i = 0; i < 400; ++i) {
    const auto zone = random.zone("busy" + std::to_string(i % 60) + ".", i, 200);
    const auto outcome = store->commit(*zone, {}, "x");
    ASSERT_TRUE(outcome) << i << ": " << outcome.error().text();
  }
  for (const auto& [apex, zone] : expected_) {
    const auto loaded = store->load(name(apex));
    if (loaded) {
      EXPECT_TRUE(content(loaded->version) == content(zone)) << apex;
    } else {
      EXPECT_EQ(loaded.error().code, Errc::corrupt) << apex;
    }
    EXPECT_TRUE(store->commit(*zone, {}, "x"));
    expect_stored(*store, zone);
  }
}

}  // namespace
}  // namespace understudy
