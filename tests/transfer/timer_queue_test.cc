#include "transfer/timer_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace understudy {
namespace {

TEST(TimerQueue, GivesWhatIsDueInOrder) {
  TimerQueue queue;
  std::vector<TimerEntry> entries(3);
  queue.set(entries[0], 30);
  queue.set(entries[1], 10);
  queue.set(entries[2], 20);
  EXPECT_EQ(queue.next(), 10.0);
  EXPECT_EQ(queue.take_due(9), nullptr);
  EXPECT_EQ(queue.take_due(25), &entries[1]);
  EXPECT_EQ(queue.take_due(25), &entries[2]);
  EXPECT_EQ(queue.take_due(25), nullptr);
  EXPECT_TRUE(entries[0].is_set());
  EXPECT_FALSE(entries[1].is_set());
}

TEST(TimerQueue, MovesAndRemovesEntries) {
  TimerQueue queue;
  std::vector<TimerEntry> entries(3);
  for (std::size_t i = 0; i < 3; ++i) queue.set(entries[i], static_cast<double>(i));
  queue.set(entries[0], 10);
  queue.remove(entries[1]);
  queue.remove(entries[1]);
  EXPECT_EQ(queue.take_due(100), &entries[2]);
  EXPECT_EQ(queue.take_due(100), &entries[0]);
  EXPECT_EQ(queue.next(), std::nullopt);
}

TEST(TimerQueue, KeepsOrderThroughAnyChanges) {
  std::mt19937 random(1);
  TimerQueue queue;
  std::vector<TimerEntry> entries(200);
  std::vector<double> due(entries.size(), -1);
  for (int step = 0; step < 5000; ++step) {
    const std::size_t i = random() % entries.size();
    if (random() % 4 == 0) {
      queue.remove(entries[i]);
      due[i] = -1;
    } else {
      due[i] = static_cast<double>(random() % 1000);
      queue.set(entries[i], due[i]);
    }
  }
  double last = 0;
  std::size_t count = 0;
  while (TimerEntry* entry = queue.take_due(1000)) {
    const double at = due[static_cast<std::size_t>(entry - entries.data())];
    EXPECT_GE(at, last);
    last = at;
    ++count;
  }
  EXPECT_EQ(count, static_cast<std::size_t>(std::ranges::count_if(due, [](double d) { return d >= 0; })));
}

}  // namespace
}  // namespace understudy
