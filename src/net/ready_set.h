// Which of many sockets can be read from or written to: one epoll set, which an Asio loop watches as a single
// descriptor.
//
// For connections that may live for one query only: as descriptors of Asio, each would cost three system calls more
// (FIONBIO, a change of what is watched, and its end) of nine. Level-triggered: what is not taken is reported again.
// Used by the loop's thread.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstdint>
#include <functional>

#include "base/result.h"

namespace understudy {

class ReadySet {
 public:
  static constexpr std::uint32_t input = EPOLLIN, output = EPOLLOUT;

  explicit ReadySet(boost::asio::io_context& context) : set_(context) {}
  /// Errc::io.
  Result<void> open();
  /// Calls `on_ready(fd, input | output)` in the loop until close(). Both are said of a connection that has broken. A
  /// descriptor may be reported once more after it was closed, or after another socket got its number.
  void run(std::function<void(int fd, std::uint32_t ready)> on_ready);
  void close();

  /// Watches a socket for `input`, `output`, both or neither, until it is closed. False, with errno, if the system
  /// cannot.
  [[nodiscard]] bool add(int fd, std::uint32_t wanted) { return control(EPOLL_CTL_ADD, fd, wanted); }
  /// The same for one that is watched already.
  [[nodiscard]] bool change(int fd, std::uint32_t wanted) { return control(EPOLL_CTL_MOD, fd, wanted); }

 private:
  static constexpr int most_events = 128;

  bool control(int operation, int fd, std::uint32_t wanted);
  void wait();
  void take();

  boost::asio::posix::basic_stream_descriptor<boost::asio::io_context::executor_type> set_;
  std::function<void(int, std::uint32_t)> on_ready_;
  std::array<epoll_event, most_events> events_;
};

}  // namespace understudy
