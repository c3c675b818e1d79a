#include "transfer/job_pool.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <future>
#include <mutex>
#include <new>
#include <set>
#include <string>
#include <thread>

namespace understudy {
namespace {

using Urgency = JobPool::Urgency;

TEST(JobPool, RunsEveryJob) {
  std::atomic<int> count{0};
  JobPool pool(3);
  for (int i = 0; i < 1000; ++i) pool.post([&] { ++count; });
  pool.stop();
  EXPECT_EQ(count, 1000);
}

TEST(JobPool, RunsJobsAtTheSameTimeUpToItsSize) {
  JobPool pool(2);
  std::promise<void> met[2];
  for (int i = 0; i < 2; ++i) {
    pool.post([&met, i] {
      met[i].set_value();
      // Each waits for the other: with one thread this would not end.
      met[1 - i].get_future().wait();
    });
  }
  pool.stop();
}

TEST(JobPool, UrgentJobsGoFirst) {
  JobPool pool(1);
  std::promise<void> go;
  std::vector<std::string> order;
  pool.post([&] { go.get_future().wait(); });
  pool.post([&] { order.emplace_back("later 1"); }, Urgency::can_wait);
  pool.post([&] { order.emplace_back("later 2"); }, Urgency::can_wait);
  pool.post([&] { order.emplace_back("urgent"); });
  std::promise<void> done;
  pool.post([&] { done.set_value(); }, Urgency::can_wait);
  go.set_value();
  done.get_future().wait();
  EXPECT_EQ(order, (std::vector<std::string>{"urgent", "later 1", "later 2"}));
}

TEST(JobPool, StopFinishesUrgentJobsAndDropsTheRest) {
  std::atomic<int> urgent{0}, later{0};
  std::promise<void> started, go;
  JobPool pool(1);
  pool.post([&] {
    started.set_value();
    go.get_future().wait();
  });
  started.get_future().wait();
  for (int i = 0; i < 5; ++i) {
    pool.post([&] { ++urgent; });
    pool.post([&] { ++later; }, Urgency::can_wait);
  }
  std::thread stopper([&] { pool.stop(); });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  go.set_value();
  stopper.join();
  EXPECT_EQ(urgent, 5);
  EXPECT_EQ(later, 0);
  pool.post([&] { ++urgent; });
  EXPECT_EQ(urgent, 5) << "nothing runs after stop()";
}

TEST(JobPool, GoesOnAfterAJobThatRanOutOfMemory) {
  std::atomic<int> count{0};
  JobPool pool(1);
  pool.post([] { throw std::bad_alloc(); });
  pool.post([&] { ++count; });
  pool.stop();
  EXPECT_EQ(count, 1);
}

// Exits with 0 if a job is done although no thread can be started.
[[noreturn]] void work_without_threads() {
  if (::getuid() == 0 && ::setuid(65534) != 0) std::_Exit(2);  // root has no such limit
  const rlimit none{};
  ::setrlimit(RLIMIT_NPROC, &none);
  bool ran = false;
  JobPool pool(2);
  pool.post([&] { ran = true; });
  std::_Exit(ran ? 0 : 1);
}

TEST(JobPoolDeathTest, WorksWithoutThreads) {
  EXPECT_EXIT(work_without_threads(), testing::ExitedWithCode(0), "no thread can be started");
}

}  // namespace
}  // namespace understudy
