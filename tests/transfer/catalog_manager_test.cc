#include "transfer/catalog_manager.h"

#include <gmock/gmock.h>

#include <fstream>
#include <thread>

#include "base/log.h"
#include "transfer/catalog_facts.h"
#include "transfer/catalog_manager_fixture.h"
#include "transfer/catalog_report.h"

namespace understudy {
namespace {

using ::testing::HasSubstr;
using zone_fixture::name;

TEST_F(CatalogManagerTest, MembersAreServedAndComeBackWithoutAnyPrimary) {
  for (const char* each : {"x.", "y.", "z."}) {
    first_.serve({.name = each, .serial = 1});
    second_.serve({.name = each, .serial = 9});
  }
  start_all(sources());
  publish(catalog(1, member("1", "x.") + member("2", "y.", "gold") + member("3", "z.", "unknown")));
  EXPECT_TRUE(waits_for(1, "x."));
  EXPECT_TRUE(waits_for(9, "y.")) << "its group chooses another template";
  EXPECT_TRUE(waits_for(1, "z."));
  EXPECT_EQ(catalog_status()->members, 3U);
  EXPECT_EQ(catalog_status()->serial, Serial{1});
  EXPECT_EQ(manager_->catalog_of(name("X.")), name("a."));

  publish(catalog(2, member("1", "x.", "gold") + member("2", "y.", "gold")));
  EXPECT_TRUE(waits_for(9, "x.")) << "another group, another primary";
  EXPECT_EQ(served("z."), std::nullopt);
  EXPECT_FALSE(status("z."));
  EXPECT_TRUE(is_stored("z."));

  stop_all();
  first_.stop();
  second_.stop();
  start_all(sources());
  EXPECT_EQ(served("x."), 9U) << "before any catalog is there";
  EXPECT_EQ(served("y."), 9U);
  EXPECT_FALSE(status("z."));
  EXPECT_EQ(catalog_status()->trash, 1U);
  publish(catalog(3, member("1", "x.", "gold") + member("2", "y.", "gold") + member("3", "z.")));
  EXPECT_TRUE(waits_for(1, "z.")) << "back with its data";
}

TEST_F(CatalogManagerTest, AResetForgetsTheData) {
  first_.serve({.name = "x.", .serial = 5});
  start_all(sources());
  publish(catalog(1, member("1", "x.")));
  ASSERT_TRUE(waits_for(5, "x."));
  first_.serve({.name = "x.", .serial = 2});
  publish(catalog(2, member("other", "x.")));
  EXPECT_TRUE(waits_for(2, "x.")) << "taken anew, whatever the serial";
  // Out of the trash with another label, while the primary is gone: nothing to answer from.
  publish(catalog(3, ""));
  EXPECT_TRUE(is_stored("x."));
  first_.stop();
  publish(catalog(4, member("third", "x.")));
  EXPECT_TRUE(status("x."));
  EXPECT_EQ(served("x."), std::nullopt);
  EXPECT_FALSE(is_stored("x."));
}

TEST_F(CatalogManagerTest, TheBrakeHoldsUntilItIsAccepted) {
  std::string many;
  for (int i = 0; i < 20; ++i) {
    const std::string zone = "m" + std::to_string(i) + ".";
    first_.serve({.name = zone, .serial = 1});
    many += member("l" + std::to_string(i), zone);
  }
  start_all(sources());
  publish(catalog(1, many));
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(waits_for(1, "m" + std::to_string(i) + "."));
  publish(catalog(2, ""));
  ASSERT_TRUE(catalog_status()->hold);
  EXPECT_EQ(catalog_status()->hold->reason, HoldReason::brake);
  EXPECT_EQ(catalog_status()->hold->removed, 20U);
  EXPECT_EQ(served("m0."), 1U);
  stop_all();
  first_.stop();
  start_all(sources());
  EXPECT_EQ(served("m0."), 1U) << "a restart accepts nothing";
  publish(catalog(2, ""));
  EXPECT_TRUE(catalog_status()->hold);
  const CommandOutcome outcome = accept("a.");
  ASSERT_TRUE(outcome.result) << outcome.result.error().text();
  EXPECT_EQ(outcome.text, "20 removed");
  EXPECT_EQ(served("m0."), std::nullopt);
  EXPECT_FALSE(catalog_status()->hold);
  EXPECT_EQ(catalog_status()->trash, 20U);
  EXPECT_EQ(accept("a.").result.error().code, Errc::not_found);

  wall_.advance_ms((7 * 86400 - 10) * 1000LL);
  manager_->clock_changed();
  settle();
  EXPECT_TRUE(is_stored("m0."));
  publish(catalog(3, member("l0", "m0.")));
  EXPECT_TRUE(waits_for(1, "m0.")) << "back at once, without a primary";
  wall_.advance_ms(10'000);
  manager_->clock_changed();
  settle();
  EXPECT_TRUE(is_stored("m0."));
  EXPECT_FALSE(is_stored("m1.")) << "purged";
  EXPECT_EQ(catalog_status()->trash, 0U);
}

TEST_F(CatalogManagerTest, BrokenTooLargeAndExpiredOnesKeepTheirMembers) {
  first_.serve({.name = "x.", .serial = 1});
  start_all(sources());
  publish(catalog(1, member("1", "x.")));
  ASSERT_TRUE(waits_for(1, "x."));
  publish(catalog(2, member("1", "y."), "a.", "1"));
  EXPECT_EQ(catalog_status()->hold->reason, HoldReason::broken);
  EXPECT_THAT(catalog_status()->hold->detail, HasSubstr("not \"2\""));
  EXPECT_EQ(accept("a.").result.error().code, Errc::refused);
  EXPECT_EQ(served("x."), 1U);
  publish(catalog(3, member("1", "x.") + member("2", "X.")));
  EXPECT_THAT(catalog_status()->hold->detail, HasSubstr("more than once"));
  publish(catalog(4, member("1", "x.")));
  EXPECT_FALSE(catalog_status()->hold);
  manager_->expired(name("a."));
  settle();
  EXPECT_EQ(catalog_status()->hold->reason, HoldReason::expired);
  EXPECT_EQ(served("x."), 1U);
}

TEST_F(CatalogManagerTest, ACatalogOfTooManyMembersIsRefusedInWords) {
  first_.serve({.name = "x.", .serial = 1});
  start_all(sources());
  publish(catalog(1, member("1", "x.")));
  ASSERT_TRUE(waits_for(1, "x."));
  std::string many = member("1", "x.");
  for (int i = 0; i < 150'000; ++i) many += member("m" + std::to_string(i), "m" + std::to_string(i) + ".test.");
  publish(catalog(2, many));
  EXPECT_EQ(catalog_status()->hold->reason, HoldReason::broken);
  EXPECT_THAT(catalog_status()->hold->detail, HasSubstr("over 150000 members"));
  EXPECT_THAT(catalog_status()->hold->detail, HasSubstr("raise max-members"));
  EXPECT_EQ(catalog_status()->members, 1U);
  EXPECT_EQ(served("x."), 1U);
}

TEST_F(CatalogManagerTest, ACatalogThatIsNoLongerConfiguredKeepsItsMembersUntilAccepted) {
  first_.serve({.name = "x.", .serial = 1});
  start_all(sources());
  publish(catalog(1, member("1", "x.")));
  ASSERT_TRUE(waits_for(1, "x."));
  set(sources({}, {}));
  EXPECT_EQ(served("x."), 1U);
  EXPECT_EQ(catalog_status()->hold->reason, HoldReason::vanished);
  EXPECT_EQ(catalog_status()->hold->serial, Serial{1});
  stop_all();
  start_all(sources({}, {}));
  EXPECT_EQ(served("x."), 1U) << "its template is remembered";
  publish(catalog(2, ""));
  EXPECT_EQ(served("x."), 1U) << "it is no catalog any more";
  EXPECT_EQ(catalog_status()->hold->serial, Serial{1}) << "so that what was announced can be accepted";
  EXPECT_EQ(accept("a.", AnnouncedHold{Serial{2}, true}).result.error().code, Errc::refused);
  EXPECT_TRUE(accept("a.", AnnouncedHold{Serial{1}, true}).result);
  EXPECT_FALSE(status("x."));
  EXPECT_TRUE(manager_->status().empty());
  stop_all();
  start_all(sources({}, {}));
  EXPECT_FALSE(status("x."));
}

TEST_F(CatalogManagerTest, ACatalogThatHasExpiredIsKnownByItsSerialAfterARestart) {
  start_all(sources());
  publish(catalog(1, member("1", "x.")));
  publish(catalog(7, member("1", "x.")));  // changes no member
  stop_all();
  start_all(sources());
  EXPECT_EQ(catalog_status()->serial, Serial{7});
  manager_->expired(zone_fixture::name("a."));
  settle();
  ASSERT_TRUE(catalog_status()->hold);
  EXPECT_EQ(catalog_status()->hold->serial, Serial{7});
  EXPECT_EQ(accept("a.", AnnouncedHold{Serial{1}, true}).result.error().code, Errc::refused);
  EXPECT_TRUE(accept("a.", AnnouncedHold{Serial{7}, true}).result);
  EXPECT_FALSE(status("x."));
}

TEST_F(CatalogManagerTest, ConfiguredZonesGoFirstThenThoseAddedThenMembers) {
  first_.serve({.name = "x.", .serial = 1});
  second_.serve({.name = "x.", .serial = 9});
  start_all(sources({"x."}));
  ASSERT_TRUE(waits_for(1, "x."));
  publish(catalog(1, member("1", "x.", "gold") + member("2", "a.")));
  EXPECT_EQ(catalog_status()->members, 0U);
  EXPECT_EQ(catalog_status()->conflicts, 2U) << "the catalog itself is none of its members";
  EXPECT_EQ(add("x.", "two").result.error().code, Errc::refused);
  EXPECT_EQ(remove("x.").result.error().code, Errc::not_found);

  set(sources());
  EXPECT_TRUE(waits_for(9, "x.")) << "the configuration let go of it: the member takes its place";
  EXPECT_EQ(manager_->catalog_of(name("x.")), name("a."));
  first_.serve({.name = "x.", .serial = 20});
  const CommandOutcome refused = add("x.", "one");
  EXPECT_EQ(refused.result.error().code, Errc::refused);
  EXPECT_THAT(refused.result.error().text(), HasSubstr("zone x. is a member of catalog a.: take it out there first"));
  EXPECT_EQ(manager_->catalog_of(name("x.")), name("a.")) << "still";
  publish(catalog(2, ""));
  EXPECT_FALSE(status("x."));
  EXPECT_TRUE(add("x.", "one").result);
  EXPECT_TRUE(wait_for([&](CommandDone done) { engine_->refresh(name("x."), std::move(done)); }).result);
  EXPECT_TRUE(waits_for(20, "x."));
  EXPECT_EQ(manager_->catalog_of(name("x.")), std::nullopt);
  EXPECT_TRUE(add("x.", "one").result) << "again, perhaps with another template";
  publish(catalog(3, member("1", "x.", "gold")));
  EXPECT_EQ(catalog_status()->conflicts, 1U);
  EXPECT_EQ(served("x."), 20U) << "not the catalog's to take";
  second_.serve({.name = "x.", .serial = 30});
  EXPECT_TRUE(remove("x.").result);
  EXPECT_TRUE(waits_for(30, "x."));
}

TEST_F(CatalogManagerTest, ZonesAddedAtRunTimeStay) {
  first_.serve({.name = "x.", .serial = 1});
  start_all(sources());
  EXPECT_EQ(add("x.", "no such").result.error().code, Errc::not_found);
  EXPECT_FALSE(status("x."));
  ASSERT_TRUE(add("x.", "one").result);
  ASSERT_TRUE(waits_for(1, "x."));
  stop_all();
  first_.stop();
  start_all(sources());
  EXPECT_EQ(served("x."), 1U);
  set(sources());
  EXPECT_EQ(served("x."), 1U) << "a reload keeps it";
  ASSERT_TRUE(remove("X.", true).result);
  EXPECT_FALSE(status("x."));
  EXPECT_TRUE(eventually([&] { return !is_stored("x."); }));
  EXPECT_EQ(remove("x.").result.error().code, Errc::not_found);
  stop_all();
  start_all(sources());
  EXPECT_FALSE(status("x."));
}

TEST_F(CatalogManagerTest, WhatOtherSourcesWouldLeaveWithoutSettingsIsKnownBefore) {
  const auto without = [&](const std::string& gone, std::vector<std::string> zones = {},
                           std::vector<std::string> catalogs = {"a."}) {
    ZoneSources next = sources(std::move(zones), std::move(catalogs));
    next.from_template = [all = next.from_template, gone](NameView zone, const std::string& wanted, const Name* of) {
      return wanted == gone ? std::nullopt : all(zone, wanted, of);
    };
    return next;
  };
  start_all(sources());
  publish(catalog(1, member("1", "x.") + member("2", "y.", "gold")));
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(add("r" + std::to_string(i) + ".", "two").result);
  EXPECT_TRUE(manager_->settings_lost(sources()).empty());
  EXPECT_TRUE(manager_->settings_lost(without("none")).empty()) << "nobody uses it";
  auto lost = manager_->settings_lost(without("two"));
  ASSERT_EQ(lost.size(), 1U) << "what a configured catalog chooses is looked at with the configuration";
  EXPECT_EQ(lost[0].template_name, "two");
  EXPECT_EQ(lost[0].catalog, std::nullopt);
  EXPECT_EQ(lost[0].count, 6U);
  EXPECT_EQ(lost[0].some, (std::vector{name("r0."), name("r1."), name("r2."), name("r3.")}));
  lost = manager_->settings_lost(without("two", {"R0.", "r1."}));
  ASSERT_EQ(lost.size(), 1U);
  EXPECT_EQ(lost[0].count, 4U) << "two are configured now";

  // A catalog that goes together with its template, or before it.
  EXPECT_TRUE(manager_->settings_lost(sources({}, {})).empty());
  for (int round = 0; round < 2; ++round) {
    lost = manager_->settings_lost(without("one", {}, {}));
    ASSERT_EQ(lost.size(), 1U);
    EXPECT_EQ(lost[0].catalog, name("a."));
    EXPECT_EQ(lost[0].some, std::vector{name("x.")});
    EXPECT_EQ(manager_->settings_lost(without("two", {}, {})).size(), 2U) << "of zones and of members";
    set(sources({}, {}));
  }
  EXPECT_TRUE(accept("a.").result);
  EXPECT_TRUE(manager_->settings_lost(without("one", {}, {})).empty());
  // What has no settings now loses nothing.
  set(without("two"));
  EXPECT_TRUE(manager_->settings_lost(without("two")).empty());
}

TEST_F(CatalogManagerTest, WhatNothingServesCanBeForgotten) {
  for (const char* each : {"conf.", "late.", "x.", "y.", "z."}) first_.serve({.name = each, .serial = 1});
  start_all(sources({"conf.", "late."}));
  publish(catalog(1, member("1", "x.") + member("2", "y.")));
  ASSERT_TRUE(add("z.", "one").result);
  for (const char* each : {"conf.", "late.", "x.", "y.", "z."}) ASSERT_TRUE(waits_for(1, each));
  set(sources({"conf."}));
  publish(catalog(2, member("1", "x.")));
  ASSERT_TRUE(remove("z.").result);
  EXPECT_TRUE(is_stored("late.") && is_stored("y.") && is_stored("z."));
  // By the configuration, by a catalog, by nobody.
  EXPECT_THAT(remove("conf.", true).result.error().text(), HasSubstr("by a command, but is configured"));
  EXPECT_THAT(remove("x.", true).result.error().text(), HasSubstr("by a command, but is a member of catalog a."));
  EXPECT_THAT(remove("never.", true).result.error().text(), HasSubstr("nothing is stored of it"));
  EXPECT_THAT(remove("late.").result.error().text(), HasSubstr("--forget deletes what is stored of it"));
  const auto all_or_none = wait_for(
      [&](CommandDone done) { manager_->remove_zones({name("late."), name("never.")}, true, std::move(done)); });
  EXPECT_EQ(all_or_none.result.error().code, Errc::not_found);
  EXPECT_TRUE(is_stored("late."));
  const auto done = wait_for([&](CommandDone then) {
    manager_->remove_zones({name("LATE."), name("y."), name("z.")}, true, std::move(then));
  });
  EXPECT_TRUE(done.result) << done.result.error().text();
  EXPECT_FALSE(is_stored("late.") || is_stored("y.") || is_stored("z."));
  EXPECT_EQ(catalog_status()->trash, 0U) << "a former member is not purged any more";
  EXPECT_EQ(remove("late.", true).result.error().code, Errc::not_found);
  EXPECT_TRUE(is_stored("conf.") && is_stored("x."));
  stop_all();
  start_all(sources({"conf."}));
  EXPECT_EQ(catalog_status()->trash, 0U);
  EXPECT_EQ(served("x."), 1U);
}

TEST_F(CatalogManagerTest, AnAddedZoneWithoutATemplateIsForgottenToo) {
  first_.serve({.name = "z.", .serial = 1});
  start_all(sources());
  ASSERT_TRUE(add("z.", "one").result);
  ASSERT_TRUE(waits_for(1, "z."));
  stop_all();
  ZoneSources without = sources();
  without.from_template = [](NameView, const std::string&, const Name*) { return std::nullopt; };
  start_all(std::move(without));
  EXPECT_FALSE(status("z."));
  EXPECT_TRUE(remove("z.", true).result);
  EXPECT_FALSE(is_stored("z."));
}

TEST_F(CatalogManagerTest, AMemberWithoutATemplateIsNotServed) {
  first_.serve({.name = "x.", .serial = 1});
  start_all(sources());
  publish(catalog(1, member("1", "x.")));
  ASSERT_TRUE(waits_for(1, "x."));
  ZoneSources changed = sources();
  changed.catalogs[0].templates = {"", {{"gold", "two"}}};
  set(std::move(changed));
  EXPECT_FALSE(status("x."));
  EXPECT_EQ(catalog_status()->members, 1U);
  set(sources());
  EXPECT_EQ(served("x."), 1U);
}

TEST_F(CatalogManagerTest, OnlyWhatWasAnnouncedIsAccepted) {
  const auto update = [](std::uint32_t serial) { return AnnouncedHold{Serial{serial}, false}; };
  const auto all_of = [](std::uint32_t serial) { return AnnouncedHold{Serial{serial}, true}; };
  std::string many, few;
  for (int i = 0; i < 30; ++i) {
    const std::string each = member("l" + std::to_string(i), "m" + std::to_string(i) + ".");
    many += each;
    if (i < 18) few += each;
  }
  start_all(sources());
  publish(catalog(1, many));
  publish(catalog(2, few));
  ASSERT_TRUE(catalog_status()->hold);
  EXPECT_THAT(hold_text(name("a."), *catalog_status()->hold, 30), HasSubstr("catalog accept a. --serial 2`"));
  publish(catalog(3, ""));
  const CommandOutcome other = accept("a.", update(2));
  EXPECT_EQ(other.result.error().code, Errc::refused);
  EXPECT_THAT(other.result.error().text(),
              HasSubstr("serial 2 of catalog a. is not what is held: it would take away 30"));
  EXPECT_EQ(catalog_status()->members, 30U);
  // All would go, as before, but for another reason: what expires is the list in force.
  manager_->expired(name("a."));
  settle();
  EXPECT_EQ(catalog_status()->hold->serial, Serial{1});
  EXPECT_THAT(hold_text(name("a."), *catalog_status()->hold, 30), HasSubstr("catalog accept a. --all-of 1`"));
  EXPECT_EQ(accept("a.", update(3)).result.error().code, Errc::refused);
  EXPECT_EQ(accept("a.", all_of(3)).result.error().code, Errc::refused);
  EXPECT_EQ(accept("a.", update(1)).result.error().code, Errc::refused) << "this is no update";
  publish(catalog(4, few));
  EXPECT_EQ(accept("a.", all_of(1)).result.error().code, Errc::refused) << "it is back, with an update";
  EXPECT_EQ(accept("a.", all_of(4)).result.error().code, Errc::refused) << "this is an update";
  EXPECT_EQ(accept("a.", update(4)).text, "12 removed");
  manager_->expired(name("a."));
  settle();
  EXPECT_EQ(accept("a.", update(4)).result.error().code, Errc::refused) << "the same command again";
  set(sources({}, {}));
  EXPECT_EQ(accept("a.", update(4)).result.error().code, Errc::refused);
  EXPECT_EQ(accept("a.", all_of(1)).result.error().code, Errc::refused);
  EXPECT_EQ(accept("a.", all_of(4)).text, "18 removed") << "it is no longer configured";
}

TEST_F(CatalogManagerTest, CommandsEndWhenItStops) {
  start_all(sources());
  manager_->stop();
  EXPECT_EQ(add("x.", "one").result.error().code, Errc::cancelled);
  EXPECT_EQ(accept("a.").result.error().code, Errc::cancelled);
}

TEST_F(CatalogManagerTest, AHundredThousandMembers) {
  constexpr int count = 100'000;
  set_log_level(LogLevel::error);
  const auto content = [](std::uint32_t serial, int first) {
    std::string members;
    for (int i = first; i < first + count; ++i) {
      members += member("l" + std::to_string(i), "zone" + std::to_string(i) + ".example.");
    }
    return catalog(serial, members);
  };
  const auto with_templates = [&] {
    ZoneSources out = sources();
    out.catalogs[0].templates = {"none", {}};
    return out;
  };
  start_all(with_templates());
  publish(content(1, 0));
  EXPECT_EQ(catalog_status()->members, static_cast<std::uint64_t>(count));
  EXPECT_EQ(engine_->list(std::nullopt, 200'000).size(), count + 1U);

  const auto next = content(2, 1);
  const auto begin = std::chrono::steady_clock::now();
  publish(next);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  RecordProperty("milliseconds_for_one_of_100000", static_cast<int>(1000 * took.count()));
  EXPECT_FALSE(status("zone0.example."));
  EXPECT_TRUE(status("zone100000.example."));
  EXPECT_LT(took.count(), 5.0);

  publish(content(3, count + 1));
  EXPECT_EQ(catalog_status()->hold->removed, static_cast<std::uint64_t>(count));
  stop_all();
  start_all(with_templates());
  EXPECT_EQ(catalog_status()->members, static_cast<std::uint64_t>(count));
  EXPECT_TRUE(status("zone100000.example."));
  EXPECT_EQ(engine_->list(std::nullopt, 200'000).size(), count + 1U);

  std::string too_many;
  for (int i = 0; i <= 150'000; ++i) too_many += member("t" + std::to_string(i), "t" + std::to_string(i) + ".");
  publish(catalog(4, too_many));
  EXPECT_THAT(catalog_status()->hold->detail, HasSubstr("over 150000 members"));
  set_log_level(LogLevel::info);
}

}  // namespace
}  // namespace understudy
