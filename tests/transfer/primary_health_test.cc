#include "transfer/primary_health.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace understudy {
namespace {

using Outcome = PrimaryHealth::Outcome;
using Kind = PrimaryHealth::Kind;

class PrimaryHealthTest : public testing::Test {
 protected:
  void begin(double now = 0) { health_.begin(primary_, Kind::check, now); }
  void end(Outcome outcome, double began, double now) { health_.end(primary_, "hidden1", outcome, began, now); }
  [[nodiscard]] bool passed_over(double now) const { return health_.is_to_be_passed_over(primary_, now); }

  /// As the event loop would, until nobody is left.
  void tell_all() {
    while (std::exchange(is_to_tell_, false)) health_.tell_some();
  }

  const Endpoint primary_ = *Endpoint::parse("192.0.2.1@53");
  bool is_to_tell_ = false;
  PrimaryHealth health_{[this] { is_to_tell_ = true; }};
};

TEST_F(PrimaryHealthTest, OneCheckAtATimeFindsOutWhetherItStillHangs) {
  EXPECT_FALSE(passed_over(0));
  begin();
  begin();
  EXPECT_FALSE(passed_over(1));
  end(Outcome::hung, 0, 5);
  EXPECT_TRUE(passed_over(7)) << "the second is still waiting";
  end(Outcome::hung, 0, 8);
  EXPECT_TRUE(passed_over(8.5)) << "those that queued for it go elsewhere";
  EXPECT_FALSE(passed_over(9)) << "the next finds out";
  begin();
  EXPECT_TRUE(passed_over(12));
  EXPECT_FALSE(health_.is_to_be_passed_over(*Endpoint::parse("192.0.2.1@54"), 12));
  end(Outcome::answered, 9, 13);
  begin();
  EXPECT_FALSE(passed_over(13));
}

TEST_F(PrimaryHealthTest, WhoAnswersOthersDoesNotHang) {
  begin();
  begin();
  begin();
  end(Outcome::answered, 0, 1);
  end(Outcome::hung, 0, 5);
  EXPECT_FALSE(passed_over(5)) << "it leaves one zone without an answer only";
  end(Outcome::hung, 2, 7);
  begin();
  EXPECT_TRUE(passed_over(7)) << "nothing came since 1";
}

TEST_F(PrimaryHealthTest, WhatIsNotKnownChangesNothing) {
  begin();
  end(Outcome::unknown, 0, 5);
  begin();
  EXPECT_FALSE(passed_over(5));
  end(Outcome::hung, 5, 10);
  begin();
  end(Outcome::unknown, 10, 11);
  begin();
  EXPECT_TRUE(passed_over(20));
}

class CountingWaiter final : public Waiter {
 public:
  void primary_answers(WaitsFor) override { ++told; }
  int told = 0;
};

TEST_F(PrimaryHealthTest, PausesDoubleUpToTheBound) {
  health_.set_longest_pause(10);
  double now = 100;
  for (const double pause : {1, 2, 4, 8, 10, 10}) {
    EXPECT_FALSE(health_.rests_until(primary_, now)) << "somebody must find out";
    begin(now);
    EXPECT_EQ(health_.rests_until(primary_, now).has_value(), now != 100) << "and one is enough";
    EXPECT_EQ(health_.end(primary_, "hidden1", Outcome::unreachable, now, now), now + pause);
    EXPECT_EQ(health_.rests_until(primary_, now + pause / 2), now + pause);
    EXPECT_FALSE(passed_over(now)) << "it does not hang: it costs nothing";
    now += pause;
  }
  begin();
  end(Outcome::answered, now, now);
  EXPECT_FALSE(health_.rests_until(primary_, now));
  begin();
  EXPECT_EQ(health_.end(primary_, "hidden1", Outcome::hung, now + 1, now + 1), now + 2) << "from the beginning";
}

TEST_F(PrimaryHealthTest, FailuresAtTheSameTimeAreOne) {
  health_.set_longest_pause(60);
  for (int i = 0; i < 5; ++i) begin();
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(health_.end(primary_, "hidden1", Outcome::hung, 0, 5 + 0.1 * i), 6);
  }
}

TEST_F(PrimaryHealthTest, SignOfLifeEndsThePause) {
  health_.set_longest_pause(60);
  for (const double now : {1.0, 2.0, 4.0, 8.0}) {
    begin();
    end(Outcome::unreachable, now, now);
  }
  EXPECT_EQ(health_.rests_until(primary_, 8), 16);
  health_.end_pause(*IpAddress::parse("192.0.2.2"));
  EXPECT_TRUE(health_.rests_until(primary_, 8));
  health_.end_pause(primary_.address);
  EXPECT_FALSE(health_.rests_until(primary_, 8));
  begin();
  EXPECT_EQ(health_.end(primary_, "hidden1", Outcome::unreachable, 9, 9), 11) << "not from where it was";
}

TEST_F(PrimaryHealthTest, WaitersAreToldOnce) {
  health_.set_longest_pause(60);
  CountingWaiter waiter;
  health_.wait(primary_, waiter);
  begin();
  end(Outcome::answered, 0, 0);
  tell_all();
  EXPECT_EQ(waiter.told, 0) << "there was nothing to wait for";
  begin();
  end(Outcome::unreachable, 1, 1);
  health_.wait(primary_, waiter);
  health_.wait(primary_, waiter);
  {
    CountingWaiter gone;
    health_.wait(primary_, gone);
  }
  begin();
  end(Outcome::unreachable, 2, 2);
  tell_all();
  EXPECT_EQ(waiter.told, 0);
  begin();
  end(Outcome::answered, 3, 3);
  EXPECT_EQ(waiter.told, 0) << "not within the work of who got the answer";
  tell_all();
  EXPECT_EQ(waiter.told, 1);
  EXPECT_FALSE(waiter.waits());
  begin();
  end(Outcome::answered, 4, 4);
  tell_all();
  EXPECT_EQ(waiter.told, 1);
}

TEST_F(PrimaryHealthTest, VeryManyWaitersAreToldAFewAtATimeInTheirOrder) {
  std::vector<CountingWaiter> waiters(10'000);
  for (CountingWaiter& waiter : waiters) health_.wait_for_answer(primary_, waiter);
  begin();
  end(Outcome::answered, 0, 0);
  int turns = 0;
  std::ptrdiff_t before = 0;
  while (std::exchange(is_to_tell_, false)) {
    health_.tell_some();
    const auto told = std::ranges::count(waiters, 1, &CountingWaiter::told);
    EXPECT_GT(told, before);
    EXPECT_LE(told - before, 200) << "what else is due waits so long only";
    EXPECT_TRUE(std::ranges::is_partitioned(waiters, [](const CountingWaiter& waiter) { return waiter.told == 1; }));
    before = told;
    ++turns;
  }
  EXPECT_EQ(before, 10'000);
  EXPECT_GE(turns, 50);
}

TEST_F(PrimaryHealthTest, WhoStopsWaitingIsNotTold) {
  std::vector<CountingWaiter> waiters(1000);
  for (CountingWaiter& waiter : waiters) health_.wait_for_answer(primary_, waiter);
  waiters[7].stop_waiting();
  waiters[8].stop_waiting(WaitsFor::first_answer);
  waiters[9].stop_waiting(WaitsFor::another_check);
  begin();
  end(Outcome::answered, 0, 0);
  health_.tell_some();
  waiters[998].stop_waiting();  // its turn has not come yet
  tell_all();
  for (std::size_t i = 0; i < waiters.size(); ++i) {
    EXPECT_EQ(waiters[i].told, i == 7 || i == 8 || i == 998 ? 0 : 1) << i;
    EXPECT_FALSE(waiters[i].waits()) << i;
  }
}

TEST_F(PrimaryHealthTest, WhoWaitsIsNotForgottenWithAPrimaryOfWhichNothingIsKnown) {
  CountingWaiter waiter;
  health_.wait_for_answer(primary_, waiter);
  begin();
  end(Outcome::unknown, 0, 1);
  EXPECT_TRUE(waiter.waits());
  begin();
  end(Outcome::answered, 2, 3);
  tell_all();
  EXPECT_EQ(waiter.told, 1);
}

/// Waits for another primary as soon as it is told.
class RestlessWaiter final : public Waiter {
 public:
  RestlessWaiter(PrimaryHealth& health, Endpoint next) : health_(health), next_(next) {}
  void primary_answers(WaitsFor) override {
    ++told;
    health_.wait_for_answer(next_, *this);
  }
  int told = 0;

 private:
  PrimaryHealth& health_;
  const Endpoint next_;
};

TEST_F(PrimaryHealthTest, WhoIsToldMayWaitAgain) {
  RestlessWaiter waiter(health_, primary_);
  health_.wait_for_answer(primary_, waiter);
  for (int i = 1; i <= 3; ++i) {
    begin();
    end(Outcome::answered, i, i);
    tell_all();
    EXPECT_EQ(waiter.told, i) << "for the next answer, not for this one";
  }
}

class TransfersTest : public PrimaryHealthTest {
 protected:
  TransfersTest() { health_.set_longest_pause(60); }
  void check(double now) {
    begin();
    end(Outcome::answered, now, now);
  }
  std::optional<double> transfer(Outcome check, Outcome outcome, double began, double now) {
    health_.begin(primary_, Kind::transfer);
    return health_.end_transfer(primary_, "hidden1", check, outcome, began, now);
  }
  [[nodiscard]] std::optional<double> rests(double now) const {
    return health_.rests_until(primary_, now, Kind::transfer);
  }
};

TEST_F(TransfersTest, AnswersForSerialsDoNotEndTheirFailure) {
  check(1);
  EXPECT_TRUE(health_.has_answered_since(primary_, 0));
  EXPECT_EQ(transfer(Outcome::unknown, Outcome::hung, 1, 6), 8) << "after whoever claims the next try";
  check(6.1);
  EXPECT_FALSE(health_.rests_until(primary_, 6.1)) << "serials are asked for";
  EXPECT_FALSE(health_.has_answered_since(primary_, 0));
  EXPECT_EQ(rests(6.1), 7);
  EXPECT_TRUE(passed_over(6.1));
  EXPECT_FALSE(rests(7));
  EXPECT_FALSE(passed_over(7)) << "the next finds out";
  health_.begin(primary_, Kind::transfer, 7);
  EXPECT_EQ(rests(7), 8) << "and one is enough";
  EXPECT_FALSE(rests(17.1)) << "but a large zone that comes for minutes holds up nobody";
  EXPECT_TRUE(passed_over(9));
  EXPECT_EQ(health_.end_transfer(primary_, "hidden1", Outcome::unknown, Outcome::hung, 7, 12), 15);
  EXPECT_EQ(rests(12), 14) << "twice as long";
  EXPECT_FALSE(transfer(Outcome::answered, Outcome::answered, 14, 15));
  EXPECT_FALSE(rests(15));
  EXPECT_FALSE(passed_over(15));
  EXPECT_TRUE(health_.has_answered_since(primary_, 10));
}

TEST_F(TransfersTest, ARefusalIsAMatterOfOneZone) {
  check(1);
  EXPECT_FALSE(transfer(Outcome::answered, Outcome::refused, 1, 2));
  EXPECT_FALSE(rests(2));
  EXPECT_FALSE(passed_over(2));
  EXPECT_FALSE(health_.has_answered_since(primary_, 0)) << "others ask for the serial before they ask for all";
}

TEST_F(TransfersTest, AnotherZoneTriesNext) {
  transfer(Outcome::unknown, Outcome::hung, 0, 5);
  EXPECT_EQ(health_.claim_next_try(primary_, 5.5), 6.5);
  EXPECT_FALSE(health_.claim_next_try(primary_, 5.5)) << "one is enough";
  transfer(Outcome::unknown, Outcome::hung, 6.5, 10);
  EXPECT_EQ(health_.claim_next_try(primary_, 10), 12) << "after the next pause another one";
}

TEST_F(TransfersTest, WhoClaimedTheNextTryAndWasRefusedLetsOthersTry) {
  CountingWaiter waiter;
  transfer(Outcome::unknown, Outcome::hung, 0, 5);
  EXPECT_TRUE(health_.claim_next_try(primary_, 5.5));
  health_.wait(primary_, waiter);
  transfer(Outcome::answered, Outcome::refused, 6.5, 7);
  tell_all();
  EXPECT_EQ(waiter.told, 1);
  EXPECT_TRUE(health_.claim_next_try(primary_, 7.5)) << "nobody else would";
}

TEST_F(TransfersTest, WhoWaitsIsToldOfATransferOnly) {
  CountingWaiter waiter;
  transfer(Outcome::answered, Outcome::hung, 0, 5);
  health_.wait(primary_, waiter);
  check(6);
  tell_all();
  EXPECT_EQ(waiter.told, 0);
  transfer(Outcome::answered, Outcome::answered, 6, 7);
  tell_all();
  EXPECT_EQ(waiter.told, 1);
}

TEST_F(PrimaryHealthTest, WithoutPausesNobodyRests) {
  begin();
  EXPECT_FALSE(health_.end(primary_, "hidden1", Outcome::unreachable, 1, 1));
  EXPECT_FALSE(health_.rests_until(primary_, 1));
}

}  // namespace
}  // namespace understudy
