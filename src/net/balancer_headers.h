// Takes the PROXY protocol header off the datagrams of load balancers, for all workers that answer datagrams. One
// object per worker, used by its thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "base/address.h"
#include "base/datagram.h"
#include "base/log.h"

namespace understudy {

class BalancerHeaders {
 public:
  /// Those that send headers; nobody else's datagrams are touched.
  explicit BalancerHeaders(std::vector<Prefix> balancers) : balancers_(std::move(balancers)) {}

  [[nodiscard]] bool are_none() const { return balancers_.empty(); }
  /// The query becomes what is behind the header, the peer the client that it names, written to `client`. A datagram
  /// without a header that should have one has nothing left that would be answered, and false is returned.
  bool take_off(Datagram& datagram, socklen_t peer_size, sockaddr_storage& client);

 private:
  const std::vector<Prefix> balancers_;
  RateLimited header_log_{1};
};

}  // namespace understudy
