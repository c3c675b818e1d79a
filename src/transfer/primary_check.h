// The exchanges with one primary: which serial it has, what has changed, and the whole zone. Coroutines on the transfer
// thread.
//
// All fill in the facts of their Attempt, also when they fail, and log nothing. Cancelling the coroutine ends any of
// them with Errc::cancelled.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "net/datagram_exchanges.h"
#include "net/peer_connections.h"
#include "transfer/attempt.h"
#include "transfer/primary_traits.h"
#include "zone/apply.h"
#include "zone/builder.h"

namespace understudy {

/// What all exchanges share.
struct PrimaryAccess {
  const Clock& clock;
  PrimaryTraits& traits;
  PeerConnections& connections;
  DatagramExchanges& datagrams;
};

/// Asks for the zone's SOA: over UDP, a second time if nothing comes, and over TCP if that brings no answer to rely on
/// (nothing, truncated, malformed, wrongly signed). All of it takes no longer than `timeout`.
boost::asio::awaitable<Result<Serial>> probe_primary(PrimaryAccess access, Attempt& attempt,
                                                     std::chrono::milliseconds timeout);

struct TakeOptions {
  TransferLimits limits;
  BuilderHints hints;
  std::chrono::milliseconds first_wait;  // for the first octet of the answer, the connection included
  std::chrono::milliseconds stall;       // no octet for this long later on
  std::uint64_t min_rate = 0;            // octets a second over 30 s; 0: off
  std::optional<std::chrono::milliseconds> longest = std::nullopt;  // for all of it: Errc::too_slow
};

/// What a primary gave.
struct Taken {
  enum class Kind : std::uint8_t {
    current,      // nothing: it has what we have
    behind,       // nothing: it has an older version (attempt.announced)
    differences,  // `deltas`, from our version on
    whole,        // `builder`, complete but not finished
  };
  Kind kind = Kind::whole;
  std::vector<DeltaPtr> deltas;
  std::optional<ZoneBuilder> builder;

  /// Octets.
  [[nodiscard]] std::uint64_t memory_size() const;
};

/// Asks for what has changed since attempt.ours (IXFR), by a datagram first where the peer's settings say so. Any
/// failure means that the whole zone is to be asked for. Memory is that of the differences, or of the new version, and
/// one message.
boost::asio::awaitable<Result<Taken>> take_differences(PrimaryAccess access, Attempt& attempt, TakeOptions options);

/// Asks for the whole zone (AXFR). Memory is that of the new version and one message.
boost::asio::awaitable<Result<Taken>> take_zone(PrimaryAccess access, Attempt& attempt, TakeOptions options);

}  // namespace understudy
