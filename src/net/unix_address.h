// The address of a UNIX socket file.
#pragma once

#include <sys/un.h>

#include <string>

#include "base/result.h"

namespace understudy {

/// Errc::bad_value if the path is empty or longer than the system allows (107 octets).
Result<sockaddr_un> unix_address(const std::string& path);

}  // namespace understudy
