#include "net/ready_set.h"

#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace understudy {

Result<void> ReadySet::open() {
  const int fd = epoll_create1(EPOLL_CLOEXEC);
  if (fd < 0) return fail(Errc::io, "epoll_create1: " + std::generic_category().message(errno));
  boost::system::error_code error;
  set_.assign(fd, error);
  if (error) {
    ::close(fd);
    return fail(Errc::io, "an epoll set cannot be watched: " + error.message());
  }
  return {};
}

void ReadySet::run(std::function<void(int, std::uint32_t)> on_ready) {
  on_ready_ = std::move(on_ready);
  wait();
}

void ReadySet::close() {
  boost::system::error_code ignored;
  set_.close(ignored);
}

bool ReadySet::control(int operation, int fd, std::uint32_t wanted) {
  epoll_event event{};
  event.events = wanted;
  event.data.fd = fd;
  return epoll_ctl(set_.native_handle(), operation, fd, &event) == 0;
}

void ReadySet::wait() {
  set_.async_wait(set_.wait_read, [this](const boost::system::error_code& error) {
    if (error) return;
    take();
    if (set_.is_open()) wait();
  });
}

// Once: what is left, or comes back, is for the next turn of the loop, which also has timers and new clients.
void ReadySet::take() {
  const int count = epoll_wait(set_.native_handle(), events_.data(), most_events, 0);
  for (int i = 0; i < count && set_.is_open(); ++i) {
    const std::uint32_t events = events_[i].events;
    on_ready_(events_[i].data.fd, (events & (EPOLLERR | EPOLLHUP)) != 0 ? input | output : events & (input | output));
  }
}

}  // namespace understudy
