#include "transfer/limits.h"

#include <gtest/gtest.h>

#include <list>
#include <string>
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

}  // namespace
}  // namespace understudy
