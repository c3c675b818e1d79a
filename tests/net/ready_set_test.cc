#include "net/ready_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <utility>
#include <vector>

#include "net/sockets.h"

namespace understudy {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

class ReadySetTest : public testing::Test {
 protected:
  ReadySetTest() {
    EXPECT_TRUE(set_.open());
    set_.run([this](int fd, std::uint32_t what) {
      seen_.emplace_back(fd, what);
      if (on_event_) on_event_();
    });
    int fds[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    ours_ = UniqueFd(fds[0]);
    theirs_ = UniqueFd(fds[1]);
  }
  /// What a turn of the loop reports.
  std::vector<std::pair<int, std::uint32_t>> turn() {
    seen_.clear();
    context_.poll_one();
    context_.restart();
    return std::exchange(seen_, {});
  }

  boost::asio::io_context context_{1};
  ReadySet set_{context_};
  UniqueFd ours_, theirs_;
  std::vector<std::pair<int, std::uint32_t>> seen_;
  std::function<void()> on_event_;
};

TEST_F(ReadySetTest, ReportsInputUntilItIsTaken) {
  const int fd = ours_.get();
  ASSERT_TRUE(set_.add(fd, ReadySet::input));
  EXPECT_THAT(turn(), IsEmpty());
  ASSERT_EQ(send(theirs_.get(), "x", 1, 0), 1);
  EXPECT_THAT(turn(), ElementsAre(Pair(fd, ReadySet::input)));
  EXPECT_THAT(turn(), ElementsAre(Pair(fd, ReadySet::input)));
  char octet;
  ASSERT_EQ(recv(fd, &octet, 1, 0), 1);
  turn();  // what was asked for before may find nothing
  EXPECT_THAT(turn(), IsEmpty());
}

TEST_F(ReadySetTest, ReportsWhatIsWantedAlone) {
  const int fd = ours_.get();
  ASSERT_TRUE(set_.add(fd, ReadySet::input | ReadySet::output));
  EXPECT_THAT(turn(), ElementsAre(Pair(fd, ReadySet::output)));
  ASSERT_EQ(send(theirs_.get(), "x", 1, 0), 1);
  EXPECT_THAT(turn(), ElementsAre(Pair(fd, ReadySet::input | ReadySet::output)));
  ASSERT_TRUE(set_.change(fd, 0));
  turn();
  EXPECT_THAT(turn(), IsEmpty());
  ASSERT_TRUE(set_.change(fd, ReadySet::input));
  EXPECT_THAT(turn(), ElementsAre(Pair(fd, ReadySet::input)));
}

TEST_F(ReadySetTest, SaysBothOfWhatHasBroken) {
  ASSERT_TRUE(set_.add(ours_.get(), ReadySet::input));
  theirs_.reset();
  EXPECT_THAT(turn(), ElementsAre(Pair(ours_.get(), ReadySet::input | ReadySet::output)));
}

TEST_F(ReadySetTest, WhatIsClosedIsForgotten) {
  ASSERT_TRUE(set_.add(ours_.get(), ReadySet::input));
  ASSERT_EQ(send(theirs_.get(), "x", 1, 0), 1);
  ours_.reset();
  turn();
  EXPECT_THAT(turn(), IsEmpty());
}

TEST_F(ReadySetTest, ManyAtOnce) {
  constexpr int count = 200;  // more than one turn takes
  std::vector<UniqueFd> all;
  for (int i = 0; i < count; ++i) {
    int fds[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    all.emplace_back(fds[0]);
    all.emplace_back(fds[1]);
    ASSERT_TRUE(set_.add(fds[0], ReadySet::input));
    ASSERT_EQ(send(fds[1], "x", 1, 0), 1);
  }
  std::vector<int> seen;
  on_event_ = [&] {
    char octet;
    EXPECT_EQ(recv(seen_.back().first, &octet, 1, 0), 1) << "each once, as it is taken";
    seen.push_back(seen_.back().first);
  };
  for (int i = 0; i < 4; ++i) turn();
  EXPECT_EQ(seen.size(), std::size_t{count});
}

TEST_F(ReadySetTest, MayBeClosedFromWithin) {
  ASSERT_TRUE(set_.add(ours_.get(), ReadySet::input | ReadySet::output));
  ASSERT_TRUE(set_.add(theirs_.get(), ReadySet::output));
  on_event_ = [this] { set_.close(); };
  EXPECT_EQ(turn().size(), 1U);
  EXPECT_THAT(turn(), IsEmpty());
}

TEST_F(ReadySetTest, SaysWhatTheSystemRefuses) {
  EXPECT_FALSE(set_.add(-1, ReadySet::input));
  EXPECT_EQ(errno, EBADF);
  EXPECT_FALSE(set_.change(ours_.get(), ReadySet::input));
  EXPECT_EQ(errno, ENOENT);
}

}  // namespace
}  // namespace understudy
