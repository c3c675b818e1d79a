// What a catalog manager keeps in the store, for how long, and what it does when that fails.
#include <gmock/gmock.h>

#include <fstream>
#include <map>
#include <thread>

#include "base/log.h"
#include "transfer/catalog_facts.h"
#include "transfer/catalog_manager_fixture.h"
#include "transfer/catalog_report.h"
#include "transfer/stored_zones.h"

namespace understudy {
namespace {

using ::testing::HasSubstr;
using zone_fixture::name;

TEST_F(CatalogManagerTest, ThousandsArePurgedInTurnsThatLetOthersIn) {
  constexpr int count = 4000;
  std::string many;
  std::vector<Commit> commits;
  for (int i = 0; i < count; ++i) {
    const std::string zone = "m" + std::to_string(i) + ".";
    many += member("l" + std::to_string(i), zone);
    commits.push_back({.version = zone_fixture::build("@ 0 IN SOA a. a. 1 3600 600 86400 0\n@ 0 IN NS a.\n", zone)});
  }
  start_all(sources());
  publish(catalog(1, many));
  publish(catalog(2, ""));
  ASSERT_TRUE(accept("a.").result);
  for (const auto& outcome : store_->commit_all(commits)) ASSERT_TRUE(outcome);
  const auto left = [&] { return store_->list([](const std::string&) {}).value().size(); };
  const std::size_t before = left();
  ASSERT_GE(before, std::size_t{count});
  wall_.advance_ms(7 * 86400 * 1000LL);
  manager_->clock_changed();
  settle();
  stop_all();
  start_all(sources());
  const std::uint64_t rest = catalog_status()->trash;
  EXPECT_LT(rest, std::uint64_t{count}) << "some were purged";
  EXPECT_GT(rest, 0U) << "neither a command nor the end of the server waits for all of them";
  EXPECT_EQ(before - left(), count - rest);
  wall_.advance_ms(1000);
  manager_->clock_changed();
  for (int wait = 0; wait < 600 && catalog_status()->trash != 0; ++wait) std::this_thread::sleep_for(100ms);
  EXPECT_EQ(catalog_status()->trash, 0U);
  EXPECT_EQ(left(), before - count);
}

TEST_F(CatalogManagerTest, ACatalogThatIsGoneIsPurgedWhenItSaid) {
  constexpr WallSeconds day = 86400;
  for (const WallSeconds keep : {day, 30 * day}) {
    for (const bool restarts : {false, true}) {
      SCOPED_TRACE(std::to_string(keep) + (restarts ? " restarts" : ""));
      first_.serve({.name = "x.", .serial = 1});
      ZoneSources with_catalog = sources();
      with_catalog.catalogs[0].rule.purge_after = keep;
      start_all(with_catalog);
      publish(catalog(1, member("1", "x.")));
      ASSERT_TRUE(waits_for(1, "x."));
      set(sources({}, {}));
      if (restarts) {
        stop_all();
        start_all(sources({}, {}));
      }
      ASSERT_TRUE(accept("a.").result);
      for (int run = 0; run < 2 && restarts; ++run) {
        stop_all();
        start_all(sources({}, {}));
      }
      const auto is_there_after = [&](WallSeconds time) {
        wall_.advance_ms(time * 1000);
        manager_->clock_changed();
        settle();
        return is_stored("x.");
      };
      EXPECT_TRUE(is_there_after(keep - 100));
      EXPECT_FALSE(is_there_after(200));
      stop_all();
      std::filesystem::remove_all(folder_ / "store");
    }
  }
}

TEST_F(CatalogManagerTest, ThousandsAreResetInTurnsThatLetOthersIn) {
  constexpr int count = 3000;
  std::vector<Commit> commits;
  const auto text = [&](const std::string& label) {
    std::string many;
    for (int i = 0; i < count; ++i) many += member(label + std::to_string(i), "m" + std::to_string(i) + ".");
    return many;
  };
  for (int i = 0; i < count; ++i) {
    const std::string zone = "m" + std::to_string(i) + ".";
    commits.push_back({.version = zone_fixture::build("@ 0 IN SOA a. a. 1 3600 600 86400 0\n@ 0 IN NS a.\n", zone)});
  }
  ZoneSources at_rest = sources();
  at_rest.catalogs[0].templates = {"none", {}};
  start_all(at_rest);
  publish(catalog(1, text("old")));
  for (const auto& outcome : store_->commit_all(commits)) ASSERT_TRUE(outcome);
  set(at_rest);
  const auto left = [&] { return store_->list([](const std::string&) {}).value().size(); };
  const auto labels = [&](const std::string& start) {
    int found = 0;
    EXPECT_TRUE(store_->visit_facts(member_fact_prefix, [&](std::string_view key, ByteView value) {
      const auto fact = read_member_fact(key, value);
      if (fact && text_of(fact->label).starts_with(start)) ++found;
      return true;
    }));
    return found;
  };
  const std::size_t before = left();
  ASSERT_GE(before, std::size_t{count});
  publish(catalog(2, text("new")));
  ASSERT_TRUE(catalog_status()->hold);
  ASSERT_TRUE(accept("a.").result);
  stop_all();
  start_all(at_rest);
  const auto rest = left();
  EXPECT_LT(rest, before) << "some were reset";
  EXPECT_GT(rest, before - count) << "neither a command nor the end of the server waits for all of them";
  EXPECT_EQ(labels("old"), static_cast<int>(rest - (before - count))) << "a label is stored when the data are gone";
  publish(catalog(2, text("new")));
  if (catalog_status()->hold) {
    ASSERT_TRUE(accept("a.").result);
  }
  EXPECT_EQ(manager_->catalog_of(name("m7.")), name("a."));
  EXPECT_TRUE(eventually([&] { return left() == before - count && labels("new") == count; }));
  EXPECT_EQ(engine_->list(std::nullopt, 2 * count).size(), count + 1U);
}

TEST_F(CatalogManagerTest, AResetWhoseDataCannotBeRemovedIsNotForgotten) {
  FailingDisk disk;
  const auto stored_label = [&] {
    const auto fact = store_->fact(member_fact_key(name("x.").wire()));
    if (!fact || !*fact) return std::string("none");
    return std::string(text_of(read_member_fact(member_fact_key(name("x.").wire()), **fact)->label));
  };
  first_.serve({.name = "x.", .serial = 5});
  start_all(sources(), &disk);
  disk.fails = false;
  publish(catalog(1, member("old", "x.")));
  ASSERT_TRUE(waits_for(5, "x."));
  ASSERT_TRUE(rests("x."));
  first_.stop();
  disk.writes_fail = true;
  publish(catalog(2, member("new", "x.")));
  EXPECT_EQ(served("x."), std::nullopt) << "not from the old data";
  EXPECT_TRUE(status("x."));
  EXPECT_EQ(stored_label(), "old") << "so that it is reset again";
  publish(catalog(3, member("new", "x.", "gold")));
  EXPECT_EQ(stored_label(), "old");
  disk.writes_fail = false;
  for (int wait = 0; wait < 100 && stored_label() != "new"; ++wait) {
    manager_->clock_changed();
    settle();
    std::this_thread::sleep_for(100ms);
  }
  EXPECT_EQ(stored_label(), "new");
  EXPECT_FALSE(is_stored("x."));
  EXPECT_TRUE(status("x."));
  EXPECT_EQ(served("x."), std::nullopt);
  stop_all();  // before the disk goes
}

TEST_F(CatalogManagerTest, AClockThatIsSetChangesNothingAboutWhenMembersArePurged) {
  constexpr std::int64_t day = 86400;
  for (const std::int64_t jump : {30 * day, -365 * day}) {
    SCOPED_TRACE(jump);
    first_.serve({.name = "x.", .serial = 1});
    start_all(sources());
    publish(catalog(1, member("1", "x.")));
    ASSERT_TRUE(waits_for(1, "x."));
    publish(catalog(2, ""));
    wall_.advance_ms(2 * day * 1000);
    wall_.jump_wall_seconds(jump);
    manager_->clock_changed();
    settle();
    EXPECT_TRUE(is_stored("x.")) << "two of seven days have passed";
    // The stored times were set as well.
    stop_all();
    start_all(sources());
    wall_.advance_ms((5 * day - 100) * 1000);
    manager_->clock_changed();
    settle();
    EXPECT_TRUE(is_stored("x."));
    EXPECT_EQ(catalog_status()->trash, 1U);
    wall_.advance_ms(200 * 1000);
    manager_->clock_changed();
    settle();
    EXPECT_FALSE(is_stored("x.")) << "seven days";
    EXPECT_EQ(catalog_status()->trash, 0U);
    stop_all();
    std::filesystem::remove_all(folder_ / "store");
  }
}

TEST_F(CatalogManagerTest, AClockThatIsSetBackBetweenTwoRunsKeepsMembersOnlyAsLongAsOthers) {
  constexpr std::int64_t day = 86400;
  first_.serve({.name = "x.", .serial = 1});
  start_all(sources());
  publish(catalog(1, member("1", "x.")));
  ASSERT_TRUE(waits_for(1, "x."));
  publish(catalog(2, ""));
  for (int run = 0; run < 2; ++run) {
    stop_all();
    wall_.jump_wall_seconds(run == 0 ? -365 * day : 0);
    start_all(sources());
    wall_.advance_ms(4 * day * 1000);
    manager_->clock_changed();
    settle();
    EXPECT_EQ(is_stored("x."), run == 0) << "seven days from the first start after it was set back";
  }
}

TEST_F(CatalogManagerTest, WhatCannotBeReadAtTheStartIsReadLater) {
  FailingDisk disk;
  for (const char* each : {"x.", "y.", "conf.", "late."}) first_.serve({.name = each, .serial = 1});
  start_all(sources({"conf."}));
  EXPECT_EQ(manager_->unread(), "");
  publish(catalog(1, member("1", "x.")));
  ASSERT_TRUE(add("y.", "one").result);
  ASSERT_TRUE(waits_for(1, "x."));
  ASSERT_TRUE(waits_for(1, "y."));
  ASSERT_TRUE(waits_for(1, "conf."));
  for (int i = 0; i < 24; ++i) {  // the facts go from the memory of the database, and its log, into a table
    ASSERT_TRUE(store_->put_facts(std::vector<Fact>{{"z/" + std::to_string(i), Bytes(1 << 20)}}));
  }
  stop_all();

  start_all(sources({"conf."}), &disk);
  EXPECT_GT(disk.failures, 0);
  EXPECT_THAT(manager_->unread(), HasSubstr("the disk does not answer"));
  EXPECT_TRUE(status("conf.")) << "what is configured is there";
  EXPECT_FALSE(status("x."));
  EXPECT_FALSE(status("y."));
  // Nothing is decided on half the facts.
  EXPECT_EQ(add("late.", "one").result.error().code, Errc::storage);
  EXPECT_EQ(remove("y.").result.error().code, Errc::storage);
  EXPECT_EQ(accept("a.").result.error().code, Errc::storage);
  publish(catalog(2, ""));
  set(sources({"conf.", "late."}));  // a reload tries it again, too
  EXPECT_NE(manager_->unread(), "");
  EXPECT_TRUE(status("late."));

  disk.fails = false;
  EXPECT_TRUE(eventually([&] { return manager_->unread().empty(); })) << "without a reload";
  settle();
  EXPECT_TRUE(waits_for(1, "x."));
  EXPECT_TRUE(waits_for(1, "y."));
  EXPECT_TRUE(waits_for(1, "late."));
  EXPECT_EQ(catalog_status()->members, 1U);
  EXPECT_EQ(manager_->catalog_of(name("x.")), name("a."));
  EXPECT_TRUE(remove("y.").result);
  publish(catalog(3, member("1", "x.") + member("2", "y.")));
  EXPECT_EQ(catalog_status()->members, 2U);
  stop_all();  // before the disk goes
}

TEST_F(CatalogManagerTest, AStorageMadeAnewHasWhatIsServed) {
  std::string many;
  for (int i = 0; i < 20; ++i) many += member("l" + std::to_string(i), "m" + std::to_string(i) + ".");
  for (const bool is_replaced : {false, true}) {
    SCOPED_TRACE(is_replaced);
    const auto old_copy = folder_ / "copy";
    start_all(sources());
    publish(catalog(1, many + member("t", "gone.") + member("g", "gold.", "gold")));
    if (is_replaced) {
      ASSERT_TRUE(add("early.", "one").result);
      std::filesystem::copy(folder_ / "store", old_copy, std::filesystem::copy_options::recursive);
      ASSERT_TRUE(remove("early.").result);
    }
    ASSERT_TRUE(add("added.", "two").result);
    publish(catalog(2, many + member("g", "gold.", "gold")));
    publish(catalog(3, member("g", "gold.", "gold")));
    ASSERT_TRUE(catalog_status()->hold);
    EXPECT_FALSE(manager_->is_unstored());

    std::filesystem::remove_all(folder_ / "store");
    if (is_replaced) std::filesystem::rename(old_copy, folder_ / "store");
    ASSERT_TRUE(store_->put_facts(std::vector<Fact>{{"other/", Bytes(1)}})) << "whatever is written next";
    EXPECT_TRUE(eventually([&] { return !manager_->is_unstored(); }));
    stop_all();
    start_all(sources({}, {}));  // members and their templates are known without their catalog
    EXPECT_EQ(catalog_status()->members, 21U);
    EXPECT_EQ(catalog_status()->trash, 1U);
    for (const char* each : {"m0.", "m19.", "gold.", "added."}) EXPECT_TRUE(status(each)) << each;
    EXPECT_FALSE(status("gone."));
    EXPECT_FALSE(status("early."));
    set(sources());
    publish(catalog(3, member("g", "gold.", "gold")));
    ASSERT_TRUE(catalog_status()->hold) << "nobody accepted it";
    EXPECT_EQ(catalog_status()->hold->removed, 20U);
    stop_all();
    std::filesystem::remove_all(folder_ / "store");
  }
}

TEST_F(CatalogManagerTest, ABackupPutInPlaceOfWhatCannotBeReadIsTaken) {
  FailingDisk disk;
  std::string many;
  for (int i = 0; i < 20; ++i) many += member("l" + std::to_string(i), "m" + std::to_string(i) + ".");
  start_all(sources());
  publish(catalog(1, many));
  ASSERT_TRUE(add("added.", "one").result);
  for (int i = 0; i < 24; ++i) {  // the facts go from the memory of the database, and its log, into a table
    ASSERT_TRUE(store_->put_facts(std::vector<Fact>{{"z/" + std::to_string(i), Bytes(1 << 20)}}));
  }
  stop_all();
  std::filesystem::copy(folder_ / "store", folder_ / "backup", std::filesystem::copy_options::recursive);

  start_all(sources(), &disk);
  ASSERT_NE(manager_->unread(), "");
  ASSERT_FALSE(status("added."));
  std::filesystem::remove_all(folder_ / "store");
  std::filesystem::rename(folder_ / "backup", folder_ / "store");
  disk.fails = false;
  ASSERT_TRUE(store_->put_facts(std::vector<Fact>{{"other/", Bytes(1)}})) << "whatever is written next";
  EXPECT_TRUE(eventually([&] { return manager_->unread().empty() && !manager_->is_unstored(); }));
  settle();
  for (int run = 0; run < 2; ++run) {
    EXPECT_TRUE(status("added.")) << run;
    EXPECT_TRUE(status("m19.")) << run;
    EXPECT_EQ(catalog_status()->members, 20U) << run;
    stop_all();
    if (run == 0) start_all(sources());
  }
}

TEST_F(CatalogManagerTest, WhatAReplacedStorageLacksIsTakenFromTheOneThatWasLost) {
  start();
  const auto fact = [](const std::string& zone, const std::string& wanted) {
    return run_time_fact({name(zone), wanted});
  };
  ASSERT_TRUE(store_->put_facts(std::vector<Fact>{fact("both.", "new"), fact("here.", "new")}));
  StoredZones lost, read;
  lost.inventory.add({name("both."), "old"});
  lost.inventory.add({name("gone."), "old"});
  lost.catalogs.insert_or_assign(name("a."), StoredCatalog{});
  std::vector<Fact> changed;
  ASSERT_TRUE(read.read(*store_, 1, changed, &lost));
  ASSERT_TRUE(store_->put_facts(changed));
  std::map<std::string, std::string> zones;
  read.inventory.for_each_run_time([&](const RunTimeZone& zone) { zones[zone.name.text()] = zone.template_name; });
  EXPECT_THAT(zones,
              ::testing::ElementsAre(std::pair("both.", "new"), std::pair("gone.", "old"), std::pair("here.", "new")));
  EXPECT_TRUE(read.catalogs.contains(name("a.")));
  StoredZones again;
  changed.clear();
  ASSERT_TRUE(again.read(*store_, 1, changed, nullptr));
  EXPECT_EQ(again.inventory.run_time_count(), 3U);
  EXPECT_TRUE(again.catalogs.contains(name("a.")));
  EXPECT_THAT(changed, ::testing::IsEmpty());
}

TEST_F(CatalogManagerTest, AStorageMadeAnewAmidResetsHasThemWhenTheyAreThrough) {
  constexpr int count = 1500;
  const auto text = [&](const std::string& label) {
    std::string many;
    for (int i = 0; i < count; ++i) many += member(label + std::to_string(i), "m" + std::to_string(i) + ".");
    return many;
  };
  ZoneSources at_rest = sources();
  at_rest.catalogs[0].templates = {"none", {}};
  start_all(at_rest);
  publish(catalog(1, text("old")));
  publish(catalog(2, text("new")));
  ASSERT_TRUE(catalog_status()->hold);
  ASSERT_TRUE(accept("a.").result);
  std::filesystem::rename(folder_ / "store", folder_ / "gone");  // at once, as turns write meanwhile
  EXPECT_TRUE(eventually([&] { return store_->put_facts(std::vector<Fact>{{"other/", Bytes(1)}}).has_value(); }));
  EXPECT_TRUE(eventually([&] { return !manager_->is_unstored(); }));
  int stored = 0;
  EXPECT_TRUE(store_->visit_facts(member_fact_prefix, [&](std::string_view key, ByteView value) {
    const auto fact = read_member_fact(key, value);
    if (fact && text_of(fact->label).starts_with("new")) ++stored;
    return true;
  }));
  EXPECT_EQ(stored, count);
}

TEST_F(CatalogManagerTest, AStorageMadeAnewThatTakesNothingGetsItLater) {
  start_all(sources());
  ASSERT_TRUE(add("added.", "one").result);
  std::filesystem::remove_all(folder_ / "store");
  ASSERT_TRUE(store_->put_facts(std::vector<Fact>{{"other/", Bytes(1)}}));
  EXPECT_TRUE(eventually([&] { return !manager_->is_unstored(); }));
  // Again, and something is in its way for now.
  std::filesystem::remove_all(folder_ / "store");
  std::ofstream(folder_ / "store") << "a file";
  EXPECT_FALSE(store_->put_facts(std::vector<Fact>{{"other/", Bytes(1)}}));
  EXPECT_FALSE(add("more.", "one").result);
  std::filesystem::remove(folder_ / "store");
  EXPECT_TRUE(eventually([&] { return add("more.", "one").result.has_value(); }));
  EXPECT_TRUE(eventually([&] { return !manager_->is_unstored(); }));
  stop_all();
  start_all(sources());
  EXPECT_TRUE(status("added."));
  EXPECT_TRUE(status("more."));
}

}  // namespace
}  // namespace understudy
