#include "base/qsbr.h"

#include <urcu-qsbr.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/thread_name.h"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define US_THREAD_SANITIZER 1
#endif
#endif

#ifdef US_THREAD_SANITIZER
extern "C" void __tsan_acquire(void* address);
extern "C" void __tsan_release(void* address);
#endif

namespace understudy {
namespace {

// liburcu is not built for the thread sanitizer, which must be told: what a reader did before it moved on happens
// before what the reclaimer does after the grace period.
#ifdef US_THREAD_SANITIZER
char grace_period;
void reader_moves_on() {
  __tsan_release(&grace_period);
}
void readers_have_moved_on() {
  __tsan_acquire(&grace_period);
}
#else
void reader_moves_on() {}
void readers_have_moved_on() {}
#endif

// From the end of one round to the begin of the next: a stream of updates wakes the thread, which may share a core with
// those that answer, at most a hundred times a second and not with each of them.
constexpr std::chrono::milliseconds gathering{10};

// One thread that waits for grace periods and runs what was retired before each began.
class Reclaimer {
 public:
  static Reclaimer& instance() {
    static Reclaimer reclaimer;
    return reclaimer;
  }

  void retire(std::function<void()> dispose) {
    bool wakes = false;
    {
      std::lock_guard lock(mutex_);
      wakes = idle_;
      pending_.push_back(std::move(dispose));
      ++retired_;
    }
    if (wakes) changed_.notify_all();
  }

  void drain() {
    std::unique_lock lock(mutex_);
    const std::uint64_t target = retired_;
    ++hurried_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return disposed_ >= target; });
    --hurried_;
  }

  ~Reclaimer() {
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

 private:
  Reclaimer() : thread_([this] { run(); }) {}

  void run() {
    name_this_thread("us-reclaim");
    std::unique_lock lock(mutex_);
    while (true) {
      idle_ = true;
      changed_.wait(lock, [&] { return stop_ || !pending_.empty(); });
      idle_ = false;
      if (pending_.empty()) return;
      std::vector<std::function<void()>> batch = std::exchange(pending_, {});
      lock.unlock();
      urcu_qsbr_synchronize_rcu();
      readers_have_moved_on();
      for (auto& dispose : batch) dispose();
      const std::size_t count = batch.size();
      batch.clear();  // what the deletions captured goes with them, before drain() returns
      lock.lock();
      disposed_ += count;
      changed_.notify_all();
      changed_.wait_for(lock, gathering, [&] { return stop_ || hurried_ != 0; });
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::function<void()>> pending_;  // guarded by mutex_
  std::uint64_t retired_ = 0;                   // guarded by mutex_
  std::uint64_t disposed_ = 0;                  // guarded by mutex_
  unsigned hurried_ = 0;                        // guarded by mutex_; those who wait in drain()
  bool idle_ = false;                           // guarded by mutex_; it waits for something to be retired
  bool stop_ = false;                           // guarded by mutex_
  std::thread thread_;
};

}  // namespace

QsbrReader::QsbrReader() {
  urcu_qsbr_register_thread();
}
QsbrReader::~QsbrReader() {
  reader_moves_on();
  urcu_qsbr_unregister_thread();
}
void QsbrReader::quiescent() {
  reader_moves_on();
  urcu_qsbr_quiescent_state();
}
void QsbrReader::offline() {
  reader_moves_on();
  urcu_qsbr_thread_offline();
}
void QsbrReader::online() {
  urcu_qsbr_thread_online();
}

void qsbr_retire(std::function<void()> dispose) {
  Reclaimer::instance().retire(std::move(dispose));
}
void qsbr_drain() {
  Reclaimer::instance().drain();
}

}  // namespace understudy
