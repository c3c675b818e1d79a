#include "transfer/spawn.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <exception>
#include <utility>

namespace understudy {

namespace asio = boost::asio;

CancelSignal spawn(asio::io_context& io, asio::awaitable<void> coroutine) {
  auto signal = std::make_shared<asio::cancellation_signal>();
  auto done = [&io, signal](const std::exception_ptr& error) {
    asio::post(io, [signal] {});
    if (error) std::rethrow_exception(error);
  };
  asio::co_spawn(io, std::move(coroutine), asio::bind_cancellation_slot(signal->slot(), std::move(done)));
  return signal;
}

void cancel(const CancelSignal& signal) {
  if (const CancelSignal held = signal) held->emit(asio::cancellation_type::terminal);
}

}  // namespace understudy
