// The directory of a store that is in use is removed or replaced: nothing is acknowledged that a start will not find.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "store/delta_fixture.h"

namespace understudy {
namespace {

using namespace store_fixture;
using testing::HasSubstr;

class StoreGoneDirectory : public testing::Test {
 protected:
  void expect_found_at_start(const std::shared_ptr<const Zone>& zone) {
    store_.reset();
    store_ = open_store(path_);
    ASSERT_NE(store_, nullptr);
    expect_stored(*store_, zone);
  }

  TemporaryDirectory directory_;
  const std::string path_ = directory_ / "store";
  RandomZones random_{11};
  std::unique_ptr<ZoneStore> store_ = open_store(path_);
};

TEST_F(StoreGoneDirectory, WhatIsCommittedAfterwardsIsStoredAnew) {
  for (const bool large : {false, true}) {
    const std::uint32_t serial = large ? 10 : 1;
    ASSERT_TRUE(store_->commit(*random_.zone("example.", serial, 20), {}, "x"));
    std::filesystem::remove_all(path_);
    ::usleep(250'000);  // it is opened anew five times a second
    const auto next = large ? random_.large_zone("example.", serial + 1) : random_.zone("example.", serial + 1, 20);
    const auto outcome = store_->commit(*next, {}, "x");
    ASSERT_TRUE(outcome) << outcome.error().text();
    expect_found_at_start(next);
  }
}

TEST_F(StoreGoneDirectory, DifferencesAloneAreNotEnoughThen) {
  ChangingZone zone("example.");
  zone.with_hosts(1000);
  ASSERT_TRUE(store_->commit(*zone.version(), {}, "x"));
  std::filesystem::remove_all(path_);
  const auto outcome = store_->commit(zone.next_commit());
  ASSERT_TRUE(outcome) << outcome.error().text();
  expect_found_at_start(zone.version());
}

TEST_F(StoreGoneDirectory, TimersAndFactsNoticeItToo) {
  const auto zone = random_.zone("example.", 1, 20);
  ASSERT_TRUE(store_->commit(*zone, {}, "x"));
  std::filesystem::remove_all(path_);
  EXPECT_EQ(store_->save_timers(name("example."), {}, false).error().code, Errc::not_found) << "so it is stored again";
  ASSERT_TRUE(store_->commit({.version = zone, .whole = true}));
  std::filesystem::remove_all(path_);
  ::usleep(250'000);
  ASSERT_TRUE(store_->put_facts(std::vector{Fact{"a", Bytes{1}}}));
  store_.reset();
  store_ = open_store(path_);
  EXPECT_EQ(store_->fact("a").value(), Bytes{1});
}

TEST_F(StoreGoneDirectory, TimersOfManyZonesNoticeItToo) {
  const Name a = name("a.example."), b = name("b.example.");
  for (const Name& zone : {a, b}) ASSERT_TRUE(store_->commit(*random_.zone(zone.text(), 1, 20), {}, "x"));
  const std::vector<TimersOf> timers{{a, {.expire_at = 7}}, {b, {.expire_at = 7}}};
  EXPECT_TRUE(store_->save_timers(timers)->empty());
  std::filesystem::remove_all(path_);
  EXPECT_EQ(store_->save_timers(timers).value(), (std::vector<std::size_t>{0, 1})) << "so they are stored again";
  ASSERT_TRUE(store_->commit({.version = random_.zone(b.text(), 1, 20), .whole = true}));
  EXPECT_EQ(store_->save_timers(timers).value(), (std::vector<std::size_t>{0}));
}

TEST_F(StoreGoneDirectory, TheDatabaseAloneMayGo) {
  ASSERT_TRUE(store_->commit(*random_.zone("example.", 1, 20), {}, "x"));
  std::filesystem::remove_all(path_ + "/zones");
  const auto next = random_.zone("example.", 2, 20);
  const auto outcome = store_->commit(*next, {}, "x");
  ASSERT_TRUE(outcome) << outcome.error().text();
  expect_found_at_start(next);
}

TEST_F(StoreGoneDirectory, ACopyThatIsPutInItsPlaceIsUsedAndLeftWhole) {
  const auto other = random_.zone("other.", 1, 20);
  const auto large = random_.large_zone("large.", 1);
  ASSERT_TRUE(store_->commit(*other, {}, "x"));
  ASSERT_TRUE(store_->commit(*large, {}, "x"));
  store_.reset();
  std::filesystem::copy(path_, directory_ / "copy", std::filesystem::copy_options::recursive);
  store_ = open_store(path_);
  for (std::uint32_t serial = 1; serial < 4; ++serial) {
    ASSERT_TRUE(store_->commit(*random_.large_zone("large.", serial), {}, "x"));
  }
  std::filesystem::rename(path_, directory_ / "old");
  std::filesystem::rename(directory_ / "copy", path_);
  const auto next = random_.zone("example.", 1, 20);
  const auto outcome = store_->commit(*next, {}, "x");
  ASSERT_TRUE(outcome) << outcome.error().text();
  expect_stored(*store_, other);
  expect_stored(*store_, large);
  expect_found_at_start(next);
  expect_stored(*store_, large);
}

TEST_F(StoreGoneDirectory, WhereItCannotBeMadeAgainCommitsFailInWordsAndReadingGoesOn) {
  const auto zone = random_.zone("example.", 1, 20);
  ASSERT_TRUE(store_->commit(*zone, {}, "x"));
  std::filesystem::remove_all(path_);
  write_file(path_, Bytes{1});  // a file, where the directory was
  for (int attempt = 0; attempt < 2; ++attempt) {
    const auto outcome = store_->commit(*random_.zone("example.", 2, 20), {}, "x");
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().code, Errc::storage);
    EXPECT_THAT(outcome.error().text(), HasSubstr(path_ + " was removed or replaced while the server uses it"));
  }
  std::filesystem::remove(path_);
  ::usleep(250'000);
  const auto next = random_.zone("example.", 3, 20);
  const auto outcome = store_->commit(*next, {}, "x");
  ASSERT_TRUE(outcome) << outcome.error().text();
  expect_found_at_start(next);
}

}  // namespace
}  // namespace understudy
