// Commits as deltas: what comes back, what is kept as history, and what is left in the database.
#include "store/deltas.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rocksdb/env.h>

#include <map>

#include "base/log.h"
#include "store/delta_fixture.h"

namespace understudy {
namespace {

using namespace store_fixture;

void append_to(std::vector<DeltaPtr>& all, const Commit& commit) {
  all.insert(all.end(), commit.deltas.begin(), commit.deltas.end());
}

struct Keys {
  std::map<char, std::size_t> count;
  VersionHead head;
};

/// What the database of a closed store has, and the head of `apex`.
Keys keys_in(const std::string& directory, const std::string& apex) {
  Keys keys;
  std::unique_ptr<Database> database;
  EXPECT_TRUE(Database::open(directory + "/zones", Database::Mode::read_only, rocksdb::Env::Default(), database).ok());
  EXPECT_TRUE(database
                  ->visit("",
                          [&](std::string_view key, std::string_view value) {
                            ++keys.count[key[0]];
                            if (key == head_key(name(apex))) keys.head = decode_head(key, value).value();
                            return true;
                          })
                  .ok());
  return keys;
}

TEST(StoreDeltas, AChainComesBackAlsoAfterARestart) {
  TemporaryDirectory directory;
  ChangingZone zone("Example.");
  zone.with_hosts(300);
  std::vector<DeltaPtr> all;
  {
    const auto store = open_store(directory.path());
    ASSERT_TRUE(store->commit(*zone.version(), {}, "x"));
    expect_loads(*store, zone.version(), {});
    for (const std::size_t count : {1U, 3U, 1U}) {
      const Commit commit = zone.next_commit(count);
      ASSERT_TRUE(store->commit(commit));
      append_to(all, commit);
      expect_loads(*store, commit.version, all);
    }
    const auto zones = list(*store);
    ASSERT_EQ(zones.size(), 1U);
    EXPECT_EQ(zones[0].serial.value, zone.serial());
    EXPECT_EQ(zones[0].records, zone.version()->record_count());
    EXPECT_EQ(zones[0].timers.expire_at, zone.serial());
  }
  const Keys keys = keys_in(directory.path(), "example.");
  EXPECT_EQ(keys.head.end - keys.head.chain, 5U) << "nothing was written whole";
  EXPECT_EQ(keys.count.at(delta_prefix), 5U);
  expect_loads(*open_store(directory.path()), zone.version(), all);
}

TEST(StoreDeltas, TheHistoryKeepsItsLimitsAndTheChainWhatItNeeds) {
  TemporaryDirectory directory;
  ChangingZone zone("example.");
  zone.with_hosts(300);
  std::vector<DeltaPtr> all;
  const HistoryLimits keep{.versions = 3};
  {
    const auto store = open_store(directory.path());
    ASSERT_TRUE(store->commit(*zone.version(), {}, "x"));
    for (int i = 0; i < 12; ++i) {
      const Commit commit = zone.next_commit(1, keep, i == 6);
      ASSERT_TRUE(store->commit(commit));
      append_to(all, commit);
      expect_loads(*store, commit.version, newest(all, 3));
    }
  }
  const Keys keys = keys_in(directory.path(), "example.");
  EXPECT_EQ(keys.count.at(delta_prefix), 5U) << "those behind the seventh, which was written whole";
  EXPECT_EQ(keys.head.first, keys.head.chain);
  EXPECT_EQ(keys.head.history_octets, 0U);
  {
    const auto store = open_store(directory.path());
    const Commit whole = zone.next_commit(1, keep, true);
    ASSERT_TRUE(store->commit(whole));
    append_to(all, whole);
    expect_loads(*store, whole.version, newest(all, 3));
  }
  EXPECT_EQ(keys_in(directory.path(), "example.").count.at(delta_prefix), 3U);
}

TEST(StoreDeltas, TheHistoryKeepsItsOctets) {
  TemporaryDirectory directory;
  ChangingZone zone("example.");
  zone.with_hosts(20);
  std::vector<DeltaPtr> all;
  {
    const auto store = open_store(directory.path());
    ASSERT_TRUE(store->commit(*zone.version(), {}, "x"));
    for (int i = 0; i < 8; ++i) {
      const Commit commit = zone.next_commit(1, {.octets = 9'000}, true, 2'000);
      ASSERT_TRUE(store->commit(commit));
      append_to(all, commit);
      expect_loads(*store, commit.version, newest(all, i == 0 ? 1 : std::min(i + 1, 4)));
    }
    // One that is larger than the limit ends the history.
    const Commit large = zone.next_commit(1, {.octets = 9'000}, true, 10'000);
    ASSERT_TRUE(store->commit(large));
    expect_loads(*store, large.version, {});
    const Commit next = zone.next_commit(1, {.octets = 9'000}, true, 100);
    ASSERT_TRUE(store->commit(next));
    expect_loads(*store, next.version, next.deltas);
    const Commit none = zone.next_commit(1, {.versions = 0});
    ASSERT_TRUE(store->commit(none));
    expect_loads(*store, none.version, {});
    const Commit still_none = zone.next_commit(1, {.versions = 0}, true);
    ASSERT_TRUE(store->commit(still_none));
    expect_loads(*store, still_none.version, {});
  }
  EXPECT_EQ(keys_in(directory.path(), "example.").count[delta_prefix], 0U);
}

TEST(StoreDeltas, ACommitWithoutDeltasBeginsAnew) {
  TemporaryDirectory directory;
  for (const bool large : {false, true}) {
    ChangingZone zone("example.", 1, large ? 1000 : 1);
    zone.with_hosts(50).with_weights(large ? 12 : 0);
    {
      const auto store = open_store(directory.path());
      ASSERT_TRUE(store->commit(*zone.version(), {}, "x"));
      const Commit first = zone.next_commit(3);
      ASSERT_TRUE(store->commit(first));
      expect_loads(*store, first.version, first.deltas);
      zone.change();
      ASSERT_TRUE(store->commit(*zone.version(), {}, "x"));
      expect_loads(*store, zone.version(), {});
      const Commit second = zone.next_commit(2);
      ASSERT_TRUE(store->commit(second));
      expect_loads(*store, second.version, second.deltas);
      ASSERT_TRUE(store->remove(name("example.")));
    }
    EXPECT_EQ(keys_in(directory.path(), "example.").count[delta_prefix], 0U);
  }
}

// Deltas that cannot be used: the version is written whole, and is right.
TEST(StoreDeltas, DeltasThatDoNotFollowTheStoredVersionAreHistoryOfTheirOwn) {
  TemporaryDirectory directory;
  const auto store = open_store(directory.path());
  ChangingZone zone("example.");
  zone.with_hosts(50);
  const Commit first = zone.next_commit(2);
  ASSERT_TRUE(store->commit(first)) << "nothing is stored yet";
  expect_loads(*store, first.version, first.deltas);
  zone.change();  // this one is never committed
  const Commit later = zone.next_commit(2);
  ASSERT_TRUE(store->commit(later));
  expect_loads(*store, later.version, later.deltas);
  Commit broken = zone.next_commit(3);
  broken.deltas.erase(broken.deltas.begin() + 1);
  ASSERT_TRUE(store->commit(broken));
  expect_loads(*store, broken.version, {});
  const Commit huge = zone.next_commit(1, {}, false, 100'000);  // larger than the zone
  ASSERT_TRUE(store->commit(huge));
  expect_loads(*store, huge.version, huge.deltas);
  EXPECT_FALSE(store->wants_whole(name("example.")));
}

TEST(StoreDeltas, LargeDeltasAreSplit) {
  TemporaryDirectory directory;
  ChangingZone zone("example.");
  zone.with_weights(60);  // 3.6 MB
  std::vector<DeltaPtr> all;
  {
    const auto store = open_store(directory.path());
    ASSERT_TRUE(store->commit(*zone.version(), {}, "x"));
    const auto commit = [&](std::size_t octets) {
      const Commit next = zone.next_commit(1, {}, false, octets);
      ASSERT_TRUE(store->commit(next));
      append_to(all, next);
    };
    commit(900'000);
    // One that fills two values exactly.
    std::size_t octets = 2 * delta_part_size;
    for (int guess = 0; guess < 3; ++guess) octets += 2 * delta_part_size - ChangingZone(zone).change(octets)->size();
    commit(octets);
    ASSERT_EQ(all.back()->size(), 2 * delta_part_size);
    commit(40);
  }
  EXPECT_EQ(keys_in(directory.path(), "example.").count.at(delta_prefix), 4 + 2 + 1U);
  {
    const auto store = open_store(directory.path());
    expect_loads(*store, zone.version(), all);
    const Commit whole = zone.next_commit(1, {.versions = 1}, true);
    ASSERT_TRUE(store->commit(whole));
    expect_loads(*store, whole.version, whole.deltas);
  }
  EXPECT_EQ(keys_in(directory.path(), "example.").count.at(delta_prefix), 1U);
}

TEST(StoreDeltas, AChainThatGrowsLongIsSaid) {
  TemporaryDirectory directory;
  const auto store = open_store(directory.path());
  ChangingZone zone("example.");
  zone.with_hosts(2000);
  EXPECT_FALSE(store->wants_whole(name("example.")));
  ASSERT_TRUE(store->commit(*zone.version(), {}, "x"));
  int commits = 0;
  for (; !store->wants_whole(name("example.")) && commits < 1000; ++commits) {
    ASSERT_TRUE(store->commit(zone.next_commit()));
  }
  EXPECT_GT(commits, 50);
  EXPECT_LT(commits, 400);
  const Commit whole = zone.next_commit(1, {}, true);
  ASSERT_TRUE(store->commit(whole));
  EXPECT_FALSE(store->wants_whole(name("example.")));
  expect_same_records(store->load(name("example."))->version, whole.version);
}

/// A zone whose chain has grown long.
void commit_until_long(ZoneStore& store, ChangingZone& zone, std::vector<DeltaPtr>& all) {
  ASSERT_TRUE(store.commit(*zone.version(), {}, "x"));
  while (!store.wants_whole(zone.apex())) {
    const Commit commit = zone.next_commit(1, {}, false, 3000);
    ASSERT_TRUE(store.commit(commit));
    append_to(all, commit);
  }
}

TEST(StoreDeltas, AZoneGoesOnWhileItIsWrittenWholeBesideThat) {
  for (const bool is_large : {false, true}) {
    SCOPED_TRACE(is_large);
    TemporaryDirectory directory;
    ChangingZone zone("example.");
    zone.with_hosts(1000).with_weights(is_large ? 12 : 0);
    std::vector<DeltaPtr> since;
    {
      const auto store = open_store(directory.path());
      std::vector<DeltaPtr> all;
      ASSERT_NO_FATAL_FAILURE(commit_until_long(*store, zone, all));
      const auto rewrite = store->begin_rewrite(zone.version());
      ASSERT_NE(rewrite, nullptr);
      const auto go_on = [&](int commits) {
        for (int i = 0; i < commits; ++i) {
          const Commit commit = zone.next_commit();
          ASSERT_TRUE(store->commit(commit));
          append_to(all, commit);
          append_to(since, commit);
        }
      };
      go_on(5);
      ASSERT_TRUE(store->write_aside(*rewrite));
      expect_same_records(store->load(zone.apex())->version, zone.version());
      go_on(5);
      ASSERT_TRUE(store->switch_to(*rewrite));
      EXPECT_FALSE(store->wants_whole(zone.apex()));
      expect_loads(*store, zone.version(), newest(all, 10));
      go_on(5);
      expect_loads(*store, zone.version(), newest(all, 10));
    }
    const Keys keys = keys_in(directory.path(), "example.");
    EXPECT_EQ(keys.head.end - keys.head.chain, 15U) << "those since it was begun";
    EXPECT_TRUE(keys.head.large);
    EXPECT_EQ(keys.count.count(block_prefix), 0U) << "the old base is gone";
    EXPECT_EQ(keys.count.at(delta_prefix), 15U) << "and so is what is no history any more";
    const auto store = open_store(directory.path());
    expect_same_records(store->load(zone.apex())->version, zone.version());
    EXPECT_TRUE(store->load(zone.apex())->history->since(Serial{zone.serial() - 10}).size() == 10);
  }
}

TEST(StoreDeltas, ARewriteThatIsNotFinishedLeavesNothing) {
  TemporaryDirectory directory;
  ChangingZone zone("example.");
  zone.with_hosts(1000).with_weights(12);
  const auto large_files = [&] {
    std::unique_ptr<Database> database;
    EXPECT_TRUE(
        Database::open(directory.path() + "/zones", Database::Mode::read_only, rocksdb::Env::Default(), database).ok());
    return database->large_versions().size();
  };
  std::vector<DeltaPtr> all;
  {
    const auto store = open_store(directory.path());
    ASSERT_NO_FATAL_FAILURE(commit_until_long(*store, zone, all));
    EXPECT_EQ(store->begin_rewrite(ChangingZone("example.", 1, 77).version()), nullptr) << "not what is stored";
    // Given up.
    const auto first = store->begin_rewrite(zone.version());
    ASSERT_TRUE(store->write_aside(*first));
    store->give_up(*first);
    // Overtaken by a version that is written whole, and by the end of the zone.
    const auto second = store->begin_rewrite(zone.version());
    ASSERT_TRUE(store->write_aside(*second));
    const Commit whole = zone.next_commit(1, {}, true);
    ASSERT_TRUE(store->commit(whole));
    EXPECT_EQ(store->switch_to(*second).error().code, Errc::cancelled);
    expect_same_records(store->load(zone.apex())->version, zone.version());
    ASSERT_TRUE(store->commit(zone.next_commit()));
    const auto third = store->begin_rewrite(zone.version());
    ASSERT_TRUE(store->write_aside(*third));
    ASSERT_TRUE(store->remove(zone.apex()));
    EXPECT_EQ(store->switch_to(*third).error().code, Errc::cancelled);
    EXPECT_EQ(store->load(zone.apex()).error().code, Errc::not_found);
    ASSERT_TRUE(store->commit(*zone.version(), {}, "x"));
    ASSERT_TRUE(store->commit(zone.next_commit()));
  }
  EXPECT_EQ(large_files(), 1U);
  {
    // The server ends in the middle: what was written is gone after the next start, and its number is not used again
    // for something else as long as it is there.
    const auto store = open_store(directory.path());
    const auto rewrite = store->begin_rewrite(zone.version());
    ASSERT_TRUE(store->write_aside(*rewrite));
  }
  EXPECT_EQ(large_files(), 2U);
  {
    const auto store = open_store(directory.path());
    expect_same_records(store->load(zone.apex())->version, zone.version());
    const auto rewrite = store->begin_rewrite(zone.version());
    ASSERT_TRUE(store->write_aside(*rewrite));
    ASSERT_TRUE(store->switch_to(*rewrite));
  }
  EXPECT_EQ(large_files(), 1U);
  const auto store = open_store(directory.path());
  expect_same_records(store->load(zone.apex())->version, zone.version());
  ChangingZone other("other.");
  other.with_weights(12);
  ASSERT_TRUE(store->commit(*other.version(), {}, "x"));
  expect_same_records(store->load(zone.apex())->version, zone.version());
  expect_same_records(store->load(other.apex())->version, other.version());
}

TEST(StoreDeltas, TenThousandCommits) {
  TemporaryDirectory directory;
  ChangingZone zone("example.");
  zone.with_hosts(40);
  std::vector<DeltaPtr> last;
  {
    const auto store = open_store(directory.path());
    ASSERT_TRUE(store->commit(*zone.version(), {}, "x"));
    for (int i = 0; i < 10'000; ++i) {
      const Commit commit = zone.next_commit();
      ASSERT_TRUE(store->commit(commit));
      if (i >= 9'990) append_to(last, commit);
    }
    expect_loads(*store, zone.version(), last);
  }
  std::uintmax_t octets = 0;
  for (const auto& file : std::filesystem::recursive_directory_iterator(directory.path())) {
    if (file.is_regular_file()) octets += file.file_size();
  }
  EXPECT_LT(octets, 32U << 20);
  const auto store = open_store(directory.path());
  expect_loads(*store, zone.version(), last);
  ASSERT_TRUE(store->commit(zone.next_commit(1, {}, true)));
  EXPECT_EQ(store->load(name("example."))->history->deltas().size(), 10U);
}

TEST(StoreDeltas, ManyZonesShareACommit) {
  TemporaryDirectory directory;
  std::vector<ChangingZone> zones;
  for (int i = 0; i < 500; ++i) {
    zones.emplace_back("z" + std::to_string(i) + ".example.", i);
    zones.back().with_hosts(3);
  }
  std::vector<std::vector<DeltaPtr>> all(zones.size());
  {
    const auto store = open_store(directory.path());
    for (int round = 0; round < 6; ++round) {
      std::vector<Commit> commits;
      for (std::size_t i = 0; i < zones.size(); ++i) {
        if (round == 0) {
          commits.push_back({zones[i].version(), {}, "x"});
        } else {
          commits.push_back(zones[i].next_commit(1 + i % 3, {.versions = 5}, i % 7 == 0 && round == 3));
          append_to(all[i], commits.back());
        }
      }
      for (const auto& outcome : store->commit_all(commits)) ASSERT_TRUE(outcome) << outcome.error().text();
    }
  }
  const auto store = open_store(directory.path());
  for (std::size_t i = 0; i < zones.size(); ++i) expect_loads(*store, zones[i].version(), newest(all[i], 5));
}

TEST(StoreDeltas, AHeadOfTheFirstFormatTakesDeltas) {
  TemporaryDirectory directory;
  ChangingZone zone("example.");
  zone.with_hosts(100);
  ASSERT_TRUE(open_store(directory.path())->commit(*zone.version(), {}, "x"));
  {
    // As the server before this one wrote it.
    std::unique_ptr<Database> database;
    ASSERT_TRUE(Database::open(directory / "zones", Database::Mode::strict, rocksdb::Env::Default(), database).ok());
    const std::string key = head_key(name("example."));
    rocksdb::PinnableSlice value;
    ASSERT_TRUE(database->get(key, value).ok());
    const VersionHead head = decode_head(key, text_of(value)).value();
    Bytes old = {1, 0};
    append_u64(old, head.version);
    for (const std::uint32_t number : {head.serial, head.blocks, head.digest}) append_u32(old, number);
    for (const std::uint64_t number : {head.records, head.nodes, head.octets}) append_varint(old, number);
    for (int i = 0; i < 4; ++i) append_u64(old, 0);
    append_u8(old, 0);
    append(old, head.name.wire());
    append_text(old, head.source);
    seal(key, old);
    rocksdb::WriteBatch batch;
    batch.Put(key, slice_of(old));
    ASSERT_TRUE(database->write(batch, true).ok());
  }
  const auto store = open_store(directory.path());
  expect_loads(*store, zone.version(), {});
  const Commit commit = zone.next_commit(2);
  ASSERT_TRUE(store->commit(commit));
  expect_loads(*store, commit.version, commit.deltas);
}

// doc/storage-format.md shows these octets.
TEST(StoreDeltas, TheWorkedExampleIsAsDocumented) {
  const auto soa = [](std::uint8_t serial) {
    return Bytes{3, 1, 'a', 0, 0,      6, 0, 0, 0x0e, 0x10, 0, 31, 2, 'n', 's', 1, 'a', 0, 1, 'h', 1, 'a',
                 0, 0, 0,   0, serial, 0, 0, 0, 2,    0,    0, 0,  3, 0,   0,   0, 4,   0, 0, 0,   5};
  };
  Bytes expected = {1, 0, 0, 0, 0, 114, 0, 0, 0, 0, 0, 0, 0, 63};
  append(expected, soa(1));
  append(expected, Bytes{7, 3, 'w', 'w', 'w', 1, 'a', 0, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 2});
  append(expected, soa(2));
  ZoneDeltaBuilder builder(name("a."));
  const Record old_soa = zone_fixture::record("@ 3600 IN SOA ns.a. h.a. 1 2 3 4 5", "a.");
  const Record new_soa = zone_fixture::record("@ 3600 IN SOA ns.a. h.a. 2 2 3 4 5", "a.");
  const Record address = zone_fixture::record("www 60 IN A 192.0.2.2", "a.");
  for (const Record* gone : {&old_soa, &address}) builder.remove(gone->owner, gone->type, gone->ttl, gone->rdata);
  builder.add(new_soa.owner, new_soa.type, new_soa.ttl, new_soa.rdata);
  VersionHead head{.name = name("a."), .history = 7};
  const DeltaPtr delta = builder.finish().value();
  append_deltas(head, {&delta, 1}, [&](const std::string& key, ByteView value) {
    EXPECT_EQ(key, std::string("d\1a\0\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0\0\0\0\0\0", 24));
    const auto content = unseal(key, text_of(value));
    ASSERT_TRUE(content);
    EXPECT_EQ(Bytes(content->begin(), content->end()), expected);
  });
  EXPECT_EQ(head.end, 1U);
  EXPECT_NE(head.link, 0U);
}

}  // namespace
}  // namespace understudy
