#include "transfer/job_pool.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "base/log.h"
#include "base/thread_name.h"

namespace understudy {

namespace {

void run_one(const JobPool::Job& job) {
  try {
    job();
  } catch (const std::exception& error) {  // a job that can fail says so itself; this is memory that ran out
    log_error("work was given up: {}", error.what());
  }
}

}  // namespace

JobPool::JobPool(unsigned max_threads) : max_threads_(std::max(max_threads, 1U)) {
  threads_.reserve(max_threads_);
}

void JobPool::post(Job job, Urgency urgency) {
  bool is_queued = true;
  {
    std::lock_guard lock(mutex_);
    if (stopping_) return;
    std::deque<Job>& queue = urgency == Urgency::urgent ? urgent_ : can_wait_;
    queue.push_back(std::move(job));
    if (idle_ < urgent_.size() + can_wait_.size() && threads_.size() < max_threads_ && !start_thread()) {
      is_queued = false;
      job = std::move(queue.back());
      queue.pop_back();
    }
  }
  // Without the lock, which a thread that wakes on the same core would find taken, and wait again.
  if (is_queued) {
    changed_.notify_one();
  } else {
    run_one(job);
  }
}

bool JobPool::start_thread() {
  try {
    threads_.emplace_back([this] { run(); });
  } catch (const std::exception& error) {  // no thread, or no memory for one
    if (!threads_.empty()) return true;    // fewer do the work
    log_warning("no thread can be started: {}; slow work holds up other work; raise the limit of processes",
                error.what());
    return false;
  }
  return true;
}

void JobPool::run() {
  name_this_thread("us-job");
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
      run_one(job);
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
