#include "net/thread_calls.h"

#include <gtest/gtest.h>

#include <boost/asio/post.hpp>
#include <memory>
#include <thread>
#include <vector>

namespace understudy {
namespace {

TEST(ThreadCalls, RunInTheThreadOfTheLoopAndInOrder) {
  boost::asio::io_context io(1);
  ThreadCalls calls(io);
  std::vector<int> seen;  // the loop's thread alone
  std::thread::id ran_in;
  std::thread loop([&] { io.run(); });
  for (int i = 0; i < 1000; ++i) {
    calls.post([&seen, i] { seen.push_back(i); });
  }
  calls.post([&] {
    ran_in = std::this_thread::get_id();
    io.stop();
  });
  const std::thread::id expected = loop.get_id();
  loop.join();
  EXPECT_EQ(ran_in, expected);
  ASSERT_EQ(seen.size(), 1000U);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(seen[static_cast<std::size_t>(i)], i);
}

TEST(ThreadCalls, NoneIsLostAmongManyThreads) {
  constexpr int threads = 4, each = 20'000;
  boost::asio::io_context io(1);
  ThreadCalls calls(io);
  int count = 0;  // the loop's thread alone
  std::thread loop([&] { io.run(); });
  std::vector<std::thread> posters;
  for (int t = 0; t < threads; ++t) {
    posters.emplace_back([&] {
      for (int i = 0; i < each; ++i) {
        calls.post([&] {
          if (++count == threads * each) io.stop();
        });
      }
    });
  }
  for (std::thread& poster : posters) poster.join();
  loop.join();
  EXPECT_EQ(count, threads * each);
}

TEST(ThreadCalls, ACallMayPost) {
  boost::asio::io_context io(1);
  ThreadCalls calls(io);
  int depth = 0;
  std::function<void()> again = [&] {
    if (++depth < 3) {
      calls.post(again);
    } else {
      io.stop();
    }
  };
  calls.post(again);
  io.run();
  EXPECT_EQ(depth, 3);
}

TEST(ThreadCalls, WhatHasNotRunGoesWithThem) {
  auto held = std::make_shared<int>(0);
  const std::weak_ptr<int> watched = held;
  {
    boost::asio::io_context io(1);
    ThreadCalls calls(io);
    calls.post([kept = std::move(held)] { FAIL(); });
  }
  EXPECT_TRUE(watched.expired());
}

}  // namespace
}  // namespace understudy
