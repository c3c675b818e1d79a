// One coroutine that waits for one event, for less than a timer that is cancelled: no timer queue, no error code.
//
// wake() has the coroutine go on from a handler of its own, soon; without one that waits it does nothing, so what has
// happened is to be remembered elsewhere. Cancelling the coroutine wakes it too. Used from one (serial) executor; the
// object must stay where it is, and live, while somebody waits.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <functional>
#include <utility>

namespace understudy {

class Wakeup {
 public:
  explicit Wakeup(boost::asio::any_io_executor executor) : executor_(std::move(executor)) {}
  Wakeup(const Wakeup&) = delete;
  Wakeup& operator=(const Wakeup&) = delete;

  boost::asio::awaitable<void> wait() {
    namespace asio = boost::asio;
    return asio::async_initiate<const asio::use_awaitable_t<>, void()>(
        [this](auto handler) {
          auto slot = asio::get_associated_cancellation_slot(handler);
          resume_ = std::move(handler);
          if (slot.is_connected()) slot.assign([this](asio::cancellation_type) { wake(); });
        },
        asio::use_awaitable);
  }

  void wake() {
    if (resume_) boost::asio::post(executor_, std::exchange(resume_, nullptr));
  }

 private:
  const boost::asio::any_io_executor executor_;
  std::move_only_function<void()> resume_;
};

}  // namespace understudy
