// Starts a coroutine that can be cancelled.
//
// Every coroutine has a signal of its own, which asio touches once more after the coroutine's last statement: whoever
// runs it must neither destroy the signal there nor use it for the next coroutine. So the signal belongs to the
// completion and goes one turn of the executor later; the caller only shares it.
//
// Memory that runs out in an exchange is that exchange's outcome (primary_check.cc, notifier.cc). What is thrown
// elsewhere in a coroutine is said in the log and ends the process: it may have come in the middle of a change to what
// an agent knows, and an agent that is left half changed could hold on to a zone that it never checks again, which
// nobody would notice. After a restart every version that was served is there and every zone is checked.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <memory>

namespace understudy {

using CancelSignal = std::shared_ptr<boost::asio::cancellation_signal>;

/// Emitting what is returned cancels the coroutine; after its end that does nothing. `io` must outlive the coroutine.
[[nodiscard]] CancelSignal spawn(boost::asio::io_context& io, boost::asio::awaitable<void> coroutine);

/// Nothing if there is no signal.
void cancel(const CancelSignal& signal);

}  // namespace understudy
