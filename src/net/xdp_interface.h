// What there is to know of a network interface before frames are taken from it, and the news of its addresses.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/result.h"
#include "net/sockets.h"

namespace understudy {

struct InterfaceFacts {
  std::string name;
  unsigned index = 0;
  unsigned queues = 1;  // for receiving
  unsigned mtu = 0;
  bool hides_tags = false;  // has VLANs, but takes their tags off frames before anybody sees them
};

/// Errc::unsupported if its frames are not Ethernet's.
Result<InterfaceFacts> look_at_interface(const std::string& name);

/// The MTU as it is now. Errc::not_found if the interface of that number is gone, or has another name.
Result<unsigned> mtu_of_interface(const std::string& name, unsigned index);

/// Addresses and ports that frames of the interface can be for: those of `listen`, with the interface's own addresses
/// in the place of 0.0.0.0 and ::. Errc::io if the system does not tell these.
Result<std::vector<Endpoint>> endpoints_on(const std::string& interface, std::span<const Endpoint> listen);

/// Tells when any interface, or an address of one, comes, changes or goes.
class InterfaceNews {
 public:
  static Result<InterfaceNews> open();
  /// Readable when there are news.
  [[nodiscard]] int descriptor() const { return fd_.get(); }
  /// Takes them all.
  void read();

 private:
  explicit InterfaceNews(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace understudy
