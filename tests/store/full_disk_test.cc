// A disk that is full: commits fail in words, what was stored is served, and when there is room again, commits work
// without a restart.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <sys/mount.h>

#include <atomic>
#include <map>

#include "store/delta_fixture.h"
#include "store/transfer_log.h"

namespace understudy {
namespace {

using namespace store_fixture;
using testing::HasSubstr;

// What the disk of a test does. Written by the test while the database's threads read it.
struct Disk {
  std::atomic<bool> full{false};
  std::atomic<bool> failing{false};
  mutable std::atomic<int> syncs{0};

  [[nodiscard]] rocksdb::IOStatus state() const {
    if (full) return rocksdb::IOStatus::NoSpace("No space left on device");
    if (failing) return rocksdb::IOStatus::IOError("Remote I/O error");
    return rocksdb::IOStatus::OK();
  }
};

class DiskFile : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  DiskFile(std::unique_ptr<rocksdb::FSWritableFile> file, const Disk& disk)
      : FSWritableFileOwnerWrapper(std::move(file)), disk_(disk) {}
  using FSWritableFileOwnerWrapper::Append;
  rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                           rocksdb::IODebugContext* context) override {
    const rocksdb::IOStatus state = disk_.state();
    if (state.ok()) return FSWritableFileOwnerWrapper::Append(data, options, context);
    // As the kernel does it: what still fits is written.
    FSWritableFileOwnerWrapper::Append({data.data(), data.size() / 2}, options, context).PermitUncheckedError();
    return state;
  }
  rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                           const rocksdb::DataVerificationInfo&, rocksdb::IODebugContext* context) override {
    return Append(data, options, context);
  }

  rocksdb::IOStatus Sync(const rocksdb::IOOptions& options, rocksdb::IODebugContext* context) override {
    ++disk_.syncs;
    return FSWritableFileOwnerWrapper::Sync(options, context);
  }

 private:
  const Disk& disk_;
};

class DiskFileSystem : public rocksdb::FileSystemWrapper {
 public:
  explicit DiskFileSystem(const Disk& disk) : FileSystemWrapper(rocksdb::FileSystem::Default()), disk_(disk) {}
  const char* Name() const override { return "DiskFileSystem"; }
  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* context) override {
    const rocksdb::IOStatus opened = FileSystemWrapper::NewWritableFile(path, options, file, context);
    if (opened.ok()) *file = std::make_unique<DiskFile>(std::move(*file), disk_);
    return opened;
  }

 private:
  const Disk& disk_;
};

class StoreFullDisk : public testing::Test {
 protected:
  std::unique_ptr<ZoneStore> open() {
    auto store = ZoneStore::open(directory_.path(), env_.get());
    EXPECT_TRUE(store) << store.error().text();
    return store ? std::move(*store) : nullptr;
  }

  /// The first commit after the disk is back may come too early: the database is opened again five times a second.
  static Result<void> commit_soon(ZoneStore& store, const std::shared_ptr<const Zone>& zone) {
    Result<void> outcome = store.commit(*zone, {}, "x");
    for (int wait = 0; !outcome && wait < 50; ++wait) {
      ::usleep(100'000);
      outcome = store.commit(*zone, {}, "x");
    }
    return outcome;
  }

  std::shared_ptr<const Zone> either(const std::string& apex, std::uint32_t serial) {
    return apex == "large." ? random_.large_zone(apex, serial) : random_.zone(apex, serial, 10);
  }

  TemporaryDirectory directory_;
  Disk disk_;
  const std::unique_ptr<rocksdb::Env> env_ = rocksdb::NewCompositeEnv(std::make_shared<DiskFileSystem>(disk_));
  RandomZones random_{31};
};

TEST_F(StoreFullDisk, CommitsFailInWordsAndWorkAgainWhenThereIsRoom) {
  auto store = open();
  std::map<std::string, std::shared_ptr<const Zone>> stored;
  std::uint32_t serial = 0;
  for (int round = 0; round < 4; ++round) {
    for (const std::string apex : {"small.", "large."}) {
      const auto zone = either(apex, ++serial);
      ASSERT_TRUE(commit_soon(*store, zone));
      stored[apex] = zone;
    }
    disk_.full = true;
    for (int attempt = 0; attempt < 3; ++attempt) {
      for (const std::string apex : {"small.", "large."}) {
        const auto zone = either(apex, ++serial);
        const auto outcome = store->commit(*zone, {}, "x");
        ASSERT_FALSE(outcome);
        EXPECT_EQ(outcome.error().code, Errc::storage_full) << outcome.error().text();
        EXPECT_THAT(outcome.error().text(), HasSubstr("the disk is full"));
      }
      EXPECT_EQ(store->save_timers(name("small."), {}, true).error().code, Errc::storage_full);
      EXPECT_EQ(store->remove(name("other.")).has_value(), true) << "nothing to write";
      for (const auto& [apex, zone] : stored) expect_stored(*store, zone);
    }
    disk_.full = false;
  }
  for (const auto& [apex, zone] : stored) ASSERT_TRUE(commit_soon(*store, zone));
  store.reset();
  store = open();
  for (const auto& [apex, zone] : stored) expect_stored(*store, zone);
}

TEST_F(StoreFullDisk, DeltasFailInWordsAndTheChainGoesOn) {
  auto store = open();
  ChangingZone zone("example.");
  zone.with_hosts(100);
  ASSERT_TRUE(store->commit(*zone.version(), {}, "x"));
  std::shared_ptr<const Zone> stored = zone.version();
  std::vector<DeltaPtr> history;
  std::vector<DeltaPtr> refused;
  std::uint64_t failed = 0;
  for (int round = 0; round < 4; ++round) {
    // What could not be stored comes again, with what changed since.
    Commit commit = zone.next_commit();
    commit.deltas.insert(commit.deltas.begin(), refused.begin(), refused.end());
    Result<void> outcome = store->commit(commit);
    for (int wait = 0; !outcome && wait < 50; ++wait) {
      ::usleep(100'000);
      outcome = store->commit(commit);
    }
    ASSERT_TRUE(outcome) << outcome.error().text();
    history.insert(history.end(), commit.deltas.begin(), commit.deltas.end());
    stored = commit.version;
    refused.clear();
    expect_loads(*store, stored, newest(history, 10));
    disk_.full = true;
    for (int attempt = 0; attempt < 2; ++attempt) {
      Commit next = zone.next_commit(1, {}, attempt == 1);
      refused.push_back(next.deltas[0]);
      next.deltas = refused;
      outcome = store->commit(next);
      ASSERT_FALSE(outcome);
      EXPECT_EQ(outcome.error().code, Errc::storage_full) << outcome.error().text();
      EXPECT_EQ(store->put_facts(std::vector{Fact{"a", Bytes{1}}}).error().code, Errc::storage_full);
      store->transfers().append({.zone = name("example.")});
      expect_loads(*store, stored, newest(history, 10));
    }
    failed = store->transfers().append({.zone = name("example."), .result = "io"});
    EXPECT_EQ(store->transfers().find(failed).value(), std::nullopt)
        << "it could not be written, and is not waited for";
    disk_.full = false;
  }
  store.reset();
  store = open();
  expect_loads(*store, stored, newest(history, 10));
  EXPECT_TRUE(store->put_facts(std::vector{Fact{"a", Bytes{1}}}));
  EXPECT_TRUE(store->transfers().find(store->transfers().append({.zone = name("example.")})).value());
}

TEST_F(StoreFullDisk, AStoreOpenedOnAFullDiskServesAndTakesZonesLater) {
  const auto zone = random_.zone("example.", 1, 30);
  ASSERT_TRUE(open()->commit(*zone, {.expire_at = 5}, "x"));
  disk_.full = true;
  const auto store = open();
  ASSERT_NE(store, nullptr);
  ASSERT_EQ(list(*store).size(), 1U);
  expect_stored(*store, zone);
  const auto next = random_.zone("example.", 2, 30);
  EXPECT_EQ(store->commit(*next, {}, "x").error().code, Errc::storage_full);
  disk_.full = false;
  const auto outcome = commit_soon(*store, next);
  ASSERT_TRUE(outcome) << outcome.error().text();
  expect_stored(*store, next);
}

TEST_F(StoreFullDisk, AnotherFailureOfTheDiskIsRecoveredFromToo) {
  const auto store = open();
  const auto zone = random_.zone("example.", 1, 30);
  ASSERT_TRUE(store->commit(*zone, {}, "x"));
  disk_.failing = true;
  const auto next = random_.zone("example.", 2, 30);
  const auto failed = store->commit(*next, {}, "x");
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Errc::storage) << failed.error().text();
  disk_.failing = false;
  const auto outcome = commit_soon(*store, next);
  ASSERT_TRUE(outcome) << outcome.error().text();
  expect_stored(*store, next);
}

TEST_F(StoreFullDisk, ADamagedDatabaseOnAFullDiskIsServedAsFarAsItIsWhole) {
  const auto small = random_.zone("small.", 1, 30);
  {
    const auto store = open();
    ASSERT_TRUE(store->commit(*small, {}, "x"));
  }
  flush_log(directory_ / "zones");
  const auto logged = random_.zone("logged.", 1, 30);
  ASSERT_TRUE(open()->commit(*logged, {}, "x"));
  for (const auto& file : std::filesystem::directory_iterator(directory_ / "zones")) {
    if (file.path().extension() != ".log") continue;
    Bytes octets = read_file(file.path().string());
    if (octets.empty()) continue;
    octets[octets.size() / 2] ^= 1;
    write_file(file.path().string(), octets);
  }
  disk_.full = true;
  const auto store = open();
  ASSERT_NE(store, nullptr);
  expect_stored(*store, small);
  EXPECT_EQ(store->load(name("logged.")).error().code, Errc::corrupt);
  disk_.full = false;
  const auto outcome = commit_soon(*store, logged);
  ASSERT_TRUE(outcome) << outcome.error().text();
  expect_stored(*store, logged);
  expect_stored(*store, small);
}

TEST_F(StoreFullDisk, ManyZonesAreRemovedWithAFewSyncsOrNotAtAll) {
  auto store = open();
  std::vector<Name> names;
  std::vector<std::shared_ptr<const Zone>> zones;
  std::vector<Commit> commits;
  for (std::uint32_t i = 0; i < 300; ++i) {
    const std::string apex = "z" + std::to_string(i) + ".";
    zones.push_back(i < 5 ? random_.large_zone(apex, 1) : small_zone(apex, 1));
    names.push_back(name(apex));
    commits.push_back({.version = zones.back()});
  }
  for (const auto& outcome : store->commit_all(commits)) ASSERT_TRUE(outcome);
  names.push_back(name("never.there."));
  const auto stays = small_zone("stays.", 1);
  ASSERT_TRUE(store->commit(*stays, {}, "x"));
  const int before = disk_.syncs;
  ASSERT_TRUE(store->remove_all(names));
  EXPECT_GT(disk_.syncs - before, 0);
  EXPECT_LE(disk_.syncs - before, 4) << "log and list of files";
  EXPECT_EQ(list(*store).size(), 1U);
  ASSERT_TRUE(store->remove_all(names)) << "done also if there is none";
  for (const auto& outcome : store->commit_all(commits)) ASSERT_TRUE(outcome);
  disk_.full = true;
  EXPECT_EQ(store->remove_all(names).error().code, Errc::storage_full);
  disk_.full = false;
  ASSERT_TRUE(commit_soon(*store, stays));
  ASSERT_TRUE(store->remove_all(names));
  EXPECT_EQ(list(*store).size(), 1U);
  store.reset();
  store = open();
  EXPECT_EQ(list(*store).size(), 1U);
  expect_stored(*store, stays);
}

// The same with a real, small file system.
TEST(StoreSmallDisk, FillsUpAndIsFreedAgain) {
  TemporaryDirectory directory;
  const std::string mount_point = directory / "disk";
  std::filesystem::create_directory(mount_point);
  if (::mount("tmpfs", mount_point.c_str(), "tmpfs", 0, "size=6m") != 0) {
    GTEST_SKIP() << "SKIPPED: this user may not mount a file system";
  }
  {
    RandomZones random(5);
    const auto store = open_store(mount_point + "/store");
    const auto zone = random.zone("example.", 1, 100);
    ASSERT_TRUE(store->commit(*zone, {}, "x"));
    write_file(mount_point + "/ballast", Bytes(1024 * 1024));
    Result<void> outcome;
    std::uint32_t serial = 2;
    for (; outcome && serial < 3000; ++serial) {
      outcome = store->commit(*random.zone("filler" + std::to_string(serial) + ".", serial, 100), {}, "x");
    }
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().code, Errc::storage_full) << outcome.error().text();
    expect_stored(*store, zone);
    std::filesystem::remove(mount_point + "/ballast");
    const auto next = random.zone("example.", serial, 100);
    ::usleep(300'000);
    outcome = store->commit(*next, {}, "x");
    EXPECT_TRUE(outcome) << outcome.error().text();
    expect_stored(*store, next);
  }
  EXPECT_EQ(::umount(mount_point.c_str()), 0);
}

}  // namespace
}  // namespace understudy
