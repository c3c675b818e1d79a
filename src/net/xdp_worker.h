// One thread that answers DNS from one AF_XDP socket: frames in, DatagramHandler, frames out.
//
// Takes its place beside the UdpWorkers: same batches, same handler, same life. What is no query (xdp_frame.h) is
// dropped and counted. An answer is at most what a packet of the interface's MTU holds, so none is ever split. The
// thread is a QsbrReader that is offline while it sleeps. It ends by itself, with an error in the log, if the interface
// goes; sockets go on then. create(), start() and stop() belong to the owner's thread; counters() may be read by any.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/address.h"
#include "base/datagram.h"
#include "net/xdp_socket.h"

namespace understudy {

/// Written by one worker, read by anyone; on cache lines of its own.
struct alignas(64) XdpCounters {
  std::atomic<std::uint64_t> received{0};  // frames
  std::atomic<std::uint64_t> answered{0};
  std::atomic<std::uint64_t> unanswered{0};    // the handler gave no answer
  std::atomic<std::uint64_t> bad_checksum{0};  // these three are dropped
  std::atomic<std::uint64_t> forged{0};
  std::atomic<std::uint64_t> not_ours{0};
  std::atomic<std::uint64_t> without_proxy_header{0};
  std::atomic<std::uint64_t> batches{0};
  std::atomic<std::uint64_t> wakeups{0};  // of the kernel, to send or receive
  std::atomic<std::uint64_t> sleeps{0};   // until it had something for us
};

struct XdpWorkerOptions {
  std::string interface;
  unsigned interface_index = 0, queue = 0;
  unsigned mtu = 1500;  // set_mtu() changes it
  std::vector<Prefix> balancers;
};

class XdpWorker {
 public:
  static constexpr std::size_t batch_size = 32;
  /// Leaves room for the 512 octets that any client takes (RFC 1035 section 4.2.1), over IPv6 too.
  static constexpr unsigned smallest_mtu = 576;

  static Result<std::unique_ptr<XdpWorker>> create(std::unique_ptr<XdpSocket> socket,
                                                   std::unique_ptr<DatagramHandler> handler, XdpWorkerOptions options);
  /// Stops.
  ~XdpWorker();
  XdpWorker(const XdpWorker&) = delete;
  XdpWorker& operator=(const XdpWorker&) = delete;

  /// Starts the thread. Once.
  void start();
  /// Asks the thread to finish its batch and waits for it. May be called twice.
  void stop();

  /// By any thread.
  void set_mtu(unsigned mtu);
  [[nodiscard]] const XdpCounters& counters() const;
  [[nodiscard]] const XdpSocket& socket() const;

 private:
  struct Impl;
  explicit XdpWorker(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace understudy
