#include "net/event_loop.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <list>
#include <new>
#include <utility>

#include "base/log.h"

namespace understudy {

namespace asio = boost::asio;

struct EventLoop::Impl {
  struct Signals {
    Signals(asio::io_context& context, std::function<void(int)> f) : set(context), handler(std::move(f)) {}

    asio::signal_set set;
    std::function<void(int)> handler;
    void wait() {
      set.async_wait([this](const boost::system::error_code& error, int number) {
        if (error) return;
        handler(number);
        wait();
      });
    }
  };

  asio::io_context context{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
  std::list<Signals> signals;
};

EventLoop::EventLoop() : impl_(std::make_unique<Impl>()) {}
EventLoop::~EventLoop() = default;

boost::asio::io_context& EventLoop::context() {
  return impl_->context;
}

void EventLoop::on_signals(std::initializer_list<int> numbers, std::function<void(int)> handler) {
  auto& added = impl_->signals.emplace_back(impl_->context, std::move(handler));
  for (const int number : numbers) added.set.add(number);
  added.wait();
}

void EventLoop::post(std::function<void()> work) {
  asio::post(impl_->context, std::move(work));
}
void EventLoop::run() {
  while (true) {
    try {
      impl_->context.run();
      return;
    } catch (const std::bad_alloc&) {
      log_error("out of memory: a request of an administrator was not finished");
    }
  }
}
void EventLoop::stop() {
  impl_->context.stop();
}
void EventLoop::drain() {
  impl_->context.restart();
  impl_->context.poll();
}

}  // namespace understudy
