#include "base/qsbr.h"

#include <urcu-qsbr.h>

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace understudy {
namespace {

// One thread that waits for grace periods and runs what was retired before each began.
class Reclaimer {
 public:
  static Reclaimer& instance() {
    static Reclaimer reclaimer;
    return reclaimer;
  }

  void retire(std::function<void()> dispose) {
    {
      std::lock_guard lock(mutex_);
      pending_.push_back(std::move(dispose));
      ++retired_;
    }
    changed_.notify_all();
  }

  void drain() {
    std::unique_lock lock(mutex_);
    const std::uint64_t target = retired_;
    changed_.wait(lock, [&] { return disposed_ >= target; });
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
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [&] { return stop_ || !pending_.empty(); });
      if (pending_.empty()) return;
      std::vector<std::function<void()>> batch = std::exchange(pending_, {});
      lock.unlock();
      urcu_qsbr_synchronize_rcu();
      for (auto& dispose : batch) dispose();
      const std::size_t count = batch.size();
      batch.clear();  // what the deletions captured goes with them, before drain() returns
      lock.lock();
      disposed_ += count;
      changed_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::function<void()>> pending_;  // guarded by mutex_
  std::uint64_t retired_ = 0;                   // guarded by mutex_
  std::uint64_t disposed_ = 0;                  // guarded by mutex_
  bool stop_ = false;                           // guarded by mutex_
  std::thread thread_;
};

}  // namespace

QsbrReader::QsbrReader() { urcu_qsbr_register_thread(); }
QsbrReader::~QsbrReader() { urcu_qsbr_unregister_thread(); }
void QsbrReader::quiescent() { urcu_qsbr_quiescent_state(); }
void QsbrReader::offline() { urcu_qsbr_thread_offline(); }
void QsbrReader::online() { urcu_qsbr_thread_online(); }

void qsbr_retire(std::function<void()> dispose) { Reclaimer::instance().retire(std::move(dispose)); }
void qsbr_drain() { Reclaimer::instance().drain(); }

}  // namespace understudy
