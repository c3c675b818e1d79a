// Facts: written all or none, read in order, kept over restarts, and damaged ones left out.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rocksdb/env.h>
#include <rocksdb/write_batch.h>

#include "base/log.h"
#include "store/database.h"
#include "store/format.h"
#include "store/store_fixture.h"

namespace understudy {
namespace {

using namespace store_fixture;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

using Facts = std::vector<std::pair<std::string, std::string>>;

Fact fact(const std::string& key, std::string_view value) {
  const ByteView octets = view_of(value);
  return {key, Bytes(octets.begin(), octets.end())};
}

Facts facts_of(const ZoneStore& store, std::string_view prefix) {
  Facts facts;
  const auto visited = store.visit_facts(prefix, [&](std::string_view key, ByteView value) {
    facts.emplace_back(key, text_of(value));
    return true;
  });
  EXPECT_TRUE(visited) << visited.error().text();
  return facts;
}

TEST(Facts, AreThereAfterARestart) {
  TemporaryDirectory directory;
  {
    const auto store = open_store(directory.path());
    ASSERT_TRUE(store->put_facts({}));
    ASSERT_TRUE(
        store->put_facts(std::vector{fact("zone/b", "2"), fact("zone/a", "1"), fact("zone", ""), fact("y", "3")}));
    ASSERT_TRUE(store->put_facts(std::vector{Fact{"y", std::nullopt}, fact("zone/b", "22"), fact("zone/c", "old"),
                                             fact("zone/c", "new"), Fact{"never", std::nullopt}}));
  }
  const auto store = open_store(directory.path());
  EXPECT_THAT(facts_of(*store, "zone/"), ElementsAre(Pair("zone/a", "1"), Pair("zone/b", "22"), Pair("zone/c", "new")));
  EXPECT_EQ(facts_of(*store, "").size(), 4U);
  EXPECT_THAT(facts_of(*store, "zone/a/"), IsEmpty());
  EXPECT_EQ(text_of(store->fact("zone/b").value().value()), "22");
  EXPECT_EQ(store->fact("y").value(), std::nullopt);
  EXPECT_TRUE(list(*store).empty()) << "facts are no zones";
}

TEST(Facts, AVisitMayStopAndMayCallTheStore) {
  TemporaryDirectory directory;
  const auto store = open_store(directory.path());
  std::vector<Fact> many;
  for (int i = 0; i < 20'000; ++i) many.push_back(fact(fmt::format("n/{:05}", i), std::string(100, 'x')));
  ASSERT_TRUE(store->put_facts(many));
  std::size_t seen = 0;
  ASSERT_TRUE(store->visit_facts("n/", [&](std::string_view key, ByteView) {
    EXPECT_EQ(key, many[seen].key);
    return ++seen < 7000;
  }));
  EXPECT_EQ(seen, 7000U);
  seen = 0;
  ASSERT_TRUE(store->visit_facts("n/", [&](std::string_view key, ByteView) {
    if (++seen % 1000 == 0) EXPECT_TRUE(store->put_facts(std::vector{Fact{std::string(key), std::nullopt}}));
    return true;
  }));
  EXPECT_EQ(seen, many.size());
  EXPECT_EQ(facts_of(*store, "n/").size(), many.size() - 20);
}

TEST(Facts, DamagedOnesAreLeftOutAndTheOthersServed) {
  TemporaryDirectory directory;
  ASSERT_TRUE(open_store(directory.path())->put_facts(std::vector{fact("a", "1"), fact("b", "2"), fact("c", "3")}));
  {
    std::unique_ptr<Database> database;
    ASSERT_TRUE(Database::open(directory / "zones", Database::Mode::strict, rocksdb::Env::Default(), database).ok());
    rocksdb::WriteBatch batch;
    batch.Put(fact_key("b"), "2 without a checksum");
    ASSERT_TRUE(database->write(batch, true).ok());
  }
  const auto store = open_store(directory.path());
  EXPECT_THAT(facts_of(*store, ""), ElementsAre(Pair("a", "1"), Pair("c", "3")));
  EXPECT_EQ(store->fact("b").error().code, Errc::corrupt);
}

}  // namespace
}  // namespace understudy
