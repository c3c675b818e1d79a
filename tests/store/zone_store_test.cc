#include "store/zone_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rocksdb/env.h>
#include <rocksdb/write_batch.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <thread>

#include "store/database.h"
#include "store/format.h"
#include "store/store_fixture.h"

namespace understudy {
namespace {

using namespace store_fixture;
using testing::HasSubstr;

constexpr std::size_t large_owners = 2000;  // random zones of this size are stored as large versions

std::shared_ptr<const Zone> any_zone(RandomZones& random, const std::string& apex, std::uint32_t serial,
                                     std::size_t owners) {
  return owners == large_owners ? random.large_zone(apex, serial) : random.zone(apex, serial, owners);
}

void delete_key(const std::string& path, const std::string& key) {
  std::unique_ptr<Database> database;
  ASSERT_TRUE(Database::open(path, Database::Mode::strict, rocksdb::Env::Default(), database).ok());
  rocksdb::WriteBatch batch;
  batch.Delete(key);
  ASSERT_TRUE(database->write(batch, true).ok());
}

std::size_t table_files(const std::string& directory) {
  std::size_t count = 0;
  for (const auto& file : std::filesystem::directory_iterator(directory + "/zones")) {
    if (file.path().extension() == ".sst" && file.file_size() > 400'000) ++count;
  }
  return count;
}

TEST(ZoneStore, ZonesOfAllSizesComeBackRecordForRecord) {
  TemporaryDirectory directory;
  RandomZones random(1);
  std::vector<std::shared_ptr<const Zone>> zones;
  for (std::uint32_t i = 0; i < 12; ++i) {
    const std::string apex = i == 0 ? "." : "Zone" + std::to_string(i) + ".Example.";
    zones.push_back(random.zone(apex, 4'294'967'290U + i, i == 11 ? large_owners : i * i * 3));
  }
  {
    const auto store = open_store(directory.path());
    for (const auto& zone : zones) ASSERT_TRUE(store->commit(*zone, {.expire_at = 77}, "192.0.2.1@53"));
    for (const auto& zone : zones) expect_stored(*store, zone);
  }
  EXPECT_EQ(table_files(directory.path()), 1U);
  for (int again = 0; again < 2; ++again) {
    const auto store = open_store(directory.path());
    for (const auto& zone : zones) expect_stored(*store, zone);
    auto listed = list(*store);
    ASSERT_EQ(listed.size(), zones.size());
    for (const auto& zone : zones) {
      const auto found = std::ranges::find(listed, Name(zone->apex()), &StoredZone::name);
      ASSERT_NE(found, listed.end());
      EXPECT_TRUE(found->name.view().identical(zone->apex()));
      EXPECT_EQ(found->serial, zone->serial());
      EXPECT_EQ(found->records, zone->record_count());
      EXPECT_EQ(found->nodes, zone->node_count());
      EXPECT_EQ(found->source, "192.0.2.1@53");
      EXPECT_EQ(found->timers.expire_at, 77);
      const auto alone = store->find(zone->apex());
      ASSERT_TRUE(alone && *alone);
      EXPECT_EQ((*alone)->serial, found->serial);
      EXPECT_EQ((*alone)->records, found->records);
      EXPECT_EQ((*alone)->source, found->source);
      EXPECT_EQ((*alone)->timers, found->timers);
    }
    EXPECT_FALSE(store->find(*Name::parse("absent.")).value());
    ASSERT_TRUE(store->save_timers(zones[3]->apex(), {.expire_at = 78}, true));
    EXPECT_EQ(store->find(zones[3]->apex()).value()->timers.expire_at, 78);
    ASSERT_TRUE(store->save_timers(zones[3]->apex(), {.expire_at = 77}, true));
  }
}

TEST(ZoneStore, ManyZonesAreReadAtOnceAsTheyAreAlone) {
  TemporaryDirectory directory;
  RandomZones random(4);
  std::vector<Name> names;
  const auto add = [&](const std::string& apex) { names.push_back(*Name::parse(apex)); };
  for (int round = 0; round < 3; ++round) {  // rows in tables, replaced and removed ones among them
    const auto store = open_store(directory.path());
    std::vector<Commit> commits;
    for (std::uint32_t i = 0; i < 200; ++i) {
      const std::string apex = "Customer-of-our-" + std::to_string(i * (i % 3 == 0 ? 7 : 1)) + ".Example.";
      if (round == 0) add(apex);
      if (i % 5 == 4 && round == 2) {
        ASSERT_TRUE(store->remove(*Name::parse(apex)));
      } else if (i % 11 != 10) {
        ASSERT_TRUE(
            store->commit(*random.zone(apex, static_cast<std::uint32_t>(round), i % 20), {.expire_at = i}, "x"));
      }
    }
    if (round == 1) ASSERT_TRUE(store->commit(*random.large_zone("customer-of-our-500.example.", 5), {}, "y"));
    if (round == 1) ASSERT_TRUE(store->save_timers(names[1], {.expire_at = 99}, false));
  }
  add("customer-of-our-500.example.");
  add(".");
  add("z.");
  flush_log(directory / "zones");
  const auto store = open_store(directory.path());
  expect_read_as_alone(*store, names);
  const auto large = store->read_all(std::vector<NameView>{name("customer-of-our-500.example.")});
  ASSERT_TRUE(large[0] && *large[0]);
  EXPECT_FALSE((*large[0])->loaded) << "others would wait for it";
  EXPECT_TRUE(store->read_all({}).empty());
}

TEST(ZoneStore, AVersionIsReplacedWhateverTheSizes) {
  TemporaryDirectory directory;
  RandomZones random(2);
  const std::size_t sizes[] = {5, large_owners, 3, large_owners, large_owners, 40};
  std::uint32_t serial = 1;
  for (const std::size_t size : sizes) {
    const auto zone = any_zone(random, "example.", serial++, size);
    const auto store = open_store(directory.path());
    ASSERT_TRUE(store->commit(*zone, {}, "first"));
    expect_stored(*store, zone);
    const auto again = any_zone(random, "example.", serial++, size);
    ASSERT_TRUE(store->commit(*again, {}, "second"));
    expect_stored(*store, again);
    EXPECT_EQ(list(*store).size(), 1U);
    EXPECT_EQ(table_files(directory.path()), size == large_owners ? 1U : 0U) << "replaced large versions are deleted";
  }
}

TEST(ZoneStore, NamesAreTheSameWithoutCase) {
  TemporaryDirectory directory;
  const auto store = open_store(directory.path());
  ASSERT_TRUE(store->commit(*small_zone("example.NET.", 1), {}, "a"));
  ASSERT_TRUE(store->commit(*small_zone("Example.net.", 2), {}, "b"));
  EXPECT_EQ(list(*store).size(), 1U);
  expect_stored(*store, small_zone("Example.net.", 2));
  EXPECT_TRUE(store->load(name("EXAMPLE.NET.")));
}

TEST(ZoneStore, WhatIsNotThereIsNotFound) {
  TemporaryDirectory directory;
  const auto store = open_store(directory.path());
  EXPECT_TRUE(list(*store).empty());
  EXPECT_EQ(store->load(name("example.")).error().code, Errc::not_found);
  EXPECT_EQ(store->save_timers(name("example."), {}, true).error().code, Errc::not_found);
  EXPECT_TRUE(store->remove(name("example.")));
}

TEST(ZoneStore, ARemovedZoneIsGone) {
  TemporaryDirectory directory;
  RandomZones random(3);
  const auto small = random.zone("small.example.", 1, 20);
  const auto large = random.large_zone("large.example.", 1);
  const auto kept = random.zone("kept.example.", 1, 20);
  {
    const auto store = open_store(directory.path());
    for (const auto& zone : {small, large, kept}) ASSERT_TRUE(store->commit(*zone, {}, "x"));
    ASSERT_TRUE(store->remove(name("SMALL.example.")));
    ASSERT_TRUE(store->remove(name("large.example.")));
    EXPECT_EQ(store->load(name("small.example.")).error().code, Errc::not_found);
    EXPECT_EQ(store->load(name("large.example.")).error().code, Errc::not_found);
    EXPECT_EQ(table_files(directory.path()), 0U);
  }
  const auto store = open_store(directory.path());
  ASSERT_EQ(list(*store).size(), 1U);
  expect_stored(*store, kept);
  ASSERT_TRUE(store->commit(*small, {}, "x"));
  expect_stored(*store, small);
}

TEST(ZoneStore, TimersAreReplacedAlone) {
  TemporaryDirectory directory;
  const ZoneTimers at_commit{.confirmed_at = 1, .checked_at = 2, .refresh_at = 3, .expire_at = 4, .expired = false};
  const ZoneTimers later{
      .confirmed_at = 10, .checked_at = 20, .refresh_at = 30, .expire_at = 40, .behind_since = 15, .expired = true};
  const auto timers_of = [&](const ZoneStore& store, const std::string& zone) {
    for (const StoredZone& stored : list(store)) {
      if (stored.name == name(zone)) return stored.timers;
    }
    ADD_FAILURE() << zone << " is not stored";
    return ZoneTimers{};
  };
  {
    const auto store = open_store(directory.path());
    for (const char* zone : {"a.", "b.", "c."}) ASSERT_TRUE(store->commit(*small_zone(zone, 1), at_commit, "x"));
    EXPECT_EQ(timers_of(*store, "b."), at_commit);
    ASSERT_TRUE(store->save_timers(name("B."), later, true));
    ASSERT_TRUE(store->save_timers(name("c."), later, false));
    for (const char* zone : {"d.", "e."}) ASSERT_TRUE(store->commit(*small_zone(zone, 1), at_commit, "x"));
    const Name d = name("D."), e = name("e.");
    const auto missing = store->save_timers(std::vector<TimersOf>{{e, later}, {d, later}});
    ASSERT_TRUE(missing);
    EXPECT_TRUE(missing->empty());
  }
  const auto store = open_store(directory.path());
  EXPECT_EQ(timers_of(*store, "a."), at_commit);
  EXPECT_EQ(timers_of(*store, "b."), later);
  EXPECT_EQ(timers_of(*store, "c."), later);
  EXPECT_EQ(timers_of(*store, "d."), later);
  EXPECT_EQ(timers_of(*store, "e."), later);
  expect_stored(*store, small_zone("b.", 1));
  ASSERT_TRUE(store->commit(*small_zone("b.", 2), at_commit, "x"));
  EXPECT_EQ(timers_of(*store, "b."), at_commit);
}

TEST(ZoneStore, ASecondOpenerIsToldWhichDirectory) {
  TemporaryDirectory directory;
  auto store = open_store(directory.path());
  const auto second = ZoneStore::open(directory.path());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::already_locked);
  EXPECT_THAT(second.error().text(), HasSubstr(directory.path()));
  EXPECT_THAT(second.error().text(), HasSubstr(std::to_string(::getpid())));
  store.reset();
  EXPECT_TRUE(ZoneStore::open(directory.path()));
}

TEST(ZoneStore, ADirectoryThatCannotBeMadeOrWrittenIsNamed) {
  TemporaryDirectory directory;
  write_file(directory / "file", Bytes{1});
  const auto below_a_file = ZoneStore::open(directory / "file/deeper");
  ASSERT_FALSE(below_a_file);
  EXPECT_EQ(below_a_file.error().code, Errc::io);
  EXPECT_THAT(below_a_file.error().text(), HasSubstr(directory / "file/deeper"));
  EXPECT_EQ(ZoneStore::open(directory / "file").error().code, Errc::io);

  // Permissions do not bind the superuser, so another user has to try.
  std::filesystem::create_directory(directory / "closed");
  ASSERT_EQ(::chmod((directory / "closed").c_str(), 0555), 0);
  ASSERT_EQ(::chmod(directory.path().c_str(), 0755), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    if (::geteuid() == 0 && ::seteuid(65534) != 0) ::_exit(2);
    const auto closed = ZoneStore::open(directory / "closed");
    const bool told = !closed && closed.error().code == Errc::io &&
                      closed.error().text().find(directory / "closed") != std::string::npos;
    ::_exit(told ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

TEST(ZoneStore, MissingParentsAreMade) {
  TemporaryDirectory directory;
  EXPECT_TRUE(ZoneStore::open(directory / "a/b/c"));
}

TEST(ZoneStore, ManySmallZonesInFewSyncs) {
  TemporaryDirectory directory;
  constexpr std::uint32_t count = 20'000;
  {
    const auto store = open_store(directory.path());
    std::vector<Commit> commits;
    for (std::uint32_t i = 0; i < count; ++i) {
      commits.push_back({small_zone("z" + std::to_string(i) + ".example.", i), {.expire_at = i}, "x"});
      if (commits.size() < 5000) continue;
      for (const auto& outcome : store->commit_all(commits)) ASSERT_TRUE(outcome) << outcome.error().text();
      commits.clear();
    }
    EXPECT_EQ(list(*store).size(), count);
  }
  const auto store = open_store(directory.path());
  const auto zones = list(*store);
  ASSERT_EQ(zones.size(), count);
  for (const StoredZone& zone : zones) {
    EXPECT_EQ(zone.timers.expire_at, zone.serial.value);
    EXPECT_EQ("z" + std::to_string(zone.serial.value) + ".example.", zone.name.text());
  }
  for (std::size_t i = 0; i < zones.size(); i += 97) {
    expect_stored(*store, small_zone(zones[i].name, zones[i].serial.value));
  }
}

TEST(ZoneStore, ThreadsCommitLoadAndRemoveAtOnce) {
  TemporaryDirectory directory;
  const auto store = open_store(directory.path());
  std::vector<std::jthread> threads;
  for (std::uint32_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      RandomZones random(t);
      for (std::uint32_t i = 0; i < 40; ++i) {
        const std::string apex = "t" + std::to_string(t) + "-" + std::to_string(i % 5) + ".example.";
        const auto zone = any_zone(random, apex, i, i == 20 ? large_owners : random.below(60));
        EXPECT_TRUE(store->commit(*zone, {}, "x"));
        expect_stored(*store, zone);
        EXPECT_TRUE(store->save_timers(name(apex), {.expire_at = i}, i % 2 == 0));
        if (i % 7 == 0) {
          EXPECT_TRUE(store->remove(name(apex)));
        }
        if (i % 10 == 0) {
          EXPECT_GE(list(*store).size(), 0U);
        }
      }
    });
  }
  threads.clear();
  EXPECT_EQ(list(*store).size(), 4 * 5U - 4U) << "the last i % 7 == 0 is 35, and nothing took its zone after";
}

TEST(ZoneStore, WhatACommitLeftBehindIsDeletedAtTheNextStart) {
  TemporaryDirectory directory;
  RandomZones random(6);
  const auto zone = random.large_zone("example.", 1);
  {
    const auto store = open_store(directory.path());
    ASSERT_TRUE(store->commit(*zone, {}, "x"));
  }
  // As after a crash in front of the head: a file that was never taken, and blocks that no head names.
  write_file(directory / "incoming/99.sst", Bytes(1000, 1));
  const std::string before = directory / "copy";
  std::filesystem::copy(directory / "promises", before);
  {
    const auto store = open_store(directory.path());
    ASSERT_TRUE(store->commit(*random.large_zone("orphan.example.", 1), {}, "x"));
    EXPECT_FALSE(std::filesystem::exists(directory / "incoming/99.sst"));
    EXPECT_EQ(table_files(directory.path()), 2U);
  }
  {
    // The head of the second zone goes, its blocks stay.
    delete_key(directory / "zones", head_key(name("orphan.example.")));
    std::filesystem::rename(before, directory / "promises");
  }
  const auto store = open_store(directory.path());
  EXPECT_EQ(table_files(directory.path()), 1U);
  expect_stored(*store, zone);
}

TEST(ZoneStore, CommitsOfOneZoneDoNotGrowTheDirectory) {
  TemporaryDirectory directory;
  const auto store = open_store(directory.path());
  RandomZones random(8);
  const auto zone = random.zone("example.", 1, 300);
  for (int i = 0; i < 600; ++i) ASSERT_TRUE(store->commit(*zone, {}, "x"));
  std::uintmax_t octets = 0;
  for (const auto& file : std::filesystem::recursive_directory_iterator(directory.path())) {
    if (file.is_regular_file()) octets += file.file_size();
  }
  EXPECT_LT(octets, 60U << 20);
}

}  // namespace
}  // namespace understudy
