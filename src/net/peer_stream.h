// The stream of octets under a connection to a peer: plain TCP. Another transport is another class behind this one and
// a case in make_peer_stream(); nothing else of the connections depends on it.
//
// Errors of the system are passed on as they are. close() ends what is pending with operation_aborted. Used from one
// (serial) executor.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/system/error_code.hpp>
#include <cstddef>
#include <memory>

#include "base/bytes.h"
#include "base/result.h"
#include "net/peer_connections.h"

namespace understudy {

class PeerStream {
 public:
  virtual ~PeerStream() = default;
  /// Errc: connect_failed, cancelled (by close()), io. Takes as long as the system lets it: close() ends it.
  virtual boost::asio::awaitable<Result<>> open() = 0;
  /// At least one octet, or an error (eof at the end).
  virtual boost::asio::awaitable<std::size_t> read_some(MutableBytes room, boost::system::error_code& error) = 0;
  /// The number of octets that were taken at once, maybe none.
  virtual std::size_t write_some(ByteView octets, boost::system::error_code& error) = 0;
  virtual boost::asio::awaitable<void> wait_writable(boost::system::error_code& error) = 0;
  /// Open, and nothing lies there to be read, the end neither.
  [[nodiscard]] virtual bool is_quiet() const = 0;
  virtual void close() = 0;
};

std::unique_ptr<PeerStream> make_peer_stream(const boost::asio::any_io_executor& executor, const PeerKey& peer);

}  // namespace understudy
