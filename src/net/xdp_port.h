// An interface whose queries go round the kernel's network stack: the program, and a socket and a worker for each of
// its queues.
//
// What the program does not take is the kernel's as ever, so the sockets of the UdpWorkers stay bound and answer it; an
// interface that cannot be used costs nothing but speed. One thread more follows what becomes of the interface: its MTU
// and, with 0.0.0.0 or :: to listen on, its addresses. open(), start() and stop() belong to the owner's thread, after
// open() no privilege is needed (on Linux before 5.19, but for later addresses); figures may be read by any.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/datagram.h"
#include "net/xdp_program.h"
#include "net/xdp_worker.h"

namespace understudy {

class XdpPort {
 public:
  using MakeHandler = std::function<std::unique_ptr<DatagramHandler>()>;

  /// Takes over queries to `listen` at once; they wait until start(). The Error's text is for the administrator.
  static Result<std::unique_ptr<XdpPort>> open(const std::string& interface, std::span<const Endpoint> listen,
                                               const std::vector<Prefix>& balancers, const MakeHandler& make_handler);
  /// Stops, and leaves the interface as it was.
  ~XdpPort();
  XdpPort(const XdpPort&) = delete;
  XdpPort& operator=(const XdpPort&) = delete;

  void start();
  void stop();

  [[nodiscard]] const std::string& interface() const;
  [[nodiscard]] XdpMode mode() const;
  [[nodiscard]] std::span<const std::unique_ptr<XdpWorker>> workers() const;  // one a queue
  [[nodiscard]] XdpPassed passed(unsigned queue) const;
  /// "eth0: native mode, 4 queues, zero-copy, 64 MiB pinned"
  [[nodiscard]] std::string text() const;

 private:
  struct Impl;
  explicit XdpPort(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace understudy
