#include "net/xdp_interface.h"

#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>

namespace understudy {
namespace {

/// A request to the interface's driver; false if it has no answer.
template <typename Request>
bool ask_driver(int fd, const std::string& name, Request& request) {
  ifreq wrapped{};
  std::memcpy(wrapped.ifr_name, name.c_str(), std::min(name.size(), sizeof wrapped.ifr_name - 1));
  wrapped.ifr_data = reinterpret_cast<char*>(&request);
  return ioctl(fd, SIOCETHTOOL, &wrapped) == 0;
}

unsigned queues_of(int fd, const std::string& name) {
  ethtool_channels channels{};
  channels.cmd = ETHTOOL_GCHANNELS;
  if (!ask_driver(fd, name, channels)) return 1;  // such drivers have one
  return std::max(1U, channels.combined_count + channels.rx_count);
}

bool strips_tags(int fd, const std::string& name) {
  ethtool_value flags{.cmd = ETHTOOL_GFLAGS, .data = 0};
  return ask_driver(fd, name, flags) && (flags.data & ETH_FLAG_RXVLAN) != 0;
}

/// Whether the system has VLAN interfaces on it; their list has lines "eth0.5 | 5 | eth0".
bool has_vlans(const std::string& name) {
  std::ifstream list("/proc/net/vlan/config");
  for (std::string line; std::getline(list, line);) {
    if (line.ends_with("| " + name)) return true;
  }
  return false;
}

}  // namespace

Result<InterfaceFacts> look_at_interface(const std::string& name) {
  InterfaceFacts facts{.name = name, .index = if_nametoindex(name.c_str())};
  if (facts.index == 0) return fail(Errc::not_found, "there is no such interface");
  const UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::memcpy(request.ifr_name, name.c_str(), std::min(name.size(), sizeof request.ifr_name - 1));
  if (!fd.is_open() || ioctl(fd.get(), SIOCGIFMTU, &request) != 0) return fail(Errc::io, system_words(errno));
  facts.mtu = static_cast<unsigned>(request.ifr_mtu);
  if (ioctl(fd.get(), SIOCGIFHWADDR, &request) != 0) return fail(Errc::io, system_words(errno));
  if (request.ifr_hwaddr.sa_family != ARPHRD_ETHER) return fail(Errc::unsupported, "it is not an Ethernet");
  facts.queues = queues_of(fd.get(), name);
  facts.hides_tags = strips_tags(fd.get(), name) && has_vlans(name);
  return facts;
}

Result<unsigned> mtu_of_interface(const std::string& name, unsigned index) {
  if (if_nametoindex(name.c_str()) != index) return fail(Errc::not_found, "there is no such interface");
  const UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::memcpy(request.ifr_name, name.c_str(), std::min(name.size(), sizeof request.ifr_name - 1));
  if (!fd.is_open() || ioctl(fd.get(), SIOCGIFMTU, &request) != 0) return fail(Errc::not_found, system_words(errno));
  return static_cast<unsigned>(request.ifr_mtu);
}

Result<std::vector<Endpoint>> endpoints_on(const std::string& interface, std::span<const Endpoint> listen) {
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return fail(Errc::io, "its addresses: " + system_words(errno));
  std::vector<Endpoint> out;
  for (const Endpoint& endpoint : listen) {
    if (!endpoint.address.is_unspecified()) {
      out.push_back(endpoint);
      continue;
    }
    for (const ifaddrs* one = all; one != nullptr; one = one->ifa_next) {
      if (one->ifa_addr == nullptr || interface != one->ifa_name || one->ifa_addr->sa_family != endpoint.address.af()) {
        continue;
      }
      const auto own = Endpoint::from_sockaddr(one->ifa_addr, sizeof(sockaddr_in6));
      if (own) out.push_back({own->address, endpoint.port});
    }
  }
  freeifaddrs(all);
  return out;
}

Result<InterfaceNews> InterfaceNews::open() {
  UniqueFd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
  if (!fd.is_open() || bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return fail(Errc::io, "no news of interfaces: " + system_words(errno));
  }
  return InterfaceNews(std::move(fd));
}

void InterfaceNews::read() {
  std::array<std::uint8_t, 8192> message;
  // An overflow (ENOBUFS) is news too; the addresses are read anew whatever was said.
  while (recv(fd_.get(), message.data(), message.size(), 0) >= 0 || errno == EINTR || errno == ENOBUFS) {
  }
}

}  // namespace understudy
