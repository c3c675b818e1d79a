// One thread that answers DNS over UDP: datagrams in, DatagramHandler, datagrams out.
//
// A server has one UdpWorker per core; each binds its own SO_REUSEPORT socket to every listening address, and the
// kernel spreads the clients. A batch is at most 32 datagrams; queries longer than 2048 octets are cut there (what is
// left does not parse), responses have room for 4096. Datagrams from load balancers begin with a PROXY protocol header
// (net/proxy_protocol.h), for which there is room beside the query: the client that it names is the peer for the
// handler, the answer goes to the balancer; those without one are dropped. Nothing is allocated after create(). An
// answer leaves from the address its query came to. The thread is a QsbrReader that is offline while it sleeps, so the
// handler may use shared data for the time of one answer_batch() call. Answers that the system does not take at once
// are dropped and counted. create(), start() and stop() belong to the owner's thread; counters() may be read by any.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/address.h"
#include "base/datagram.h"
#include "base/result.h"
#include "net/sockets.h"

namespace understudy {

/// Written by one worker, read by anyone; on cache lines of its own.
struct alignas(64) UdpCounters {
  std::atomic<std::uint64_t> received{0};
  std::atomic<std::uint64_t> answered{0};    // handed to the system
  std::atomic<std::uint64_t> unanswered{0};  // the handler gave no answer
  std::atomic<std::uint64_t> dropped{0};     // answers that the system did not take
  std::atomic<std::uint64_t> batches{0};
  std::atomic<std::uint64_t> receive_errors{0};
  std::atomic<std::uint64_t> without_proxy_header{0};  // of balancers, dropped
};

class UdpWorker {
 public:
  static constexpr std::size_t batch_size = 32;
  static constexpr std::size_t query_capacity = 2048;
  static constexpr std::size_t response_capacity = 4096;

  /// Binds all addresses; nothing is received before start().
  static Result<std::unique_ptr<UdpWorker>> create(std::span<const Endpoint> listen,
                                                   std::unique_ptr<DatagramHandler> handler,
                                                   const UdpSocketOptions& options = {},
                                                   std::vector<Prefix> balancers = {});
  /// Stops.
  ~UdpWorker();
  UdpWorker(const UdpWorker&) = delete;
  UdpWorker& operator=(const UdpWorker&) = delete;

  /// Starts the thread. Once.
  void start();
  /// Asks the thread to finish its batch and waits for it; the sockets are closed. May be called twice.
  void stop();

  [[nodiscard]] const UdpCounters& counters() const;
  /// The bound addresses, in the order given to create().
  [[nodiscard]] std::vector<Endpoint> local_endpoints() const;

 private:
  struct Impl;
  explicit UdpWorker(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace understudy
