// Kept and shared TCP connections to primaries (RFC 7766 section 6.2, RFC 9103 section 6): the client's side.
//
// A request goes to an idle kept connection of its peer; else to a new one while fewer than max_connections get on;
// else behind others on the least busy one (pipelined, at most max_pipelined), never on one that has been silent for
// a second; else it waits its turn. While a peer's answers are small, as those of very many small zones, it goes behind
// others first, which spares both sides most of the reading and writing. Answers may interleave and come in any order:
// the message id tells whose they are. A connection that the peer has closed meanwhile is no error: the request is
// repeated once on a fresh one. A peer that twice in a row does not answer a request because it is not the first on its
// connection gets one request for each connection for ten minutes. A connection that cannot get on (a hung peer) is not
// counted to max_connections.
//
// Memory is one buffer for each busy connection: messages are handed over where they lie, as they come. Nothing throws:
// failures are Results whose details name the peer. All calls and callbacks are on the one thread that runs the
// executor. An asio cancellation of exchange() ends that request only, with Errc::cancelled. Ids are not predictable,
// and not used again on a connection where something could still come for them.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "base/address.h"
#include "base/bytes.h"
#include "base/result.h"
#include "net/exchange.h"

namespace understudy {

enum class StreamKind : std::uint8_t { tcp };

/// Requests with equal keys may share connections.
struct PeerKey {
  Endpoint address;
  std::optional<IpAddress> source = std::nullopt;
  StreamKind kind = StreamKind::tcp;

  friend auto operator<=>(const PeerKey&, const PeerKey&) = default;
};

/// What take() says: is more of the answer to come? `maybe_more`: what came may be all; it is waited for briefly.
enum class Next : std::uint8_t { more, maybe_more, done };

struct PeerRequest {
  /// The message for the id that was chosen, at most 65535 octets. Called again, with another id, if the request has to
  /// be repeated, which only happens before the first message is taken.
  std::function<Result<Bytes>(std::uint16_t id)> make;
  /// Every message with that id, in order; the view is valid during the call. An error ends the exchange and gives up
  /// the rest of the answer, for which an unshared connection is closed: a complete answer that says no is `done`.
  std::function<Result<Next>(ByteView message)> take;
  /// As for TcpExchange::receive(), but for the whole exchange: `first_octet_by` includes the wait for a connection and
  /// is put off while the connection brings answers to others before this one's begins, as `stall` is. `minimum_rate`
  /// counts from the first octet on. The `deadline` is never put off.
  ReceiveLimits limits;
};

struct PeerConnectionSettings {
  unsigned max_connections = 16;                   // to one peer
  unsigned max_pipelined = 16;                     // requests at once on one connection
  std::chrono::milliseconds idle_timeout{10'000};  // zero: no connection is kept
  unsigned max_idle = 64;                          // in all; the longest idle one is closed first
  unsigned max_silent = 256;                       // connections to one peer that wait in vain, besides the others
  std::chrono::milliseconds hesitation{1'000};     // after so long a silence nothing more is asked there
  std::chrono::milliseconds brief_wait{1'000};     // for what maybe comes
};

/// Totals since the start, and what there is now.
struct PeerConnectionCounts {
  std::uint64_t opened = 0;     // connections begun
  std::uint64_t requests = 0;   // sent, repeated ones included
  std::uint64_t reused = 0;     // of these: not the first on their connection
  std::uint64_t pipelined = 0;  // of these: sent while another was under way
  std::uint64_t repeated = 0;   // of these: sent before, on another connection
  std::uint64_t dropped = 0;    // messages that were nobody's
  std::size_t open = 0;
  std::size_t idle = 0;
  std::size_t waiting = 0;  // requests that have no connection yet
};

class PeerConnections {
 public:
  explicit PeerConnections(boost::asio::any_io_executor executor, const PeerConnectionSettings& settings = {});
  /// Stops.
  ~PeerConnections();
  PeerConnections(const PeerConnections&) = delete;
  PeerConnections& operator=(const PeerConnections&) = delete;

  /// Sends the request and takes its answer to the last message. Errc: what make() and take() return; connect_failed,
  /// timed_out (no connection in time, or past the deadline), stalled, too_slow, connection_closed, extra_records (more
  /// came behind the last message), cancelled, io (no descriptor or memory left), no_space (a message too long).
  boost::asio::awaitable<Result<>> exchange(PeerKey peer, PeerRequest request);

  /// For connections that become idle from now on; nullopt: as in the settings (RFC 7828 section 3.3.2).
  void set_idle_timeout(const PeerKey& peer, std::optional<std::chrono::milliseconds> timeout);
  /// What is open is kept as it is.
  void set_settings(const PeerConnectionSettings& settings);

  /// Closes everything. Exchanges, also later ones, end with Errc::cancelled.
  void stop();

  [[nodiscard]] PeerConnectionCounts counts() const;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace understudy
