// The two exchanges with one primary: which serial it has, and the whole zone. Coroutines on the transfer thread.
//
// Both fill in the facts of their Attempt, also when they fail, and log nothing. Cancelling the coroutine ends either
// with Errc::cancelled.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <optional>

#include "base/clock.h"
#include "base/result.h"
#include "transfer/attempt.h"
#include "zone/builder.h"

namespace understudy {

/// Asks for the zone's SOA: over UDP, a second time if nothing comes, and over TCP if that brings no answer to rely on
/// (nothing, truncated, malformed, wrongly signed). All of it takes no longer than `timeout`.
boost::asio::awaitable<Result<Serial>> probe_primary(Attempt& attempt, const Clock& clock,
                                                     std::chrono::milliseconds timeout);

struct TakeOptions {
  TransferLimits limits;
  BuilderHints hints;
  std::chrono::milliseconds first_wait;  // for the first octet of the answer, the connection included
  std::chrono::milliseconds stall;       // no octet for this long later on
  std::uint64_t min_rate = 0;            // octets a second over 30 s; 0: off
  std::optional<std::chrono::milliseconds> longest = std::nullopt;  // for all of it: Errc::too_slow
};

/// Takes the zone by AXFR into a builder: whole, but not finished. Memory is that of the new version and one message.
boost::asio::awaitable<Result<ZoneBuilder>> take_zone(Attempt& attempt, const Clock& clock, TakeOptions options);

}  // namespace understudy
