// One AF_XDP socket: a queue of an interface, and the frames that its rings hand to and fro.
//
// The memory is frame_count frames of frame_size octets, 16 MiB that the kernel pins. A frame has room for what was
// received and, apart from it, for its answer, so an answer is written where it is sent from and never over the query
// that it is made of. Each frame is at one place at a time: free for receiving, received (ours), being sent, or sent;
// the rings have room for all of them, so none is ever lost. Used by one thread; statistics() by any.
//
//   frame: | 256 for the driver | received, at most 1728 | ... | answer, at most 1600, at one of eight places | 0-448 |
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/result.h"
#include "net/xdp_program.h"

namespace understudy {

/// Lost before they reached us.
struct XdpLosses {
  std::uint64_t ring_full = 0;      // we were too slow
  std::uint64_t out_of_frames = 0;  // all were under way
  std::uint64_t other = 0;
};

class XdpSocket {
 public:
  static constexpr std::uint32_t frame_size = 4096, frame_count = 4096;
  /// Octets of an answer's frame, headers included.
  static constexpr std::size_t answer_room = 1600;

  /// A received frame.
  struct Frame {
    std::uint8_t* octets = nullptr;
    std::uint32_t size = 0;
    std::uint8_t* answer = nullptr;
  };

  /// Binds to the queue: without copying where the driver can (native mode only), by copying where not. Waits a moment
  /// for a queue that the kernel is still taking from a socket that was closed.
  static Result<std::unique_ptr<XdpSocket>> open(const std::string& interface, unsigned queue, XdpMode mode);
  ~XdpSocket();
  XdpSocket(const XdpSocket&) = delete;
  XdpSocket& operator=(const XdpSocket&) = delete;

  /// For poll(): readable when there are frames.
  [[nodiscard]] int descriptor() const;
  [[nodiscard]] bool is_zero_copy() const;
  [[nodiscard]] bool has_huge_pages() const;

  /// Takes up to frames.size() received ones, each to be given to send() or release() once.
  std::size_t receive(std::span<Frame> frames);
  /// Sends the answer of that many octets with the next flush().
  void send(const Frame& frame, std::size_t size);
  void release(const Frame& frame);
  /// Hands to the kernel what send() and release() got, takes back what was sent, and wakes the kernel where it has to
  /// be. Returns how often that was.
  unsigned flush();
  /// Whether there are answers that the kernel has not taken: flush() again soon.
  [[nodiscard]] bool has_unsent() const;

  [[nodiscard]] XdpLosses losses() const;

 private:
  struct Impl;
  explicit XdpSocket(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace understudy
