// What other threads have the thread of an io_context do: as asio::post() has it, for half of what that costs if both
// threads share a core. asio::post() wakes the thread with the io_context's lock held, which the woken one then waits
// for.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>

#include "base/mailbox.h"

namespace understudy {

class ThreadCalls {
 public:
  using Call = std::function<void()>;

  /// `io` has work as long as this exists. Throws std::system_error if there is no descriptor left.
  explicit ThreadCalls(boost::asio::io_context& io);
  ThreadCalls(const ThreadCalls&) = delete;
  ThreadCalls& operator=(const ThreadCalls&) = delete;

  /// Runs `call` in the thread that runs `io`, after what was posted here before, and before or after what was posted
  /// to `io` itself. Thread-safe. What has not run when this ends is destroyed with it.
  void post(Call call) { calls_.post(std::move(call)); }

 private:
  void wait();
  void wake();
  void run();

  boost::asio::posix::stream_descriptor event_;
  Mailbox<Call> calls_;
};

}  // namespace understudy
