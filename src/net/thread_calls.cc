#include "net/thread_calls.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <system_error>
#include <utility>
#include <vector>

namespace understudy {

namespace {

int make_event() {
  const int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (event < 0) throw std::system_error(errno, std::system_category(), "eventfd");
  return event;
}

}  // namespace

ThreadCalls::ThreadCalls(boost::asio::io_context& io) : event_(io, make_event()), calls_([this] { wake(); }) {
  wait();
}

void ThreadCalls::wake() {
  const std::uint64_t one = 1;
  // It fails only if the counter is full, and then the thread is being woken.
  [[maybe_unused]] const ssize_t written = write(event_.native_handle(), &one, sizeof one);
}

void ThreadCalls::wait() {
  event_.async_wait(boost::asio::posix::stream_descriptor::wait_read, [this](const boost::system::error_code& error) {
    if (error) return;
    wait();
    run();
  });
}

void ThreadCalls::run() {
  std::uint64_t count = 0;
  // Before the calls are taken: one that is posted afterwards wakes again.
  [[maybe_unused]] const ssize_t got = read(event_.native_handle(), &count, sizeof count);
  std::vector<Call> calls = calls_.take_all();
  for (Call& call : calls) std::exchange(call, nullptr)();  // what it holds goes with it
}

}  // namespace understudy
