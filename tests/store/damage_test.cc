// Files of a store are flipped, cut, emptied and deleted. Afterwards each zone is there as it was last acknowledged, or
// it is reported; never an older version, never a mixture. And the store takes zones again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rocksdb/env.h>
#include <rocksdb/write_batch.h>

#include <map>
#include <set>

#include "base/log.h"
#include "store/database.h"
#include "store/delta_fixture.h"
#include "store/format.h"
#include "store/transfer_log.h"

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
        if (session == 1) change(*store, "changed.", 0);
      }
      flush_log(*original_ / "zones");
    }
    const auto store = open_store(original_->path());
    change(*store, "changing.", 0);
    change(*store, "large-changing.", 12);
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

  /// A zone with deltas in front of its base and behind it.
  static void change(ZoneStore& store, const std::string& apex, std::uint32_t weights) {
    ChangingZone zone(apex);
    zone.with_hosts(30).with_weights(weights);
    ASSERT_TRUE(store.commit(*zone.version(), {}, "x"));
    for (int i = 0; i < 6; ++i) ASSERT_TRUE(store.commit(zone.next_commit(1, {}, i == 2)));
    expected_[apex] = zone.version();
  }

  static std::vector<std::string> files() {
    std::vector<std::string> names;
    for (const auto& file : std::filesystem::recursive_directory_iterator(original_->path())) {
      if (file.is_regular_file()) names.push_back(std::filesystem::relative(file.path(), original_->path()).string());
    }
    std::ranges::sort(names);
    return names;
  }

  static std::vector<std::string> sorted(const std::shared_ptr<const Zone>& zone) {
    return zone_fixture::sorted_text(content(zone));
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
      std::vector<Name> names = {name("absent."), name("removed.")};
      for (const auto& each : expected_) names.push_back(name(each.first));
      expect_read_as_alone(store, names);
      for (const auto& [apex, zone] : expected_) {
        const auto loaded = store.load(name(apex));
        if (loaded) {
          EXPECT_EQ(loaded->version->serial(), zone->serial()) << apex;
          EXPECT_TRUE(sorted(loaded->version) == sorted(zone)) << apex << " has other records";
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
      EXPECT_TRUE(sorted(loaded->version) == sorted(zone)) << apex;
    } else {
      EXPECT_EQ(loaded.error().code, Errc::corrupt) << apex;
    }
    EXPECT_TRUE(store->commit(*zone, {}, "x"));
    expect_stored(*store, zone);
  }
}

// One zone with a base, three deltas in front of it and three behind, a small one and one whose base is large.
class DeltaDamage : public testing::TestWithParam<bool> {
 protected:
  DeltaDamage() {
    set_log_level(LogLevel::error);
    zone_.with_hosts(40).with_weights(GetParam() ? 12 : 0);
    const auto store = open_store(directory_.path());
    EXPECT_TRUE(store->commit(*zone_.version(), {}, "x"));
    for (int i = 0; i < 6; ++i) {
      const Commit commit = zone_.next_commit(1, {}, i == 2);
      EXPECT_TRUE(store->commit(commit));
      all_.push_back(commit.deltas[0]);
    }
    EXPECT_TRUE(store->put_facts(std::vector{Fact{"fact", Bytes{1}}}));
    store->transfers().append({.zone = name("example.")});
  }
  ~DeltaDamage() override { set_log_level(LogLevel::info); }

  /// Calls change(database, batch) for the database of the closed store.
  template <typename F>
  void with_database(F&& change) {
    std::unique_ptr<Database> database;
    ASSERT_TRUE(Database::open(directory_ / "zones", Database::Mode::strict, rocksdb::Env::Default(), database).ok());
    rocksdb::WriteBatch batch;
    change(*database, batch);
    ASSERT_TRUE(database->write(batch, true).ok());
  }

  VersionHead head(const Database& database) {
    const std::string key = head_key(name("example."));
    rocksdb::PinnableSlice value;
    EXPECT_TRUE(database.get(key, value).ok());
    return decode_head(key, text_of(value)).value();
  }

  enum class Kind { flipped, missing, another };
  /// Damages delta `number`, counted from the oldest.
  void damage(std::uint64_t number, Kind kind) {
    with_database([&](const Database& database, rocksdb::WriteBatch& batch) {
      const VersionHead stored = head(database);
      const std::string key = delta_key(name("example."), stored.history, number, 0);
      rocksdb::PinnableSlice value;
      ASSERT_TRUE(database.get(key, value).ok());
      std::string changed(value.data(), value.size());
      if (kind == Kind::flipped) changed[changed.size() / 2] ^= 1;
      if (kind == Kind::another) {
        // Sealed as it should be, with the right serials: what a commit that failed may have left.
        ByteReader in(view_of(changed));
        ASSERT_TRUE(decode_delta_header(in));
        Bytes content(view_of(changed).begin(), view_of(changed).end() - 4);
        content.back() ^= 1;
        seal(key, content);
        changed = text_of(content);
      }
      kind == Kind::missing ? batch.Delete(key) : batch.Put(key, changed);
    });
  }

  TemporaryDirectory directory_;
  ChangingZone zone_{"example."};
  std::vector<DeltaPtr> all_;
};

INSTANTIATE_TEST_SUITE_P(Sizes, DeltaDamage, testing::Bool());

TEST_P(DeltaDamage, OfTheChainCostsTheZone) {
  for (const Kind kind : {Kind::flipped, Kind::missing, Kind::another}) {
    for (std::uint64_t number = 3; number < 6; ++number) {
      damage(number, kind);
      const auto store = open_store(directory_.path());
      const auto loaded = store->load(name("example."));
      ASSERT_FALSE(loaded);
      EXPECT_EQ(loaded.error().code, Errc::corrupt);
      EXPECT_THAT(loaded.error().detail,
                  HasSubstr("example. to serial " + std::to_string(zone_.serial() - 5 + number)));
      EXPECT_EQ(store->promised_serial(name("example.")), Serial{zone_.serial()});
      // It is taken anew, and has a chain again.
      ASSERT_TRUE(store->commit(*zone_.version(), {}, "x"));
      expect_loads(*store, zone_.version(), {});
      all_.clear();
      for (int i = 0; i < 6; ++i) {
        const Commit commit = zone_.next_commit(1, {}, i == 2);
        ASSERT_TRUE(store->commit(commit));
        all_.push_back(commit.deltas[0]);
      }
      expect_loads(*store, zone_.version(), all_);
    }
  }
}

TEST_P(DeltaDamage, OfTheHistoryCostsTheHistory) {
  std::uint64_t number = 0;
  for (const Kind kind : {Kind::missing, Kind::another, Kind::flipped}) {
    damage(number++, kind);
    expect_loads(*open_store(directory_.path()), zone_.version(), newest(all_, 6 - number));
  }
  // The damaged ones go when the history is trimmed.
  const auto store = open_store(directory_.path());
  for (int i = 0; i < 3; ++i) {
    const Commit commit = zone_.next_commit(1, {.versions = 4}, i == 2);
    ASSERT_TRUE(store->commit(commit));
    all_.push_back(commit.deltas[0]);
    expect_loads(*store, commit.version, newest(all_, 4));
  }
}

TEST_P(DeltaDamage, IsRescuedFrom) {
  damage(1, Kind::flipped);
  std::filesystem::remove(directory_ / "zones/CURRENT");
  {
    const auto store = open_store(directory_.path());
    expect_loads(*store, zone_.version(), newest(all_, 4));
    EXPECT_EQ(store->fact("fact").value(), Bytes{1});
    EXPECT_EQ(store->transfers().list(name("example."), 0, 10)->size(), 1U);
    const Commit commit = zone_.next_commit(2);
    ASSERT_TRUE(store->commit(commit));
    all_.insert(all_.end(), commit.deltas.begin(), commit.deltas.end());
    expect_loads(*store, commit.version, newest(all_, 6));
  }
  damage(5, Kind::flipped);
  std::filesystem::remove(directory_ / "zones/CURRENT");
  const auto store = open_store(directory_.path());
  EXPECT_EQ(store->load(name("example.")).error().code, Errc::corrupt);
  EXPECT_EQ(store->promised_serial(name("example.")), Serial{zone_.serial()});
  // Older than promised or not, what is committed now is the zone.
  ASSERT_TRUE(store->commit(*zone_.version(), {}, "x"));
  expect_loads(*store, zone_.version(), {});
}

TEST_P(DeltaDamage, ThePromisedSerialIsKnownWhateverIsDamaged) {
  EXPECT_EQ(open_store(directory_.path())->promised_serial(name("other.")), std::nullopt);
  with_database([&](const Database&, rocksdb::WriteBatch& batch) { batch.Put(head_key(name("example.")), "damaged"); });
  EXPECT_EQ(open_store(directory_.path())->promised_serial(name("example.")), Serial{zone_.serial()});
  with_database([&](const Database&, rocksdb::WriteBatch& batch) { batch.Delete(head_key(name("example."))); });
  EXPECT_EQ(open_store(directory_.path())->promised_serial(name("example.")), Serial{zone_.serial()});
  std::filesystem::remove_all(directory_ / "zones");
  const auto store = open_store(directory_.path());
  EXPECT_EQ(store->promised_serial(name("EXAMPLE.")), Serial{zone_.serial()});
  ASSERT_TRUE(store->remove(name("example.")));
  EXPECT_EQ(store->promised_serial(name("example.")), std::nullopt);
}

// A delta for a zone that is lost does not bring it back with what is left.
TEST_P(DeltaDamage, ALostZoneIsWrittenWhole) {
  const Commit next = zone_.next_commit();
  TemporaryDirectory older;
  std::filesystem::copy(directory_.path(), older.path(), std::filesystem::copy_options::recursive);
  ASSERT_TRUE(open_store(directory_.path())->commit(next));
  // The database of before that commit with the promises of after it.
  write_file(older / "promises", read_file(directory_ / "promises"));
  const auto store = open_store(older.path());
  EXPECT_EQ(store->load(name("example.")).error().code, Errc::corrupt);
  EXPECT_EQ(store->promised_serial(name("example.")), next.version->serial());
  const Commit later = zone_.next_commit();
  ASSERT_TRUE(store->commit(later));
  expect_loads(*store, later.version, later.deltas);
}

}  // namespace
}  // namespace understudy
