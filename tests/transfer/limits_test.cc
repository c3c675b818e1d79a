#include "transfer/limits.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <list>
#include <string>
#include <utility>
#include <vector>

namespace understudy {
namespace {

using Priority = Lanes::Priority;

const Endpoint hung{IpAddress::v4(192, 0, 2, 1), 53};
const Endpoint healthy{IpAddress::v4(192, 0, 2, 2), 53};

class LanesTest : public ::testing::Test {
 protected:
  void ask(const Endpoint& peer, const std::string& who, Priority priority = Priority::normal) {
    requests.push_back(lanes.enqueue(peer, priority, [this, who](Lanes::Permit permit) {
      granted.push_back(who);
      permits.push_back(std::move(permit));
    }));
  }

  /// Not new any more, and not known to get on.
  void hang_once(const Endpoint& peer) {
    ask(peer, "first");
    permits.back().lend();
    permits.pop_back();
  }

  Lanes lanes{3, 2};
  std::vector<std::string> granted;
  std::list<Lanes::Permit> permits;
  std::list<Lanes::Request> requests;
};

TEST_F(LanesTest, APeerAtItsBoundHoldsUpNobodyElse) {
  ask(hung, "h1");
  ask(hung, "h2");
  ask(hung, "h3");
  ask(healthy, "a");
  EXPECT_EQ(granted, (std::vector<std::string>{"h1", "h2", "a"}));
  permits.pop_back();
  EXPECT_EQ(granted.size(), 3U) << "h3 must wait for its own peer";
  permits.pop_front();
  EXPECT_EQ(granted.back(), "h3");
}

TEST_F(LanesTest, TheBoundInAllHolds) {
  ask(hung, "h1");
  ask(hung, "h2");
  ask(healthy, "a");
  ask(healthy, "b");
  EXPECT_EQ(granted.size(), 3U);
  EXPECT_EQ(lanes.active(), 3U);
  permits.pop_front();
  EXPECT_EQ(granted.back(), "b");
}

TEST_F(LanesTest, UrgentRequestsGoFirstAndTheOthersInTheirOrder) {
  lanes.set_limits(1, 1);
  ask(hung, "first");
  ask(hung, "n1");
  ask(healthy, "n2");
  ask(hung, "u", Priority::urgent);
  for (int i = 0; i < 4; ++i) permits.pop_front();
  EXPECT_EQ(granted, (std::vector<std::string>{"first", "u", "n1", "n2"}));
}

TEST_F(LanesTest, ARequestCanBecomeUrgent) {
  lanes.set_limits(1, 1);
  ask(hung, "first");
  ask(hung, "n1");
  ask(hung, "n2");
  lanes.make_urgent(requests.back());
  EXPECT_TRUE(requests.back().is_waiting());
  permits.pop_front();
  EXPECT_EQ(granted.back(), "n2");
  EXPECT_FALSE(requests.back().is_waiting());
}

TEST_F(LanesTest, AWithdrawnRequestIsNotGranted) {
  lanes.set_limits(1, 1);
  ask(hung, "first");
  ask(hung, "gone");
  ask(hung, "last");
  requests.erase(std::next(requests.begin()));
  permits.pop_front();
  EXPECT_EQ(granted, (std::vector<std::string>{"first", "last"}));
}

TEST_F(LanesTest, MoreRoomIsUsedAtOnceAndLessTakesEffectLater) {
  lanes.set_limits(1, 1);
  ask(hung, "1");
  ask(hung, "2");
  ask(hung, "3");
  lanes.set_limits(2, 2);
  EXPECT_EQ(granted.size(), 2U);
  lanes.set_limits(1, 1);
  permits.pop_front();
  EXPECT_EQ(granted.size(), 2U);
  permits.pop_front();
  EXPECT_EQ(granted.size(), 3U);
}

TEST_F(LanesTest, APermitMayBeGivenBackWhileItIsGranted) {
  int count = 0;
  for (int i = 0; i < 1000; ++i) {
    requests.push_back(lanes.enqueue(hung, Priority::normal, [&count](const Lanes::Permit&) { ++count; }));
  }
  EXPECT_EQ(count, 1000);
  EXPECT_EQ(lanes.active(), 0U);
}

TEST_F(LanesTest, ALentPermitMakesRoomForOthersAndForWhatIsUrgent) {
  lanes.set_limits(2, 2);
  ask(hung, "h1");
  ask(hung, "h2");
  ask(hung, "h3");
  ask(healthy, "a");
  permits.front().lend();
  EXPECT_EQ(granted.back(), "a") << "h3 is more of the same";
  permits.back().release();
  ask(hung, "u", Priority::urgent);
  EXPECT_EQ(granted.back(), "u");
  EXPECT_EQ(lanes.active(), 3U);
  permits.front().take_back();
  ask(healthy, "b");
  EXPECT_EQ(granted.back(), "u") << "over the bound, nobody is let in";
  std::exchange(permits, {}).clear();
  EXPECT_EQ(granted.size(), 6U);
  EXPECT_EQ(lanes.active(), 2U);
}

TEST_F(LanesTest, OnlySomePermitsCanBeLent) {
  lanes.set_limits(1, 100);
  for (int i = 0; i < 10; ++i) {
    ask(hung, "u", Priority::urgent);
    permits.back().lend();
  }
  EXPECT_EQ(lanes.active(), 3U) << "the bound, and twice as many lent";
}

Endpoint numbered(std::uint8_t number) {
  return {IpAddress::v4(198, 51, 100, number), 53};
}

TEST_F(LanesTest, WhatIsLentIsBoundedByWhatItHolds) {
  lanes.set_limits(2, 2);
  for (std::uint8_t i = 0; i < 5; ++i) hang_once(numbered(i));
  granted.clear();
  for (std::uint8_t i = 0; i < 5; ++i) ask(numbered(i), "h");
  permits.front().lend(Lanes::max_lent_octets - 1);
  EXPECT_EQ(granted.size(), 3U) << "whatever one holds, others have its room";
  Lanes::Permit& second = *std::next(permits.begin());
  second.lend(2);
  EXPECT_EQ(granted.size(), 3U) << "too much altogether";
  permits.pop_front();
  second.lend(2);
  EXPECT_EQ(granted.size(), 4U);
  second.release();
  permits.back().lend(Lanes::max_lent_octets);
  EXPECT_EQ(granted.size(), 5U) << "what was given back is not held any more";
}

TEST_F(LanesTest, KnownPeersPassAnyNumberThatHang) {
  lanes.set_limits(8, 8);
  ask(healthy, "known");
  permits.clear();
  for (std::uint8_t i = 0; i < 100; ++i) ask(numbered(i), "h");
  EXPECT_EQ(lanes.active(), 8U);
  for (Lanes::Permit& permit : permits) permit.lend(100'000);  // those that come meanwhile hang as well
  EXPECT_EQ(lanes.active(), 26U) << "the bound, twice as many lent, and first tries";
  ask(numbered(200), "unknown", Priority::urgent);
  ask(healthy, "a");
  EXPECT_EQ(granted.back(), "a");
  ask(healthy, "b");
  EXPECT_EQ(granted.back(), "a") << "it has something under way now";
  ask(healthy, "u", Priority::urgent);
  EXPECT_EQ(granted.back(), "u");
  ask(healthy, "v", Priority::urgent);
  EXPECT_EQ(granted.back(), "u") << "a quarter beyond the bound";
  permits.pop_back();
  EXPECT_EQ(granted.back(), "v");
  permits.pop_back();
  permits.back().lend();
  ask(healthy, "w", Priority::urgent);
  EXPECT_EQ(granted.back(), "v") << "who hangs itself gets no more";
  permits.pop_back();
  EXPECT_EQ(granted.back(), "v") << "its last work came to no end";
}

TEST_F(LanesTest, WhoIsNewDoesNotWaitForAnyNumberThatHang) {
  lanes.set_limits(8, 8);
  for (int i = 0; i < 100; ++i) ask(hung, "h", Priority::urgent);
  for (Lanes::Permit& permit : permits) permit.lend();
  EXPECT_EQ(lanes.active(), 24U) << "the bound, and twice as many lent";
  ask(healthy, "new");
  EXPECT_EQ(granted.back(), "new") << "without any wait";
  EXPECT_EQ(lanes.active(), 25U);
  EXPECT_FALSE(permits.back().makes_way());
  ask(healthy, "more");
  EXPECT_EQ(granted.back(), "new") << "one at a time";
  permits.pop_back();
  EXPECT_EQ(granted.back(), "more") << "as for any that is known";
  permits.pop_back();
  // First tries that hang as well make way for the next, and only as many as are needed.
  for (std::uint8_t i = 0; i < 2; ++i) ask(numbered(i), "n" + std::to_string(i));
  EXPECT_EQ(granted.back(), "n1");
  for (auto permit = std::prev(permits.end(), 2); permit != permits.end(); ++permit) permit->lend();
  EXPECT_FALSE(permits.back().makes_way()) << "nobody waits";
  ask(numbered(2), "n2");
  EXPECT_EQ(granted.back(), "n1") << "there is room for two";
  EXPECT_FALSE(permits.front().makes_way()) << "it is not a first try";
  EXPECT_TRUE(permits.back().makes_way());
  EXPECT_FALSE(std::prev(permits.end(), 2)->makes_way());
  permits.pop_back();
  EXPECT_EQ(granted.back(), "n2");
  ask(numbered(1), "n1 again");
  EXPECT_EQ(granted.back(), "n2") << "it was tried, and waits";
  EXPECT_EQ(lanes.active(), 26U);
}

TEST_F(LanesTest, AFirstTryThatGetsOnKeepsItsPlace) {
  lanes.set_limits(4, 4);
  for (int i = 0; i < 12; ++i) ask(hung, "h", Priority::urgent);
  for (Lanes::Permit& permit : permits) permit.lend();
  ask(healthy, "a");
  EXPECT_EQ(granted.back(), "a");
  permits.back().lend();
  ask(numbered(1), "b");
  EXPECT_EQ(granted.back(), "a");
  permits.back().take_back();
  EXPECT_FALSE(permits.back().makes_way());
  permits.back().release();
  EXPECT_EQ(granted.back(), "b");
  permits.clear();
  requests.clear();
  EXPECT_EQ(lanes.active(), 0U);
}

TEST_F(LanesTest, WhatIsGivenBackUnusedSaysNothingOfThePeer) {
  lanes.set_limits(4, 4);
  const Endpoint unused = numbered(7);
  ask(unused, "unused");
  permits.back().give_back_unused();
  ask(unused, "in vain");
  permits.back().give_back_in_vain();
  ask(healthy, "unused");
  permits.back().give_back_unused();
  permits.clear();
  for (int i = 0; i < 12; ++i) ask(hung, "h", Priority::urgent);
  for (Lanes::Permit& permit : permits) permit.lend();
  EXPECT_EQ(lanes.active(), 12U);
  ask(unused, "like a known one");
  EXPECT_EQ(granted.back(), "h") << "nothing of it came to its end";
  ask(healthy, "first try");
  EXPECT_EQ(granted.back(), "first try") << "nothing was asked of it yet";
  permits.back().lend();
  ask(numbered(8), "next");
  EXPECT_TRUE(permits.back().makes_way());
  permits.back().give_back_unused();
  EXPECT_EQ(granted.back(), "next");
  ask(healthy, "again");
  EXPECT_EQ(granted.back(), "next") << "it stood still, whoever ended it";
}

TEST_F(LanesTest, RoomIsWantedForWhatIsUrgentAtAKnownPeer) {
  lanes.set_limits(4, 4);
  ask(healthy, "known");
  permits.clear();
  ask(healthy, "a");
  for (int i = 0; i < 4; ++i) ask(hung, "h");
  ask(healthy, "b");
  EXPECT_FALSE(permits.back().is_wanted());
  ask(healthy, "u", Priority::urgent);
  EXPECT_TRUE(permits.back().is_wanted());
  permits.back().lend();
  EXPECT_EQ(granted.back(), "u");
}

TEST_F(LanesTest, WhatGetsOnStaysWithinTheBound) {
  lanes.set_limits(1, 1);
  ask(healthy, "known");
  permits.clear();
  for (std::uint8_t i = 0; i < 10; ++i) hang_once(numbered(i));
  for (std::uint8_t i = 0; i < 10; ++i) ask(numbered(i), "h");
  for (Lanes::Permit& permit : permits) permit.lend();
  EXPECT_EQ(lanes.active(), 3U);
  permits.back().take_back();
  ask(healthy, "a", Priority::urgent);
  EXPECT_EQ(granted.back(), "h");
  permits.back().lend();
  EXPECT_EQ(granted.back(), "a");
}

TEST_F(LanesTest, PeersThatHaveMuchLeaveRoomForThoseThatHaveNothing) {
  lanes.set_limits(8, 4);
  const Endpoint other{IpAddress::v4(192, 0, 2, 3), 53};
  for (int i = 0; i < 10; ++i) ask(hung, "h");
  for (int i = 0; i < 10; ++i) ask(other, "o", Priority::urgent);
  EXPECT_EQ(granted.size(), 6U) << "the last quarter is kept";
  EXPECT_FALSE(permits.front().is_wanted()) << "only more of the same waits for it";
  EXPECT_TRUE(permits.back().is_wanted()) << "for what is urgent at the same peer";
  ask(healthy, "a");
  EXPECT_EQ(granted.back(), "a");
  ask(healthy, "b");
  EXPECT_EQ(granted.size(), 7U) << "it has something under way now";
  ask(Endpoint{IpAddress::v4(192, 0, 2, 4), 53}, "c");
  EXPECT_EQ(granted.back(), "c");
  EXPECT_FALSE(permits.front().is_wanted());
  ask(Endpoint{IpAddress::v4(192, 0, 2, 5), 53}, "d");
  EXPECT_EQ(granted.back(), "c") << "the bound in all holds";
  EXPECT_TRUE(permits.front().is_wanted());
  permits.front().lend();
  EXPECT_EQ(granted.back(), "d");
}

TEST_F(LanesTest, OnePeerMayHaveAllIfThatIsItsBound) {
  lanes.set_limits(8, 8);
  for (int i = 0; i < 10; ++i) ask(hung, "h");
  EXPECT_EQ(granted.size(), 8U);
}

/// Lanes with a clock that the test moves.
class PacedLanes : public testing::Test {
 protected:
  void request(const Endpoint& peer, Lanes::Priority priority = Lanes::Priority::normal) {
    requests_.push_back(lanes_.enqueue(peer, priority, [this](Lanes::Permit permit) {
      ++granted_;
      permit.release();
    }));
  }
  /// Time goes on as the lanes ask for it.
  void run_until(double end) {
    while (wake_at_ != 0 && wake_at_ <= end) {
      now_ = std::max(now_, std::exchange(wake_at_, 0));
      lanes_.tick();
    }
    now_ = end;
  }

  double now_ = 1000;
  double wake_at_ = 0;
  int granted_ = 0;
  Lanes lanes_{100, 100, [this] { return now_; },
               [this](double at) { wake_at_ = wake_at_ == 0 ? at : std::min(wake_at_, at); }};
  std::vector<Lanes::Request> requests_;
  const Endpoint peer_ = *Endpoint::parse("192.0.2.1@53"), other_ = *Endpoint::parse("192.0.2.2@53");
};

TEST_F(PacedLanes, RateHoldsForEachPeer) {
  lanes_.set_rate(50);
  for (int i = 0; i < 200; ++i) request(peer_);
  EXPECT_NEAR(granted_, 5, 1) << "the burst";
  request(other_);
  EXPECT_NEAR(granted_, 6, 1) << "another peer does not wait";
  run_until(1001);
  EXPECT_NEAR(granted_, 56, 2);
  run_until(1002);
  EXPECT_NEAR(granted_, 106, 2);
  run_until(1010);
  EXPECT_EQ(granted_, 201);
}

TEST_F(PacedLanes, RateHoldsForRequestsThatComeOneAfterTheOther) {
  lanes_.set_rate(10);
  for (int i = 0; i < 100; ++i) {
    request(peer_);
    run_until(now_ + 0.001);
  }
  EXPECT_LE(granted_, 4);
}

TEST_F(PacedLanes, UrgentRequestsGoFirstAndCount) {
  lanes_.set_rate(10);
  for (int i = 0; i < 15; ++i) request(peer_, Lanes::Priority::urgent);
  EXPECT_EQ(granted_, 15) << "within their burst they do not wait";
  request(peer_);
  run_until(1000.7);
  EXPECT_EQ(granted_, 15);
  run_until(1002.1);
  EXPECT_EQ(granted_, 16);
}

TEST_F(PacedLanes, UrgentRequestsHaveAHardBound) {
  lanes_.set_rate(10);
  for (int i = 0; i < 1000; ++i) request(peer_, Lanes::Priority::urgent);
  EXPECT_NEAR(granted_, 20, 1) << "the burst";
  run_until(1001);
  EXPECT_NEAR(granted_, 60, 2) << "four times the rate";
  request(other_, Lanes::Priority::urgent);
  EXPECT_NEAR(granted_, 61, 2) << "another peer does not wait";
  run_until(1030);
  EXPECT_EQ(granted_, 1001);
}

TEST_F(PacedLanes, AFloodOfUrgentRequestsLeavesTheOthersAPart) {
  lanes_.set_rate(16);
  int others = 0;
  for (int i = 0; i < 2000; ++i) request(peer_, Lanes::Priority::urgent);
  for (int i = 0; i < 100; ++i) {
    requests_.push_back(lanes_.enqueue(peer_, Lanes::Priority::normal, [&others](const Lanes::Permit&) { ++others; }));
  }
  run_until(1010);
  EXPECT_NEAR(others, 20, 2) << "an eighth of the rate";
}

TEST_F(PacedLanes, RateInAll) {
  lanes_.set_total_rate(20);
  for (int i = 0; i < 50; ++i) request(peer_, Lanes::Priority::urgent);
  for (int i = 0; i < 50; ++i) request(other_);
  EXPECT_NEAR(granted_, 3, 1) << "the burst";
  run_until(1001);
  EXPECT_NEAR(granted_, 23, 2);
  run_until(1005.5);
  EXPECT_EQ(granted_, 100);
  lanes_.set_total_rate(0);
  for (int i = 0; i < 100; ++i) request(peer_);
  EXPECT_EQ(granted_, 200);
}

// However long a pause is, it saves up no more than a burst.
TEST_F(PacedLanes, ASeriesAfterAPauseBeginsWithOneBurst) {
  for (const auto priority : {Lanes::Priority::normal, Lanes::Priority::urgent}) {
    for (const bool in_all : {false, true}) {
      SCOPED_TRACE(std::to_string(static_cast<int>(priority)) + (in_all ? " in all" : ""));
      lanes_.set_rate(in_all ? 0 : 50);
      lanes_.set_total_rate(in_all ? 50 : 0);
      const bool is_urgent = priority == Lanes::Priority::urgent && !in_all;
      const int burst = is_urgent ? 100 : 5, a_second = is_urgent ? 200 : 50;
      for (const double pause : {1.0, 10.0, 3600.0}) {
        granted_ = 0;
        for (int i = 0; i < 400; ++i) request(peer_, priority);
        EXPECT_NEAR(granted_, burst, 2) << pause;
        run_until(now_ + 1);
        EXPECT_NEAR(granted_, burst + a_second, 4) << pause;
        run_until(now_ + 20);
        EXPECT_EQ(granted_, 400) << pause;
        run_until(now_ + pause);
      }
    }
  }
}

TEST_F(PacedLanes, AnyNumberWithoutARate) {
  for (int i = 0; i < 1000; ++i) request(peer_);
  EXPECT_EQ(granted_, 1000);
  EXPECT_EQ(wake_at_, 0);
}

}  // namespace
}  // namespace understudy
