// Real sockets for the tests of this layer: clients that send what they are told, servers that follow a script.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <functional>
#include <string>
#include <thread>

#include "base/address.h"
#include "base/bytes.h"
#include "net/no_descriptors.h"
#include "net/sockets.h"

namespace understudy {

using namespace std::chrono_literals;

inline Endpoint loopback(std::uint16_t port = 0) {
  return {IpAddress::v4(127, 0, 0, 1), port};
}

inline Endpoint loopback_v6(std::uint16_t port = 0) {
  return {*IpAddress::parse("::1"), port};
}

inline bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds limit = 10s) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(2ms);
  }
  return true;
}

/// A socket that is connected (to `peer`), or bound (to `local`), or both. Blocking.
inline UniqueFd open_socket(int type, const Endpoint* local, const Endpoint* peer) {
  const Endpoint& any = local != nullptr ? *local : *peer;
  UniqueFd fd(socket(any.address.af(), type | SOCK_CLOEXEC, 0));
  sockaddr_storage address{};
  if (local != nullptr) {
    const socklen_t size = local->to_sockaddr(address);
    EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size), 0) << system_words(errno);
  }
  if (peer != nullptr) {
    const socklen_t size = peer->to_sockaddr(address);
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), size), 0) << system_words(errno);
  }
  return fd;
}

inline bool readable(int fd, std::chrono::milliseconds limit) {
  pollfd p{fd, POLLIN, 0};
  return poll(&p, 1, static_cast<int>(limit.count())) == 1;
}

inline void send_all(int fd, ByteView data) {
  while (!data.empty()) {
    const ssize_t n = ::send(fd, data.data(), data.size(), MSG_NOSIGNAL);
    ASSERT_GT(n, 0) << system_words(errno);
    data = data.subspan(static_cast<std::size_t>(n));
  }
}

/// Up to `size` octets; fewer at the end of the stream, at an error or after `limit`.
inline Bytes receive_exactly(int fd, std::size_t size, std::chrono::milliseconds limit = 10s) {
  Bytes out(size);
  std::size_t have = 0;
  while (have < size && readable(fd, limit)) {
    const ssize_t n = recv(fd, out.data() + have, size - have, 0);
    if (n <= 0) break;
    have += static_cast<std::size_t>(n);
  }
  out.resize(have);
  return out;
}

inline Bytes framed(ByteView message) {
  Bytes out;
  append_u16(out, static_cast<std::uint16_t>(message.size()));
  append(out, message);
  return out;
}

/// The next message of a DNS stream; empty at the end of the stream or after `limit`.
inline Bytes receive_message(int fd, std::chrono::milliseconds limit = 10s) {
  const Bytes prefix = receive_exactly(fd, 2, limit);
  if (prefix.size() < 2) return {};
  return receive_exactly(fd, load_u16(prefix.data()), limit);
}

/// True if the peer closed the connection (orderly or not) within `limit`; what comes before that is thrown away.
inline bool closed_by_peer(int fd, std::chrono::milliseconds limit = 10s) {
  const auto end = std::chrono::steady_clock::now() + limit;
  std::array<std::uint8_t, 65536> sink{};
  while (std::chrono::steady_clock::now() < end) {
    if (readable(fd, 50ms) && recv(fd, sink.data(), sink.size(), 0) <= 0) return true;
  }
  return false;
}

/// A listener with a full backlog: the system drops further connection requests, as a filter would.
class FullBacklog {
 public:
  FullBacklog() {
    listener_ = *open_tcp_listener(loopback(), 0);
    address = *local_endpoint(listener_.get());
    sockaddr_storage to{};
    const socklen_t size = address.to_sockaddr(to);
    for (UniqueFd& blocker : blockers_) {
      blocker = UniqueFd(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      (void)connect(blocker.get(), reinterpret_cast<sockaddr*>(&to), size);
    }
    std::this_thread::sleep_for(50ms);
  }
  Endpoint address;

 private:
  UniqueFd listener_;
  std::array<UniqueFd, 4> blockers_;
};

/// A message with a DNS-like header: the id, and a body that fills it up to `size`.
inline Bytes message(std::uint16_t id, std::size_t size = 32, std::uint8_t fill = 0) {
  Bytes out(size, fill);
  store_u16(out.data(), id);
  return out;
}

inline std::uint16_t id_of(const Bytes& m) {
  return m.size() >= 2 ? load_u16(m.data()) : 0;
}

}  // namespace understudy
