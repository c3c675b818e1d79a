// The names of class CH by which servers are asked who they are: version.bind and version.server, hostname.bind and
// id.server (RFC 4892). What is not configured is not answered. Pure data, thread-safe to read.
#pragma once

#include <string>

#include "base/bytes.h"
#include "dns/name.h"

namespace understudy {

struct ChaosSettings {
  std::string version, identity;  // up to 255 octets each; empty: REFUSED

  /// What TXT at `name` says, empty if it is none of the names or nothing is configured.
  [[nodiscard]] const std::string& text_at(NameView name) const;
};

/// RDATA of a TXT record of one string.
Bytes txt_rdata(std::string_view text);

}  // namespace understudy
