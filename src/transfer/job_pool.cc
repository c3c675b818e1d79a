#include "transfer/job_pool.h"

#include <utility>

namespace understudy {

void JobPool::post(Job job, Urgency urgency) {
  {
    std::lock_guard lock(mutex_);
    if (stopping_) return;
    (urgency == Urgency::urgent ? urgent_ : can_wait_).push_back(std::move(job));
    if (idle_ < urgent_.size() + can_wait_.size() && threads_.size() < max_threads_) {
      threads_.emplace_back([this] { run(); });
    }
  }
  changed_.notify_one();
}

void JobPool::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    ++idle_;
    changed_.wait(lock, [this] { return stopping_ || !urgent_.empty() || !can_wait_.empty(); });
    --idle_;
    std::deque<Job>& queue = urgent_.empty() ? can_wait_ : urgent_;
    if (queue.empty()) return;
    {
      const Job job = std::move(queue.front());
      queue.pop_front();
      lock.unlock();
      job();
    }
    lock.lock();
  }
}

void JobPool::stop() {
  std::vector<std::thread> threads;
  std::deque<Job> dropped;
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    dropped.swap(can_wait_);
    threads.swap(threads_);
  }
  changed_.notify_all();
  for (std::thread& thread : threads) thread.join();
}

}  // namespace understudy
