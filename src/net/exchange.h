// Outgoing exchanges with other servers, as coroutines on the caller's executor.
//
// udp_exchange() is one query and its answer over UDP; TcpExchange is one TCP connection that carries messages both
// ways. Nothing throws: every failure is a Result. An asio cancellation of the coroutine (what its cancellation state
// lets through: by default `terminal`), or TcpExchange::close() from elsewhere on the same executor, ends the pending
// operation with Errc::cancelled. By asio's rule a coroutine that is cancelled throws at its own next co_await, unless
// it has set `this_coro::throw_if_cancelled(false)`: do so in the outermost one to see values only. The executor must
// run one handler at a time (a strand or a one-thread io_context). Arguments that are views must stay valid until the
// awaited operation is complete. Details of errors name the peer.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "base/address.h"
#include "base/bytes.h"
#include "base/result.h"

namespace understudy {

/// Sends `query` from a fresh socket with a random port and returns the first datagram from `peer` for which `accept`
/// is true; others (late answers, forgeries) are ignored, up to 31 of them. Errc: timed_out, wrong_id (more than that:
/// TCP is better), connect_failed (e.g. port unreachable), cancelled, io (no descriptor or memory left). Does not
/// repeat the query. Answers longer than 4096 octets are cut.
boost::asio::awaitable<Result<Bytes>> udp_exchange(Endpoint peer, ByteView query, std::chrono::milliseconds timeout,
                                                   std::function<bool(ByteView)> accept,
                                                   std::optional<IpAddress> source = std::nullopt);

/// What receive() tolerates. Only time spent waiting for the peer counts, not the time between calls.
struct ReceiveLimits {
  std::chrono::milliseconds stall{30'000};  // no octet for this long: Errc::stalled
  /// The first octet on the connection must have come by then, whatever `stall` allows: Errc::stalled.
  std::optional<std::chrono::steady_clock::time_point> first_octet_by = std::nullopt;
  std::uint64_t minimum_rate = 0;  // octets a second, averaged over rate_window; 0: any. Errc::too_slow
  std::chrono::milliseconds rate_window{30'000};
  /// The message must be complete by then: Errc::timed_out.
  std::optional<std::chrono::steady_clock::time_point> deadline;
};

class TcpExchange {
 public:
  explicit TcpExchange(boost::asio::any_io_executor executor);
  /// Closes. No operation may be pending.
  ~TcpExchange();
  TcpExchange(TcpExchange&&) noexcept;
  TcpExchange& operator=(TcpExchange&&) noexcept;

  /// Errc: connect_failed (detail has the system's words), timed_out, cancelled, io (no descriptor or memory left).
  /// Closes an earlier connection.
  boost::asio::awaitable<Result<>> connect(Endpoint peer, std::chrono::milliseconds timeout,
                                           std::optional<IpAddress> source = std::nullopt);

  /// Sends one message (at most 65535 octets) with its length prefix. Errc: timed_out, connection_closed, cancelled.
  boost::asio::awaitable<Result<>> send(ByteView message, std::chrono::milliseconds timeout);

  /// The next whole message, without its length prefix; valid until the next call. After an error the connection is
  /// of no further use. Errc: stalled, too_slow, timed_out, connection_closed, cancelled, io.
  boost::asio::awaitable<Result<ByteView>> receive(ReceiveLimits limits);

  /// Closes the connection; a pending operation ends with Errc::cancelled.
  void close();

  [[nodiscard]] bool is_open() const;
  /// Octets received since connect(), length prefixes included.
  [[nodiscard]] std::uint64_t received_octets() const;
  /// True if receive() would return without waiting.
  [[nodiscard]] bool has_message() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace understudy
