// One resource record that owns its data, for text, tests and slow paths.
#pragma once

#include <string>

#include "base/bytes.h"
#include "dns/name.h"
#include "dns/type.h"

namespace understudy {

struct Record {
  Name owner;
  RRType type = RRType::A;
  RRClass klass = RRClass::IN;
  std::uint32_t ttl = 0;
  Bytes rdata;  // uncompressed

  /// "www.example. 3600 IN A 192.0.2.1", no newline.
  [[nodiscard]] std::string text() const;
  friend bool operator==(const Record&, const Record&) = default;
};

}  // namespace understudy
