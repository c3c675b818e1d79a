// A mutex that clang's -Wthread-safety understands.
#pragma once

#include <mutex>

#define US_CAPABILITY(x) __attribute__((capability(x)))
#define US_SCOPED_CAPABILITY __attribute__((scoped_lockable))
#define US_GUARDED_BY(x) __attribute__((guarded_by(x)))
#define US_REQUIRES(...) __attribute__((requires_capability(__VA_ARGS__)))
#define US_ACQUIRE(...) __attribute__((acquire_capability(__VA_ARGS__)))
#define US_RELEASE(...) __attribute__((release_capability(__VA_ARGS__)))
#define US_EXCLUDES(...) __attribute__((locks_excluded(__VA_ARGS__)))
#define US_NO_ANALYSIS __attribute__((no_thread_safety_analysis))

namespace understudy {

class US_CAPABILITY("mutex") Mutex {
 public:
  void lock() US_ACQUIRE() { mutex_.lock(); }
  void unlock() US_RELEASE() { mutex_.unlock(); }
  /// For std::condition_variable_any and friends.
  std::mutex& native() { return mutex_; }

 private:
  std::mutex mutex_;
};

class US_SCOPED_CAPABILITY Lock {
 public:
  explicit Lock(Mutex& mutex) US_ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~Lock() US_RELEASE() { mutex_.unlock(); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  Mutex& mutex_;
};

}  // namespace understudy
