#include "base/mailbox.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace understudy {
namespace {

TEST(Mailbox, WakesOnlyWhenItWasEmpty) {
  int wakes = 0;
  Mailbox<int> box([&] { ++wakes; });
  EXPECT_TRUE(box.take_all().empty());
  box.post(1);
  box.post(2);
  EXPECT_EQ(wakes, 1);
  EXPECT_EQ(box.take_all(), (std::vector{1, 2}));
  EXPECT_TRUE(box.take_all().empty());
  box.post(3);
  EXPECT_EQ(wakes, 2);
}

TEST(Mailbox, TheWakeFunctionMayTake) {
  std::vector<int> taken;
  Mailbox<int>* self = nullptr;
  Mailbox<int> box([&] { taken = self->take_all(); });  // would deadlock if it ran inside the lock
  self = &box;
  box.post(7);
  EXPECT_EQ(taken, std::vector{7});
}

TEST(Mailbox, MovesMessages) {
  Mailbox<std::unique_ptr<int>> box([] {});
  box.post(std::make_unique<int>(5));
  auto all = box.take_all();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(*all[0], 5);
}

TEST(Mailbox, NoMessageAndNoWakeIsLostBetweenThreads) {
  constexpr int senders = 4;
  constexpr int each = 10'000;
  std::mutex mutex;
  std::condition_variable changed;
  bool woken = false;
  Mailbox<std::pair<int, int>> box([&] {
    {
      std::lock_guard lock(mutex);
      woken = true;
    }
    changed.notify_one();
  });
  std::vector<std::thread> threads;
  for (int sender = 0; sender < senders; ++sender) {
    threads.emplace_back([&box, sender] {
      for (int i = 0; i < each; ++i) box.post({sender, i});
    });
  }
  std::vector<int> next(senders, 0);
  for (int received = 0; received < senders * each;) {
    {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return woken; });
      woken = false;
    }
    for (const auto& [sender, i] : box.take_all()) {
      ASSERT_EQ(next[static_cast<std::size_t>(sender)]++, i);  // each sender's order is kept
      ++received;
    }
  }
  for (auto& thread : threads) thread.join();
  EXPECT_TRUE(box.take_all().empty());
}

}  // namespace
}  // namespace understudy
