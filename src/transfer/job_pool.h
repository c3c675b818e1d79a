// A few threads for work that would hold up the transfer thread: building, checking, disk.
//
// Jobs of one urgency start in the order they were posted; urgent ones go before those that can wait. Threads are
// started when there is work that none is free for; where the system allows none at all, post() runs the job itself.
// What a job throws is logged and goes no further. stop() lets running and urgent jobs finish, throws the others away
// and joins. Thread-safe.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace understudy {

class JobPool {
 public:
  using Job = std::function<void()>;
  enum class Urgency { urgent, can_wait };

  explicit JobPool(unsigned max_threads);
  ~JobPool() { stop(); }
  JobPool(const JobPool&) = delete;
  JobPool& operator=(const JobPool&) = delete;

  /// After stop() the job is destroyed instead of run.
  void post(Job job, Urgency urgency = Urgency::urgent);
  /// Not from a job. Idempotent.
  void stop();

 private:
  void run();
  bool start_thread();  // with mutex_; false if there is no thread at all

  const unsigned max_threads_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> urgent_;            // guarded by mutex_
  std::deque<Job> can_wait_;          // guarded by mutex_
  std::vector<std::thread> threads_;  // guarded by mutex_
  unsigned idle_ = 0;                 // guarded by mutex_
  bool stopping_ = false;             // guarded by mutex_
};

}  // namespace understudy
