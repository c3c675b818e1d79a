// Queries over UDP to servers that are asked often, over sockets that are kept for a while and shared by many queries.
//
// A socket costs more than a query. Each peer has up to four, with random ports of their own and connected, so that the
// kernel drops what others send; a query takes one of them at random, with an id at random that no other query of that
// socket has. A stranger who would answer in the peer's place must thus guess both, as with a socket for each query.
// What he may try is bounded: a socket takes no more queries after 10 s or after 128 of them, and its port is not used
// again then. Once 32 datagrams came that are no answer, what is under way there ends too; answers that come after
// their query was given up do not count. `accept` sees what has the right id only, and must check the rest: the
// question, and the signature if there is one.
//
// All calls and callbacks are on the one thread that runs the executor. Nothing throws; cancelling the coroutine ends
// the query with Errc::cancelled.
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

struct DatagramRequest {
  /// The message for the id that was chosen.
  std::function<Result<Bytes>(std::uint16_t id)> make;
  /// True if the datagram is the answer; others are passed over. Up to 4096 octets, the rest is cut. The view is valid
  /// during the call.
  std::function<bool(ByteView message)> accept;
  std::chrono::milliseconds timeout;
};

class DatagramExchanges {
 public:
  explicit DatagramExchanges(boost::asio::any_io_executor executor);
  /// Stops.
  ~DatagramExchanges();
  DatagramExchanges(const DatagramExchanges&) = delete;
  DatagramExchanges& operator=(const DatagramExchanges&) = delete;

  /// Sends the query once and waits for its answer. Errc: what make() returns; timed_out, wrong_id (so many datagrams
  /// that are no answer that TCP is better), connect_failed (e.g. port unreachable), cancelled, io (no descriptor or
  /// memory left).
  boost::asio::awaitable<Result<>> exchange(Endpoint peer, std::optional<IpAddress> source, DatagramRequest request);

  /// Closes everything. Exchanges, also later ones, end with Errc::cancelled.
  void stop();

  /// Sockets opened since the start, and open now.
  [[nodiscard]] std::uint64_t opened() const;
  [[nodiscard]] std::size_t open() const;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace understudy
