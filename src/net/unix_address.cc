#include "net/unix_address.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <cstring>

namespace understudy {

Result<sockaddr_un> unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return fail(Errc::bad_value, fmt::format("the socket path '{}' is {}, the limit is {} octets", path,
                                             path.empty() ? "empty" : "too long", sizeof address.sun_path - 1));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

}  // namespace understudy
