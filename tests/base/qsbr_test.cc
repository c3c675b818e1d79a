#include "base/qsbr.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

namespace understudy {
namespace {

using namespace std::chrono_literals;

/// Lets a test thread and a reader thread take turns.
class Steps {
 public:
  void reach(int step) {
    step_.store(step);
    step_.notify_all();
  }
  void wait_for(int step) {
    for (int seen = step_.load(); seen < step; seen = step_.load()) step_.wait(seen);
  }

 private:
  std::atomic<int> step_{0};
};

TEST(Qsbr, WithoutReadersDeletionIsPrompt) {
  std::atomic<int> disposed{0};
  for (int i = 0; i < 100; ++i) qsbr_retire([&] { ++disposed; });
  qsbr_drain();
  EXPECT_EQ(disposed, 100);
}

TEST(Qsbr, WaitsForAReaderToMoveOn) {
  Steps steps;
  std::atomic<bool> disposed{false};
  std::thread reader([&] {
    const QsbrReader registered;
    steps.reach(1);
    steps.wait_for(2);
    QsbrReader::quiescent();
    steps.reach(3);
    // Stay online and announce until the deletion has happened, as a worker between batches does.
    while (!disposed) QsbrReader::quiescent();
  });
  steps.wait_for(1);
  qsbr_retire([&] { disposed = true; });
  std::this_thread::sleep_for(50ms);
  EXPECT_FALSE(disposed);
  steps.reach(2);
  steps.wait_for(3);
  qsbr_drain();
  EXPECT_TRUE(disposed);
  reader.join();
}

TEST(Qsbr, AnOfflineReaderIsNotWaitedFor) {
  Steps steps;
  std::thread reader([&] {
    const QsbrReader registered;
    QsbrReader::offline();
    steps.reach(1);
    steps.wait_for(2);
    QsbrReader::online();
    steps.reach(3);
    steps.wait_for(4);
  });
  steps.wait_for(1);
  std::atomic<int> disposed{0};
  qsbr_retire([&] { ++disposed; });
  qsbr_drain();
  EXPECT_EQ(disposed, 1);
  steps.reach(2);
  steps.wait_for(3);
  qsbr_retire([&] { ++disposed; });
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(disposed, 1);
  steps.reach(4);  // leaving counts as moving on
  reader.join();
  qsbr_drain();
  EXPECT_EQ(disposed, 2);
}

TEST(Qsbr, ADeletionFreesWhatItHolds) {
  const auto held = std::make_shared<int>(1);
  qsbr_retire([held] {});
  qsbr_drain();
  EXPECT_EQ(held.use_count(), 1);
}

TEST(Qsbr, ADeletionMayRetireMore) {
  std::atomic<int> disposed{0};
  qsbr_retire([&] {
    ++disposed;
    qsbr_retire([&] { ++disposed; });
  });
  qsbr_drain();
  qsbr_drain();
  EXPECT_EQ(disposed, 2);
}

TEST(Qsbr, ReadersNeverSeeWhatIsFreed) {
  // A published value is replaced all the time; the address sanitizer reports a read after its deletion, and the
  // marker does without it.
  struct Value {
    explicit Value(int n) : number(n) {}
    ~Value() { number = -1; }
    std::atomic<int> number;
  };
  std::atomic<Value*> published{new Value(0)};
  std::atomic<bool> stop{false};
  std::atomic<long> reads{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      const QsbrReader registered;
      while (!stop) {
        for (int k = 0; k < 32; ++k) {
          const Value* value = published.load(std::memory_order_acquire);
          if (value->number.load() < 0) std::abort();
          reads.fetch_add(1, std::memory_order_relaxed);
        }
        QsbrReader::quiescent();
      }
    });
  }
  for (int i = 1; i <= 2'000; ++i) {
    Value* old = published.exchange(new Value(i), std::memory_order_acq_rel);
    qsbr_retire([old] { delete old; });
  }
  while (reads < 1'000) std::this_thread::yield();
  stop = true;
  for (auto& reader : readers) reader.join();
  qsbr_drain();
  delete published.load();
}

}  // namespace
}  // namespace understudy
