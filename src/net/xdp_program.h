// The program that the kernel runs for each frame of an interface (xdp_program.bpf.c), from loading to letting go.
//
// The attachment is a link that this process holds: when the process ends, however it does, the kernel takes the
// program off the interface. A program of somebody else is never replaced. Used by one thread at a time; counters() by
// any. Errors say what is missing; the caller names the interface.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/address.h"
#include "base/result.h"

namespace understudy {

/// Whether the interface's driver runs the program (native), or the kernel behind it (generic): slower, for all
/// drivers.
enum class XdpMode : std::uint8_t { native, generic };
std::string_view xdp_mode_text(XdpMode mode);

/// Frames that the program left to the kernel, of one queue.
struct XdpPassed {
  std::uint64_t passed = 0;          // others' business
  std::uint64_t without_socket = 0;  // queries for which the queue had no socket
};

class XdpProgram {
 public:
  /// Loads it for an interface with so many queues; nothing is taken yet.
  static Result<std::unique_ptr<XdpProgram>> load(unsigned queues);
  /// Detaches.
  ~XdpProgram();
  XdpProgram(const XdpProgram&) = delete;
  XdpProgram& operator=(const XdpProgram&) = delete;

  /// Native where the driver can, generic where not. Errc::refused names another program that is there already.
  Result<XdpMode> attach(unsigned interface_index);
  /// From now on queries to exactly these go to the sockets. What does not fit, or was there before and could not be
  /// taken out, is an error; the rest is done.
  Result<> set_endpoints(std::span<const Endpoint> endpoints);
  /// Frames of that queue go to that AF_XDP socket.
  Result<> set_socket(unsigned queue, int socket);

  [[nodiscard]] XdpPassed counters(unsigned queue) const;

  /// For tests: what it would do with a frame of queue 0 (XDP_PASS, XDP_REDIRECT, ...).
  Result<std::uint32_t> try_frame(ByteView frame);

 private:
  struct Impl;
  explicit XdpProgram(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace understudy
