// One thread's event loop, for code that should not know Asio: control, HTTP, signals.
#pragma once

#include <functional>
#include <initializer_list>
#include <memory>

namespace boost::asio {
class io_context;
}

namespace understudy {

class EventLoop {
 public:
  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  [[nodiscard]] boost::asio::io_context& context();
  /// Calls `handler` in the loop for each of these signals, until the loop is destroyed.
  void on_signals(std::initializer_list<int> signals, std::function<void(int)> handler);
  /// Runs `work` in the loop. Thread-safe.
  void post(std::function<void()> work);
  /// Runs until stop(), in the calling thread. Work that runs out of memory is dropped and logged.
  void run();
  /// Thread-safe.
  void stop();
  /// After run() has returned: runs what is ready now, without waiting.
  void drain();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace understudy
