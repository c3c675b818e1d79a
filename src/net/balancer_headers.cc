#include "net/balancer_headers.h"

#include <chrono>

#include "net/proxy_protocol.h"

namespace understudy {

bool BalancerHeaders::take_off(Datagram& datagram, socklen_t peer_size, sockaddr_storage& client) {
  const auto sender = Endpoint::from_sockaddr(datagram.peer, peer_size);
  if (!sender || !speaks_for_others(balancers_, sender->address)) return true;
  ProxyHeader header;
  if (ProxyHeader::read({datagram.query, datagram.query_size}, header) != ProxyHeader::Verdict::whole) {
    datagram.query_size = 0;
    std::uint64_t left_out = 0;
    if (header_log_.allow(std::chrono::steady_clock::now().time_since_epoch().count(), left_out)) {
      log_warning(
          "UDP: a datagram from {} has no PROXY protocol header (version 2) and is dropped ({} more before); have the "
          "balancer send one, or take its address out of server.proxy-from",
          sender->text(), left_out);
    }
    return false;
  }
  datagram.query += header.size;
  datagram.query_size -= static_cast<std::uint32_t>(header.size);
  if (!header.client) return true;
  header.client->to_sockaddr(client);
  datagram.peer = reinterpret_cast<const sockaddr*>(&client);
  return true;
}

}  // namespace understudy
