#include "transfer/commit.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "transfer/fixture.h"

namespace understudy {
namespace {

class CommitTest : public EngineTest {
 protected:
  CommitTest() { store_ = std::move(*ZoneStore::open((folder_ / "store").string())); }

  static ZoneBuilder builder(const ZoneSpec& spec, bool with_ns = true) {
    ZoneBuilder made(*Name::parse(spec.name));
    for (const Record& r : zone_records(spec)) {
      if (r.type != RRType::NS || with_ns) EXPECT_TRUE(made.add(r.owner, r.type, r.ttl, r.rdata));
    }
    return made;
  }
  CommitTask task(ZoneBuilder from, std::optional<Serial> ours = std::nullopt) {
    return {.slot = slot_,
            .builder = std::move(from),
            .ours = ours,
            .source = "192.0.2.1@53",
            .schedule = RefreshSchedule({}),
            .done = [this](CommitTask&& finished) {
              // Durable before visible, visible before announced.
              const auto stored = store_->load(finished.slot->name());
              stored_.push_back(stored ? std::optional(stored->version->serial()) : std::nullopt);
              const Zone* visible = finished.slot->zone();
              visible_.push_back(visible != nullptr ? std::optional(visible->serial()) : std::nullopt);
              told_.push_back(finished.slot->expires() - moment_of(system_clock_).mono);
              results_.push_back(finished.result);
            }};
  }
  void commit(CommitTask one) { commit_versions(*store_, system_clock_, {&one, 1}); }

  std::shared_ptr<ZoneSlot> slot_ =
      std::make_shared<ZoneSlot>(*Name::parse("example."), std::make_shared<ZoneAccess>());
  std::vector<std::optional<Serial>> stored_, visible_;
  std::vector<double> told_;  // what is left until the version expires
  std::vector<Result<void>> results_;
};

TEST_F(CommitTest, IsDurableVisibleAndThenAnnounced) {
  commit(task(builder({.serial = 5})));
  ASSERT_EQ(results_.size(), 1U);
  EXPECT_TRUE(results_[0]);
  EXPECT_EQ(stored_[0], Serial{5});
  EXPECT_EQ(visible_[0], Serial{5});
  const auto heads = store_->list([](const std::string&) {});
  EXPECT_EQ(heads->front().source, "192.0.2.1@53");
  EXPECT_GT(heads->front().timers.expire_at, system_clock_.wall_seconds());
}

// The time that the version before had left may be far more than the new one has, or far less.
TEST_F(CommitTest, NeverTellsALongerLifeThanTheVersionHas) {
  commit(task(builder({.serial = 5, .expire = 5000})));
  const double now = moment_of(system_clock_).mono;
  slot_->set_expires(now + 1'000'000);
  commit(task(builder({.serial = 6, .expire = 5000}), Serial{5}));
  slot_->set_expires(now + 100);
  commit(task(builder({.serial = 7, .expire = 5000}), Serial{6}));
  ASSERT_EQ(told_.size(), 3U);
  EXPECT_NEAR(told_[0], 5000, 60);
  EXPECT_NEAR(told_[1], 5000, 60);
  EXPECT_NEAR(told_[2], 100, 60) << "until the agent tells more";
  EXPECT_LE(std::max(told_[0], told_[1]), 5000);
}

TEST_F(CommitTest, WhatMayNotBeServedChangesNothing) {
  commit(task(builder({.serial = 5})));
  commit(task(builder({.serial = 6}, false), Serial{5}));
  commit(task(builder({.serial = 4}), Serial{5}));
  ASSERT_EQ(results_.size(), 3U);
  EXPECT_EQ(results_[1].error().code, Errc::no_apex_ns);
  EXPECT_EQ(results_[2].error().code, Errc::serial_backwards);
  EXPECT_EQ(stored_[2], Serial{5});
  EXPECT_EQ(visible_[2], Serial{5});
}

TEST_F(CommitTest, TheOperatorMayGoBack) {
  commit(task(builder({.serial = 5})));
  CommitTask back = task(builder({.serial = 4}), Serial{5});
  back.may_go_back = true;
  commit(std::move(back));
  EXPECT_EQ(stored_[1], Serial{4});
  EXPECT_EQ(visible_[1], Serial{4});
}

TEST_F(CommitTest, ABadVersionDoesNotHarmTheOthersOfItsBatch) {
  std::vector<CommitTask> tasks;
  for (int i = 0; i < 3; ++i) {
    const std::string name = "z" + std::to_string(i) + ".";
    tasks.push_back(task(builder({.name = name, .serial = 7}, i != 1)));
    tasks.back().slot = std::make_shared<ZoneSlot>(*Name::parse(name), std::make_shared<ZoneAccess>());
  }
  commit_versions(*store_, system_clock_, tasks);
  EXPECT_EQ(visible_, (std::vector<std::optional<Serial>>{Serial{7}, std::nullopt, Serial{7}}));
  EXPECT_EQ(stored_, visible_);
}

/// Stands for memory that runs out before anything is stored.
class ClockWithoutMemory final : public Clock {
 public:
  [[nodiscard]] std::int64_t wall_ms() const override { return 0; }
  [[nodiscard]] std::int64_t mono_ns() const override { throw std::bad_alloc(); }
};

TEST_F(CommitTest, MemoryThatRunsOutWhileItIsStoredIsItsOutcome) {
  commit(task(builder({.serial = 5})));
  CommitTask next = task(builder({.serial = 6}), Serial{5});
  commit_versions(*store_, ClockWithoutMemory(), {&next, 1});
  ASSERT_EQ(results_.size(), 2U);
  ASSERT_FALSE(results_[1]);
  EXPECT_EQ(results_[1].error().code, Errc::io);
  EXPECT_NE(results_[1].error().text().find("out of memory: a version to be stored (0."), std::string::npos)
      << results_[1].error().text();
  EXPECT_EQ(stored_[1], Serial{5});
  EXPECT_EQ(visible_[1], Serial{5});
}

TEST_F(CommitTest, AZoneFromAFileIsNotStored) {
  CommitTask file = task(builder({.serial = 5}));
  file.stored = false;
  commit(std::move(file));
  EXPECT_EQ(stored_[0], std::nullopt);
  EXPECT_EQ(visible_[0], Serial{5});
}

TEST_F(CommitTest, TheCommitterCommitsEveryTaskOnce) {
  JobPool jobs(2);
  Committer committer(*store_, system_clock_, jobs);
  std::atomic<int> done{0};
  for (int i = 0; i < 700; ++i) {
    const std::string name = "z" + std::to_string(i) + ".";
    CommitTask one = task(builder({.name = name, .hosts = 1}));
    one.slot = std::make_shared<ZoneSlot>(*Name::parse(name), std::make_shared<ZoneAccess>());
    one.done = [&done](CommitTask&& finished) { done += finished.result.has_value() ? 1 : 1000; };
    committer.submit(std::move(one));
  }
  ASSERT_TRUE(eventually([&] { return done >= 700; }));
  jobs.stop();
  EXPECT_EQ(done, 700);
  EXPECT_EQ(store_->list([](const std::string&) {})->size(), 700U);
}

TEST_F(CommitTest, WhatMayWaitIsCommittedWithWhatCannot) {
  JobPool jobs(1);
  Committer committer(*store_, system_clock_, jobs);
  std::atomic<int> done{0};
  const auto submit = [&](int i, Committer::Haste haste) {
    const std::string name = "z" + std::to_string(i) + ".";
    CommitTask one = task(builder({.name = name, .hosts = 1}));
    one.slot = std::make_shared<ZoneSlot>(*Name::parse(name), std::make_shared<ZoneAccess>());
    one.done = [&done](CommitTask&& finished) { done += finished.result.has_value() ? 1 : 1000; };
    committer.submit(std::move(one), haste);
  };
  for (int i = 0; i < 3; ++i) submit(i, Committer::Haste::may_wait);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(done, 0);
  submit(3, Committer::Haste::now);
  EXPECT_TRUE(eventually([&] { return done >= 4; }));
  submit(4, Committer::Haste::may_wait);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(done, 4);
  committer.hurry();
  EXPECT_TRUE(eventually([&] { return done >= 5; }));
  jobs.stop();
  EXPECT_EQ(done, 5);
}

}  // namespace
}  // namespace understudy
