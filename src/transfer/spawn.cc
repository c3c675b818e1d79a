#include "transfer/spawn.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <exception>
#include <utility>

#include "base/log.h"

namespace understudy {

namespace asio = boost::asio;

namespace {

[[noreturn]] void give_up(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& exception) {
    log_error("a zone's work was cut off: {}; the server ends, and what it served is there after its next start",
              exception.what());
    throw;
  }
}

}  // namespace

CancelSignal spawn(asio::io_context& io, asio::awaitable<void> coroutine) {
  auto signal = std::make_shared<asio::cancellation_signal>();
  auto done = [&io, signal](const std::exception_ptr& error) {
    asio::post(io, [signal] {});
    if (error) give_up(error);
  };
  asio::co_spawn(io, std::move(coroutine), asio::bind_cancellation_slot(signal->slot(), std::move(done)));
  return signal;
}

void cancel(const CancelSignal& signal) {
  if (const CancelSignal held = signal) held->emit(asio::cancellation_type::terminal);
}

}  // namespace understudy
