// Many threads post, one thread takes all. The wake function runs in the posting thread, outside the lock, only when
// the box was empty; it must be cheap and thread-safe (e.g. asio::post, an eventfd write).
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "base/mutex.h"

namespace understudy {

template <typename T>
class Mailbox {
 public:
  explicit Mailbox(std::function<void()> wake) : wake_(std::move(wake)) {}

  void post(T message) US_EXCLUDES(mutex_) {
    bool was_empty = false;
    {
      Lock lock(mutex_);
      was_empty = messages_.empty();
      messages_.push_back(std::move(message));
    }
    if (was_empty) wake_();
  }

  [[nodiscard]] std::vector<T> take_all() US_EXCLUDES(mutex_) {
    Lock lock(mutex_);
    return std::exchange(messages_, {});
  }

 private:
  const std::function<void()> wake_;  // constant after construction
  Mutex mutex_;
  std::vector<T> messages_ US_GUARDED_BY(mutex_);
};

}  // namespace understudy
