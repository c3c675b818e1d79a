#include "net/sockets.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace understudy {
namespace {

std::unexpected<Error> socket_failure(const Endpoint& endpoint, std::string_view what) {
  return fail(Errc::io, fmt::format("{}: {}: {}", endpoint.text(), what, system_words(errno)));
}

bool set_option(int fd, int level, int option, int value) {
  return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

/// SO_*BUFFORCE passes the system's limit, which only CAP_NET_ADMIN may; less than asked is no failure.
void set_buffers(int fd, const UdpSocketOptions& options) {
  if (!set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, options.receive_buffer)) {
    set_option(fd, SOL_SOCKET, SO_RCVBUF, options.receive_buffer);
  }
  if (!set_option(fd, SOL_SOCKET, SO_SNDBUFFORCE, options.send_buffer)) {
    set_option(fd, SOL_SOCKET, SO_SNDBUF, options.send_buffer);
  }
}

Result<UniqueFd> new_socket(const Endpoint& endpoint, int type) {
  UniqueFd fd(socket(endpoint.address.af(), type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.is_open()) return socket_failure(endpoint, "cannot open a socket");
  if (endpoint.address.is_v6() && !set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1)) {
    return socket_failure(endpoint, "cannot set IPV6_V6ONLY");
  }
  return fd;
}

Result<> bind_socket(int fd, const Endpoint& endpoint) {
  sockaddr_storage address{};
  const socklen_t size = endpoint.to_sockaddr(address);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), size) != 0) return socket_failure(endpoint, "cannot bind");
  return {};
}

}  // namespace

void UniqueFd::reset() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

std::string system_words(int error_number) {
  return std::system_category().message(error_number);
}

Result<> check_address_free(const Endpoint& endpoint) {
  if (endpoint.port == 0) return {};
  for (const int type : {SOCK_DGRAM, SOCK_STREAM}) {
    US_ASSIGN(const UniqueFd fd, new_socket(endpoint, type));
    // For TCP, SO_REUSEADDR passes over connections in TIME_WAIT, but not over a listener.
    if (type == SOCK_STREAM && !set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1)) {
      return socket_failure(endpoint, "cannot set SO_REUSEADDR");
    }
    US_TRY(bind_socket(fd.get(), endpoint));
  }
  return {};
}

Result<UniqueFd> open_udp_socket(const Endpoint& endpoint, const UdpSocketOptions& options) {
  US_ASSIGN(UniqueFd fd, new_socket(endpoint, SOCK_DGRAM));
  const bool v4 = endpoint.address.is_v4();
  if (!set_option(fd.get(), SOL_SOCKET, SO_REUSEPORT, 1)) return socket_failure(endpoint, "cannot set SO_REUSEPORT");
  if (endpoint.address.is_unspecified()) {
    const bool set =
        v4 ? set_option(fd.get(), IPPROTO_IP, IP_PKTINFO, 1) : set_option(fd.get(), IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    if (!set) return socket_failure(endpoint, "cannot ask for destination addresses");
  }
  // Forged "fragmentation needed" messages must not make us send small fragments, which can be replaced in flight.
  if (v4) {
    set_option(fd.get(), IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT);
  } else {
    set_option(fd.get(), IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_OMIT);
  }
  set_buffers(fd.get(), options);
  US_TRY(bind_socket(fd.get(), endpoint));
  return fd;
}

Result<UniqueFd> open_tcp_listener(const Endpoint& endpoint, int backlog) {
  US_ASSIGN(UniqueFd fd, new_socket(endpoint, SOCK_STREAM));
  if (!set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1) || !set_option(fd.get(), SOL_SOCKET, SO_REUSEPORT, 1)) {
    return socket_failure(endpoint, "cannot set SO_REUSEPORT");
  }
  if (!set_option(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1)) return socket_failure(endpoint, "cannot set TCP_NODELAY");
  US_TRY(bind_socket(fd.get(), endpoint));
  if (listen(fd.get(), backlog) != 0) return socket_failure(endpoint, "cannot listen");
  return fd;
}

Result<Endpoint> local_endpoint(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return fail(Errc::io, system_words(errno));
  const auto endpoint = Endpoint::from_sockaddr(reinterpret_cast<const sockaddr*>(&address), size);
  if (!endpoint) return fail(Errc::io, "the socket is not bound to an IP address");
  return *endpoint;
}

}  // namespace understudy
