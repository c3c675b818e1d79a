// Listening sockets and the descriptor that owns them: what UDP workers, stream workers and servers share.
//
// Every function gives a non-blocking close-on-exec socket or an Errc::io error that names the address and has the
// system's words. IPv6 sockets are IPv6 only, so that `0.0.0.0` and `::` can stand side by side. All listening sockets
// use SO_REUSEPORT, which lets every worker have its own; as that also lets a second server slip in unnoticed,
// check_address_free() is asked once per address before the first worker binds.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "base/address.h"
#include "base/result.h"

namespace understudy {

/// Owns a file descriptor. Move-only.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  ~UniqueFd() { reset(); }
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = other.release();
    }
    return *this;
  }
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool is_open() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset();

 private:
  int fd_ = -1;
};

/// The system's words for an errno value.
std::string system_words(int error_number);

/// Fails if any socket of this machine is bound to the address and port, for UDP or for TCP.
Result<> check_address_free(const Endpoint& endpoint);

struct UdpSocketOptions {
  int receive_buffer = 4 << 20;  // octets; the system may grant less
  int send_buffer = 1 << 20;
};
/// A bound UDP socket. On a wildcard address it reports the address that each datagram came to (IP_PKTINFO).
Result<UniqueFd> open_udp_socket(const Endpoint& endpoint, const UdpSocketOptions& options = {});

/// A listening TCP socket; accepted sockets inherit TCP_NODELAY.
Result<UniqueFd> open_tcp_listener(const Endpoint& endpoint, int backlog = 1024);

/// The address that a socket is bound to (tells the port that the system chose for port 0).
Result<Endpoint> local_endpoint(int fd);

}  // namespace understudy
